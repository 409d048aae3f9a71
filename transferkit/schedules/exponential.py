"""The rate that falls, or rises, by the same factor in every step."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit.schedules.base import Schedule, positive, share_done

__all__ = ["Exponential", "exponential"]


@dataclass(frozen=True)
class Exponential(Schedule):
    """Geometric decay from a first value to a last."""

    start: float
    end: float

    def __call__(self, step: int, steps: int) -> float:
        """See `exponential`."""
        return float(self.start * (self.end / self.start) ** share_done(step, steps))


def exponential(start: float, end: float) -> Schedule:
    """``start (end / start)^t``, t from 0 to 1 over the phase.

    Args:
        start: The learning rate at the first step, above 0.
        end: The rate that it has come to when the phase ends, above 0; larger than `start` for one
            that rises.

    Raises:
        SpecError: If a rate is not above 0.
    """
    return Exponential(positive("exponential", "start", start), positive("exponential", "end", end))
