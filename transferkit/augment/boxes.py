"""Boxes inside a picture, drawn by area and aspect ratio: what crops keep and erasing covers."""

from __future__ import annotations

import math
from typing import NamedTuple

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import keys as draws

__all__ = ["Box", "drawn", "inside"]

_ATTEMPTS = 10


class Box(NamedTuple):
    """A box in each picture of a batch, in whole pixels; each part is int32 ``(batch,)``."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def drawn(
    keys: Tensor,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    height: Tensor,
    width: Tensor,
) -> tuple[Box, Tensor]:
    """Draw a box for each picture: the first of ten attempts that fits.

    An attempt takes its share of the area evenly from `scale` and its width over its height from
    `ratio`, evenly on a logarithmic scale; its place is then drawn evenly.

    Args:
        keys: uint32 ``(batch, 2)``.
        scale: The smallest and largest share of the picture's area.
        ratio: The smallest and largest width over height.
        height: Of the pictures, in pixels.
        width: Of the pictures, in pixels.

    Returns:
        The boxes, and whether there is one, bool ``(batch,)``: where none of the attempts fitted,
        the box is the last attempt and means nothing.

    References:
        Szegedy et al., *Going Deeper with Convolutions*, CVPR 2015 (the crop); torchvision's
        RandomResizedCrop and RandomErasing try as often.
    """
    tf = _keras.tf()
    area = draws.uniform(keys, *scale, range(_ATTEMPTS))
    aspects = math.log(ratio[0]), math.log(ratio[1])
    aspect = draws.uniform(keys, *aspects, range(100, 100 + _ATTEMPTS))
    # In double precision, so that rounding to pixels does not hang on the place in the batch.
    pixels = tf.cast(area, tf.float64) * tf.cast(height * width, tf.float64)
    across = tf.sqrt(tf.exp(tf.cast(aspect, tf.float64)))
    tall = tf.cast(tf.round(tf.sqrt(pixels) / across), tf.int32)
    wide = tf.cast(tf.round(tf.sqrt(pixels) * across), tf.int32)
    fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
    there = tf.reduce_any(fits, axis=1)
    first = tf.where(there, tf.argmax(fits, axis=1, output_type=tf.int32), _ATTEMPTS - 1)
    tall, wide = (tf.gather(sides, first, axis=1, batch_dims=1) for sides in (tall, wide))
    top = _place(keys, 200, tf.maximum(height - tall, 0))
    left = _place(keys, 201, tf.maximum(width - wide, 0))
    return Box(top, left, tall, wide), there


def inside(box: Box, height: Tensor, width: Tensor) -> Tensor:
    """Which pixels lie in the box; bool ``(batch, height, width, 1)``."""
    tf = _keras.tf()
    rows, columns = tf.range(height)[None, :], tf.range(width)[None, :]
    down = (rows >= box.top[:, None]) & (rows < (box.top + box.height)[:, None])
    across = (columns >= box.left[:, None]) & (columns < (box.left + box.width)[:, None])
    return (down[:, :, None] & across[:, None, :])[..., None]


def _place(keys: Tensor, draw: int, room: Tensor) -> Tensor:
    tf = _keras.tf()
    return tf.cast(draws.below(keys, room + 1, draw), tf.int32)
