"""k nearest neighbours, each image's own left out."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from transferkit._types import whole
from transferkit.errors import DataError, SpecError, explain
from transferkit.transferability.spectrum import Rows
from transferkit.transferability.statistics import Features, Statistics, of_classes

__all__ = ["knn", "knn_right", "queries"]

Array = np.ndarray[Any, Any]
QUERIES = 5000
AT_ONCE = 64


def knn(
    features: Features,
    labels: Any = None,
    *,
    k: int = 1,
    ties: Literal["first", "share"] = "first",
    seed: int = 0,
) -> float:
    """The share of images whose class is that of the vote of their k nearest others, 0 to 1.

    Distances are Euclidean. Others that are as far as the k-th share the votes that are left. Of
    more than 5,000 images so many are drawn to be asked about, by `seed`; the others still vote.
    The scale of the features does not matter, nor does a rotation. A class of one image is always
    wrong.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names (images,). None with `Statistics`.
        k: How many neighbours vote, from 1 to images - 1.
        ties: Who wins a vote that several classes lead: ``"first"``, the first of them in sorted
            order, as in scikit-learn and published tables, so that the score may change with the
            classes' names; ``"share"``, each an equal part, the mean over random choices.
        seed: Which images are asked about, if there are more than 5,000.

    Raises:
        DataError: If features or labels cannot be used, or there are not more images than `k`.
        SpecError: If the labels are numbers, or there is no such way to settle ties.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.knn(*load_iris(return_X_y=True), k=5), 4)
        0.9667
    """
    seen = of_classes("knn", features, labels)
    return float(knn_right(seen, k=k, ties=ties, seed=seed).mean())


def knn_right(seen: Statistics, *, k: int, ties: str = "first", seed: int = 0) -> Array:
    """For each image that was asked about the probability that the vote is right (images,)."""
    neighbours = whole(k)
    if neighbours is None or not 1 <= neighbours < seen.count:
        raise DataError(
            explain(
                "knn",
                f"of {seen.count} images each has {seen.count - 1} others",
                expected=f"k from 1 to {seen.count - 1}",
                received={"k": k},
                mend="knn(features, labels, k=1)",
            )
        )
    if ties not in ("first", "share"):
        raise SpecError(
            explain(
                "knn",
                "there is no such way to settle a vote",
                expected='"first" or "share"',
                received={"ties": ties},
                mend='knn(features, labels, ties="share")',
            )
        )
    table = Rows(seen.features, seen.mean).whole()
    lengths = np.einsum("ij,ij->i", table, table)  # without a second table of squares
    columns = seen.columns
    asked = queries(seen.count, QUERIES, seed)
    right = [
        _right(table, lengths, columns, seen.ids, asked[start : start + AT_ONCE], neighbours, ties)
        for start in range(0, len(asked), AT_ONCE)
    ]
    return np.concatenate(right)


def queries(count: int, most: int, seed: int) -> Array:
    """The images to ask about, in order: all, or as many as `most` by chance."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _right(
    table: Array, lengths: Array, columns: Array, ids: Array, asked: Array, k: int, ties: str
) -> Array:
    squared = lengths[asked, None] + lengths - 2.0 * (table[asked] @ table.T)
    squared[np.arange(len(asked)), asked] = np.inf
    rounding = 1e-12 * max(float(lengths.max()), np.finfo(float).tiny)
    last = np.partition(squared, k - 1, axis=1)[:, k - 1 : k]
    nearer, level = squared < last - rounding, np.abs(squared - last) <= rounding
    left = (k - nearer.sum(axis=1)) / level.sum(axis=1)
    votes = nearer @ columns + left[:, None] * (level @ columns)
    leading = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    own = leading[np.arange(len(asked)), ids[asked]]
    if ties == "share":
        return np.asarray(own / leading.sum(axis=1))
    return np.asarray(leading.argmax(axis=1) == ids[asked]).astype(float)
