"""Pixels that come as numbers: their range, and how it becomes 0..255."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit._types import real
from transferkit.errors import DataError, SpecError, explain

__all__ = ["check_extremes", "check_range", "checked_range", "scaled"]

_BYTES = (0.0, 255.0)


def check_range(images: np.ndarray[Any, Any], *, verb: str) -> None:
    """Refuse pixels that are not 0..255.

    Raises:
        DataError: Saying what they look like.
    """
    if images.dtype == np.uint8 or not images.size:
        return
    if images.dtype.kind not in "fiu":
        raise DataError(
            explain(
                verb,
                f"pixels of type {images.dtype} are no pixels",
                expected="uint8, or floats 0..255",
                received={"dtype": str(images.dtype)},
            )
        )
    say = "." if verb == "decode" else f", or say {verb}(..., pixel_range={{}})."
    low, high = float(images.min()), float(images.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(explain(verb, "some pixels are NaN or infinite", expected="pixels 0..255"))
    if low < 0 or high > 255:
        raise DataError(
            explain(
                verb,
                "pixels lie outside 0..255",
                expected="raw pixels 0..255; the network scales them itself",
                received={"lowest": low, "highest": high},
                mend="Undo your own scaling" + say.format("(low, high)"),
            )
        )
    if images.dtype.kind == "f" and 0 < high <= 1:
        raise DataError(
            explain(
                verb,
                "pixels look like 0..1",
                expected="raw pixels 0..255; the network scales them itself",
                received={"lowest": low, "highest": high},
                mend="Pass images * 255" + say.format("(0, 1)"),
            )
        )


def checked_range(verb: str, pixel_range: Any) -> tuple[float, float]:
    """What the darkest and the brightest value are.

    Raises:
        SpecError: If it is no pair of numbers, the lower first.
    """
    pair = pixel_range if isinstance(pixel_range, tuple | list) else ()
    ends = [real(end) for end in pair]
    low, high = (*ends, None, None)[:2]
    if len(ends) != 2 or low is None or high is None or not -np.inf < low < high < np.inf:
        raise SpecError(
            explain(
                verb,
                "pixel_range is no range",
                expected="(darkest, brightest), the lower number first",
                received={"pixel_range": pixel_range},
                mend=f"{verb}(..., pixel_range=(0, 1))",
            )
        )
    return low, high


def check_extremes(
    verb: str, low: Any, high: Any, dtype: Any, pixel_range: tuple[float, float]
) -> None:
    """Refuse pixels that are not in their range.

    Args:
        verb: The function that the user called, for the errors.
        low: The lowest of all pixels.
        high: The highest.
        dtype: Of the pixels.
        pixel_range: Where they ought to lie.

    Raises:
        DataError: Saying what they look like.
    """
    if pixel_range == _BYTES:
        check_range(np.asarray([low, high], dtype), verb=verb)
        return
    # Written so that NaN, which is neither below nor above, is outside too.
    if not (low >= pixel_range[0] and high <= pixel_range[1]):
        raise DataError(
            explain(
                verb,
                "pixels lie outside pixel_range",
                expected="pixels from {} to {}".format(*pixel_range),
                received={"lowest": float(low), "highest": float(high)},
                mend="pixel_range=(darkest, brightest)",
            )
        )


def scaled(pixels: np.ndarray[Any, Any], pixel_range: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Pixels 0..255: bytes as they are, all else float32."""
    low, high = pixel_range
    if pixel_range == _BYTES:
        return pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    stretched = (pixels.astype(np.float32) - low) * (255.0 / (high - low))
    return np.asarray(stretched.clip(0, 255), np.float32)  # rounding may lead a little beyond
