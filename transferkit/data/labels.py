"""What labels mean: classes by id or name, rows of several labels, numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit._text import counted
from transferkit.data.composed import composed
from transferkit.data.quantities import as_float32
from transferkit.errors import DataError, SpecError, did_you_mean, explain
from transferkit.spec import Task

__all__ = [
    "check_task",
    "check_two",
    "check_width",
    "checked_names",
    "outside",
    "read_labels",
]

_TASKS: Mapping[Task, str] = {"classes": "classes", "labels": "rows of labels", "values": "numbers"}
_FORMS: Mapping[Task, str] = {
    "classes": "class ids or names",
    "labels": "rows of 0 and 1, a column for each label",
    "values": "numbers",
}


def read_labels(
    verb: str, labels: Any, class_names: Sequence[str] | None, task: Task | None
) -> tuple[Task, tuple[str, ...], np.ndarray[Any, Any]]:
    """Find out what labels are, and bring them into one form.

    Args:
        verb: The function that the user called, for the errors.
        labels: Class ids ``(n,)`` or ``(n, 1)``, class names, multi-hot or one-hot rows, numbers.
        class_names: The classes in the order of the ids, or None.
        task: What the labels are, where that is known.

    Returns:
        The task; the class names, () for numbers; ids int64 ``(n,)`` or rows float32.

    Raises:
        DataError: If the labels are of no such form, or fit neither `class_names` nor `task`.
        SpecError: If `task` is none.
    """
    check_task(verb, task)
    names = None if class_names is None else checked_names(verb, class_names)
    array = _as_array(labels)
    whole_numbers = array.dtype.kind in "iu" or (names is not None and _are_whole(array))
    if task in (None, "classes") and array.ndim == 2 and array.shape[1] == 1 and whole_numbers:
        array = array[:, 0]  # Keras' data sets come with a column of ids
    _check_form(verb, array, task)
    if array.dtype.kind in "US":
        return "classes", *_named(verb, [composed(name) for name in array.ravel()], names)
    chosen = task or _task(verb, array, named=names is not None)
    if chosen == "values":
        return "values", (), as_float32(verb, array)
    if chosen == "labels":
        return "labels", *_multi_hot(verb, array, names)
    if array.ndim == 2:
        return "classes", *_one_hot(verb, array, names)
    return "classes", *_numbered(verb, array, names)


def check_task(verb: str, task: Any) -> None:
    """Refuse a task that is none.

    Raises:
        SpecError: Naming those there are.
    """
    if task is not None and task not in _TASKS:
        raise SpecError(
            explain(
                verb,
                "the task is unknown",
                expected=did_you_mean(str(task), _TASKS),
                received={"task": task},
            )
        )


def _as_array(labels: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(labels)
    if array.dtype.kind in "OT" and all(isinstance(label, str) for label in array.ravel()):
        array = np.array(array.tolist(), dtype=str)  # of pandas, and NumPy's own StringDType
    return array


def _check_form(verb: str, array: np.ndarray[Any, Any], task: Task | None) -> None:
    lost = int((~np.isfinite(array)).sum()) if array.dtype.kind == "f" else 0
    if lost:
        raise DataError(
            explain(
                verb,
                f"{counted(lost, 'label')} {'is' if lost == 1 else 'are'} NaN or infinite",
                expected="finite labels",
                mend="Drop those rows: keep = np.isfinite(labels); images[keep], labels[keep]",
            )
        )
    named = array.dtype.kind in "US"
    if named and task not in (None, "classes"):
        raise DataError(
            explain(
                verb,
                f"the labels are text, and not {_TASKS[task]}",
                expected=_FORMS[task],
                received={"task": task, "labels": array.ravel()[:5].tolist()},
                mend=f"{verb}(..., task='classes') takes names.",
            )
        )
    wide = named and array.ndim == 2 and array.shape[1] != 1
    if (not named and array.dtype.kind not in "uifb") or array.ndim not in (1, 2) or wide:
        raise DataError(
            explain(
                verb,
                "the labels are neither numbers nor names",
                expected="class ids, class names, multi-hot rows, or numbers",
                received={"shape": array.shape, "dtype": str(array.dtype)},
            )
        )


def _multi_hot(
    verb: str, array: np.ndarray[Any, Any], class_names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    width = array.shape[1] if array.ndim == 2 else 0
    names = class_names or tuple(f"label_{i}" for i in range(width))
    check_width(verb, array, names)
    _check_rows(verb, array, one=False)
    return names, array.astype(np.float32)


def _one_hot(
    verb: str, array: np.ndarray[Any, Any], class_names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    names = class_names or tuple(str(i) for i in range(array.shape[1]))
    check_width(verb, array, names)
    check_two(verb, names)
    _check_rows(verb, array, one=True)
    return names, array.argmax(axis=1).astype(np.int64)


def checked_names(verb: str, given: Sequence[str]) -> tuple[str, ...]:
    """A list of different names.

    Raises:
        DataError: If it is none.
    """
    if isinstance(given, set | frozenset):
        raise DataError(
            explain(
                verb,
                "a set has no order, and the order of class_names is that of the ids",
                expected="a list of names",
                received={"class_names": given},
                mend="class_names=sorted(names)",
            )
        )
    listed = isinstance(given, Iterable) and not isinstance(given, str)
    names = tuple(map(composed, given)) if listed else ()
    if not names or len(set(names)) < len(names):
        raise DataError(
            explain(
                verb,
                "a class is named twice" if names else "the names are no list",
                expected="a list of names, every class once",
                received={"class_names": given},
                mend="class_names=['cat', 'dog']",
            )
        )
    return names


def _are_whole(array: np.ndarray[Any, Any]) -> bool:
    return array.dtype.kind in "uifb" and bool((array == np.floor(array)).all())


def _task(verb: str, array: np.ndarray[Any, Any], *, named: bool) -> Task:
    if array.ndim == 1:
        return "classes" if _are_whole(array) and (named or array.dtype.kind != "f") else "values"
    if not np.isin(array, (0, 1)).all():
        return "values"
    if (array.sum(axis=1) == 1).all():
        raise DataError(
            explain(
                verb,
                "rows with a single 1 may be one-hot classes or sets of one label",
                expected="task='classes' or task='labels'",
                received={"shape": array.shape},
                mend=f"{verb}(..., task='classes') or {verb}(..., task='labels')",
            )
        )
    return "labels"


def _named(
    verb: str, labels: Sequence[str], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    names = tuple(class_names or sorted(set(labels)))
    strange = sorted(set(labels) - set(names))
    if strange:
        raise outside(verb, strange, names)
    ids = {name: i for i, name in enumerate(names)}
    check_two(verb, names)
    return names, np.asarray([ids[name] for name in labels], np.int64)


def _numbered(
    verb: str, array: np.ndarray[Any, Any], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    ids = array.astype(np.int64)
    count = len(class_names) if class_names is not None else int(ids.max(initial=0)) + 1
    if (ids != array).any() or ids.min(initial=0) < 0 or ids.max(initial=0) >= count:
        strange = sorted(set(array.tolist()) - set(range(count)))
        raise outside(verb, strange, tuple(class_names or range(count)))
    names = tuple(class_names or (str(i) for i in range(count)))
    check_two(verb, names)
    missing = sorted(set(range(count)) - set(ids.tolist()))
    if class_names is None and missing:
        raise DataError(
            explain(
                verb,
                f"no picture has one of the ids {missing[:10]}",
                expected=f"ids that are all used, from 0 to {count - 1}",
                received={"labels": sorted(set(ids.tolist()))[:10]},
                mend="Count from 0 (np.unique(labels, return_inverse=True)[1]), or name all "
                "classes with class_names=[...].",
            )
        )
    return names, ids


def outside(verb: str, strange: list[Any], names: tuple[Any, ...]) -> DataError:
    """The error of labels that are of no class."""
    return DataError(
        explain(
            verb,
            f"labels lie outside the classes: {strange[:10]}",
            expected=f"ids from 0 to {len(names) - 1}, or names among {names[:20]}",
            received={"class_names": names},
            mend="Number the classes from 0, or complete class_names.",
        )
    )


def check_two(verb: str, names: Sequence[str]) -> None:
    """Refuse a single class.

    Raises:
        DataError: Saying which one.
    """
    if len(names) < 2:
        raise DataError(
            explain(
                verb,
                "there is one class: nothing to tell apart",
                expected="two classes or more",
                received={"class_names": names},
            )
        )


def check_width(verb: str, array: np.ndarray[Any, Any], names: tuple[str, ...]) -> None:
    """Refuse rows that have not a column for each name.

    Raises:
        DataError: Saying how wide they are.
    """
    if array.ndim != 2 or array.shape[1] != len(names):
        raise DataError(
            explain(
                verb,
                "labels and class_names disagree",
                expected=f"rows of {len(names)}",
                received={"shape": array.shape, "class_names": names},
            )
        )


def _check_rows(verb: str, array: np.ndarray[Any, Any], *, one: bool) -> None:
    """Rows of 0 and 1, with a single 1 each where they stand for one class."""
    if not np.isin(array, (0, 1)).all() or (one and (array.sum(axis=1) != 1).any()):
        raise DataError(
            explain(
                verb,
                "the rows are not one-hot" if one else "the rows are not multi-hot",
                expected="0 and 1" + (", with a single 1 in each row" if one else ""),
                received={"lowest": float(array.min()), "highest": float(array.max())},
                mend="labels.argmax(axis=1)" if one else "labels > 0.5",
            )
        )
