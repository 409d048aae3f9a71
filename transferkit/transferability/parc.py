"""PARC: whether images of one class are also alike in their features."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import DataError, explain
from transferkit.transferability.neighbours import queries
from transferkit.transferability.statistics import Features, of_classes

__all__ = ["parc"]

Array = np.ndarray[Any, Any]
QUERIES = 5000


def parc(features: Features, labels: Any = None, *, seed: int = 0) -> float:
    """Spearman's correlation of the images' distances in features and in labels (PARC), -1 to 1.

    The distance of two images is 1 - r, with r Pearson's correlation of their vectors, and of their
    one-hot labels. Of more than 5,000 images so many are drawn by `seed`. Labels have two distances
    only, so that Spearman's correlation is Pearson's of the features' ranks with "other class". An
    image whose features are all equal has a correlation of 0 with all others; features that are all
    alike, or drawn images of one class, give 0.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.
        seed: Which images are compared, if there are more than 5,000.

    Raises:
        DataError: If features or labels cannot be used, or there are fewer than three images.
        SpecError: If the labels are numbers.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.parc(*load_iris(return_X_y=True)), 4)
        0.75

    References:
        Daniel Bolya, Rohit Mittapalli and Judy Hoffman, Scalable Diverse Model Selection for
        Accessible Transfer Learning, NeurIPS 2021.
    """
    seen = of_classes("parc", features, labels)
    if seen.count < 3:
        raise DataError(
            explain(
                "parc",
                "two images have one distance, which correlates with nothing",
                expected="three images or more",
                received={"images": seen.count},
                mend="give more images",
            )
        )
    asked = queries(seen.count, QUERIES, seed)
    vectors = np.asarray(seen.features[asked], np.float64)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    pairs = np.triu_indices(len(asked), 1)
    apart = (1.0 - vectors @ vectors.T)[pairs]
    other = seen.ids[asked][pairs[0]] != seen.ids[asked][pairs[1]]
    return _correlation(_ranks(apart), other.astype(float))


def _ranks(values: Array) -> Array:
    """Ranks, those of equal values (to rounding) being their mean."""
    order = np.argsort(values)
    ordered = values[order]
    begins = np.flatnonzero(np.concatenate([[True], np.diff(ordered) > 1e-12]))
    ends = np.append(begins[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((begins + ends - 1) / 2.0, ends - begins)
    return ranks


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float(np.clip(one @ other / size, -1.0, 1.0)) if size > 0 else 0.0
