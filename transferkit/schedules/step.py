"""The rate that falls in steps, as stairs do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit._types import real
from transferkit.schedules.base import Schedule, positive, refused, share_done

__all__ = ["Step", "step"]

_ROUNDING = 1e-9  # 0.3 / 0.1 is a little less than 3


@dataclass(frozen=True)
class Step(Schedule):
    """The same value for a while, then a fraction of it, and so on."""

    value: float
    every: float
    factor: float = 0.1

    def __call__(self, step: int, steps: int) -> float:
        """See `step`."""
        falls = math.floor(share_done(step, steps) / self.every + _ROUNDING)
        return float(self.value * self.factor**falls)


def step(value: float, *, every: float, factor: float = 0.1) -> Schedule:
    """``value factor^floor(t / every)``, t from 0 to 1 over the phase.

    Args:
        value: The learning rate at the first step, above 0.
        every: The share of the phase after which the rate falls, again and again, in (0, 1]: with
            1/3 there are three rates, with 1 it never falls.
        factor: What the rate is multiplied by then, above 0 and below 1.

    Raises:
        SpecError: If an argument is out of its range.

    Example:
        >>> import transferkit as tk
        >>> thirds = tk.schedules.step(1e-2, every=1 / 3)
        >>> [f"{thirds(step, 30):g}" for step in (0, 9, 10, 20, 29)]
        ['0.01', '0.01', '0.001', '0.0001', '0.0001']
    """
    return Step(positive("step", "value", value), _every(every), _factor(factor))


def _every(value: Any) -> float:
    share = real(value)
    if share is None or not 0 < share <= 1:
        raise refused(
            "step",
            "every is no share of the phase",
            "0 < every <= 1",
            {"every": value},
            "tk.schedules.step(1e-3, every=1 / 3) falls after each third.",
        )
    return share


def _factor(value: Any) -> float:
    factor = real(value)
    if factor is None or not 0 < factor < 1:
        raise refused(
            "step",
            "factor does not make the rate smaller",
            "0 < factor < 1",
            {"factor": value},
            "tk.schedules.step(1e-3, every=0.5, factor=0.1)",
        )
    return factor
