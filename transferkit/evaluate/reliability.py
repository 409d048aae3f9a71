"""Whether probabilities hold what they promise: bins of confidence, and how often each is right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit import plots
from transferkit._text import counted, shortened
from transferkit._types import whole
from transferkit.errors import SpecError, explain
from transferkit.evaluate import inputs
from transferkit.evaluate.evaluation import Evaluation
from transferkit.evaluate.scores import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BINS",
    "Probabilities",
    "Reliability",
    "expected_calibration_error",
    "reliability",
]

BINS = 15
"""As many as in the paper on temperature scaling."""


@dataclass(frozen=True)
class Reliability:
    """How often predictions of each confidence are right, by bins of equal width.

    Bin k of M holds confidences in ``(k / M, (k + 1) / M]``, and the first one 0 as well.

    Attributes:
        counts: Predictions in each bin.
        confidences: Their mean confidence; NaN for an empty bin.
        accuracies: The share of them that is right; NaN for an empty bin.
    """

    counts: tuple[int, ...]
    confidences: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of confidence and accuracy, each bin weighing as many as it holds."""
        gaps = np.abs(np.subtract(self.confidences, self.accuracies))
        return float(np.nansum(gaps * self.counts) / np.sum(self.counts))


class Probabilities(Evaluation):
    """What evaluations of probabilities have in common: can they be believed?"""

    @cached_property
    def expected_calibration_error(self) -> float:
        """How far confidence and accuracy lie apart, in 15 bins; 0 is best and 1 worst.

        See `transferkit.evaluate.expected_calibration_error`.
        """
        return self.reliability().expected_calibration_error

    def reliability(self, bins: int = BINS) -> Reliability:
        """How often predictions of each confidence are right.

        Args:
            bins: How many, of equal width.

        Raises:
            SpecError: If `bins` is no whole number above 0.
        """
        return _binned(*_events(self.outputs, self.truths), _bins("evaluation.reliability", bins))

    def plot_reliability(self, bins: int = BINS) -> Figure:
        """Accuracy over confidence, the diagonal being perfect, and how many of each there are.

        Args:
            bins: How many, of equal width.

        Raises:
            SpecError: If `bins` is no whole number above 0.
            MissingExtraError: If matplotlib is not installed.
        """
        found = self.reliability(bins)
        return plots.reliability(
            found.counts,
            found.confidences,
            found.accuracies,
            f"{shortened(self.split, 16)}, {counted(self.count, 'picture')}: "
            f"calibration error {found.expected_calibration_error:.3f}",
            each="label" if self.truths.ndim > 1 else "picture",
            needed_for="evaluation.plot_reliability()",
        )


def reliability(probabilities: Any, labels: Any, bins: int = BINS) -> Reliability:
    """How often predictions of each confidence are right.

    With one class to a picture a prediction is the most probable class, its confidence the
    probability of that class, and right where that is the true one. With several labels each label
    of each picture is a prediction, its confidence the label's probability, and right where the
    picture has the label.

    Args:
        probabilities: ``(pictures, outputs)``.
        labels: True classes ``(pictures,)``, or 0 and 1 ``(pictures, outputs)``.
        bins: How many, of equal width.

    Raises:
        DataError: If there are no pictures, shapes disagree, a number is no probability, or a label
            no label.
        SpecError: If `bins` is no whole number above 0.
        TrainingError: If a probability is no finite number.
    """
    return _reliability("reliability", probabilities, labels, bins)


def expected_calibration_error(probabilities: Any, labels: Any, bins: int = BINS) -> float:
    """How far confidence and accuracy lie apart, their mean over bins of predictions.

    ``sum_k n_k / n |accuracy_k - confidence_k|`` over the bins of `reliability`: 0 where of the
    predictions made with a confidence of 0.8 eight in ten are right, and so for all confidences; 1
    at worst. Of few pictures it is too large, as chance alone moves each bin.

    Args:
        probabilities: ``(pictures, outputs)``.
        labels: True classes ``(pictures,)``, or 0 and 1 ``(pictures, outputs)``.
        bins: How many, of equal width.

    Example:
        >>> from transferkit import evaluate
        >>> outputs = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]]
        >>> round(evaluate.expected_calibration_error(outputs, [0, 0, 1, 0]), 2)
        0.2

    Raises:
        DataError: If there are no pictures, shapes disagree, a number is no probability, or a label
            no label.
        SpecError: If `bins` is no whole number above 0.
        TrainingError: If a probability is no finite number.

    References:
        Naeini, Cooper, Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
        AAAI 2015.
    """
    found = _reliability("expected_calibration_error", probabilities, labels, bins)
    return found.expected_calibration_error


def _reliability(verb: str, probabilities: Any, labels: Any, bins: Any) -> Reliability:
    outputs = inputs.probabilities(verb, probabilities)
    several = np.ndim(labels) > 1
    truths = (inputs.multi_hot if several else inputs.classes)(verb, labels, outputs)
    return _binned(*_events(outputs, truths), _bins(verb, bins))


def _events(outputs: Array, truths: Array) -> tuple[Array, Array]:
    """Predictions in a row: how sure each is, and whether it is right."""
    if truths.ndim > 1:
        return outputs.ravel(), truths.ravel() == 1
    return outputs.max(axis=1), outputs.argmax(axis=1) == truths


def _binned(confidences: Array, right: Array, bins: int) -> Reliability:
    # Edges as numbers, and not confidence * bins, which rounds 0.7 out of the bin that it ends.
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidences)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, each, minlength=bins) for each in (confidences, right)]
    means = [np.divide(each, counts, out=np.full(bins, np.nan), where=counts > 0) for each in sums]
    return Reliability(*(tuple(each.tolist()) for each in (counts, *means)))


def _bins(verb: str, value: Any) -> int:
    number = whole(value)
    if number is None or number < 1:
        raise SpecError(
            explain(
                verb,
                "that is no number of bins",
                expected="a whole number above 0",
                received={"bins": value},
                mend=f"{verb}(..., bins={BINS})",
            )
        )
    return number
