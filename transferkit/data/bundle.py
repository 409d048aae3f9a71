"""`Data`: the splits, one class list for all of them, and a report of what was found."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _figures, _keras
from transferkit._text import printable
from transferkit._types import ImageSize, whole
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data import store
from transferkit.data.decode import MAX_PIXELS, Fit, decode, resize_array
from transferkit.data.report import Report
from transferkit.errors import DataError, SpecError, did_you_mean, explain
from transferkit.spec import Target, Task

__all__ = ["Data", "Split"]


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
        fit: How a picture is brought to size.
        max_pixels: Larger pictures are refused.
    """

    name: str
    labels: np.ndarray[Any, Any]
    class_names: tuple[str, ...]
    sources: Any = field(repr=False)
    image_size: tuple[int, int] | None = None
    channels: int = 3
    fit: Fit = "crop"
    max_pixels: int = MAX_PIXELS
    decoded: Any = None

    def __len__(self) -> int:
        return len(self.labels)

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
        if self.labels.ndim > 1:
            counts = self.labels.sum(axis=0)
        else:
            counts = np.bincount(self.labels, minlength=len(self.class_names))
        task: Task = "labels" if self.labels.ndim > 1 else "classes"
        return Target(task, self.class_names, counts=tuple(int(n) for n in counts))

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
        if isinstance(source, np.ndarray):
            return resize_array(source, self.image_size, self.fit, self.channels)
        return decode(
            source,
            image_size=self.image_size,
            fit=self.fit,
            channels=self.channels,
            max_pixels=self.max_pixels,
        )

    def resized(self, image_size: ImageSize, *, fit: Fit | None = None) -> Split:
        """The same pictures at another size, or fitted into it in another way.

        Args:
            image_size: A side or (height, width) in pixels.
            fit: See `decode`; None is as before.
        """
        size, way = as_image_size(image_size, verb="resized"), fit or self.fit
        if size == self.image_size and way == self.fit:
            return self
        return replace(self, image_size=size, fit=way, decoded=None)

    def taken(self, indices: np.ndarray[Any, Any], name: str) -> Split:
        """Some of the pictures, as a split of their own."""
        arrays = isinstance(self.sources, np.ndarray)
        sources: Any = tuple(self.sources[i] for i in indices) if not arrays else None
        if arrays:
            sources = store.take(self.sources, indices)
        decoded = None if self.decoded is None else store.take(self.decoded, indices)
        return replace(
            self, name=name, labels=self.labels[indices], sources=sources, decoded=decoded
        )

    def dataset(self, batch_size: int = 32, *, shuffle: bool = False, seed: int = 0) -> Any:
        """A ``tf.data.Dataset`` of (pixels, labels) batches, for Keras' own `fit`.

        Args:
            batch_size: Pictures in a batch; the last one may be smaller.
            shuffle: Whether every pass has an order of its own.
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
        pixels, labels = self.pixels(), self.labels
        passes = np.random.SeedSequence(seed)

        def batches() -> Any:
            generator = np.random.default_rng(passes.spawn(1)[0])
            order = generator.permutation(len(self)) if shuffle else np.arange(len(self))
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


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Splits of one task with one class list.

    Attributes:
        train: What is trained on.
        val: What is watched while training, or None.
        test: What is looked at last, or None.
        task: ``"classes"``, ``"labels"`` or ``"values"``.
        report: What was found in the files.
    """

    train: Split
    val: Split | None
    test: Split | None
    task: Task
    report: Report

    @property
    def class_names(self) -> tuple[str, ...]:
        """The one class list, in the order of the labels."""
        return self.train.class_names

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels, or None where `fit` is to decide."""
        return self.train.image_size

    @property
    def channels(self) -> int:
        """Channels of the pixels."""
        return self.train.channels

    @property
    def fit(self) -> Fit:
        """How a picture is brought to size."""
        return self.train.fit

    @property
    def splits(self) -> Mapping[str, Split]:
        """The splits there are, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def target(self) -> Target:
        """What a head is to predict."""
        return self.train.target

    def resized(self, image_size: ImageSize, *, fit: Fit | None = None) -> Data:
        """The same pictures at another size, or fitted into it in another way; see `Split`."""
        made = {name: split.resized(image_size, fit=fit) for name, split in self.splits.items()}
        return replace(self, train=made["train"], val=made.get("val"), test=made.get("test"))

    def hold_out(self, fraction: float = 0.2, *, seed: int = 0) -> Data:
        """Take a new validation split from the training pictures; the old one becomes `test`.

        Whatever is then selected, best weights or the epoch to stop at, is selected on pictures
        that the test split has not seen.

        Args:
            fraction: Share of the training pictures, stratified, in (0, 1).
            seed: Decides which.

        Raises:
            DataError: If `fraction` is no share, if there are val and test splits already, or if
                the pictures are too few.
        """
        if not 0 < fraction < 1:
            raise DataError(
                explain(
                    "hold_out",
                    "the fraction is no share of the training pictures",
                    expected="0 < fraction < 1",
                    received={"fraction": fraction},
                    mend="photos.hold_out(0.2)",
                )
            )
        if self.val is not None and self.test is not None:
            raise DataError(
                explain(
                    "hold_out",
                    "the data has a validation and a test split already",
                    expected="data with one of them at most",
                    received={"splits": tuple(self.splits)},
                )
            )
        train, val = divide(self.train.labels, self.task, (fraction,), seed)
        if not len(val):
            raise DataError(
                explain(
                    "hold_out",
                    f"the val split would be empty: {len(self.train)} pictures are too few",
                    expected="at least two pictures in a class",
                    received={"fraction": fraction, "pictures": len(self.train)},
                )
            )
        rest = self.train.taken(train, "train")
        held = self.train.taken(val, "val")
        test = self.test
        if test is None and self.val is not None:
            test = replace(self.val, name="test")
        data = replace(self, train=rest, val=held, test=test)
        return replace(data, report=replace(self.report, counts=data.counts(), leaks=data._leaks()))

    def _leaks(self) -> tuple[tuple[Path, ...], ...]:
        """Those groups of duplicates that lie in more than one of the present splits."""
        home = {path: name for name, split in self.splits.items() for path in split.paths}
        groups = self.report.duplicates
        return tuple(g for g in groups if len({home[p] for p in g if p in home}) > 1)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Pictures per class, per split."""
        if self.task == "values":
            return {name: {"pictures": len(split)} for name, split in self.splits.items()}
        width = len(self.class_names)
        totals = {
            name: np.bincount(split.labels, minlength=width)
            if self.task == "classes"
            else split.labels.sum(axis=0)
            for name, split in self.splits.items()
        }
        return {
            split: {name: int(n) for name, n in zip(self.class_names, row, strict=True)}
            for split, row in totals.items()
        }

    def show(self, split: str = "train", n: int = 16) -> Any:
        """Draw some pictures, the same ones each time, with their labels.

        Args:
            split: Which split.
            n: How many pictures.

        Returns:
            A ``matplotlib.figure.Figure``.

        Raises:
            DataError: If there is no such split, or `n` is no number of pictures.
            MissingExtraError: If matplotlib is not installed.
        """
        if split not in self.splits:
            raise DataError(
                explain(
                    "show",
                    "there is no such split",
                    expected=did_you_mean(str(split), tuple(self.splits)),
                    received={"split": split},
                )
            )
        most = whole(n)
        if most is None or most < 1:
            raise DataError(
                explain(
                    "show",
                    "there is nothing to show",
                    expected="a whole number of pictures, 1 or more",
                    received={"n": n},
                    mend="photos.show(n=16)",
                )
            )
        chosen = self.splits[split]
        sized = chosen if chosen.image_size else chosen.resized(160)
        order = np.random.default_rng(0).permutation(len(sized))[:most]
        some = sized.taken(np.sort(order), split)
        titles = [self._title(label) for label in some.labels]
        return _figures.image_grid(list(some.pixels()), titles, needed_for="photos.show()")

    def _title(self, label: Any) -> str:
        if self.task == "classes":
            return self.class_names[int(label)]
        if self.task == "labels":
            return ", ".join(n for n, on in zip(self.class_names, label, strict=True) if on)
        return ", ".join(f"{value:g}" for value in np.atleast_1d(label))

    def __repr__(self) -> str:
        size = (
            "each its own size" if self.image_size is None else "{} x {}".format(*self.image_size)
        )
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        names = ", ".join(self.class_names[:10]) + (" ..." if len(self.class_names) > 10 else "")
        what = f"{len(self.class_names)} {self.task} ({names})" if names else "values"
        return printable(f"Data: {counts} pictures, {what}, {size}, {self.channels} channels")

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}\n{html.escape(str(self.report))}</pre>"


def check_data(value: object) -> None:
    """Refuse what a `fit` cannot train on.

    Raises:
        SpecError: If it is no `Data`.
    """
    if not isinstance(value, Data):
        raise SpecError(
            explain(
                "fit",
                f"{type(value).__name__} is no data",
                expected="what tk.data.from_directory or tk.data.from_arrays gives",
                received={"data": value},
                mend="fit(tk.data.from_directory('flowers/'))",
            )
        )


def divide(
    labels: np.ndarray[Any, Any], task: Task, fractions: tuple[float, ...], seed: int
) -> tuple[splitting.Indices, ...]:
    """Indices of the parts: stratified for classes, at random for all else."""
    if task == "classes":
        return splitting.stratified(labels, fractions, seed)
    return splitting.shuffled(len(labels), fractions, seed)
