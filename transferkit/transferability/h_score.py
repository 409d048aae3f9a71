"""H-scores: how much of the features' spread lies between classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.transferability.statistics import Features, Statistics, of_classes

__all__ = ["h_score", "regularized_h_score"]

Array = np.ndarray[Any, Any]


def h_score(features: Features, labels: Any = None) -> float:
    """The trace of the pseudo-inverse of the features' covariance times that of their class means.

        tr(cov(F)^+ cov(E[F | y]))

    Between 0 and the smaller of channels and classes - 1. It reaches that bound on pure noise once
    there are as many channels as images, so that `regularized_h_score` is the one to show for few
    images. It does not change with the scale of the features or with any invertible linear map.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.

    Raises:
        DataError: If features or labels cannot be used; see `Statistics`.
        SpecError: If the labels are numbers.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.h_score(*load_iris(return_X_y=True)), 6)
        1.191899

    References:
        Yajie Bao et al., An Information-Theoretic Approach to Transferability in Task Transfer
        Learning, ICIP 2019.
    """
    seen = of_classes("h_score", features, labels)
    return float(_between(seen).sum())


def regularized_h_score(features: Features, labels: Any = None) -> float:
    """The H-score with a covariance that is shrunk towards a multiple of the identity.

    With a the shrinkage of Ledoit and Wolf, S the covariance and t its mean eigenvalue,

        (1 - a) tr(((1 - a) S + a t I)^-1 cov(E[F | y])),

    S being divided by the images and the class means' covariance by one less, as published. On
    noise it stays far below the bound however many channels there are. The features' scale does not
    matter.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.

    Raises:
        DataError: If features or labels cannot be used; see `Statistics`.
        SpecError: If the labels are numbers.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.regularized_h_score(*load_iris(return_X_y=True)), 6)
        1.177842

    References:
        Shibal Ibrahim, Natalia Ponomareva and Rahul Mazumder, Newer is not always better:
        Rethinking transferability metrics, their peculiarities, stability and performance, 2021.
        Olivier Ledoit and Michael Wolf, A well-conditioned estimator for large-dimensional
        covariance matrices, Journal of Multivariate Analysis, 2004.
    """
    seen = of_classes("regularized_h_score", features, labels)
    squares = seen.centred.singular**2 / seen.count
    if not len(squares):
        return 0.0
    shrinkage, level = shrunk(seen)
    kept = (1.0 - shrinkage) * squares / ((1.0 - shrinkage) * squares + shrinkage * level)
    return float((_between(seen) @ kept) * seen.count / (seen.count - 1))


def shrunk(seen: Statistics) -> tuple[float, float]:
    """The shrinkage of Ledoit and Wolf, 0 to 1, and the mean eigenvalue."""
    squares = seen.centred.singular**2 / seen.count
    level = float(squares.sum()) / seen.channels
    size = float(np.square(squares).sum())
    noise = (seen.fourth_moment / seen.count - size) / (seen.channels * seen.count)
    spread = (size - 2 * level * squares.sum() + seen.channels * level**2) / seen.channels
    return (float(min(noise, spread) / spread) if spread > 0 else 1.0), level


def _between(seen: Statistics) -> Array:
    """The share of the spread along each singular vector that lies between classes (rank,)."""
    inner = seen.centred.onto(seen.columns)
    return np.asarray((inner**2 / seen.counts).sum(axis=1))
