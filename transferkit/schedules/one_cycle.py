"""One rise and one fall over the whole phase."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit._types import real
from transferkit.schedules.base import Schedule, positive, refused, risen_and_fallen, warm_up

__all__ = ["OneCycle", "one_cycle"]


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine up, then half a cosine down."""

    peak: float
    warmup: float = 0.25
    start_factor: float = 25.0
    end_factor: float = 1e4

    def __call__(self, step: int, steps: int) -> float:
        """See `one_cycle`."""
        risen, fallen = risen_and_fallen(step, steps, self.warmup)
        if risen < 1:
            return self._between(self.start_factor, 1 - risen)
        return self._between(self.end_factor, fallen)

    def _between(self, factor: float, t: float) -> float:
        low = self.peak / factor
        return low + (self.peak - low) * (1 + math.cos(math.pi * t)) / 2


def one_cycle(
    peak: float, *, warmup: float = 0.25, start_factor: float = 25, end_factor: float = 1e4
) -> Schedule:
    """``low + (peak - low) (1 + cos(pi t)) / 2``: up from one low rate, down to another.

    While the rate rises, t goes from 1 to 0 and low is ``peak / start_factor``; while it falls, t
    goes from 0 to 1 and low is ``peak / end_factor``. The momentum of the optimizer stays as it is.

    Args:
        peak: The highest learning rate, above 0.
        warmup: Share of the phase's steps in which the rate rises, in [0, 1).
        start_factor: How many times lower than the peak the first rate is, 1 or more.
        end_factor: How many times lower than the peak the last one is, 1 or more.

    Raises:
        SpecError: If an argument is out of its range.

    Example:
        >>> import transferkit as tk
        >>> cycle = tk.schedules.one_cycle(1e-2)
        >>> [f"{cycle(step, 100):g}" for step in (0, 25, 100)]
        ['0.0004', '0.01', '1e-06']

    References:
        Smith, A Disciplined Approach to Neural Network Hyper-Parameters: Part 1, 2018
        (arXiv:1803.09820); Smith & Topin, Super-Convergence, 2018 (arXiv:1708.07120). Their cycle
        is made of straight lines.
    """
    return OneCycle(
        positive("one_cycle", "peak", peak),
        warm_up("one_cycle", warmup),
        _factor("start_factor", start_factor),
        _factor("end_factor", end_factor),
    )


def _factor(name: str, value: Any) -> float:
    factor = real(value)
    if factor is None or not 1 <= factor < math.inf:
        raise refused(
            "one_cycle",
            f"{name} is no factor below the peak",
            "a number of 1 or more, by which the peak is divided",
            {name: value},
            f"tk.schedules.one_cycle(1e-3, {name}=100)",
        )
    return factor
