"""The rate that stays."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit.schedules.base import Schedule, positive, share_done

__all__ = ["Constant", "constant"]


@dataclass(frozen=True)
class Constant(Schedule):
    """Always the same value."""

    value: float

    def __call__(self, step: int, steps: int) -> float:
        """The value, whatever the step."""
        share_done(step, steps)
        return self.value

    def __str__(self) -> str:
        return f"{self.value:g}"


def constant(value: float) -> Schedule:
    """Always the same learning rate, which is what a bare number means as well.

    Args:
        value: The learning rate, above 0.

    Raises:
        SpecError: If it is not above 0.
    """
    return Constant(positive("constant", "value", value))
