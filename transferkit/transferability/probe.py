"""The ridge probe: a linear head, scored by leaving out one image after another, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.errors import DataError, explain
from transferkit.transferability.statistics import Features, Statistics, taken

__all__ = ["RidgeProbe", "ridge_probe", "share_right"]

Array = np.ndarray[Any, Any]
PENALTIES = np.logspace(-8, 4, 13)
"""In units of the features' variance times the images."""
ROUNDING = 1e-9
AT_ONCE = 1024
"""Columns of a product."""


@dataclass(frozen=True, eq=False)
class RidgeProbe:
    """A linear head on frozen features, and what leave-one-out says of it.

    Attributes:
        score: The share of images whose class is predicted by the head trained on all others, 0 to
            1; for a regression the coefficient of determination (R2) of such predictions, up to 1.
        penalty: The penalty that was chosen: of those tried the one with the least squared error.
        penalties: All that were tried, in units of the features' mean variance times the images.
        scores: The score under each.
        right: For each image 1 if its class was predicted, 0 if not, a part if several were; for a
            regression its squared error.
        weights: Of the head that was trained on all images (channels, outputs).
        bias: The same head's (outputs,).
        outputs: What the head that was trained on all others gives for each image (images,
            outputs), under the penalty that was chosen.
    """

    score: float
    penalty: float
    penalties: Array
    scores: Array
    right: Array
    weights: Array
    bias: Array
    outputs: Array

    def __repr__(self) -> str:
        return f"RidgeProbe(score={self.score:.4f}, penalty={self.penalty:.3g})"


def ridge_probe(
    features: Features, labels: Any = None, *, penalties: Any = PENALTIES
) -> RidgeProbe:
    """Train a ridge regression onto the classes' columns, and score it by leave-one-out.

    The head minimises ``|Y - F W - 1 b'|^2 + penalty |W|^2``. With H the matrix that maps Y to its
    fitted values, the error of image i by the head that never saw it is

        (y_i - yhat_i) / (1 - H_ii),

    exactly, so that one decomposition serves all images and all penalties. The class with the
    highest output is the prediction; where several have it, each counts for its part. To the
    outputs comes what an image takes from its class's share when it is left out, 1 / (images - 1):
    else features that say nothing would always be wrong of classes that are equally frequent.

    Scores do not change if all features are multiplied by one number or a constant vector is added
    to them. A class of one image is always wrong: the others say nothing of it.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names for classes (images,), floating point numbers for a
            regression (images,) or (images, outputs). None with `Statistics`.
        penalties: What to try, positive, in units of the features' mean variance times the images.

    Returns:
        The score, and the head of the best penalty, which gives ``features @ weights + bias``.

    Raises:
        DataError: If features or labels cannot be used, or a penalty is not positive.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> transferability.ridge_probe(*load_iris(return_X_y=True))
        RidgeProbe(score=0.8400, penalty=0.01)

    References:
        Trevor Hastie, Robert Tibshirani and Jerome Friedman, The Elements of Statistical Learning,
        2nd edition, 2009, section 7.10.
    """
    tried = _checked(penalties)
    seen = taken(features, labels)
    columns = seen.columns
    squares = seen.centred.singular**2
    unit = float(squares.sum()) / seen.channels or 1.0
    shrinking = squares / (squares + unit * tried[:, None])
    errors, right = _left_out(seen, columns, shrinking)
    best = int(errors.argmin())
    scores = right.mean(axis=1) if seen.class_names is not None else _explained(errors, columns)
    weights = seen.centred.back(
        (shrinking[best] / seen.centred.singular)[:, None]
        * seen.centred.onto(columns - columns.mean(axis=0))
    )
    bias = columns.mean(axis=0) - seen.mean @ weights
    return RidgeProbe(
        score=float(scores[best]),
        penalty=float(tried[best]),
        penalties=tried,
        scores=scores,
        right=right[best],
        weights=weights,
        bias=bias,
        outputs=_unseen(seen, columns, shrinking[best]),
    )


def _checked(penalties: Any) -> Array:
    tried = np.atleast_1d(np.asarray(penalties, np.float64))
    if tried.ndim == 1 and len(tried) and (tried > 0).all() and np.isfinite(tried).all():
        return tried
    raise DataError(
        explain(
            "ridge_probe",
            "a penalty is not a positive number",
            expected="one or more, above 0",
            received={"penalties": penalties},
            mend="ridge_probe(features, labels, penalties=(0.01, 0.1, 1.0))",
        )
    )


def _left_out(seen: Statistics, columns: Array, shrinking: Array) -> tuple[Array, Array]:
    """Under each penalty the sum of squared errors, and how each image came out."""
    classes = seen.class_names is not None
    mean = columns.mean(axis=0)
    errors = np.zeros(len(shrinking))
    right = np.zeros((len(shrinking), seen.count))
    for place, number, off in _offs(seen, columns, shrinking):
        lost = np.square(off).sum(axis=1)
        errors[number] += lost.sum()
        if classes:
            wanted = columns[place]
            outputs = wanted - off + (wanted - mean) / (seen.count - 1)
            lost = share_right(outputs, wanted)
        right[number, place] = lost
    return errors, right


def _unseen(seen: Statistics, columns: Array, shrinking: Array) -> Array:
    """What the head that was trained on all others gives for each image."""
    outputs = np.array(columns, np.float64)
    for place, _, off in _offs(seen, columns, shrinking[None]):
        outputs[place] -= off
    return outputs


def _offs(seen: Statistics, columns: Array, shrinking: Array) -> Iterator[tuple[slice, int, Array]]:
    """The errors of left-out images, a block of them at a time, under each penalty."""
    mean = columns.mean(axis=0)
    inner = seen.centred.onto(columns - mean)
    for place, block in seen.centred:
        free = np.maximum(1.0 - 1.0 / seen.count - np.square(block) @ shrinking.T, 1e-12)
        for number, fitted in enumerate(_fitted(block, shrinking, inner)):
            yield place, number, (columns[place] - mean - fitted) / free[:, number : number + 1]


def _fitted(block: Array, shrinking: Array, inner: Array) -> Iterator[Array]:
    """Fitted values under each penalty; of many at once, as narrow products wait for memory."""
    rank, outputs = inner.shape
    many = max(1, AT_ONCE // outputs)
    for start in range(0, len(shrinking), many):
        some = shrinking[start : start + many]
        wide = (some.T[:, :, None] * inner[:, None]).reshape(rank, len(some) * outputs)
        yield from np.moveaxis((block @ wide).reshape(len(block), len(some), outputs), 1, 0)


def share_right(outputs: Array, wanted: Array) -> Array:
    """1 where an image's own class has the highest output, its part where others share it, else 0.

    Args:
        outputs: Of each class (..., classes).
        wanted: 1 for an image's class and 0 for others, in the same shape or one that it takes.
    """
    leading = outputs >= outputs.max(axis=-1, keepdims=True) - ROUNDING
    own = leading & (wanted > 0)
    return np.asarray(own.sum(axis=-1) / leading.sum(axis=-1))


def _explained(errors: Array, columns: Array) -> Array:
    """R2 against the mean of all other targets."""
    count = len(columns)
    alone = np.square((columns - columns.mean(axis=0)) * count / (count - 1)).sum()
    return np.asarray(1.0 - errors / alone) if alone > 0 else np.zeros(len(errors))
