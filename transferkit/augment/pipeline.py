"""A pipeline: operations in a row, as one augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from transferkit._figures import image_grid
from transferkit._text import counted, html_table
from transferkit._types import Tensor
from transferkit.augment import inputs
from transferkit.augment import keys as draws
from transferkit.augment.mix import needs_partners
from transferkit.augment.operation import from_config, registry
from transferkit.augment.runs import Numbered, Partners, through
from transferkit.errors import SpecError, explain
from transferkit.spec import Augmentation, Mix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Pipeline", "pipeline"]


@registry.registering("pipeline")
@dataclass(frozen=True, repr=False)
class Pipeline:
    """Augmentations in a row, themselves an augmentation and a value.

    Neighbouring geometric operations with the same `fill` become one resampling (an operation that
    never looks outside, such as a flip, joins any of them). Operation number `i`, counted over the
    whole pipeline, draws from keys of its own: two equal operations draw different numbers, and a
    pipeline inside a pipeline is the same as its operations written out.

    A mix joins each picture with a partner of the training data, which is first augmented by the
    operations that stand before the mix, other mixes left out, as the partner's own (seed, view,
    index) says.

    Attributes:
        operations: The operations, in order; pipelines among them are written out. None at all is
            the pipeline that changes nothing.

    Raises:
        SpecError: If one of them is no augmentation.
    """

    operations: tuple[Augmentation | Mix, ...] = ()
    name: ClassVar[str] = "pipeline"

    def __post_init__(self) -> None:
        given = self.operations
        if isinstance(given, Augmentation | Mix) or not isinstance(given, Sequence):
            _refuse(given)
        object.__setattr__(self, "operations", tuple(_written_out(given)))

    @property
    def mixes(self) -> tuple[Mix, ...]:
        """The operations that join pictures with others."""
        return tuple(each for each in self.operations if isinstance(each, Mix))

    def partners(self, keys: Tensor, count: int) -> tuple[Tensor, ...]:
        """Whom each picture is joined with, by each of the mixes.

        Args:
            keys: uint32 ``(batch, 2)``, as `apply` gets them.
            count: Pictures in the training data.

        Returns:
            Places in the training data for each mix, int64 ``(batch,)``.
        """
        numbered = enumerate(self.operations)
        mixes = [(number, each) for number, each in numbered if isinstance(each, Mix)]
        return tuple(each.partners(draws.fold(keys, number), count) for number, each in mixes)

    def apply(
        self,
        images: Tensor,
        labels: Tensor,
        keys: Tensor,
        partners: Sequence[Partners] = (),
        *,
        compiled: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `transferkit.spec.Augmentation`.

        Args:
            images: ``(batch, height, width, channels)``, 0..255, bytes or floats.
            labels: Handed to every operation; those of this package hand them on unchanged, but for
                mixes.
            keys: uint32 ``(batch, 2)``; see `transferkit.augment.keys.image_keys`.
            partners: What `partners` named, for each of the mixes.
            compiled: Whether XLA compiles the resampling, which is several times faster and gives
                the same pixels but for rounding. It takes half a second for each shape of a batch.

        Returns:
            The images, float32, and the labels.

        Raises:
            SpecError: If it holds mixes and has not partners for each.
        """
        if self.mixes and not partners:
            raise needs_partners("pipeline", self.mixes[0])
        if len(partners) != len(self.mixes):
            raise SpecError(
                explain(
                    "pipeline",
                    "there are not partners for each of its mixes",
                    expected=f"{len(self.mixes)}, in the order of the mixes",
                    received={"partners": len(partners)},
                    mend="pipeline.partners(keys, count) says whom each of them joins.",
                )
            )
        numbered = [Numbered(number, each) for number, each in enumerate(self.operations)]
        return through(numbered, images, labels, keys, iter(partners), compiled=compiled)

    @overload
    def __call__(
        self,
        images: Any,
        labels: None = None,
        *,
        seed: int,
        view: Tensor,
        indices: Any,
        data: tuple[Any, Any] | None = None,
    ) -> Tensor: ...
    @overload
    def __call__(
        self,
        images: Any,
        labels: Any,
        *,
        seed: int,
        view: Tensor,
        indices: Any,
        data: tuple[Any, Any] | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    def __call__(
        self,
        images: Any,
        labels: Any = None,
        *,
        seed: int,
        view: Tensor,
        indices: Any,
        data: tuple[Any, Any] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Augment a batch: the pixels are a pure function of (seed, view, index).

        Example:
            >>> import numpy as np
            >>> import transferkit as tk
            >>> augment = tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20))
            >>> photos = np.zeros((2, 32, 32, 3), np.uint8)
            >>> augment(photos, seed=0, view=0, indices=[0, 1]).shape
            TensorShape([2, 32, 32, 3])

        Args:
            images: ``(batch, height, width, channels)``, 0..255, of any number type.
            labels: One row per picture, or None.
            seed: The run's seed, 0 to 2**64 - 1.
            view: Which appearance of the pictures: the epoch, say. One number, or one per picture.
            indices: Each picture's place in its data set ``(batch,)``.
            data: All pictures and all their labels (or None), which mixes draw partners from.

        Returns:
            The images, float32; with labels, the pair (images, labels).

        Raises:
            DataError: If `images` is no batch of pictures, or has not one index for each picture.
            SpecError: If `seed` is none, or a mix has nothing to draw partners from.
        """
        pixels = inputs.batch(images)
        places = inputs.places(indices, pixels)
        keys = draws.image_keys(seed, view, places)
        partners: list[Partners] = []
        if data is not None and (labels is None or data[1] is not None):
            for theirs in self.partners(keys, len(data[0])):
                drawn = None if labels is None else inputs.taken(data[1], theirs)
                own = draws.image_keys(seed, view, theirs)
                partners.append(Partners(inputs.batch(inputs.taken(data[0], theirs)), drawn, own))
        pixels, changed = self.apply(pixels, labels, keys, partners)
        return pixels if labels is None else (pixels, changed)

    def show(self, image: Any, n: int = 9, seed: int = 0, *, others: Any = None) -> Figure:
        """A picture and what becomes of it: the original first, then ``n - 1`` views.

        Args:
            image: ``(height, width, channels)``, 0..255.
            n: How many pictures to draw in all, 2 or more.
            seed: Another seed shows other views.
            others: Pictures of the same size that mixes draw partners from:
                ``photos.train.pixels()``, say.

        Raises:
            DataError: If `image` is no picture.
            SpecError: If `n` is too small, or a mix has nothing to draw partners from.
            MissingExtraError: If matplotlib is not installed.
        """
        if not isinstance(n, int) or n < 2:
            raise SpecError(
                explain(
                    "pipeline.show",
                    "there is no view to draw beside the original",
                    expected="a whole number of pictures, 2 or more",
                    received={"n": n},
                    mend="pipeline.show(image, n=9)",
                )
            )
        original = np.asarray(image)
        if original.ndim != 3:
            inputs.refuse_images(
                "pipeline.show", "one picture (height, width, channels)", original.shape
            )
        batch = np.repeat(original[None], n - 1, axis=0)
        if self.mixes and others is None:
            raise SpecError(
                explain(
                    "pipeline.show",
                    f"there is no picture that {self.mixes[0]!r} could join this one with",
                    expected="pictures to draw partners from",
                    received={"others": None},
                    mend="pipeline.show(image, others=photos.train.pixels())",
                )
            )
        views = self(
            batch,
            seed=seed,
            view=np.arange(n - 1),
            indices=np.zeros(n - 1, np.int64),
            data=None if others is None else (others, None),
        )
        titles = ["original", *(f"view {view}" for view in range(n - 1))]
        return image_grid([original, *views.numpy()], titles, needed_for="pipeline.show()")

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse.

        Raises:
            SpecError: If an operation from elsewhere has no `to_config`.
        """
        for operation in self.operations:
            if not callable(getattr(operation, "to_config", None)):
                raise SpecError(
                    explain(
                        "pipeline.to_config",
                        "an operation cannot be written down",
                        expected="operations with a to_config method",
                        received={"operation": operation},
                        mend="Derive it from transferkit.augment.operation.Operation.",
                    )
                )
        return {"op": self.name, "operations": [_config(each) for each in self.operations]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Pipeline:
        """The inverse of `to_config`.

        Raises:
            UnknownNameError: If an operation is known to nobody.
            SpecError: If it is no config of a pipeline.
        """
        listed = config.get("operations")
        if not isinstance(listed, list | tuple):
            raise SpecError(
                explain(
                    "augment.from_config",
                    "that is no config of a pipeline",
                    expected="a list of configs under 'operations'",
                    received={"config": dict(config)},
                )
            )
        return cls(tuple(from_config(each) for each in listed))

    def __repr__(self) -> str:
        return f"pipeline({', '.join(map(repr, self.operations))})"

    def _repr_html_(self) -> str:
        rows = [[str(number), repr(each)] for number, each in enumerate(self.operations)]
        return html_table(counted(len(rows), "operation"), ["", "operation"], rows, left=2)


def pipeline(*operations: Augmentation | Mix) -> Pipeline:
    """Operations in a row, as one augmentation.

    Args:
        *operations: Operations, mixes or pipelines of `tk.augment`, or your own, in the order in
            which they are applied. None at all changes nothing.

    Returns:
        A value that `TransferModel.augment` takes and that can be called and shown.

    Example:
        >>> import transferkit as tk
        >>> tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20, fill="nearest"))
        pipeline(flip(), rotate(20.0, fill='nearest'))

    Raises:
        SpecError: If one of them is no augmentation.
    """
    return Pipeline(operations)


def _written_out(operations: Sequence[Any]) -> Iterator[Augmentation | Mix]:
    for operation in operations:
        if isinstance(operation, Pipeline):
            yield from operation.operations
        elif isinstance(operation, type) or not isinstance(operation, Augmentation | Mix):
            _refuse(operation)
        else:
            yield operation


def _config(operation: Any) -> Any:
    return operation.to_config()


def _refuse(operation: Any) -> None:
    raise SpecError(
        explain(
            "pipeline",
            "that is no augmentation",
            expected="operations of tk.augment, or objects with apply(images, labels, keys)",
            received={"operation": operation},
            mend="tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20))",
        )
    )
