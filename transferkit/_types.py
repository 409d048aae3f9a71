"""What callers may pass, and the one place where each kind of argument is normalised."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any, TypeAlias

from transferkit.errors import SpecError, explain

PathLike: TypeAlias = str | os.PathLike[str]
"""A path, as text or as ``pathlib.Path``."""

ImageSize: TypeAlias = int | tuple[int, int]
"""A side in pixels, or (height, width)."""

Tensor: TypeAlias = Any
"""A ``tf.Tensor`` or ``keras.KerasTensor``: TensorFlow and Keras ship no types."""

KerasModel: TypeAlias = Any
"""A ``keras.Model``."""


def image_size(value: ImageSize, *, verb: str) -> tuple[int, int]:
    """Normalise a side or a pair to (height, width).

    Args:
        value: One side in pixels, or (height, width).
        verb: The call the user typed, for the error.

    Raises:
        SpecError: If it is not one or two positive whole numbers.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(_is_count(side) for side in pair):
        raise SpecError(
            explain(
                verb,
                "the image size is not a size",
                expected="one side or (height, width), in whole pixels above 0",
                received={"image_size": value},
                mend=f"{verb}(..., image_size=(224, 224))",
            )
        )
    return int(pair[0]), int(pair[1])


def _is_count(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) > 0
