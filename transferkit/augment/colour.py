"""Operations that change brightness and contrast where they are. Labels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, number, registry

__all__ = ["Brightness", "Contrast", "brightness", "contrast", "mean"]


@registry.registering("brightness")
@dataclass(frozen=True, repr=False)
class Brightness(Operation):
    """See `brightness`."""

    amount: float
    name: ClassVar[str] = "brightness"

    def __post_init__(self) -> None:
        mend = "tk.augment.brightness(0.2)"
        amount = number("brightness", "amount", self.amount, 0, 1, mend=mend)
        object.__setattr__(self, "amount", amount)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Change the brightness of a batch; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        farthest = 255.0 * self.amount
        added = draws.uniform(keys, -farthest, farthest)[:, None, None, None]
        return tf.clip_by_value(images + added, 0.0, 255.0), labels


@registry.registering("contrast")
@dataclass(frozen=True, repr=False)
class Contrast(Operation):
    """See `contrast`."""

    amount: float
    name: ClassVar[str] = "contrast"

    def __post_init__(self) -> None:
        mend = "tk.augment.contrast(0.2)"
        amount = number("contrast", "amount", self.amount, 0, 1, mend=mend)
        object.__setattr__(self, "amount", amount)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Change the contrast of a batch; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        factor = draws.uniform(keys, 1.0 - self.amount, 1.0 + self.amount)[:, None, None, None]
        middle = mean(images)
        return tf.clip_by_value((images - middle) * factor + middle, 0.0, 255.0), labels


def brightness(amount: float) -> Brightness:
    """Add one even draw from [-amount, amount] of the range 0..255 to all pixels of a picture.

    Values are clipped to 0..255.

    Args:
        amount: 0 to 1; at 0.2 up to 51 grey levels are added or taken.

    Raises:
        SpecError: If `amount` is out of its range.
    """
    return Brightness(amount)


def contrast(amount: float) -> Contrast:
    """Stretch or squeeze a picture's values about their mean: ``(x - mean) * f + mean``.

    The mean is one number per picture, over all its pixels and channels; ``f`` is an even draw from
    [1 - amount, 1 + amount]. Values are clipped to 0..255.

    Args:
        amount: 0 to 1.

    Raises:
        SpecError: If `amount` is out of its range.
    """
    return Contrast(amount)


def mean(images: Tensor) -> Tensor:
    """The mean of each picture, to 1/256 of a grey level, as ``(batch, 1, 1, 1)``.

    Whole numbers are added up, because a float sum depends on its order, and no device promises the
    same order for another number of pictures in the batch.
    """
    tf = _keras.tf()
    steps = tf.cast(tf.round(images * 256.0), tf.int64)
    total = tf.reduce_sum(steps, axis=(1, 2, 3), keepdims=True)
    count = tf.cast(tf.reduce_prod(tf.shape(images)[1:]), tf.float64)
    return tf.cast(tf.cast(total, tf.float64) / (256.0 * count), tf.float32)
