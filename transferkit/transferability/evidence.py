"""LogME: how probable the labels are under a Bayesian linear model of the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.transferability.statistics import Features, Statistics, taken

__all__ = ["logme"]

Array = np.ndarray[Any, Any]
NOISE = 1e-12
"""The least part of a column's square that counts as noise: less is rounding."""
DECADES = 14.0
"""How far beyond the squared singular values the ratio of precisions is looked for."""
STEPS = 160
HALVINGS = 80


def logme(features: Features, labels: Any = None) -> float:
    """The mean log evidence per image (LogME). Higher is better; it has no bounds.

    For each class, or each output of a regression, its column y (0 and 1 for classes) is y = F w +
    noise, with w ~ N(0, 1/alpha) and noise ~ N(0, 1/beta). The score is the largest log evidence ::

        log p(y | F) = k/2 log alpha + N/2 log beta - 1/2 sum_j log(alpha + beta s_j^2)
                       - beta/2 |y - F m|^2 - alpha/2 |m|^2 - N/2 log(2 pi)

    over alpha and beta, divided by N, in the mean over columns. s are the k singular values of F
    above rounding: those that are zero cancel the prior of as many weights, which is why it is k
    and not the number of channels that counts, however few images there are.

    The model has no intercept, so that the score changes if a constant is added to the features; it
    does not if all are multiplied by one number. A column that fewer weights than images fit
    without error would have infinite evidence: noise under 1e-12 of its square counts as 1e-12.

    Args:
        features: (images, channels), or `Statistics`.
        labels: Whole numbers or names for classes (images,), floating point numbers for a
            regression (images,) or (images, outputs). None with `Statistics`.

    Raises:
        DataError: If features or labels cannot be used; see `Statistics`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from transferkit import transferability
        >>> round(transferability.logme(*load_iris(return_X_y=True)), 6)
        -0.16006

    References:
        Kaichao You et al., LogME: Practical Assessment of Pre-trained Models for Transfer Learning,
        ICML 2021; Ranking and Tuning Pre-trained Models, JMLR 2022.
    """
    seen = taken(features, labels)
    squares = _squares(seen)
    shares, rest = _within(seen)
    return float(_evidence(squares, shares, rest, seen.count).mean() / seen.count)


def _squares(seen: Statistics) -> Array:
    return np.asarray(seen.raw.singular**2)


def _within(seen: Statistics) -> tuple[Array, Array]:
    """Each column's square along the singular vectors (columns, rank), and outside them."""
    totals = np.square(seen.columns).sum(axis=0)
    shares = np.square(seen.raw.onto(seen.columns)).T
    if seen.raw.rank == seen.count:  # nothing is outside, and the evidence finite all the same
        return shares, np.where(totals > 0, 0.0, NOISE)
    floor = np.where(totals > 0, NOISE * totals, NOISE)
    return shares, np.maximum(totals - shares.sum(axis=1), floor)


def _evidence(squares: Array, shares: Array, rest: Array, count: int) -> Array:
    """The largest evidence of each column.

    For a ratio r = alpha / beta the best beta is N / E(r), E(r) = sum_j z_j r / (s_j^2 + r) + rest
    being the error and the prior's part together. What is left is a function of r alone, which may
    have more than one top: the best of a grid is refined by golden sections.
    """
    if not len(squares):
        return _of_errors(rest, count)
    reach = DECADES * np.log(10.0)
    low, high = np.log(squares.min()) - reach, np.log(squares.max()) + reach
    grid = np.linspace(low, high, STEPS)
    values = _on_grid(grid, squares, shares, rest, count)
    best = grid[values.argmax(axis=1)]
    found = _refined(best, grid[1] - grid[0], squares, shares, rest, count)
    return np.asarray(np.maximum(values.max(axis=1), found))


def _on_grid(grid: Array, squares: Array, shares: Array, rest: Array, count: int) -> Array:
    """The evidence of each column at each log ratio (columns, grid)."""
    ratios = np.exp(grid)[:, None]
    errors = shares @ (ratios / (squares + ratios)).T + rest[:, None]
    volume = 0.5 * np.log1p(squares / ratios).sum(axis=1)
    return np.asarray(_of_errors(errors, count) - volume)


def _at(places: Array, squares: Array, shares: Array, rest: Array, count: int) -> Array:
    """The same at one log ratio of each column's own (columns,)."""
    ratios = np.exp(places)[:, None]
    errors = (shares * (ratios / (squares + ratios))).sum(axis=1) + rest
    volume = 0.5 * np.log1p(squares / ratios).sum(axis=1)
    return np.asarray(_of_errors(errors, count) - volume)


def _of_errors(errors: Array, count: int) -> Array:
    return np.asarray(0.5 * count * (np.log(count / errors) - 1.0 - np.log(2.0 * np.pi)))


def _refined(
    best: Array, step: float, squares: Array, shares: Array, rest: Array, count: int
) -> Array:
    """The largest value within a step of each column's best place."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    low, high = best - step, best + step

    def at(places: Array) -> Array:
        return _at(places, squares, shares, rest, count)

    one, two = high - golden * (high - low), low + golden * (high - low)
    first, second = at(one), at(two)
    for _ in range(HALVINGS):
        left = first > second
        low, high = np.where(left, low, one), np.where(left, two, high)
        fresh = np.where(left, high - golden * (high - low), low + golden * (high - low))
        value = at(fresh)
        one, two = np.where(left, fresh, two), np.where(left, one, fresh)
        first, second = np.where(left, value, second), np.where(left, first, value)
    return np.asarray(np.maximum(first, second))
