"""RandAugment: a few operations of a list, drawn for each picture. Labels stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor, whole
from transferkit.augment import colour, tone, warp
from transferkit.augment import keys as draws
from transferkit.augment.hue import luma, on_colours
from transferkit.augment.operation import Operation, number, registry
from transferkit.augment.warp import Fill
from transferkit.errors import SpecError, explain

__all__ = ["OPERATIONS", "RandAugment", "rand_augment"]

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
_MOVING = OPERATIONS[1:6]
_BLENDING = OPERATIONS[6:9]


@registry.registering("rand_augment")
@dataclass(frozen=True, repr=False)
class RandAugment(Operation):
    """See `rand_augment`."""

    operations: int = 2
    magnitude: float = 9.0
    fill: Fill = "reflect"
    name: ClassVar[str] = "rand_augment"

    def __post_init__(self) -> None:
        mend = "tk.augment.rand_augment(operations=2, magnitude=9)"
        count = whole(self.operations)
        if count is None or not 1 <= count <= 14:
            raise SpecError(
                explain(
                    "rand_augment",
                    "operations is out of its range",
                    expected="a whole number from 1 to 14",
                    received={"operations": self.operations},
                    mend=mend,
                )
            )
        magnitude = number("rand_augment", "magnitude", self.magnitude, 0, 30, mend=mend)
        object.__setattr__(self, "operations", count)
        object.__setattr__(self, "magnitude", magnitude)
        warp.check_fill("rand_augment", self.fill)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Draw operations for each picture, and do them; see `transferkit.spec.Augmentation`."""
        for turn in range(self.operations):
            folded = draws.fold(keys, turn)
            images = self.perform(images, self.choices(folded), self.signs(folded))
        return images, labels

    def choices(self, keys: Tensor) -> Tensor:
        """A place in `OPERATIONS` for each key; int32 ``(batch,)``."""
        tf = _keras.tf()
        return tf.cast(draws.below(keys, len(OPERATIONS), 0), tf.int32)

    def signs(self, keys: Tensor) -> Tensor:
        """Which way an operation that has two goes: -1 or 1, float32 ``(batch,)``."""
        return _keras.tf().where(draws.chance(keys, 0.5, 1), 1.0, -1.0)

    def perform(self, images: Tensor, choices: Tensor, signs: Tensor) -> Tensor:
        """Do one operation to each picture.

        Pictures are sorted by what is done to them and put back in their places afterwards, so that
        each kind of work is done once and to no other picture. Keras' RandAugment draws the
        operations for the whole batch and computes all of them for every picture.

        Args:
            images: float32 ``(batch, height, width, channels)``, 0..255.
            choices: For each a place in `OPERATIONS`.
            signs: For each the way, where there are two.
        """
        tf = _keras.tf()
        level = self.magnitude / 30.0
        work: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (
            lambda x, chosen, sign: x,
            lambda x, chosen, sign: _moved(x, chosen, sign * level, self.fill),
            lambda x, chosen, sign: _blended(x, chosen, 1.0 + sign * 0.9 * level),
            lambda x, chosen, sign: tone.sharpened(x, _each(1.0 + sign * 0.9 * level)),
            lambda x, chosen, sign: tone.posterized(x, _bits(chosen, level)),
            lambda x, chosen, sign: tone.solarized(x, _each(255.0 * (1.0 - level) + 0.0 * sign)),
            lambda x, chosen, sign: tone.autocontrast(x),
            lambda x, chosen, sign: tone.equalized(x),
        )
        kinds = tf.gather(tf.constant(_KINDS, tf.int32), choices)
        parts = zip(
            work,
            *(tf.dynamic_partition(each, kinds, len(work)) for each in (images, choices, signs)),
            strict=True,
        )
        done = [do(*part) for do, *part in parts]
        places = tf.dynamic_partition(tf.range(tf.shape(images)[0]), kinds, len(work))
        return tf.ensure_shape(tf.dynamic_stitch(places, done), images.shape)


def rand_augment(
    operations: int = 2, magnitude: float = 9, *, fill: Fill = "reflect"
) -> RandAugment:
    """Do a few operations to each picture, drawn evenly and with repetition from a list of 14.

    With ``s = magnitude / 30``, and plus or minus with even odds: *identity*; *shear_x*, *shear_y*
    by 0.3 s; *translate_x*, *translate_y* by 0.45 s of the side; *rotate* by 30 s degrees;
    *brightness*, *color*, *contrast* and *sharpness* by the factor 1 + 0.9 s or 1 - 0.9 s;
    *posterize*, which drops 4 s bits; *solarize*, which inverts from 255 (1 - s) on;
    *autocontrast*; *equalize*. The ranges are torchvision's. *color* is what `saturation` does,
    with its rule for channels; one channel stays as it is.

    Args:
        operations: How many, one after the other, 1 to 14.
        magnitude: How strong, 0 to 30.
        fill: What lies outside the picture: ``"reflect"``, its mirror image, ``"nearest"``, its
            border smeared out, or ``"constant"``, black.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Cubuk et al., *RandAugment: Practical automated data augmentation with a reduced search
        space*, NeurIPS 2020.
    """
    return RandAugment(operations, magnitude, fill)


def _moved(images: Tensor, chosen: Tensor, level: Tensor, fill: Fill) -> Tensor:
    tf = _keras.tf()
    shape = tf.shape(images)
    shear_x, shear_y, right, down, turn = (
        tf.where(chosen == OPERATIONS.index(name), level, 0.0) for name in _MOVING
    )
    angle = tf.cast(turn, tf.float64) * math.radians(30.0)
    sine, cosine = tf.cast(tf.sin(angle), tf.float32), tf.cast(tf.cos(angle), tf.float32)
    linear = (cosine, 0.3 * shear_x - sine, 0.3 * shear_y + sine, cosine)
    farthest = 150.0 / 331.0  # as the paper has it, in pixels of its pictures
    move = (
        -farthest * right * tf.cast(shape[2], tf.float32),
        -farthest * down * tf.cast(shape[1], tf.float32),
    )
    matrices = warp.about_centre(linear, move, shape[1], shape[2])
    return warp.resample(images, matrices, fill)


def _blended(images: Tensor, chosen: Tensor, factor: Tensor) -> Tensor:
    """Away from black (brightness), the mean (contrast), each pixel's grey (color)."""
    tf = _keras.tf()
    colourful, flat = (_each(chosen == OPERATIONS.index(name)) for name in _BLENDING[1:])
    middle = tf.where(flat, colour.mean(images), 0.0)

    def stretched(x: Tensor, base: Tensor) -> Tensor:
        return tf.clip_by_value(base + (x - base) * _each(factor), 0.0, 255.0)

    # What is no colour takes part in the other two and stays as it is in this one.
    rest = tf.where(colourful, images, stretched(images, middle))
    return tf.where(
        colourful, on_colours("rand_augment", images, lambda x: stretched(x, luma(x))), rest
    )


def _bits(chosen: Tensor, level: float) -> Tensor:
    tf = _keras.tf()
    return tf.fill(tf.shape(chosen), tf.constant(round(4 * level), tf.uint8))


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _kind(name: str) -> int:
    alone = OPERATIONS[9:]
    if name in alone:
        return 3 + alone.index(name)
    return 1 if name in _MOVING else 2 if name in _BLENDING else 0


_KINDS: np.ndarray[Any, Any] = np.asarray([_kind(name) for name in OPERATIONS], np.int32)
