"""A linear head solved on vectors: by L-BFGS on the head's own loss, or as a ridge regression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from transferkit import _keras
from transferkit.engine.step import losses_of
from transferkit.transferability import ridge_probe

__all__ = ["FOLDS", "PENALTIES", "Linear", "by_lbfgs", "by_ridge"]

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]

PENALTIES = np.logspace(1.5, -4, 12)
"""What cross-validation tries, the strongest first: half a decade apart."""
FOLDS = 5
ALL_FOLDS = 2_000
"""Images up to which every fold is left out once; of more, the first one alone."""
PATIENCE = 3
"""Penalties without a gain after which weaker ones are not tried."""
UNTRIED = 1.0
"""The penalty where no class has two images to choose it by."""
STEPS = 300
PRIOR = 10
"""As many images more have the mean variance of all channels.

From a few images a channel's own variance is mostly chance. Frozen MobileNetV2, ants and bees, ten
draws: with 1, 2, 5 images of a class accuracy rises from 0.55, 0.63, 0.80 to 0.72, 0.86, 0.91."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A solved head: ``vectors @ kernel + bias`` are its logits.

    Attributes:
        kernel: (channels, outputs).
        bias: (outputs,).
        how: What was done, in words.
    """

    kernel: Array
    bias: Array
    how: str


def by_lbfgs(
    vectors: Array,
    targets: Array,
    loss: Any,
    *,
    shares: Array,
    classes: Array | None = None,
    penalty: float | None = None,
    seed: int = 0,
) -> Linear:
    """Minimise ``sum_i s_i loss_i / sum_i s_i + penalty / 2 |W|^2`` over standardised vectors.

    A channel is divided by the root of its variance, drawn towards the mean of all (`PRIOR`). With
    the loss of a classification this is multinomial logistic regression. The bias is not
    penalised. Without a penalty the one with the least loss of left-out images is taken.

    Args:
        vectors: float32 (images, channels).
        targets: As the loss takes them, one row for each image.
        loss: The head's, on logits.
        shares: s, how much each image counts (images,).
        classes: The class of each image, by which folds are made alike.
        penalty: Above 0; None for cross-validation.
        seed: Decides the folds.
    """
    mean, scale = _moments(vectors, shares)
    problem = _Problem((vectors - mean) / scale, targets, loss)
    how = f"penalty {penalty:.3g}" if penalty is not None else ""
    if penalty is None:
        penalty, how = _cross_validated(problem, shares, _folds(len(vectors), classes, seed))
    point = problem.solve(problem.start(), shares, penalty)
    kernel, bias = problem.parts(point)
    kernel = kernel / scale[:, None]
    return Linear(kernel, bias - mean @ kernel, f"solved by L-BFGS, {how}")


def by_ridge(
    vectors: Array, targets: Array, loss: Any, *, values: bool, penalty: float | None = None
) -> Linear:
    """A ridge regression onto the targets' columns, its penalty chosen by exact leave-one-out.

    The logits of a classification are its outputs times the number that gives left-out images the
    least loss, as they are shares between 0 and 1 themselves.

    Args:
        vectors: float32 (images, channels).
        targets: (images, outputs).
        loss: The head's, on logits.
        values: Whether the targets are numbers that the outputs are to meet.
        penalty: In units of the standardised vectors' mean variance times the images.
    """
    mean, scale = _moments(vectors, np.ones(len(vectors)))
    more = {} if penalty is None else {"penalties": (penalty,)}
    probe = ridge_probe((vectors - mean) / scale, np.asarray(targets, np.float64), **more)
    factor, middle = (1.0, 0.0) if values else (_sharpened(probe.outputs, targets, loss), 0.5)
    kernel = factor * probe.weights / scale[:, None]
    bias = factor * (probe.bias - middle) - mean @ kernel
    chosen = "" if penalty is not None else " by leave-one-out"
    how = f"solved as a ridge regression, penalty {probe.penalty:.3g}{chosen}"
    return Linear(kernel.astype(np.float32), bias.astype(np.float32), how)


class _Problem:
    """The loss of images and its gradient, compiled once for all folds and penalties."""

    def __init__(self, table: Array, targets: Array, loss: Any) -> None:
        self.channels = table.shape[1]
        self.table, self.targets = tf.constant(table, tf.float32), tf.constant(targets)
        self.loss = loss
        self.outputs = int(targets.shape[1])
        self._value_and_gradient = _keras.compiled(self._objective, autograph=False)
        self._mean_loss = _keras.compiled(self._mean, autograph=False)

    def start(self) -> Array:
        """Even odds for every class."""
        return np.zeros((self.channels + 1) * self.outputs)

    def parts(self, point: Array) -> tuple[Array, Array]:
        """Kernel and bias."""
        rows = np.asarray(point, np.float32).reshape(self.channels + 1, self.outputs)
        return rows[:-1], rows[-1]

    def solve(self, start: Array, shares: Array, penalty: float) -> Array:
        """The point where the objective is least, from another one."""
        weights, strength = self._shares(shares), tf.constant(penalty, tf.float32)

        def objective(point: Array) -> tuple[float, Array]:
            value, slope = self._value_and_gradient(
                tf.constant(point, tf.float32), weights, strength
            )
            return float(value), np.asarray(slope, np.float64)

        # A float32 loss is right to about 1e-7: what is beyond that is not worth a step.
        settings = {"maxiter": STEPS, "ftol": 1e-7, "gtol": 1e-5}
        found = optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options=settings)
        return np.asarray(found.x)

    def mean_loss(self, point: Array, shares: Array) -> float:
        """The mean loss of images, without the penalty."""
        return float(self._mean_loss(tf.constant(point, tf.float32), self._shares(shares)))

    def _shares(self, shares: Array) -> Any:
        return tf.constant(shares / shares.sum(), tf.float32)

    def _mean(self, point: Any, shares: Any) -> Any:
        rows = tf.reshape(point, (self.channels + 1, self.outputs))
        logits = tf.matmul(self.table, rows[:-1]) + rows[-1]
        return tf.tensordot(shares, losses_of(self.loss, self.targets, logits), 1)

    def _objective(self, point: Any, shares: Any, penalty: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(point)
            kernel = point[: self.channels * self.outputs]
            value = self._mean(point, shares) + penalty / 2 * tf.reduce_sum(tf.square(kernel))
        return value, tape.gradient(value, point)


def _cross_validated(problem: _Problem, shares: Array, folds: list[Array]) -> tuple[float, str]:
    """The penalty under which left-out images lose least, and how it was chosen."""
    if not folds:
        return UNTRIED, f"penalty {UNTRIED:g}, as no class has two images to choose it by"
    points = [problem.start() for _ in folds]
    best, least, waited = UNTRIED, np.inf, 0
    for penalty in PENALTIES:
        points = [
            problem.solve(point, np.where(left_out, 0.0, shares), penalty)
            for point, left_out in zip(points, folds, strict=True)
        ]
        lost = sum(
            problem.mean_loss(point, np.where(left_out, shares, 0.0))
            * float(shares[left_out].sum())
            for point, left_out in zip(points, folds, strict=True)
        )
        best, least, waited = (penalty, lost, 0) if lost < least else (best, least, waited + 1)
        if waited == PATIENCE:
            break
    told = f"{len(folds)}-fold cross-validation" if len(folds) > 1 else "images held out"
    return float(best), f"penalty {best:.3g} by {told}"


def _folds(count: int, classes: Array | None, seed: int) -> list[Array]:
    """Which images each fold leaves out, every class in equal parts; a class of one never is."""
    parts = _dealt(count, classes, np.random.default_rng(seed))
    folds = [parts == number for number in range(FOLDS)]
    folds = [each for each in folds if each.any() and not each.all()]
    return folds if count <= ALL_FOLDS else folds[:1]


def _dealt(count: int, classes: Array | None, rng: np.random.Generator) -> Array:
    """The fold of each image; -1 for those that stay in all."""
    parts = np.full(count, -1)
    places = 0
    for members in _groups(count, classes):
        if len(members) > 1:
            parts[rng.permutation(members)] = (places + np.arange(len(members))) % FOLDS
            places += len(members)
    return parts


def _groups(count: int, classes: Array | None) -> Iterator[Array]:
    ids = np.zeros(count, np.int64) if classes is None else np.asarray(classes)
    for each in np.unique(ids):
        yield np.flatnonzero(ids == each)


def _moments(vectors: Array, shares: Array) -> tuple[Array, Array]:
    """Mean of each channel, and its standard deviation drawn towards the others'; float32."""
    parts = shares / shares.sum()
    mean = (parts @ vectors).astype(np.float32)
    variances = np.maximum(parts @ np.square(vectors - mean), 0.0)
    count = len(vectors)
    drawn = (count * variances + PRIOR * variances.mean()) / (count + PRIOR)
    return mean, np.sqrt(np.where(drawn > 1e-12, drawn, 1.0)).astype(np.float32)


def _sharpened(outputs: Array, targets: Array, loss: Any) -> float:
    """The factor that turns shares into the logits of least loss.

    Where every left-out image is right, no factor would be too large. So each label is a little
    unsure, as if one more image had any of the labels.

    References:
        John Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.2.
    """
    unsure = 1.0 / (len(targets) + 2)
    rows = (1.0 - unsure) * targets + unsure * targets.mean(axis=0)
    wanted, middle = tf.constant(rows, tf.float32), outputs - 0.5

    def lost(power: float) -> float:
        logits = tf.constant(np.exp(power) * middle, tf.float32)
        return float(tf.reduce_mean(losses_of(loss, wanted, logits)))

    return float(np.exp(optimize.minimize_scalar(lost, bounds=(-2, 6), method="bounded").x))
