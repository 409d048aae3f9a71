"""GBC: how little the classes overlap if each is a Gaussian."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from transferkit.errors import SpecError, explain
from transferkit.transferability.statistics import Features, of_classes

__all__ = ["gbc"]

Array = np.ndarray[Any, Any]
FLOOR = 1e-4


def gbc(
    features: Features,
    labels: Any = None,
    *,
    covariance: Literal["spherical", "diagonal"] = "spherical",
    log: bool = False,
) -> float:
    """The classes' overlap by Bhattacharyya coefficients, negative (GBC). Higher is better.

        -sum over pairs c != d of exp(-B(c, d)),
        B = 1/8 (m_c - m_d)^2 / v + 1/2 log(v / sqrt(v_c v_d)),  v = (v_c + v_d) / 2,

    summed over channels, with the variance of each channel in each class, 1e-4 at least. In the
    spherical form a class has one variance, the mean of its channels', and the logarithm counts
    once, as published. It lies between -classes (classes - 1) and 0. At many channels it comes so
    near to 0 that float64 ends; `log` says how near.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.
        covariance: ``"spherical"`` or ``"diagonal"``.
        log: Give -log of the overlap instead: it orders in the same way and does not underflow.

    Raises:
        DataError: If features or labels cannot be used; see `Statistics`.
        SpecError: If the labels are numbers, or there is no such covariance.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.gbc(*load_iris(return_X_y=True)), 6)
        -0.337804

    References:
        Michal Pandy et al., Transferability Estimation using Bhattacharyya Class Separability,
        CVPR 2022.
    """
    if covariance not in ("spherical", "diagonal"):
        raise SpecError(
            explain(
                "gbc",
                "there is no such covariance",
                expected='"spherical" or "diagonal"',
                received={"covariance": covariance},
                mend='gbc(features, labels, covariance="spherical")',
            )
        )
    seen = of_classes("gbc", features, labels)
    variances = np.maximum(seen.class_variances, FLOOR)
    if covariance == "spherical":
        variances = variances.mean(axis=1, keepdims=True)
    distances = np.concatenate(
        [_distances(seen.class_means, variances, c) for c in range(1, len(variances))]
    )
    nearest = distances.min()  # of exponentials that all but vanish the largest is taken out
    overlap = np.log(2.0) - nearest + np.log(np.exp(nearest - distances).sum())
    return float(-overlap if log else -np.exp(overlap))


def _distances(means: Array, variances: Array, number: int) -> Array:
    """From one class to all before it."""
    between = np.square(means[:number] - means[number])
    one, others = variances[number], variances[:number]
    middle = (one + others) / 2
    apart = (between / middle).sum(axis=1) / 8
    spread = np.log(middle) - 0.5 * (np.log(one) + np.log(others))
    return np.asarray(apart + 0.5 * spread.sum(axis=1))
