"""What callers may pass, and the one place where each kind of argument is normalised."""

from __future__ import annotations

import operator
import os
from typing import Any, Literal, NoReturn, TypeAlias, get_args

from transferkit.errors import SpecError, explain

PathLike: TypeAlias = str | os.PathLike[str]
"""A path, as text or as ``pathlib.Path``."""

ImageSize: TypeAlias = int | tuple[int, int]
"""A side in pixels, or (height, width)."""

Tensor: TypeAlias = Any
"""A ``tf.Tensor`` or ``keras.KerasTensor``: TensorFlow and Keras ship no types."""

KerasModel: TypeAlias = Any
"""A ``keras.Model``."""

Interpolation: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""By which filter a picture is resized: Pillow's names."""

INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)


class FrozenDict(dict[str, Any]):
    """A dictionary that a value can hold: nothing in it can be set or taken out."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this mapping belongs to a value and cannot be changed; make another value")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


def image_size(value: ImageSize, *, verb: str) -> tuple[int, int]:
    """Normalise a side or a pair to (height, width).

    Args:
        value: One side in pixels, or (height, width).
        verb: The call the user typed, for the error.

    Raises:
        SpecError: If it is not one or two positive whole numbers.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    sides = [whole(side) or 0 for side in pair]
    if len(sides) != 2 or min(sides) < 1:
        raise SpecError(
            explain(
                verb,
                "the image size is not a size",
                expected="one side or (height, width), in whole pixels above 0",
                received={"image_size": value},
                mend=f"{verb}(..., image_size=(224, 224))",
            )
        )
    return sides[0], sides[1]


def whole(value: object) -> int | None:
    """`value` as an ``int`` if it is a whole number (NumPy's too); else, and for bools, None."""
    if _is_no_number(value) or not hasattr(value, "__index__"):
        return None
    return operator.index(value)


def real(value: object) -> float | None:
    """`value` as a ``float`` if it is a number (NumPy's too); else, and for bools, None."""
    if _is_no_number(value) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def checked_seed(verb: str, value: object) -> int:
    """A seed as NumPy and TensorFlow both take it.

    Raises:
        SpecError: If it is no whole number from 0 to 2**63 - 1.
    """
    seed = whole(value)
    if seed is None or not 0 <= seed < 2**63:
        raise SpecError(
            explain(
                verb,
                "that is no seed",
                expected="a whole number from 0 to 2**63 - 1",
                received={"seed": value},
                mend=f"{verb}(..., seed=0)",
            )
        )
    return seed


def _is_no_number(value: object) -> bool:
    # NumPy's truth value is no bool, and an array of one number would pass for a number.
    kind = type(value).__name__
    return kind in ("bool", "bool_", "ndarray", "str") or bool(getattr(value, "shape", ()))
