"""Arrays of pictures and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit._types import ImageSize, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data.bundle import Data, Split, divide
from transferkit.data.decode import Fit, check_fit, check_range
from transferkit.data.report import Report
from transferkit.errors import DataError, SpecError, did_you_mean, explain
from transferkit.spec import Task

__all__ = ["from_arrays"]


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
    fit: Fit = "crop",
    task: Task | None = None,
) -> Data:
    """Take pictures and labels that are in memory.

    Args:
        images: ``(n, height, width[, channels])``, uint8, or floats in `pixel_range`.
        labels: Class ids ``(n,)`` from 0, class names ``(n,)``, multi-hot rows ``(n, labels)``, or
            numbers ``(n,)`` or ``(n, outputs)``.
        class_names: Names of the classes, in the order of the ids; by default the names found,
            sorted, or the ids themselves.
        validation: Pictures and labels of a validation split; by default a share of the training
            pictures.
        val: That share; 0 for none.
        test: The share of the test split.
        seed: Decides which; stratified for classes.
        pixel_range: What the darkest and the brightest value of a float picture are.
        image_size: A side or (height, width) to resize to; None keeps the arrays' own.
        fit: How pictures are resized; see `decode`.
        task: ``"classes"``, ``"labels"`` or ``"values"``, where the labels leave a doubt.

    Raises:
        DataError: If pictures or labels are of the wrong shape, type or range.
    """
    splitting.check_fractions("from_arrays", val if validation is None else 0.0, test)
    seed = checked_seed("from_arrays", seed)
    check_fit("from_arrays", fit)
    pixels = _pixels(images, pixel_range)
    found_task, names, ids = _labels(labels, class_names, task)
    _check_lengths(pixels, ids)
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
    )
    shares = {"val": 0.0 if validation is not None else val, "test": test}
    asked = {name: share for name, share in shares.items() if share > 0}
    first, *parts = divide(ids, found_task, tuple(asked.values()), seed)
    made = dict(zip(asked, parts, strict=True))
    for name, indices in made.items():
        if not len(indices):
            raise DataError(
                explain(
                    "from_arrays",
                    f"the {name} split would be empty: {len(whole)} pictures are too few",
                    expected="at least two pictures in a class",
                    received={name: shares[name], "pictures": len(whole)},
                    mend=f"from_arrays(..., {name}=0)",
                )
            )
    splits = {name: whole.taken(indices, name) for name, indices in made.items()}
    if validation is not None:
        splits["val"] = _validation(
            validation, whole, found_task, pixel_range, np.asarray(labels).shape[1:]
        )
    train = whole.taken(first, "train") if made else whole
    data = Data(train, splits.get("val"), splits.get("test"), found_task, Report({}))
    return Data(data.train, data.val, data.test, data.task, Report(data.counts()))


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
    low, high = pixel_range
    if (low, high) == (0, 255):
        check_range(array, verb="from_arrays")
        return array if array.dtype == np.uint8 else array.astype(np.float32)
    # Written so that NaN, which is neither below nor above, is outside too.
    if not (low < high and array.min() >= low and array.max() <= high):
        raise DataError(
            explain(
                "from_arrays",
                "pixels lie outside pixel_range",
                expected=f"pixels from {low} to {high}",
                received={"lowest": float(array.min()), "highest": float(array.max())},
                mend="pixel_range=(darkest, brightest)",
            )
        )
    scaled = (array.astype(np.float32) - low) * (255.0 / (high - low))
    return np.asarray(scaled.clip(0, 255), np.float32)  # rounding may lead a little beyond


def _labels(
    labels: Any, class_names: Sequence[str] | None, task: Task | None
) -> tuple[Task, tuple[str, ...], np.ndarray[Any, Any]]:
    class_names = None if class_names is None else _checked_names(class_names)
    array = np.asarray(labels)
    if array.dtype.kind in "OT" and all(isinstance(label, str) for label in array.ravel()):
        array = np.array(array.tolist(), dtype=str)  # of pandas, and NumPy's own StringDType
    whole_numbers = array.dtype.kind in "iu" or (class_names is not None and _are_whole(array))
    if task in (None, "classes") and array.ndim == 2 and array.shape[1] == 1 and whole_numbers:
        array = array[:, 0]  # Keras' data sets come with a column of ids
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(
            explain(
                "from_arrays",
                f"{int((~np.isfinite(array)).sum())} labels are NaN or infinite",
                expected="finite labels",
                mend="Drop those rows: keep = np.isfinite(labels); images[keep], labels[keep]",
            )
        )
    if array.dtype.kind in "US":
        return "classes", *_named(array.astype(str), class_names)
    if array.dtype.kind not in "uifb" or array.ndim not in (1, 2):
        raise DataError(
            explain(
                "from_arrays",
                "the labels are neither numbers nor names",
                expected="class ids, class names, multi-hot rows, or numbers",
                received={"shape": array.shape, "dtype": str(array.dtype)},
            )
        )
    chosen = task or _task(array, named=class_names is not None)
    if chosen not in ("classes", "labels", "values"):
        raise SpecError(
            explain(
                "from_arrays",
                "the task is unknown",
                expected=did_you_mean(chosen, ("classes", "labels", "values")),
                received={"task": task},
            )
        )
    if chosen == "values":
        return "values", (), array.astype(np.float32)
    if chosen == "labels":
        width = array.shape[1] if array.ndim == 2 else 0
        names = tuple(class_names or (f"label_{i}" for i in range(width)))
        _check_width(array, names)
        _check_rows(array, one=False)
        return "labels", names, array.astype(np.float32)
    if array.ndim == 2:
        names = tuple(class_names or (str(i) for i in range(array.shape[1])))
        _check_width(array, names)
        _check_two(names)
        _check_rows(array, one=True)
        return "classes", names, array.argmax(axis=1).astype(np.int64)
    return "classes", *_numbered(array, class_names)


def _checked_names(given: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(given, str) else tuple(map(str, given))
    if not names or len(set(names)) < len(names):
        raise DataError(
            explain(
                "from_arrays",
                "a class is named twice" if names else "the names are no list",
                expected="a list of names, every class once",
                received={"class_names": given},
                mend="class_names=['cat', 'dog']",
            )
        )
    return names


def _are_whole(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype.kind in "uifb" and bool((array == np.floor(array)).all())


def _task(array: np.ndarray[Any, Any], *, named: bool) -> Task:
    if array.ndim == 1:
        return "classes" if _are_whole(array) and (named or array.dtype.kind != "f") else "values"
    if not np.isin(array, (0, 1)).all():
        return "values"
    if (array.sum(axis=1) == 1).all():
        raise DataError(
            explain(
                "from_arrays",
                "rows with a single 1 may be one-hot classes or sets of one label",
                expected="task='classes' or task='labels'",
                received={"shape": array.shape},
                mend="from_arrays(images, labels, task='classes')",
            )
        )
    return "labels"


def _named(
    array: np.ndarray[Any, Any], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    names = tuple(class_names or sorted(set(array.tolist())))
    strange = sorted(set(array.tolist()) - set(names))
    if strange:
        raise _outside(strange, names)
    ids = {name: i for i, name in enumerate(names)}
    _check_two(names)
    return names, np.asarray([ids[name] for name in array.tolist()], np.int64)


def _numbered(
    array: np.ndarray[Any, Any], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    ids = array.astype(np.int64)
    count = len(class_names) if class_names is not None else int(ids.max(initial=0)) + 1
    if (ids != array).any() or ids.min(initial=0) < 0 or ids.max(initial=0) >= count:
        strange = sorted(set(array.tolist()) - set(range(count)))
        raise _outside(strange, tuple(class_names or range(count)))
    names = tuple(class_names or (str(i) for i in range(count)))
    _check_two(names)
    missing = sorted(set(range(count)) - set(ids.tolist()))
    if class_names is None and missing:
        raise DataError(
            explain(
                "from_arrays",
                f"no picture has one of the ids {missing[:10]}",
                expected=f"ids that are all used, from 0 to {count - 1}",
                received={"labels": sorted(set(ids.tolist()))[:10]},
                mend="Count from 0 (np.unique(labels, return_inverse=True)[1]), or name all "
                "classes with class_names=[...].",
            )
        )
    return names, ids


def _outside(strange: list[Any], names: tuple[Any, ...]) -> DataError:
    return DataError(
        explain(
            "from_arrays",
            f"labels lie outside the classes: {strange[:10]}",
            expected=f"ids from 0 to {len(names) - 1}, or names among {names[:20]}",
            received={"class_names": names},
            mend="Number the classes from 0, or complete class_names.",
        )
    )


def _check_two(names: tuple[str, ...]) -> None:
    if len(names) < 2:
        raise DataError(
            explain(
                "from_arrays",
                "there is one class: nothing to tell apart",
                expected="two classes or more",
                received={"class_names": names},
            )
        )


def _check_width(array: np.ndarray[Any, Any], names: tuple[str, ...]) -> None:
    if array.ndim != 2 or array.shape[1] != len(names):
        raise DataError(
            explain(
                "from_arrays",
                "labels and class_names disagree",
                expected=f"rows of {len(names)}",
                received={"shape": array.shape, "class_names": names},
            )
        )


def _check_rows(array: np.ndarray[Any, Any], *, one: bool) -> None:
    """Rows of 0 and 1, with a single 1 each where they stand for one class."""
    if not np.isin(array, (0, 1)).all() or (one and (array.sum(axis=1) != 1).any()):
        raise DataError(
            explain(
                "from_arrays",
                "the rows are not one-hot" if one else "the rows are not multi-hot",
                expected="0 and 1" + (", with a single 1 in each row" if one else ""),
                received={"lowest": float(array.min()), "highest": float(array.max())},
                mend="labels.argmax(axis=1)" if one else "labels > 0.5",
            )
        )


def _check_lengths(pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
    if len(pixels) != len(labels):
        raise DataError(
            explain(
                "from_arrays",
                f"there are {len(pixels)} images and {len(labels)} labels",
                expected="one label for each image",
            )
        )


def _validation(
    given: tuple[Any, Any],
    train: Split,
    task: Task,
    pixel_range: tuple[float, float],
    form: tuple[int, ...],
) -> Split:
    images, labels = _pixels(given[0], pixel_range), np.asarray(given[1])
    if labels.shape[1:] != form or (labels.dtype.kind in "US" and task != "classes"):
        raise DataError(
            explain(
                "from_arrays",
                "training and validation labels are of different forms",
                expected=f"labels of shape {('n', *form)}".replace("'", ""),
                received={"shape": labels.shape},
            )
        )
    _, _, ids = _labels(labels, train.class_names or None, task)
    _check_lengths(images, ids)
    if images.shape[-1] != train.channels:
        raise DataError(
            explain(
                "from_arrays",
                "training and validation pictures have different channels",
                expected=f"{train.channels} channels",
                received={"shape": images.shape},
            )
        )
    return Split(
        "val",
        ids,
        train.class_names,
        images,
        train.image_size,
        train.channels,
        train.fit,
    )
