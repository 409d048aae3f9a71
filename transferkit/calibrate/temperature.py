"""One number that makes confidences honest: temperature scaling."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.evaluate import inputs
from transferkit.evaluate.scores import Array

__all__ = ["HIGHEST", "LOWEST", "temperature"]

LOWEST = 1e-3
"""The lowest temperature there is."""

HIGHEST = 1e3
"""The highest one: that of logits which say nothing, or the contrary, of the targets."""

_STEPS = 100  # some ten of Newton's are needed


def temperature(logits: Any, targets: Any) -> float:
    """The temperature T with which ``softmax(logits / T)`` fits the targets best.

    It has the least negative log likelihood

        L(b) = mean_i [log sum_c exp(b z_ic) - b z_iy],    b = 1 / T,

    and for labels the mean over pictures and labels of ``log(1 + exp(b z)) - b y z``. Both are
    convex in b, so that there is one minimum, found to the last digits. Above 1 the network was too
    sure, below 1 not sure enough; the order of the classes stays.

    T lies between 0.001 and 1000. Where n of n targets are told right, L falls with every lower T.
    As n pictures cannot show that a network is right more often than (n + 1) / (n + 2), T is then
    the one at which this is the mean confidence, or 1 if the network is surer already, or never is.

    Args:
        logits: ``(pictures, outputs)``, before softmax or sigmoid.
        targets: For softmax the true classes ``(pictures,)``; for sigmoid 0 and 1
            ``(pictures, outputs)``, one temperature serving all outputs.

    Raises:
        DataError: If there are no pictures, shapes disagree, or a target is no class or label.
        TrainingError: If a logit is no finite number.

    References:
        Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    """
    verb = "temperature"
    table = inputs.numbers(verb, logits)
    if np.ndim(targets) == 1:
        return _best(table, inputs.classes(verb, targets, table))
    labels = inputs.multi_hot(verb, targets, table).ravel()
    # A sigmoid is a softmax beside a logit of 0.
    return _best(np.stack([np.zeros(labels.size), table.ravel()], axis=1), labels)


def _best(logits: Array, classes: Array) -> float:
    """Newton's method on the slope in 1 / T, with halves where it would leave the range."""
    ahead = logits - np.take_along_axis(logits, classes[:, None], axis=1)
    if (ahead <= 0).all():
        return _never_wrong(ahead)
    low, high, scale = 1 / HIGHEST, 1 / LOWEST, 1.0
    slope, curvature = _slope(ahead, scale)
    if slope < 0 and _slope(ahead, high)[0] <= 0:
        return LOWEST
    if slope > 0 and _slope(ahead, low)[0] >= 0:
        return HIGHEST
    for _ in range(_STEPS):
        low, high = (low, scale) if slope > 0 else (scale, high)
        step = scale - slope / curvature if curvature > 0 else scale
        last, scale = scale, step if low < step < high else np.sqrt(low * high)
        if slope == 0 or abs(scale - last) <= 1e-12 * last:
            return float(1 / last)
        slope, curvature = _slope(ahead, scale)
    return float(1 / scale)


def _never_wrong(ahead: Array) -> float:
    """The temperature, 1 or below, at which the mean confidence is what so many targets can show.

    By Laplace's rule of succession, for a chance of which nothing was known before.
    """
    most = (len(ahead) + 1) / (len(ahead) + 2)

    def is_sure(scale: float) -> bool:
        return bool(np.mean(1 / np.exp(scale * ahead).sum(axis=1)) >= most)

    low, high = 1.0, 1 / LOWEST
    if not is_sure(high):  # equal logits stay equal
        return 1.0
    for _ in range(_STEPS):
        scale = float(np.sqrt(low * high))
        low, high = (low, scale) if is_sure(scale) else (scale, high)
    return 1 / low


def _slope(ahead: Array, scale: float) -> tuple[float, float]:
    """First and second derivative of the negative log likelihood.

    Args:
        ahead: Logits less that of the true class ``(pictures, classes)``.
        scale: 1 / T.
    """
    scaled = scale * ahead
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights * ahead).sum(axis=1)
    spreads = (weights * (ahead - means[:, None]) ** 2).sum(axis=1)
    return float(means.mean()), float(spreads.mean())
