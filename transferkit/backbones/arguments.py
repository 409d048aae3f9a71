"""What callers may pass for a name, a shape and weights, each brought to one form."""

from __future__ import annotations

import os

from transferkit._types import PathLike, whole
from transferkit.errors import SpecError, explain

__all__ = ["checked_name", "checked_shape", "checked_weights"]


def checked_name(value: object, *, verb: str) -> str:
    """A backbone's name.

    Args:
        value: What was passed.
        verb: The call the user typed, for the error.

    Raises:
        SpecError: If it is no text.
    """
    if isinstance(value, str):
        return value
    raise SpecError(
        explain(
            verb,
            f"an object of the type {type(value).__name__} is no name of a backbone",
            expected="a name, such as 'keras:MobileNetV2'",
            received={"name": value},
            mend="tk.backbones.names() lists all.",
        )
    )


def checked_shape(value: object) -> tuple[int, int, int]:
    """(height, width, channels); whether a network can take them is its own affair.

    Raises:
        SpecError: If it is not three whole numbers.
    """
    given = value if isinstance(value, tuple | list) else ()
    sides = [side for side in map(whole, given) if side is not None]
    if len(given) != 3 or len(sides) != 3:
        raise SpecError(
            explain(
                "backbones.load",
                "that is no shape of a picture",
                expected="(height, width, channels), three whole numbers, or None",
                received={"input_shape": value},
                mend="input_shape=(224, 224, 3)",
            )
        )
    return sides[0], sides[1], sides[2]


def checked_weights(value: PathLike | None, *, verb: str) -> str | None:
    """A name of weights or a path as text; None stays None.

    Args:
        value: What was passed.
        verb: The call the user typed, for the error.

    Raises:
        SpecError: If it is neither a name nor a path.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if value is None or isinstance(text, str):
        return text
    raise SpecError(
        explain(
            verb,
            f"weights cannot be an object of the type {type(value).__name__}",
            expected="'pretrained', a name in info(name).weights, None, or a path",
            received={"weights": value},
            mend="weights=None starts from random ones.",
        )
    )
