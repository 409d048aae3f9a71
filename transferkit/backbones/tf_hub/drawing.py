"""Random numbers for the variables of a SavedModel, which does not say how its own were drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["draw"]

keras, tf = _keras.keras(), _keras.tf()
_ONES = ("gamma", "scale", "variance")


def draw(variables: Iterable[Any]) -> None:
    """Give variables fresh numbers, by their shapes and names alone.

    What has two axes or more is a kernel: normal with the variance ``2 / n``, n being how many
    numbers go into one that comes out (He). A vector is 1 where its name ends in ``gamma``,
    ``scale`` or ``variance``, and 0 elsewhere. Whole numbers, counts and the like, stay.

    Args:
        variables: TensorFlow's.

    References:
        Kaiming He et al., Delving Deep into Rectifiers, ICCV 2015.
    """
    for variable in variables:
        if variable.dtype.is_floating:
            variable.assign(tf.cast(_drawn(variable), variable.dtype))


def _drawn(variable: Any) -> Tensor:
    shape, name = tuple(variable.shape), variable.name.split(":")[0]
    if len(shape) < 2:
        return tf.ones(shape) if name.endswith(_ONES) else tf.zeros(shape)
    if len(shape) == 4 and "depthwise" in name:  # each channel is multiplied by itself alone
        height, width, channels, multiplier = shape
        return tf.reshape(_he((height, width, 1, channels * multiplier)), shape)
    return _he(shape)


def _he(shape: tuple[int, ...]) -> Tensor:
    return keras.initializers.HeNormal()(shape)
