"""From which probability on a label is given, for each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.evaluate import inputs
from transferkit.evaluate.scores import Array

__all__ = ["thresholds"]


def thresholds(
    probabilities: Any, labels: Any, *, default: float | Sequence[float] = 0.5
) -> tuple[float, ...]:
    """For each label the threshold with the best F1, ``2 hits / (given + true)``.

    A label is given where its probability is above the threshold. Tried are `default` and the
    middle between each probability and the next lower one (0 below the lowest). Of equally good
    ones the nearest to `default` is taken, so that `default` stays unless another is better. A
    label that no picture has keeps it.

    Args:
        probabilities: ``(pictures, labels)``.
        labels: 1 where a picture has a label and 0 where not ``(pictures, labels)``.
        default: The threshold that was used before, 0 to 1; one number, or one for each label.

    Returns:
        One for each label.

    Raises:
        DataError: If there are no pictures, shapes disagree, a number is no probability, or a label
            neither 0 nor 1.
        SpecError: If `default` is not between 0 and 1, or there are not as many as labels.
        TrainingError: If a probability is no finite number.

    References:
        Lipton, Elkan, Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure,
        ECML PKDD 2014.
    """
    verb = "thresholds"
    outputs = inputs.probabilities(verb, probabilities)
    truths = inputs.multi_hot(verb, labels, outputs)
    given = inputs.thresholds(verb, default, outputs, name="default")
    limits = np.broadcast_to(given, outputs.shape[1])
    columns = zip(np.clip(outputs, 0, 1).T, truths.T, limits.tolist(), strict=True)
    return tuple(_best(column, true, limit) for column, true, limit in columns)


def _best(probabilities: Array, truths: Array, default: float) -> float:
    if not truths.any():
        return default
    values = np.unique(probabilities)
    tried = np.append((values + np.append(0.0, values[:-1])) / 2, default)
    f1 = _f1(probabilities, truths, tried)
    best = tried[f1 == f1.max()]
    return float(best[np.argmin(np.abs(best - default))])


def _f1(probabilities: Array, truths: Array, tried: Array) -> Array:
    """The F1 of each threshold, from one sorting."""
    order = np.argsort(probabilities)
    below = np.searchsorted(probabilities[order], tried, side="right")
    missed = np.append(0, np.cumsum(truths[order]))[below]
    true = truths.sum()
    given = len(truths) - below
    return np.asarray(2 * (true - missed) / (given + true))
