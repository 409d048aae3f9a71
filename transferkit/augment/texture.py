"""Operations on fine detail: noise, blur. Labels stay as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from transferkit import _keras
from transferkit._types import Tensor, real
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, number, registry, span

__all__ = ["Blur", "Noise", "blur", "noise"]

_PARTS = 16  # of a grey level
_WHOLE = 4096  # what the weights of a kernel add up to


@registry.registering("noise")
@dataclass(frozen=True, repr=False)
class Noise(Operation):
    """See `noise`."""

    amount: float
    name: ClassVar[str] = "noise"

    def __post_init__(self) -> None:
        amount = number("noise", "amount", self.amount, 0, 1, mend="tk.augment.noise(0.05)")
        object.__setattr__(self, "amount", amount)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Add noise to a batch; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        shape = tf.shape(images)
        deviation = draws.uniform(keys, 0.0, 255.0 * self.amount)[:, None, None, None]
        normal = tf.reshape(draws.normals(keys, tf.reduce_prod(shape[1:])), shape)
        return tf.clip_by_value(images + normal * deviation, 0.0, 255.0), labels


@registry.registering("blur")
@dataclass(frozen=True, repr=False)
class Blur(Operation):
    """See `blur`."""

    sigma: tuple[float, float]
    probability: float = 1.0
    name: ClassVar[str] = "blur"

    def __post_init__(self) -> None:
        mend = "tk.augment.blur((0.1, 2.0), probability=0.5)"
        given = (0.0, self.sigma) if real(self.sigma) is not None else self.sigma
        expected = "one number, or (low, high), in pixels"
        sigma = span("blur", "sigma", given, 0, 20, mend=mend, expected=expected)
        probability = number("blur", "probability", self.probability, 0, 1, mend=mend)
        object.__setattr__(self, "sigma", sigma)
        object.__setattr__(self, "probability", probability)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Blur a batch; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        sigma = draws.uniform(keys, *self.sigma, 0)
        hit = draws.chance(keys, self.probability, 1)[:, None, None, None]
        made = tf.cond(  # a convolution takes no empty batch
            tf.size(images) > 0,
            lambda: _blurred(images, sigma, math.ceil(3 * self.sigma[1])),
            lambda: images,
        )
        return tf.where(hit, made, images), labels


def noise(amount: float) -> Noise:
    """Add Gaussian noise, a draw of its own for every pixel and channel.

    The deviation is one number per picture, evenly drawn from [0, amount] of the range 0..255.
    Values are clipped to 0..255.

    Args:
        amount: 0 to 1; at 0.05 the deviation is up to 13 grey levels.

    Raises:
        SpecError: If `amount` is out of its range.
    """
    return Noise(amount)


def blur(sigma: float | tuple[float, float], *, probability: float = 1.0) -> Blur:
    """Blur with a Gaussian whose deviation is evenly drawn for each picture.

    The Gaussian is cut off at three times the largest deviation; beyond the border lies the mirror
    image. Results are right to a quarter of a grey level.

    Args:
        sigma: The largest deviation in pixels, 0 to 20, or the smallest and the largest.
        probability: How often a picture is blurred, 0 to 1.

    Raises:
        SpecError: If an argument is out of its range.
    """
    return Blur(sigma, probability)  # type: ignore[arg-type]  # normalised where configs are, too


def _blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """A Gaussian of its own for each picture, first down, then across.

    Pictures become channels of one picture, so that a depthwise convolution can give each a kernel
    of its own: that is seven times as fast as adding up shifted pictures and four times as fast as
    a product of matrices. Keras' RandomGaussianBlur has one deviation for the whole batch and
    darkens the border.

    Sixteenths of grey levels and weights in 4096ths are whole numbers whose sums stay below 2**24:
    float32 holds them exactly, and no order of addition can change the result.
    """
    tf = _keras.tf()
    shape = tf.shape(images)
    count, height, width, channels = (shape[axis] for axis in range(4))
    flat = tf.reshape(tf.transpose(tf.round(images * _PARTS), (1, 2, 0, 3)), (1, height, width, -1))
    once = tf.round(_convolved(flat, sigma, tf.minimum(radius, height), channels, 1) / _WHOLE)
    twice = _convolved(once, sigma, tf.minimum(radius, width), channels, 2) / (_WHOLE * _PARTS)
    back = tf.transpose(tf.reshape(twice, (height, width, count, channels)), (2, 0, 1, 3))
    return tf.ensure_shape(back, images.shape)


def _convolved(flat: Tensor, sigma: Tensor, radius: Tensor, channels: Tensor, axis: int) -> Tensor:
    tf = _keras.tf()
    margin = [[0, 0], [0, 0], [0, 0], [0, 0]]
    margin[axis] = [radius, radius]
    kernel = tf.repeat(_kernel(sigma, radius), channels, axis=1)[..., None]
    kernel = tf.expand_dims(kernel, 2 - axis)  # (taps, 1, ...) down, (1, taps, ...) across
    padded = tf.pad(flat, margin, "SYMMETRIC")
    return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")


def _kernel(sigma: Tensor, radius: Tensor) -> Tensor:
    """Whole numbers that add up to `_WHOLE`, float32 ``(taps, batch)``."""
    tf = _keras.tf()
    far = tf.cast(tf.range(1, radius + 1), tf.float64)[:, None]
    side = tf.exp(-0.5 * tf.square(far / tf.maximum(tf.cast(sigma, tf.float64), 0.01)[None]))
    whole = 1.0 + 2.0 * tf.reduce_sum(side, axis=0, keepdims=True)
    side = tf.round(_WHOLE * side / whole)
    middle = _WHOLE - 2.0 * tf.reduce_sum(side, axis=0, keepdims=True)
    return tf.cast(tf.concat([tf.reverse(side, [0]), middle, side], axis=0), tf.float32)
