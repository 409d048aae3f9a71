"""Scores of predictions, in plain NumPy. What would divide by zero is 0, as scikit-learn can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from transferkit._text import shortened

__all__ = [
    "Array",
    "ClassScore",
    "Confused",
    "Counts",
    "average",
    "confused",
    "confusion",
    "cross_entropy",
    "macro",
    "per_class",
    "r2",
    "ranks",
    "table",
]

_SHOWN_WHOLE = 40  # classes of a printed report

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ClassScore:
    """How well one class, or one label, is told from the others.

    Attributes:
        name: The class.
        precision: Of the pictures predicted as it, the fraction that is it; 0 if there is none.
        recall: Of its pictures, the fraction predicted as it; 0 if it has none.
        f1: The harmonic mean of the two; 0 if both are.
        support: How many pictures it has.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confused:
    """Two classes of which one is taken for the other.

    Attributes:
        true: What the pictures are.
        predicted: What they were predicted as.
        count: How many there are.
        share: Their share of the true class, from 0 to 1.
    """

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Counts:
    """What scores are made of, for one class or for each of many.

    Attributes:
        hits: Pictures of the class that were predicted as it.
        predicted: Pictures that were predicted as it.
        true: Pictures of the class.
    """

    hits: Array
    predicted: Array
    true: Array

    @property
    def precision(self) -> Array:
        """Hits by predicted."""
        return _divided(self.hits, self.predicted)

    @property
    def recall(self) -> Array:
        """Hits by true."""
        return _divided(self.hits, self.true)

    @property
    def f1(self) -> Array:
        """Twice the hits by the sum of predicted and true."""
        return _divided(2 * self.hits, self.predicted + self.true)

    def summed(self) -> Counts:
        """All classes as one: what micro averages are made of."""
        return Counts(self.hits.sum(), self.predicted.sum(), self.true.sum())


def per_class(names: Sequence[str], counts: Counts) -> tuple[ClassScore, ...]:
    """The scores of every class, in order."""
    columns = zip(names, counts.precision, counts.recall, counts.f1, counts.true, strict=True)
    return tuple(
        ClassScore(name, float(precision), float(recall), float(f1), int(true))
        for name, precision, recall, f1, true in columns
    )


def average(name: str, each: Sequence[ClassScore]) -> ClassScore:
    """The plain mean over classes, each counting the same; `support` is their sum."""
    return ClassScore(
        name,
        float(np.mean([score.precision for score in each])),
        float(np.mean([score.recall for score in each])),
        float(np.mean([score.f1 for score in each])),
        sum(score.support for score in each),
    )


def confusion(truths: Array, predicted: Array, classes: int) -> Array:
    """Counts ``(classes, classes)``: true classes by rows, predicted ones by columns."""
    cells = np.bincount(truths * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def confused(table: Array, names: Sequence[str], least: int) -> tuple[Confused, ...]:
    """The pairs of classes with at least so many mistakes, the most frequent first.

    Of equal counts the larger share of the true class stands first, then the order of the classes.

    Args:
        table: What `confusion` gave.
        names: The classes in its order.
        least: The fewest mistakes of a pair; 1 or more.
    """
    wrong = np.where(np.eye(len(table), dtype=bool), 0, table)
    sums = table.sum(axis=1)
    places = [(int(row), int(column)) for row, column in np.argwhere(wrong >= least)]
    found = [(int(wrong[pair]), float(wrong[pair] / sums[pair[0]]), pair) for pair in places]
    found.sort(key=lambda each: (-each[0], -each[1], each[2]))
    return tuple(Confused(names[i], names[j], count, share) for count, share, (i, j) in found)


def ranks(outputs: Array, truths: Array) -> Array:
    """How many classes stand before the true one; of equal ones the first in order stands before.

    Args:
        outputs: ``(pictures, classes)``.
        truths: ``(pictures,)``.
    """
    own = np.take_along_axis(outputs, truths[:, None], axis=1)
    earlier = np.arange(outputs.shape[1]) < truths[:, None]
    before: Array = ((outputs > own) | ((outputs == own) & earlier)).sum(axis=1)
    return before


def r2(outputs: Array, truths: Array) -> Array:
    """The fraction of the variance that is explained, for each output ``(outputs,)``.

    ``1 - sum (y - p)**2 / sum (y - mean y)**2``. Of truths that are all the same it is 1 if every
    prediction is right and 0 otherwise.
    """
    left = ((truths - outputs) ** 2).sum(axis=0)
    total = ((truths - truths.mean(axis=0)) ** 2).sum(axis=0)
    ratio = np.where(left == 0, 0.0, 1.0)
    np.divide(left, total, out=ratio, where=total > 0)
    return 1.0 - ratio


def cross_entropy(probabilities: Array) -> Array:
    """Minus the logarithm; a probability of 0 counts as 1e-7, as in Keras."""
    entropy: Array = -np.log(np.clip(probabilities, 1e-7, 1.0))
    return entropy


def macro(each: ClassScore) -> dict[str, float]:
    """A macro average as metrics."""
    return {
        "macro_precision": each.precision,
        "macro_recall": each.recall,
        "macro_f1": each.f1,
    }


def table(
    each: Sequence[ClassScore], averages: Sequence[ClassScore], kind: str
) -> tuple[list[str], list[list[str]]]:
    """A report as (header, rows): the classes, and the averages below them.

    Of very many classes only those of the lowest F1 are shown, and a row says so.
    """
    shown = list(each)
    if len(each) > _SHOWN_WHOLE:
        shown = sorted(each, key=lambda score: score.f1)[: _SHOWN_WHOLE // 2]
    rows = [_row(score) for score in (*shown, *averages)]
    if len(each) > _SHOWN_WHOLE:
        rows.insert(len(shown), [f"… the weakest {len(shown)} of {len(each)} {kind}", *[""] * 4])
    return ["", "precision", "recall", "f1", "support"], rows


def _row(score: ClassScore) -> list[str]:
    numbers = (f"{number:.4f}" for number in (score.precision, score.recall, score.f1))
    return [shortened(score.name, 40), *numbers, str(score.support)]


def _divided(above: Array, below: Array) -> Array:
    below = np.asarray(below, dtype=np.float64)
    ratio: Array = np.zeros_like(below)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
