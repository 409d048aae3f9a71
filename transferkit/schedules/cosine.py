"""Half a cosine down, with or without a warm-up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transferkit._types import real
from transferkit.schedules.base import Schedule, positive, refused, risen_and_fallen, warm_up

__all__ = ["Cosine", "cosine"]


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up, then half a cosine down."""

    peak: float
    warmup: float = 0.0
    end: float = 0.0

    def __call__(self, step: int, steps: int) -> float:
        """See `cosine`."""
        risen, fallen = risen_and_fallen(step, steps, self.warmup)
        if risen < 1:
            return self.peak * risen
        return self.end + (self.peak - self.end) * (1 + math.cos(math.pi * fallen)) / 2


def cosine(peak: float, *, warmup: float = 0.0, end: float = 0.0) -> Schedule:
    """``end + (peak - end) (1 + cos(pi t)) / 2``, t from 0 to 1 over what follows the warm-up.

    Args:
        peak: The highest learning rate, above 0.
        warmup: Share of the phase's steps in which the rate rises from 0, in [0, 1).
        end: The rate at the last step.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017.
    """
    share, last = warm_up("cosine", warmup), real(end)
    if last is None or not 0 <= last < math.inf:
        raise refused(
            "cosine",
            "the last rate is no learning rate",
            "end of 0 or more",
            {"end": end},
            "tk.schedules.cosine(1e-3, end=1e-5)",
        )
    return Cosine(positive("cosine", "peak", peak), share, last)
