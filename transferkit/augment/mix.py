"""Operations that join two pictures and their labels: mixup, cutmix.

Labels are rows of numbers, the targets of a head: each becomes a weighted mean of the two, so a
loss has to take what lies between them (`transferkit.spec.BoundHead.soft_targets`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import boxes
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, number, registry
from transferkit.errors import DataError, SpecError, explain

__all__ = ["Cutmix", "Mixup", "beta_quantiles", "cutmix", "mixup", "needs_partners"]


class Mixing(Operation):
    """What our mixes share: who is drawn, and how labels are joined."""

    alpha: float
    probability: float

    def __post_init__(self) -> None:
        mend = f"tk.augment.{self.name}(alpha={type(self).alpha}, probability=0.5)"
        alpha = number(self.name, "alpha", self.alpha, 0.01, 1000, mend=mend)
        probability = number(self.name, "probability", self.probability, 0, 1, mend=mend)
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "probability", probability)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Refuse: without partners there is nothing to mix with.

        Raises:
            SpecError: Always.
        """
        raise needs_partners(self.name, self)

    def partners(self, keys: Tensor, count: int) -> Tensor:
        """Any picture, each as likely; see `transferkit.spec.Mix`."""
        return draws.below(keys, count, 0)

    def share(self, keys: Tensor) -> Tensor:
        """How much stays of each picture, before pixels are counted: float32 ``(batch,)``."""
        tf = _keras.tf()
        drawn = draws.quantile(keys, beta_quantiles(self.alpha), 1)
        return tf.where(draws.chance(keys, self.probability, 2), drawn, 1.0)


@registry.registering("mixup")
@dataclass(frozen=True, repr=False)
class Mixup(Mixing):
    """See `mixup`."""

    alpha: float = 0.2
    probability: float = 1.0
    name: ClassVar[str] = "mixup"

    def mix(
        self,
        images: Tensor,
        labels: Tensor,
        partner_images: Tensor,
        partner_labels: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Join a batch with its partners; see `transferkit.spec.Mix`."""
        share = self.share(keys)
        pixels = _weighted(images, partner_images, share)
        return pixels, _joined("mixup", labels, partner_labels, lambda: share)


@registry.registering("cutmix")
@dataclass(frozen=True, repr=False)
class Cutmix(Mixing):
    """See `cutmix`."""

    alpha: float = 1.0
    probability: float = 1.0
    name: ClassVar[str] = "cutmix"

    def mix(
        self,
        images: Tensor,
        labels: Tensor,
        partner_images: Tensor,
        partner_labels: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Join a batch with its partners; see `transferkit.spec.Mix`."""
        tf = _keras.tf()
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        box = self.box(keys, height, width)
        pixels = tf.where(boxes.inside(box, height, width), partner_images, images)

        def share() -> Tensor:
            pasted = tf.cast(box.height * box.width, tf.float32)
            return 1.0 - pasted / tf.cast(height * width, tf.float32)

        return pixels, _joined("cutmix", labels, partner_labels, share)

    def box(self, keys: Tensor, height: Tensor, width: Tensor) -> boxes.Box:
        """What is pasted, clipped at the border: about an even place, with the picture's ratio."""
        tf = _keras.tf()
        side = tf.sqrt(1.0 - tf.cast(self.share(keys), tf.float64))

        def extent(whole: Tensor, draw: int) -> tuple[Tensor, Tensor]:
            half = tf.cast(side * tf.cast(whole, tf.float64), tf.int32) // 2
            middle = tf.cast(draws.below(keys, whole, draw), tf.int32)
            start = tf.maximum(middle - half, 0)
            return start, tf.minimum(middle + half, whole) - start

        (top, tall), (left, wide) = extent(height, 3), extent(width, 4)
        return boxes.Box(top, left, tall, wide)


def mixup(alpha: float = 0.2, *, probability: float = 1.0) -> Mixup:
    """Lay another picture of the training data over each: ``m x + (1 - m) x'``, and so the labels.

    ``m`` is drawn from Beta(alpha, alpha), as one of 65,536 quantiles.

    Args:
        alpha: 0.01 to 1000. Small, and one of the two pictures nearly always prevails; at 1 every
            ``m`` is as likely.
        probability: How often a picture is mixed at all, 0 to 1.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018.
    """
    return Mixup(alpha, probability)


def cutmix(alpha: float = 1.0, *, probability: float = 1.0) -> Cutmix:
    """Paste a box of another picture of the training data into each, at the same place.

    The box is to cover ``1 - m`` of the picture, ``m`` drawn from Beta(alpha, alpha); its middle
    lies anywhere, and what reaches over the border is cut off. The labels are mixed by the share of
    pixels that were pasted in the end.

    Args:
        alpha: 0.01 to 1000; at 1 every size is as likely.
        probability: How often a picture is mixed at all, 0 to 1.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Yun et al., *CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features*, ICCV 2019.
    """
    return Cutmix(alpha, probability)


@functools.lru_cache(maxsize=16)
def beta_quantiles(alpha: float) -> np.ndarray[Any, Any]:
    """The quantiles of Beta(alpha, alpha), for `transferkit.augment.keys.quantile`.

    In ``t = log(x / (1 - x))`` the density is smooth whatever alpha is, ``(x (1 - x))**alpha`` but
    for a factor, so its integral is taken there: by trapezoids, as far out as 1e-9 of it.
    """
    far = 21.0 / alpha + 12.0 * np.sqrt(2.0 / alpha)
    t = np.linspace(-far, far, 2**18 + 1)
    density = np.exp(-alpha * (np.logaddexp(0, t) + np.logaddexp(0, -t) - 2 * np.log(2)))
    summed = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    steps = (np.arange(draws.QUANTILES) + 0.5) / draws.QUANTILES
    quantiles = np.interp(steps, summed / summed[-1], t)
    return np.asarray(1.0 / (1.0 + np.exp(-np.maximum(quantiles, -700))), np.float32)


def needs_partners(verb: str, mix: Any) -> SpecError:
    """The error of a mix that was called without anything to mix with."""
    return SpecError(
        explain(
            verb,
            f"{mix!r} joins pictures with others of the training data, and there are none",
            expected="the pictures and labels that partners are drawn from",
            received={"operation": mix},
            mend="model.augment(...).fit(photos) brings them; pipeline(images, labels, seed=0, "
            "view=0, indices=indices, data=(all_images, all_labels)) takes them.",
        )
    )


def _joined(verb: str, labels: Tensor, others: Tensor, share: Callable[[], Tensor]) -> Tensor:
    if labels is None:
        return None
    tf = _keras.tf()
    mine, theirs = tf.convert_to_tensor(labels), tf.convert_to_tensor(others)
    if not mine.dtype.is_floating:
        raise DataError(
            explain(
                verb,
                "labels of whole numbers cannot be mixed",
                expected="rows of numbers, one-hot for classes",
                received={"dtype": mine.dtype.name, "shape": tuple(mine.shape)},
                mend="np.eye(classes, dtype='float32')[labels]",
            )
        )
    return _weighted(mine, tf.cast(theirs, mine.dtype), tf.cast(share(), mine.dtype))


def _weighted(mine: Tensor, theirs: Tensor, share: Tensor) -> Tensor:
    tf = _keras.tf()
    one_each = tf.concat([tf.shape(share), tf.ones(tf.rank(mine) - 1, tf.int32)], axis=0)
    weight = tf.reshape(share, one_each)
    return mine * weight + theirs * (1.0 - weight)
