"""What RandAugment does to values: sharpness, posterize, solarize, autocontrast, equalize.

Each is a function of one picture's pixels, with Pillow's definition, channel by channel.
"""

from __future__ import annotations

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment.hue import keras_layer

__all__ = ["autocontrast", "equalized", "posterized", "sharpened", "solarized"]


def sharpened(images: Tensor, factor: Tensor) -> Tensor:
    """Away from a smoothed picture (factor above 1) or towards it; the border stays as it is.

    Keras' RandomSharpness smooths the border with black. The nine terms are added one after the
    other, so that their order does not hang on the batch.
    """
    tf = _keras.tf()
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    square = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = (square + 4.0 * images[:, 1:-1, 1:-1]) * (1.0 / 13.0)
    change = (images[:, 1:-1, 1:-1] - inner) * (factor - 1.0)
    margin = [[0, 0], [1, 1], [1, 1], [0, 0]]
    return tf.clip_by_value(images + tf.pad(change, margin), 0.0, 255.0)


def posterized(images: Tensor, dropped: Tensor) -> Tensor:
    """Values without their lowest bits, as many as `dropped` says, uint8 ``(batch,)``."""
    layer = keras_layer("RandomPosterization", factor=4)
    return layer.transform_images(_keras.tf().round(images), {"shift_factor": dropped})


def solarized(images: Tensor, threshold: Tensor) -> Tensor:
    """Values from the threshold on inverted."""
    layer = keras_layer("Solarization")
    return layer.transform_images(images, {"thresholds": threshold, "additions": 0.0})


def autocontrast(images: Tensor) -> Tensor:
    """Each channel stretched to 0..255; one of a single value stays as it is.

    Keras' AutoContrast does the same, but fails where a batch has no picture for it.
    """
    tf = _keras.tf()
    low = tf.reduce_min(images, axis=(1, 2), keepdims=True)
    width = tf.reduce_max(images, axis=(1, 2), keepdims=True) - low
    scale = 255.0 / tf.where(width > 0, width, 1.0)
    stretched = tf.clip_by_value((images - low) * scale, 0.0, 255.0)
    return tf.where(width > 0, stretched, images)


def equalized(images: Tensor) -> Tensor:
    """Each channel with its values spread evenly, rounded to whole grey levels first.

    Keras' Equalization counts one histogram for the whole batch.

    References:
        Pillow's ImageOps.equalize, whose table this is.
    """
    tf = _keras.tf()
    shape = tf.shape(images)
    levels = tf.cast(tf.round(images), tf.int32)
    planes = tf.reshape(tf.range(shape[0] * shape[3]), (shape[0], 1, 1, shape[3]))
    bins = tf.reshape(levels + 256 * planes, (-1,))
    size = 256 * shape[0] * shape[3]
    # tf.math.bincount refuses to count nothing, which is what no picture has.
    counted = tf.raw_ops.DenseBincount(input=bins, size=size, weights=tf.zeros(0, tf.int32))
    counts = tf.reshape(counted, (-1, 256))
    table = tf.reshape(_even_table(counts), (-1,))
    return tf.cast(tf.reshape(tf.gather(table, bins), shape), tf.float32)


def _even_table(counts: Tensor) -> Tensor:
    """From a histogram of each plane to the level that each level becomes."""
    tf = _keras.tf()
    last = tf.reduce_max(tf.where(counts > 0, tf.range(256)[None], -1), axis=1)
    highest = tf.gather(counts, tf.maximum(last, 0), axis=1, batch_dims=1)
    step = ((tf.reduce_sum(counts, axis=1) - highest) // 255)[:, None]
    before = tf.cumsum(counts, axis=1, exclusive=True)
    spread = tf.minimum((step // 2 + before) // tf.maximum(step, 1), 255)
    return tf.where(step > 0, spread, tf.range(256)[None])
