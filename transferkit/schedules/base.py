"""What every schedule is, and the checks that they share."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from transferkit._types import real
from transferkit.errors import SpecError, explain

__all__ = ["Schedule", "positive", "refused", "risen_and_fallen", "share_done", "warm_up"]


class Schedule:
    """A learning rate as a function of the step. Subclasses are frozen dataclasses."""

    def __call__(self, step: int, steps: int) -> float:
        """The learning rate.

        Args:
            step: How many steps of the phase are done, 0 before the first.
            steps: How many the phase has.
        """
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse."""
        return {"schedule": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


def risen_and_fallen(step: int, steps: int, warmup: float) -> tuple[float, float]:
    """How much is done of the warm-up and of what follows it, each from 0 to 1.

    Args:
        step: How many steps are done.
        steps: How many there are.
        warmup: Share of the steps that belongs to the warm-up, below 1.

    Raises:
        SpecError: If a number of steps is below 0.
    """
    if not (step >= 0 and steps >= 0):
        raise refused(
            "schedule",
            "the phase has no such step",
            "step and steps of 0 or more",
            {"step": step, "steps": steps},
            "schedule(0, 100) is the rate of the first of 100 steps.",
        )
    rising = warmup * steps
    risen = step / rising if step < rising else 1.0
    return risen, min(max(step - rising, 0.0) / ((steps - rising) or 1), 1.0)


def share_done(step: int, steps: int) -> float:
    """How much is done of a phase without a warm-up, from 0 to 1."""
    return risen_and_fallen(step, steps, 0.0)[1]


def positive(verb: str, name: str, value: Any) -> float:
    """A learning rate as a plain number.

    Raises:
        SpecError: If it is none.
    """
    number = real(value)
    if number is None or not 0 < number < math.inf:
        raise refused(
            verb,
            f"{name} is no learning rate",
            "a number above 0, or a schedule of tk.schedules",
            {name: value},
            "learning_rate=1e-3",
        )
    return number


def warm_up(verb: str, warmup: Any) -> float:
    """The share of a phase in which the rate rises.

    Raises:
        SpecError: If it is none.
    """
    share = real(warmup)
    if share is None or not 0 <= share < 1:
        raise refused(
            verb,
            "the warm-up is no share",
            "0 <= warmup < 1",
            {"warmup": warmup},
            f"tk.schedules.{verb}(1e-3, warmup=0.1)",
        )
    return share


def refused(
    verb: str, happened: str, expected: str, received: dict[str, Any], mend: str
) -> SpecError:
    """The error for an argument of a schedule."""
    return SpecError(explain(verb, happened, expected=expected, received=received, mend=mend))
