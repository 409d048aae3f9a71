"""A pipeline: operations in a row, as one augmentation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from transferkit import _keras
from transferkit._figures import image_grid
from transferkit._text import counted, html_table
from transferkit._types import Tensor
from transferkit.augment import keys as draws
from transferkit.augment import warp
from transferkit.augment.operation import from_config, registry
from transferkit.errors import DataError, SpecError, explain
from transferkit.spec import Augmentation

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

    Attributes:
        operations: The operations, in order; pipelines among them are written out. None at all is
            the pipeline that changes nothing.

    Raises:
        SpecError: If one of them is no augmentation.
    """

    operations: tuple[Augmentation, ...] = ()
    name: ClassVar[str] = "pipeline"

    def __post_init__(self) -> None:
        if isinstance(self.operations, Augmentation) or not isinstance(self.operations, Sequence):
            _refuse(self.operations)
        object.__setattr__(self, "operations", tuple(_written_out(self.operations)))

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch; see `transferkit.spec.Augmentation`.

        Args:
            images: float32 ``(batch, height, width, channels)``, 0..255.
            labels: Handed to every operation; those of this package hand them on unchanged.
            keys: uint32 ``(batch, 2)``; see `transferkit.augment.keys.image_keys`.
        """
        numbers = itertools.count()
        for run in _runs(self.operations):
            folded = [draws.fold(keys, next(numbers)) for _ in run]
            if isinstance(run[0], warp.Geometric):
                images = _move(images, run, folded)
            else:
                images, labels = run[0].apply(images, labels, folded[0])
        return images, labels

    @overload
    def __call__(
        self, images: Any, labels: None = None, *, seed: int, view: Tensor, indices: Any
    ) -> Tensor: ...
    @overload
    def __call__(
        self, images: Any, labels: Any, *, seed: int, view: Tensor, indices: Any
    ) -> tuple[Tensor, Tensor]: ...
    def __call__(
        self, images: Any, labels: Any = None, *, seed: int, view: Tensor, indices: Any
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

        Returns:
            The images, float32; with labels, the pair (images, labels).

        Raises:
            DataError: If `images` is no batch of pictures, or has not one index for each picture.
            SpecError: If `seed` is none.
        """
        pixels = _batch(images)
        places = _places(indices, pixels)
        keys = draws.image_keys(seed, view, places)
        pixels, changed = self.apply(pixels, labels, keys)
        return pixels if labels is None else (pixels, changed)

    def show(self, image: Any, n: int = 9, seed: int = 0) -> Figure:
        """A picture and what becomes of it: the original first, then ``n - 1`` views.

        Args:
            image: ``(height, width, channels)``, 0..255.
            n: How many pictures to draw in all, 2 or more.
            seed: Another seed shows other views.

        Raises:
            DataError: If `image` is no picture.
            SpecError: If `n` is too small.
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
            _refuse_images("pipeline.show", "one picture (height, width, channels)", original.shape)
        batch = np.repeat(original[None], n - 1, axis=0)
        views = self(batch, seed=seed, view=np.arange(n - 1), indices=np.zeros(n - 1, np.int64))
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


def pipeline(*operations: Augmentation) -> Pipeline:
    """Operations in a row, as one augmentation.

    Example:
        >>> import transferkit as tk
        >>> tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20, fill="nearest"))
        pipeline(flip(), rotate(20.0, fill='nearest'))

    Raises:
        SpecError: If one of them is no augmentation.
    """
    return Pipeline(operations)


def _written_out(operations: Sequence[Any]) -> Iterator[Augmentation]:
    for operation in operations:
        if isinstance(operation, Pipeline):
            yield from operation.operations
        elif isinstance(operation, type) or not isinstance(operation, Augmentation):
            _refuse(operation)
        else:
            yield operation


def _runs(operations: Sequence[Augmentation]) -> Iterator[list[Augmentation]]:
    """Neighbours that become one resampling together; every other operation alone."""
    run: list[Augmentation] = []
    fill: warp.Fill | None = None
    for operation in operations:
        own = operation.fill if isinstance(operation, warp.Geometric) else None
        joins = run and isinstance(operation, warp.Geometric) and isinstance(run[0], warp.Geometric)
        if run and not (joins and (own is None or fill is None or own == fill)):
            yield run
            run, fill = [], None
        run.append(operation)
        fill = own or fill
    if run:
        yield run


def _move(images: Tensor, run: Sequence[Any], keys: Sequence[Tensor]) -> Tensor:
    shape = _keras.tf().shape(images)
    pairs = zip(run, keys, strict=True)
    matrices = [operation.matrix(key, shape[1], shape[2]) for operation, key in pairs]
    fill = next((operation.fill for operation in run if operation.fill is not None), None)
    return warp.resample(images, warp.compose(matrices), fill)


def _batch(images: Any) -> Tensor:
    tf = _keras.tf()
    pixels = tf.cast(tf.convert_to_tensor(images), tf.float32)
    if pixels.shape.rank not in (4, None):
        expected = "a batch (batch, height, width, channels)"
        _refuse_images("pipeline", expected, tuple(pixels.shape))
    return pixels


def _places(indices: Any, pixels: Tensor) -> Tensor:
    tf = _keras.tf()
    places = tf.cast(tf.convert_to_tensor(indices), tf.int64)
    if not places.shape.is_compatible_with(pixels.shape[:1]):
        raise DataError(
            explain(
                "pipeline",
                "indices and pictures differ in number",
                expected=f"one index for each of {pixels.shape[0]} pictures",
                received={"indices": tuple(places.shape)},
                mend="pipeline(images, seed=0, view=0, indices=range(len(images)))",
            )
        )
    return places


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


def _refuse_images(verb: str, expected: str, shape: tuple[Any, ...]) -> None:
    raise DataError(
        explain(
            verb,
            "the pictures have the wrong shape",
            expected=expected,
            received={"shape": shape},
            mend="pipeline(image[None], ...) makes a batch of one.",
        )
    )
