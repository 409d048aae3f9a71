"""Features, labels and probabilities as callers hand them over, looked through once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from transferkit.errors import DataError, explain
from transferkit.transferability.spectrum import Rows

__all__ = ["Targets", "classes_of", "features_of", "probabilities_of", "targets_of"]

Array = np.ndarray[Any, Any]
ROUNDING = 1e-3
"""How far the probabilities of an image may be from a sum of 1: half precision's rounding."""


class Targets(NamedTuple):
    """Labels in the form that scores take.

    Attributes:
        class_names: The classes, sorted; None for numbers.
        ids: The place of each image's class, int64 (images,); empty for numbers.
        numbers: float64 (images, outputs); empty for classes.
    """

    class_names: tuple[Any, ...] | None
    ids: Array
    numbers: Array


def features_of(verb: str, features: Any) -> Array:
    """Features (images, channels), in the type and the place that they have.

    Raises:
        DataError: If they have another shape, are no real numbers, or are not all finite.
    """
    array = features if isinstance(features, np.ndarray) else np.asarray(features)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1 or not is_real(array):
        raise DataError(
            explain(
                verb,
                "the features are not one vector of real numbers for each of two images or more",
                expected="an array (images, channels)",
                received={"shape": array.shape, "dtype": array.dtype},
                mend="maps of (images, height, width, channels): features.mean(axis=(1, 2))",
            )
        )
    for place, block in Rows(array):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            row = place.start + int(np.flatnonzero(~finite)[0])
            raise DataError(
                explain(
                    verb,
                    f"the features of image {row} are not all finite",
                    expected="real numbers",
                    received={"first": array[row][~np.isfinite(array[row].astype(float))][0]},
                    mend=f"leave it out: np.delete(features, {row}, axis=0), and its label",
                )
            )
    return array


def targets_of(verb: str, labels: Any, count: int) -> Targets:
    """Labels as classes, or as numbers where they are floating point.

    Raises:
        DataError: If their count is not `count`, they have another shape, there is one class only,
            or a number that is not finite.
    """
    array = np.asarray([] if labels is None else labels)
    if len(array.shape) not in (1, 2) or len(array) != count:
        raise DataError(
            explain(
                verb,
                f"there are {count} images and labels of shape {array.shape}",
                expected="one label for each image",
                mend=f"{verb}(features, labels)",
            )
        )
    if is_real(array) and array.dtype.kind not in "iub":
        return Targets(None, np.zeros(0, np.int64), finite_numbers(verb, array))
    return Targets(*classes_of(verb, array), np.zeros((0, 0)))


def finite_numbers(verb: str, array: Array) -> Array:
    numbers = np.asarray(array, np.float64).reshape(len(array), -1)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise DataError(
            explain(
                verb,
                f"the target of image {row} is not finite",
                expected="real numbers",
                received={"target": array[row]},
                mend=f"leave it out: np.delete(features, {row}, axis=0), and its label",
            )
        )
    return numbers


def classes_of(verb: str, labels: Any, *, least: int = 2) -> tuple[tuple[Any, ...], Array]:
    """The classes, sorted, and the place of each label's class among them.

    Raises:
        DataError: If labels are not a single row of whole numbers or names, or of fewer classes.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iubUSO":
        raise DataError(
            explain(
                verb,
                "the labels are not one class for each image",
                expected="whole numbers or names (images,)",
                received={"shape": array.shape, "dtype": array.dtype},
                mend="of one-hot rows: labels.argmax(axis=1)",
            )
        )
    names, ids = np.unique(array, return_inverse=True)
    if len(names) < least:
        raise DataError(
            explain(
                verb,
                f"all images are of one class, {names.tolist()[0]!r}",
                expected="two classes or more",
                mend="give the pictures of another class as well",
            )
        )
    return tuple(names.tolist()), ids.reshape(-1).astype(np.int64)


def probabilities_of(verb: str, probabilities: Any) -> Array:
    """A source head's outputs, float64 (images, source classes).

    Raises:
        DataError: If they are negative or a row's sum is not 1, as for logits.
    """
    array = np.asarray(features_of(verb, probabilities), np.float64)
    wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > ROUNDING)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            explain(
                verb,
                f"row {row} is no distribution over the source's classes",
                expected="probabilities, which are not negative and sum to 1",
                received={"sum": float(array[row].sum()), "least": float(array[row].min())},
                mend=f"{verb}(scipy.special.softmax(logits, axis=1), labels)",
            )
        )
    return np.asarray(array / array.sum(axis=1, keepdims=True))


def is_real(array: Array) -> bool:
    """Whether it holds real numbers, those of half precision included."""
    if array.dtype.kind in "iufb":
        return True
    return array.dtype.kind == "V" and "float" in array.dtype.name  # ml_dtypes' bfloat16
