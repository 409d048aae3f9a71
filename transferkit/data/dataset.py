"""A ``tf.data.Dataset`` of pictures and labels, read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transferkit._types import ImageSize, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data.arrays import counted_anew, other_split
from transferkit.data.bundle import Data
from transferkit.data.composed import composed
from transferkit.data.decode import resize_array
from transferkit.data.division import divided
from transferkit.data.elements import checked_parts, pictures_of
from transferkit.data.fitting import Fit, check_fit
from transferkit.data.growing import Growing
from transferkit.data.labels import check_task, checked_names, read_labels
from transferkit.data.pictures import Split
from transferkit.data.pixels import check_extremes, checked_range, scaled
from transferkit.data.renaming import by_name
from transferkit.errors import DataError, explain
from transferkit.spec import Task

__all__ = ["from_dataset"]

_VERB = "from_dataset"
_RENAME = (
    "dataset.map(lambda x, y: (x, y)) has no names, and class_names then says what the ids mean."
)
_OTHER_NAMES = "Name all of them: class_names=[...], in the order that the ids are to have."


def from_dataset(
    dataset: Any,
    *,
    class_names: Sequence[str] | None = None,
    validation: Any = None,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    pixel_range: tuple[float, float] = (0, 255),
    image_size: ImageSize | None = None,
    fit: Fit | None = None,
    task: Task | None = None,
    image_key: str = "image",
    label_key: str = "label",
) -> Data:
    """Take the pictures and labels of a ``tf.data.Dataset``.

    It is read once, from beginning to end, into memory or, where that is short, into a temporary
    file: bytes stay bytes, all else becomes float32. So leave shuffling, repeating, augmentation
    and scaling out of it. Pictures are divided by their place, so that a dataset with another order
    every time is divided otherwise every time.

    Args:
        dataset: Elements ``(image, label)``, or dictionaries as TensorFlow Datasets has them, one
            by one or in batches. Images ``(height, width[, channels])`` of 0..255 or `pixel_range`.
            Labels are class ids, names, one-hot or multi-hot rows, or numbers.
        class_names: Names of the classes in the order of the ids; by default the ``class_names`` of
            the dataset, which Keras' ``image_dataset_from_directory`` gives it. Where it has some,
            all of them have to be named, and their order is changed by name.
        validation: Another dataset, for the validation split; by default a share of this one. If it
            has ``class_names`` of its own, its labels are matched by name.
        val: That share; 0 for none.
        test: The share of the test split.
        seed: Decides which; stratified for classes.
        pixel_range: What the darkest and the brightest value are.
        image_size: A side or (height, width) that every picture is brought to while it is read;
            needed where they differ.
        fit: How pictures are resized; see `decode`. None is ``"crop"``.
        task: ``"classes"``, ``"labels"`` or ``"values"``, where the labels leave a doubt.
        image_key: The picture in an element that is a dictionary.
        label_key: The label in it.

    Raises:
        DataError: If the dataset has no end, no pictures, or elements of another form; if the
            pictures differ in size, or their pixels or labels cannot be what they ought to be.
        SpecError: If an argument is out of its range.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> import transferkit as tk
        >>> pairs = np.zeros((10, 8, 8, 3), np.uint8), np.asarray([0, 1] * 5)
        >>> tk.data.from_dataset(tf.data.Dataset.from_tensor_slices(pairs).batch(4))
        Data: 8 train, 2 val pictures, 2 classes (0, 1), 8 x 8, 3 channels
    """
    splitting.check_fractions(_VERB, val if validation is None else 0.0, test)
    seed = checked_seed(_VERB, seed)
    check_fit(_VERB, fit)
    check_task(_VERB, task)
    brightness = checked_range(_VERB, pixel_range)
    size = None if image_size is None else as_image_size(image_size, verb=_VERB)
    reading = _Reading((image_key, label_key), brightness, size, fit or "crop")
    images, labels = reading.read(dataset)
    known = getattr(dataset, "class_names", None)
    # Keras' one-hot rows are never sets of labels; its attribute is lost by the first `map`.
    said = "classes" if task is None and known and labels.ndim == 2 else task
    if known and class_names is not None:
        labels = by_name(_VERB, labels, known, checked_names(_VERB, class_names), _RENAME)
    found_task, names, ids = read_labels(_VERB, labels, class_names or known, said)
    whole = Split(
        name="train",
        labels=ids,
        class_names=names,
        sources=images,
        image_size=(int(images.shape[1]), int(images.shape[2])),
        channels=int(images.shape[3]),
        fit=fit,
    )
    shares = {"val": 0.0 if validation is not None else val, "test": test}
    splits = divided(_VERB, whole, shares, seed)
    if validation is not None:
        other = _Reading((image_key, label_key), brightness, whole.image_size, reading.fit)
        pixels, said_of = other.read(validation)
        own_names, form = getattr(validation, "class_names", None), labels.shape[1:]
        if own_names and names and tuple(map(composed, own_names)) != names:
            said_of = by_name(_VERB, said_of, own_names, names, _OTHER_NAMES)
            form = said_of.shape[1:] if ids.ndim == 1 else form
        splits["val"] = other_split(_VERB, (pixels, said_of), whole, found_task, form)
    return counted_anew(splits, found_task, shares)


@dataclass
class _Reading:
    """One pass over a dataset: what is asked for, and what was found so far."""

    keys: tuple[str, str]
    pixel_range: tuple[float, float]
    size: tuple[int, int] | None
    fit: Fit
    labels: list[np.ndarray[Any, Any]] = field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf

    def read(self, dataset: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """All pictures ``(n, height, width, channels)`` and labels ``(n, ...)``."""
        parts = checked_parts(_VERB, dataset, self.keys)
        room, dtype = Growing(), np.dtype(np.uint8)
        for images, labels in _passed(dataset, parts):
            dtype = images.dtype
            self._watch(images)
            self.labels.append(labels)
            for picture in self._sized(scaled(images, self.pixel_range)):
                _check_same(picture, room, len(room))
                room.add(picture)
        if not len(room):
            raise DataError(
                explain(
                    _VERB,
                    "the dataset is empty",
                    expected="pictures with labels",
                    mend="Was it filtered, or skipped to its end?",
                )
            )
        check_extremes(_VERB, self.low, self.high, dtype, self.pixel_range)
        return room.array(), self._joined()

    def _watch(self, images: np.ndarray[Any, Any]) -> None:
        # NumPy's minimum keeps NaN, where Python's would drop it.
        self.low = float(np.minimum(self.low, images.min()))
        self.high = float(np.maximum(self.high, images.max()))

    def _sized(self, images: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
        for image in images:
            yield resize_array(image, self.size, self.fit, image.shape[-1])

    def _joined(self) -> np.ndarray[Any, Any]:
        try:
            joined = np.concatenate(self.labels)
        except ValueError as error:
            raise DataError(
                explain(
                    _VERB,
                    "the labels are not of one shape",
                    expected="one number or name, or rows of one length",
                    received={"shapes": sorted({label.shape[1:] for label in self.labels})[:5]},
                )
            ) from error
        if joined.dtype == object:  # text, as TensorFlow has it
            return np.asarray([_text(label) for label in joined.ravel()]).reshape(joined.shape)
        return joined


def _text(label: Any) -> str:
    return label.decode("utf-8", "surrogateescape") if isinstance(label, bytes) else str(label)


def _passed(
    dataset: Any, parts: Callable[[Any], tuple[Any, Any]]
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Batches of pictures and labels, whether the elements are batches or not."""
    image_spec, label_spec = parts(dataset.element_spec)
    for element in dataset:
        image, label = (np.asarray(part) for part in parts(element))
        yield pictures_of(_VERB, image, label, image_spec, label_spec)


def _check_same(picture: np.ndarray[Any, Any], room: Growing, place: int) -> None:
    if room.shape not in (None, picture.shape):
        happened = "the pictures differ in size"
        mend = f"{_VERB}(..., image_size=224)"
        if room.shape is not None and picture.shape[2] != room.shape[2]:
            happened, mend = (
                "the pictures differ in channels",
                "tf.image.grayscale_to_rgb, in a map",
            )
        raise DataError(
            explain(
                _VERB,
                f"{happened}: number {place} is {picture.shape}, the first is {room.shape}",
                expected="pictures of one shape, or an image_size",
                mend=mend,
            )
        )
