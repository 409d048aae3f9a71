"""Arrays of pictures and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from transferkit._text import counted
from transferkit._types import ImageSize, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data import store
from transferkit.data.bundle import Data
from transferkit.data.division import divided, shares_of
from transferkit.data.fitting import Fit, check_fit
from transferkit.data.grouping import group_names
from transferkit.data.labels import read_labels
from transferkit.data.pictures import Split
from transferkit.data.pixels import check_extremes, checked_range, scaled
from transferkit.data.report import Report
from transferkit.errors import DataError, explain
from transferkit.spec import Task

__all__ = ["counted_anew", "from_arrays", "other_split"]


def from_arrays(
    images: Any,
    labels: Any,
    *,
    class_names: Sequence[str] | None = None,
    validation: tuple[Any, Any] | None = None,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    pixel_range: tuple[float, float] = (0, 255),
    image_size: ImageSize | None = None,
    fit: Fit | None = None,
    task: Task | None = None,
    groups: Any = None,
    stable: bool = False,
) -> Data:
    """Take pictures and labels that are in memory.

    The pictures are copied, so that writing into the array later changes nothing; where memory is
    short, to a temporary file. An array that cannot be written to (``images.flags.writeable =
    False``, or ``np.load(..., mmap_mode="r")``) is taken as it is if ``val`` and ``test`` are 0.

    Args:
        images: ``(n, height, width[, channels])``, uint8, or floats in `pixel_range`.
        labels: Class ids ``(n,)`` from 0, class names ``(n,)``, multi-hot rows ``(n, labels)``, or
            numbers ``(n,)`` or ``(n, outputs)``.
        class_names: Names of the classes, in the order of the ids; by default the names found,
            sorted, or the ids themselves.
        validation: Pictures and labels of a validation split; by default a share of the training
            pictures. It has no groups, so that nobody checks whether `groups` are in it too.
        val: That share; 0 for none.
        test: The share of the test split.
        seed: Decides which; stratified for classes.
        pixel_range: What the darkest and the brightest value of a float picture are.
        image_size: A side or (height, width) to resize to; None keeps the arrays' own.
        fit: How pictures are resized; see `decode`. None is ``"crop"``.
        task: ``"classes"``, ``"labels"`` or ``"values"``, where the labels leave a doubt.
        groups: A name or number for each picture ``(n,)``, of the patient or place it shows, say:
            no group is ever divided, here or by `Data.hold_out` and `Data.folds`.
        stable: Whether a hash of the group's name alone decides, so that no picture changes sides
            when others are added; `val` and `test` then hold on average.

    Raises:
        DataError: If pictures, labels or groups are of the wrong shape, type or range, or a split
            would be empty.
        SpecError: If an argument is out of its range.
    """
    splitting.check_fractions("from_arrays", val if validation is None else 0.0, test)
    seed = checked_seed("from_arrays", seed)
    check_fit("from_arrays", fit)
    brightness = checked_range("from_arrays", pixel_range)
    pixels = _pixels(images, brightness)
    found_task, names, ids = read_labels("from_arrays", labels, class_names, task)
    _check_lengths("from_arrays", pixels, ids)
    size = None if image_size is None else as_image_size(image_size, verb="from_arrays")
    shape = pixels.shape[1:3]
    whole = Split(
        name="train",
        labels=ids,
        class_names=names,
        sources=pixels,
        image_size=size or (int(shape[0]), int(shape[1])),
        channels=int(pixels.shape[-1]),
        fit=fit,
        groups=group_names("from_arrays", groups, len(ids)),
        stable=bool(stable),
    )
    shares = {"val": 0.0 if validation is not None else val, "test": test}
    splits = divided("from_arrays", whole, shares, seed)
    if splits["train"] is whole:
        splits["train"] = _own(whole)
    if validation is not None:
        _check_pair(validation)
        given = _pixels(validation[0], brightness), np.asarray(validation[1])
        form = np.asarray(labels).shape[1:]
        splits["val"] = _own(other_split("from_arrays", given, whole, found_task, form))
    return counted_anew(splits, found_task, shares)


def counted_anew(splits: Mapping[str, Split], task: Task, shares: Mapping[str, float]) -> Data:
    """Data of splits that came from no files: the report has their counts."""
    data = Data(splits["train"], splits.get("val"), splits.get("test"), task, Report({}))
    return replace(data, report=Report(data.counts(), shares=shares_of(splits, shares)))


def _own(pictures: Split) -> Split:
    """Pictures that the caller cannot write into any more."""
    array = pictures.sources
    if array.dtype != np.uint8 or not array.flags.writeable:  # floats were copied when scaled
        return pictures
    return replace(pictures, sources=store.take(array, np.arange(len(array))))


def _pixels(images: Any, pixel_range: tuple[float, float]) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(images)
    except ValueError as error:  # pictures of several sizes
        raise DataError(
            explain(
                "from_arrays",
                "the images are not of one shape",
                expected="(n, height, width, channels)",
                mend="np.stack([tk.data.decode(image, image_size=224) for image in images])",
            )
        ) from error
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] > 4:
        raise DataError(
            explain(
                "from_arrays",
                "the channels stand before height and width",
                expected="(n, height, width, channels)",
                received={"shape": array.shape},
                mend="images.transpose(0, 2, 3, 1)",
            )
        )
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype.kind not in "uif" or not array.size:
        raise DataError(
            explain(
                "from_arrays",
                "the images are no batch of pictures",
                expected="numbers (n, height, width) or (n, height, width, channels)",
                received={"shape": array.shape, "dtype": str(array.dtype)},
            )
        )
    check_extremes("from_arrays", array.min(), array.max(), array.dtype, pixel_range)
    return scaled(array, pixel_range)


def _check_lengths(verb: str, pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
    if len(pixels) != len(labels):
        raise DataError(
            explain(
                verb,
                f"there are {counted(len(pixels), 'image')} and {counted(len(labels), 'label')}",
                expected="one label for each image",
            )
        )


def _check_pair(given: Any) -> None:
    """Refuse a validation split that is no pair."""
    if isinstance(given, tuple | list) and len(given) == 2:
        return
    happened, mend = f"{type(given).__name__} is no validation split", None
    if isinstance(given, Data):
        mend = "validation=(other.train.pixels(), other.train.labels), with its class_names"
    elif isinstance(given, Split):
        mend = "validation=(split.pixels(), split.labels), with its class_names"
    elif isinstance(given, tuple | list):
        happened = f"the validation split has {len(given)} parts"
        mend = "Sample weights are not taken: validation=(images, labels)"
    expected = "a pair of pictures and labels"
    raise DataError(explain("from_arrays", happened, expected=expected, mend=mend))


def other_split(
    verb: str,
    given: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    train: Split,
    task: Task,
    form: tuple[int, ...],
) -> Split:
    """A validation split of pictures and labels that were given apart.

    Args:
        verb: The function that the user called, for the errors.
        given: Pictures 0..255 ``(n, height, width, channels)`` and labels ``(n, ...)``.
        train: The training split, whose classes count.
        task: What its labels are.
        form: The shape of one of its labels as they were given.

    Raises:
        DataError: If labels or channels are of another form than those of training.
    """
    images, labels = given
    if labels.shape[1:] != form or (labels.dtype.kind in "US" and task != "classes"):
        raise DataError(
            explain(
                verb,
                "training and validation labels are of different forms",
                expected=f"labels of shape {('n', *form)}".replace("'", ""),
                received={"shape": labels.shape},
            )
        )
    _, _, ids = read_labels(verb, labels, train.class_names or None, task)
    _check_lengths(verb, images, ids)
    if images.shape[-1] != train.channels:
        raise DataError(
            explain(
                verb,
                "training and validation pictures have different channels",
                expected=f"{train.channels} channels",
                received={"shape": images.shape},
            )
        )
    return replace(train, name="val", labels=ids, sources=images, groups=None)
