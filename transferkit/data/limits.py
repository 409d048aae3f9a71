"""How many pixels a picture may have."""

from __future__ import annotations

from typing import Any

from transferkit._types import whole
from transferkit.errors import SpecError, explain

__all__ = ["MAX_PIXELS", "check_max_pixels"]

MAX_PIXELS = 100_000_000


def check_max_pixels(verb: str, max_pixels: Any) -> None:
    """Refuse what is no number of pixels.

    Raises:
        SpecError: Saying what is one.
    """
    count = whole(max_pixels)
    if count is None or count < 1:
        raise SpecError(
            explain(
                verb,
                "max_pixels is no number of pixels",
                expected="a whole number of 1 or more",
                received={"max_pixels": max_pixels},
                mend=f"{verb}(..., max_pixels={MAX_PIXELS:_})",
            )
        )
