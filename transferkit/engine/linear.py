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
    scaled: bool = True,
    seed: int = 0,
) -> Linear:
    """Minimise ``sum_i s_i loss_i / sum_i s_i + penalty / 2 |W|^2`` over standardised vectors.

    A channel is divided by the root of its variance, drawn towards the mean of all (`PRIOR`). With
    the loss of a classification this is multinomial logistic regression. The bias is not
    penalised.

    Without a penalty the one is taken under which left-out images lose least once their logits are
    multiplied by the best number, and the solution is multiplied by it: a strong penalty, which few
    images need for the right direction, would leave it unsure of everything.

    Args:
        vectors: float32 (images, channels).
        targets: As the loss takes them, one row for each image.
        loss: The head's, on logits.
        shares: s, how much each image counts (images,).
        classes: The class of each image, by which folds are made alike.
        penalty: Above 0; None for cross-validation.
        scaled: Whether logits may be multiplied so: not where they are the numbers to be met.
        seed: Decides the folds.
    """
    mean, scale = _moments(vectors, shares)
    problem = _Problem((vectors - mean) / scale, targets, loss)
    chosen = _Chosen(penalty, 1.0, f"penalty {penalty:.3g}") if penalty is not None else None
    if chosen is None:
        folds = _folds(len(vectors), classes, seed)
        chosen = _cross_validated(problem, shares, folds, scaled=scaled)
    point = chosen.factor * problem.solve(problem.start(), shares, chosen.penalty)
    kernel, bias = problem.parts(point)
    kernel = kernel / scale[:, None]
    return Linear(kernel, bias - mean @ kernel, f"solved by L-BFGS, {chosen.how}")


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
    factor, middle = 1.0, 0.0
    if not values:
        middle = 0.5
        factor, _ = _fitting(probe.outputs - middle, targets, loss, np.ones(len(targets)))
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
        self.rows, self.loss = targets, loss
        self.outputs = int(targets.shape[1])
        self._value_and_gradient = _keras.compiled(self._objective, autograph=False)

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

    def logits(self, point: Array) -> Array:
        """Of all images (images, outputs)."""
        kernel, bias = self.parts(point)
        return np.asarray(tf.matmul(self.table, kernel)) + bias

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


@dataclass(frozen=True)
class _Chosen:
    """What cross-validation chose: a penalty, what logits are multiplied by, and how."""

    penalty: float
    factor: float
    how: str


def _cross_validated(
    problem: _Problem, shares: Array, folds: list[Array], *, scaled: bool
) -> _Chosen:
    """The penalty and the factor under which left-out images lose least."""
    if not folds:
        how = f"penalty {UNTRIED:g}, as no class has two images to choose it by"
        return _Chosen(UNTRIED, 1.0, how)
    points = [problem.start() for _ in folds]
    seen = np.any(folds, axis=0)
    told = f"{len(folds)}-fold cross-validation" if len(folds) > 1 else "images held out"
    best, least, waited = _Chosen(UNTRIED, 1.0, ""), np.inf, 0
    for penalty in PENALTIES:
        points = [
            problem.solve(point, np.where(left_out, 0.0, shares), penalty)
            for point, left_out in zip(points, folds, strict=True)
        ]
        logits = np.zeros((len(shares), problem.outputs))
        for point, left_out in zip(points, folds, strict=True):
            logits[left_out] = problem.logits(point)[left_out]
        factor, lost = _fitting(
            logits[seen], problem.rows[seen], problem.loss, shares[seen], scaled=scaled
        )
        if lost < least:
            least, waited = lost, 0
            best = _Chosen(float(penalty), factor, f"penalty {penalty:.3g} by {told}")
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best


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


def _fitting(
    logits: Array, targets: Array, loss: Any, shares: Array, *, scaled: bool = True
) -> tuple[float, float]:
    """What logits of left-out images are multiplied by to lose least, and that loss.

    Where every one is right, no factor would be too large. So each label is a little unsure, as if
    one more image had any of the labels.

    References:
        John Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.2.
    """
    unsure = 1.0 / (len(targets) + 2) if scaled else 0.0
    rows = (1.0 - unsure) * targets + unsure * targets.mean(axis=0)
    wanted, weights = tf.constant(rows, tf.float32), tf.constant(shares / shares.sum(), tf.float32)

    def lost(power: float) -> float:
        each = losses_of(loss, wanted, tf.constant(np.exp(power) * logits, tf.float32))
        return float(tf.tensordot(weights, each, 1))

    if not scaled:
        return 1.0, lost(0.0)
    found = optimize.minimize_scalar(lost, bounds=(-3, 6), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
