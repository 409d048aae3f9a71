"""`Split`: pictures with labels, decoded when they are first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._text import counted
from transferkit._types import ImageSize, whole
from transferkit._types import image_size as as_image_size
from transferkit.data import store
from transferkit.data.decode import MAX_PIXELS, decode, resize_array
from transferkit.data.fitting import Fit, fit_of
from transferkit.errors import DataError, explain
from transferkit.spec import BackboneInfo, Target, Task

__all__ = ["Split"]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Pictures with labels. Pixels are decoded when they are first asked for, and once.

    Attributes:
        name: ``"train"``, ``"val"`` or ``"test"``.
        labels: Class ids ``(n,)``, multi-hot rows or numbers ``(n, outputs)``.
        class_names: The one class list.
        sources: One file or one array per picture.
        image_size: (height, width) in pixels, or None for the pictures' own.
        channels: Channels of the pixels.
        fit: How a picture is brought to size; None only as long as there is no size: that is the
            way of the backbone whose size is taken.
        max_pixels: Larger pictures are refused.
        decoded: The pixels, where they were decoded already.
        keys: What a picture is ranked by when the split is divided: its path in its folder. None
            for arrays.
        groups: The name of each picture's group ``(n,)``, of which no division ever puts pictures
            on two sides; or None.
        stable: Whether divisions go by a hash of the group or key alone, so that no picture changes
            sides when others are added.
    """

    name: str
    labels: np.ndarray[Any, Any]
    class_names: tuple[str, ...]
    sources: Any = field(repr=False)
    image_size: tuple[int, int] | None = None
    channels: int = 3
    fit: Fit | None = None
    max_pixels: int = MAX_PIXELS
    decoded: Any = None
    keys: tuple[str, ...] | None = field(default=None, repr=False)
    groups: np.ndarray[Any, Any] | None = None
    stable: bool = False

    def __post_init__(self) -> None:
        if self.image_size is not None and self.fit is None:
            object.__setattr__(self, "fit", "crop")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        what = f", {len(self.class_names):,} classes" if self.class_names else ""
        return f"Split: {self.name}, {counted(len(self), 'picture')}{what}"

    @property
    def paths(self) -> tuple[Path | None, ...]:
        """Each picture's file; None for one that came as an array."""
        if isinstance(self.sources, np.ndarray):
            return (None,) * len(self)
        return tuple(self.sources)

    @property
    def target(self) -> Target:
        """What a head is to predict: numbers where there are no classes, labels where rows of them.

        The counts are of this split.
        """
        if not self.class_names:
            width = self.labels.shape[-1] if self.labels.ndim > 1 else 1
            return Target("values", outputs=int(width))
        task: Task = "labels" if self.labels.ndim > 1 else "classes"
        return Target(task, self.class_names, counts=self.counts())

    def counts(self, indices: np.ndarray[Any, Any] | None = None) -> tuple[int, ...]:
        """How many pictures each class has, of all or of some of them; () for numbers."""
        labels = self.labels if indices is None else self.labels[indices]
        if not self.class_names:
            return ()
        if labels.ndim > 1:
            return tuple(int(n) for n in labels.sum(axis=0))
        return tuple(int(n) for n in np.bincount(labels, minlength=len(self.class_names)))

    def pixels(self, *, verbose: int = 0) -> Any:
        """All pixels ``(n, height, width, channels)``, 0..255: an array, on disk if it is large.

        Args:
            verbose: 0 silent, 1 or 2 shows how far it is, if it takes longer than a second.

        Raises:
            DataError: If there is no `image_size` and the pictures differ.
            DecodeError: If a file cannot be decoded any more.
        """
        kept = vars(self)
        if "_pixels" not in kept:
            kept["_pixels"] = self._decode_all(verbose)
        return kept["_pixels"]

    def _decode_all(self, verbose: int) -> Any:
        if self.decoded is not None:
            return self.decoded
        arrays = isinstance(self.sources, np.ndarray)
        if arrays and (self.image_size is None or self.sources.shape[1:3] == self.image_size):
            return self.sources
        if self.image_size is None:
            raise DataError(
                explain(
                    "pixels",
                    "pictures have no common size yet",
                    expected="an image_size",
                    mend="photos.resized(224).train.pixels()",
                )
            )
        dtype = self.sources.dtype if arrays else np.uint8
        room = store.allocate((len(self), *self.image_size, self.channels), dtype)
        failed = store.fill(room, self.sources, self._decode, verbose=verbose)
        if failed:
            raise failed[0][1]
        return room

    def _decode(self, source: Any) -> np.ndarray[Any, Any]:
        fit = self.fit or "crop"
        if isinstance(source, np.ndarray):
            return resize_array(source, self.image_size, fit, self.channels)
        return decode(
            source,
            image_size=self.image_size,
            fit=fit,
            channels=self.channels,
            max_pixels=self.max_pixels,
        )

    def resized(self, image_size: ImageSize, *, fit: Fit | None = None) -> Split:
        """The same pictures at another size, or fitted into it in another way.

        Args:
            image_size: A side or (height, width) in pixels.
            fit: See `decode`; None is as before, or ``"crop"``.
        """
        size, way = as_image_size(image_size, verb="resized"), fit or self.fit
        if size == self.image_size and way == self.fit:
            return self
        return replace(self, image_size=size, fit=way, decoded=None)

    def prepared_for(self, info: BackboneInfo) -> Split:
        """The same pictures at the size of a backbone, and cut as those it was tested on.

        A size that was chosen stays, and so does a fit.

        Args:
            info: What `tk.backbones.info` gives.
        """
        if self.image_size is not None:
            return self
        return self.resized(info.image_size, fit=self.fit or fit_of(info))

    def taken(self, indices: np.ndarray[Any, Any], name: str) -> Split:
        """Some of the pictures, as a split of their own."""
        arrays = isinstance(self.sources, np.ndarray)
        sources: Any = tuple(self.sources[i] for i in indices) if not arrays else None
        if arrays:
            sources = store.take(self.sources, indices)
        decoded = None if self.decoded is None else store.take(self.decoded, indices)
        return replace(
            self,
            name=name,
            labels=self.labels[indices],
            sources=sources,
            decoded=decoded,
            keys=None if self.keys is None else tuple(self.keys[i] for i in indices),
            groups=None if self.groups is None else self.groups[indices],
        )

    def dataset(self, batch_size: int = 32, *, shuffle: bool | None = None, seed: int = 0) -> Any:
        """A ``tf.data.Dataset`` of (pixels, labels) batches, for Keras' own `fit`.

        Args:
            batch_size: Pictures in a batch; the last one may be smaller.
            shuffle: Whether every pass has an order of its own; None is yes for training pictures,
                which lie sorted by class, and no for all others.
            seed: Decides the orders.

        Raises:
            DataError: If `batch_size` is no whole number above 0.
        """
        tf = _keras.tf()
        size = whole(batch_size)
        if size is None or size < 1:
            raise DataError(
                explain(
                    "dataset",
                    "batch_size is out of range",
                    expected="a whole number of 1 or more",
                    received={"batch_size": batch_size},
                    mend="photos.train.dataset(batch_size=32)",
                )
            )
        shuffled = self.name == "train" if shuffle is None else shuffle
        pixels, labels = self.pixels(), self.labels
        passes = np.random.SeedSequence(seed)

        def batches() -> Any:
            generator = np.random.default_rng(passes.spawn(1)[0])
            order = generator.permutation(len(self)) if shuffled else np.arange(len(self))
            for start in range(0, len(self), batch_size):
                chosen = order[start : start + batch_size]
                yield pixels[chosen], labels[chosen]

        signature = (
            tf.TensorSpec((None, *pixels.shape[1:]), pixels.dtype),
            tf.TensorSpec((None, *labels.shape[1:]), labels.dtype),
        )
        count = -(-len(self) // batch_size)
        made = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
