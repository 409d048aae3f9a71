"""Numbers to predict, as float32, and what is lost by that."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from transferkit.errors import DataError, explain

__all__ = ["as_float32"]

_LOST = 1e-4  # of the span of the numbers
_PACKAGE = __name__.split(".")[0]


def as_float32(verb: str, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers as float32.

    Raises:
        DataError: If they are too large for it.

    Warns:
        UserWarning: If different numbers become one, and by more than a ten-thousandth of their
            span: dates in seconds, say, whose steps are then minutes.
    """
    with np.errstate(over="ignore"):
        made = numbers.astype(np.float32)
    if not np.isfinite(made).all():
        raise DataError(
            explain(
                verb,
                "labels are too large for float32",
                expected=f"numbers up to {np.finfo(np.float32).max:.1e}",
                received={"largest": float(np.abs(numbers).max())},
                mend="Divide them, or take their logarithms.",
            )
        )
    for before, after in zip(_columns(numbers), _columns(made), strict=True):
        lost = np.abs(after.astype(np.float64) - before).max()
        few, many = len(np.unique(after)), len(np.unique(before))
        if few < many and lost > _LOST * np.ptp(before.astype(np.float64)):
            warnings.warn(
                f"{verb}: {many:,} different labels are {few:,} as float32, off by up to "
                f"{lost:.3g}; subtract their mean first",
                stacklevel=_level(),
            )
            break
    return made


def _columns(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return numbers.reshape(len(numbers), -1).T if numbers.size else numbers.reshape(0, 0)


def _level() -> int:
    """How many calls up from `as_float32` the user's own line is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].split(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    return level
