"""TransRate: how much shorter a code for the features is once the class is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import SpecError, explain
from transferkit.transferability.statistics import Features, of_classes

__all__ = ["transrate"]

Array = np.ndarray[Any, Any]


def transrate(
    features: Features, labels: Any = None, *, eps: float = 1e-4, normalize: bool = False
) -> float:
    """The coding rate of all features less the mean of the classes' own (TransRate).

        R(F) - mean_c R(F_c),  R(Z) = 1/2 log det(I + Z'Z / (n eps)),

    F less its mean, n being the rows of Z. Higher is better. It depends on the features' scale: eps
    is a distortion in their units. To compare backbones, whose scales differ, normalise.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.
        eps: The distortion that is allowed, positive.
        normalize: Divide the features by their standard deviation over all channels first, so that
            the score does not depend on their scale; the published figures do not.

    Raises:
        DataError: If features or labels cannot be used; see `Statistics`.
        SpecError: If the labels are numbers, or `eps` is not positive.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.transrate(*load_iris(return_X_y=True)), 6)
        0.589405

    References:
        Long-Kai Huang et al., Frustratingly Easy Transferability Estimation, ICML 2022.
    """
    if not eps > 0:
        raise SpecError(
            explain(
                "transrate",
                "the distortion that is allowed is not positive",
                expected="a number above 0",
                received={"eps": eps},
                mend="transrate(features, labels, eps=1e-4)",
            )
        )
    seen = of_classes("transrate", features, labels)
    squares = seen.centred.singular**2
    variance = float(squares.sum()) / (seen.count * seen.channels)
    unit = eps * (variance or 1.0) if normalize else eps
    whole = 0.5 * np.log1p(squares / (seen.count * unit)).sum()
    return float(whole - np.mean([_rate(members, unit) for members in seen.by_class()]))


def _rate(rows: Array, unit: float) -> float:
    """R, by way of the smaller Gram matrix, which has the same determinant."""
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    root = np.linalg.cholesky(np.eye(len(gram)) + gram / (len(rows) * unit))
    return float(np.log(np.diag(root)).sum())
