"""What evaluations take, checked once at the door. Arrays are copied and cannot be written to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit._types import real, whole
from transferkit.errors import DataError, SpecError, TrainingError, explain
from transferkit.evaluate.scores import Array

__all__ = [
    "classes",
    "count",
    "multi_hot",
    "names",
    "numbers",
    "paths",
    "probabilities",
    "thresholds",
    "values",
]

_ROUNDING = 1e-3  # half precision on the way leaves probabilities a little outside their range


def numbers(verb: str, outputs: Any) -> Array:
    """Outputs ``(pictures, outputs)``, at least one of each, all finite.

    Raises:
        DataError: If the shape is another.
        TrainingError: If one is not finite.
    """
    array = np.asarray(outputs)
    if array.ndim != 2 or 0 in array.shape:
        nothing = array.ndim == 2
        raise DataError(
            explain(
                verb,
                "there is nothing to evaluate" if nothing else "the outputs have the wrong shape",
                expected="outputs (pictures, outputs), at least one of each",
                received={"shape": array.shape},
            )
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise TrainingError(
            explain(
                verb,
                f"the outputs of {bad.sum()} of {len(array)} pictures are not finite",
                expected="numbers",
                received={"outputs": array[bad][0].tolist()},
                mend="Training diverged; try a smaller learning rate.",
            )
        )
    return _kept(array, np.float64)


def probabilities(verb: str, outputs: Any) -> Array:
    """Outputs between 0 and 1 ``(pictures, outputs)``.

    Raises:
        DataError: If the shape is another, or one is not between 0 and 1.
        TrainingError: If one is not finite.
    """
    array = numbers(verb, outputs)
    low, high = float(array.min()), float(array.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise DataError(
            explain(
                verb,
                "the outputs are no probabilities",
                expected="numbers between 0 and 1, after the head's activation and not before it",
                received={"lowest": low, "highest": high},
            )
        )
    return array


def names(verb: str, given: Sequence[str], outputs: Array) -> tuple[str, ...]:
    """One name for each output.

    Raises:
        DataError: If there are more or fewer.
    """
    if len(given) != outputs.shape[1]:
        raise DataError(
            explain(
                verb,
                "names and outputs differ in number",
                expected=f"{outputs.shape[1]} names",
                received={"names": tuple(given)},
            )
        )
    return tuple(map(str, given))


def classes(verb: str, labels: Any, outputs: Array) -> Array:
    """Whole numbers ``(pictures,)``, each the place of an output.

    Raises:
        DataError: If they are not.
    """
    array = np.asarray(labels)
    pictures, count = outputs.shape
    if array.shape != (pictures,) or array.dtype.kind not in "iu":
        expected = f"whole numbers of shape ({pictures},)"
        raise _wrong_labels(verb, "the labels are no classes", expected, array)
    if array.min() < 0 or array.max() >= count:
        outside = array[(array < 0) | (array >= count)]
        raise _wrong_labels(verb, "a label is no class", f"numbers from 0 to {count - 1}", outside)
    return _kept(array, np.int64)


def multi_hot(verb: str, labels: Any, outputs: Array) -> Array:
    """0 or 1 ``(pictures, labels)``.

    Raises:
        DataError: If they are not.
    """
    array = np.asarray(labels)
    if array.shape != outputs.shape or not np.isin(array, (0, 1)).all():
        expected = f"0 or 1 in the shape {outputs.shape}"
        raise _wrong_labels(verb, "the labels are not multi-hot", expected, array)
    return _kept(array, np.int64)


def values(verb: str, given: Array, outputs: Array) -> Array:
    """Finite numbers in the shape of `outputs`.

    Raises:
        DataError: If they are not.
    """
    if given.shape != outputs.shape or not np.isfinite(given).all():
        expected = f"finite numbers in the shape {outputs.shape}"
        raise _wrong_labels(verb, "the values do not fit the outputs", expected, given)
    return _kept(given, np.float64)


def paths(verb: str, given: Sequence[Any] | None, outputs: Array) -> tuple[str, ...] | None:
    """One path for each picture, as text; or none at all.

    Raises:
        DataError: If there are more or fewer.
    """
    if given is None:
        return None
    if len(given) != len(outputs):
        raise DataError(
            explain(
                verb,
                "paths and pictures differ in number",
                expected=f"{len(outputs)} paths",
                received={"len(paths)": len(given)},
            )
        )
    return tuple(os.fspath(path) for path in given)


def thresholds(
    verb: str, given: Any, outputs: Array, *, name: str = "threshold"
) -> float | tuple[float, ...]:
    """A threshold between 0 and 1, or one for each output.

    Raises:
        SpecError: If one is not, or there are more or fewer.
    """
    several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    numbers = [real(each) for each in (given if several else (given,))]
    found = tuple(each for each in numbers if each is not None and 0 <= each <= 1)
    if len(found) < len(numbers) or (several and len(found) != outputs.shape[1]):
        raise SpecError(
            explain(
                verb,
                "the threshold is no probability",
                expected=f"a number between 0 and 1, or {outputs.shape[1]} of them",
                received={name: given},
                mend=f"{verb}(..., {name}=0.5)",
            )
        )
    return found if several else found[0]


def count(verb: str, name: str, value: int) -> int:
    """A number of things to show or to ask for.

    Raises:
        SpecError: If it is no whole number above 0.
    """
    number = whole(value)
    if number is None or number < 1:
        raise SpecError(
            explain(
                verb,
                f"{name} is out of range",
                expected="a whole number above 0",
                received={name: value},
                mend=f"{verb}({name}=9)",
            )
        )
    return number


def _kept(array: Array, dtype: Any) -> Array:
    copied = np.array(array, dtype=dtype)
    copied.flags.writeable = False
    return copied


def _wrong_labels(verb: str, happened: str, expected: str, array: Array) -> DataError:
    shown = {"shape": array.shape, "dtype": str(array.dtype), "labels": array.ravel()[:8].tolist()}
    return DataError(explain(verb, happened, expected=expected, received=shown))
