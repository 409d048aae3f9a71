"""What a pipeline is called with: a batch of pictures, their places, rows of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.errors import DataError, explain

__all__ = ["batch", "places", "refuse_images", "taken"]


def batch(images: Any) -> Tensor:
    """Pictures as float32 ``(batch, height, width, channels)``.

    Raises:
        DataError: If they are no batch.
    """
    tf = _keras.tf()
    pixels = tf.cast(tf.convert_to_tensor(images), tf.float32)
    if pixels.shape.rank not in (4, None):
        expected = "a batch (batch, height, width, channels)"
        refuse_images("pipeline", expected, tuple(pixels.shape))
    return pixels


def places(indices: Any, pixels: Tensor) -> Tensor:
    """Places in a data set as int64 ``(batch,)``.

    Raises:
        DataError: If there is not one for each picture.
    """
    tf = _keras.tf()
    given = tf.cast(tf.convert_to_tensor(indices), tf.int64)
    if not given.shape.is_compatible_with(pixels.shape[:1]):
        raise DataError(
            explain(
                "pipeline",
                "indices and pictures differ in number",
                expected=f"one index for each of {pixels.shape[0]} pictures",
                received={"indices": tuple(given.shape)},
                mend="pipeline(images, seed=0, view=0, indices=range(len(images)))",
            )
        )
    return given


def taken(rows: Any, which: Tensor) -> Any:
    """Rows by place; from an array on disk only those that are asked for."""
    tf = _keras.tf()
    if tf.executing_eagerly() and isinstance(rows, np.ndarray):
        return rows[which.numpy()]
    return tf.gather(rows, which)


def refuse_images(verb: str, expected: str, shape: tuple[Any, ...]) -> None:
    """Say what shape was expected.

    Raises:
        DataError: Always.
    """
    raise DataError(
        explain(
            verb,
            "the pictures have the wrong shape",
            expected=expected,
            received={"shape": shape},
            mend="pipeline(image[None], ...) makes a batch of one.",
        )
    )
