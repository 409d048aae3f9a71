"""Learning-rate shapes: step -> value, as values.

>>> import transferkit as tk
>>> warm = tk.schedules.cosine(1e-3, warmup=0.1)
>>> [round(warm(step, 100), 6) for step in (0, 10, 55, 100)]
[0.0, 0.001, 0.0005, 0.0]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from transferkit._types import FrozenDict, real
from transferkit.errors import SpecError, explain
from transferkit.layer_rates import auto_rgn as auto_rgn
from transferkit.layer_rates import layer_decay as layer_decay
from transferkit.layer_rates import multipliers as multipliers

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Foreign",
    "Schedule",
    "auto_rgn",
    "constant",
    "cosine",
    "exponential",
    "layer_decay",
    "multipliers",
]


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


@dataclass(frozen=True)
class Constant(Schedule):
    """Always the same value."""

    value: float

    def __call__(self, step: int, steps: int) -> float:
        """The value, whatever the step."""
        return self.value

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up, then half a cosine down."""

    peak: float
    warmup: float = 0.0
    end: float = 0.0

    def __call__(self, step: int, steps: int) -> float:
        """See `cosine`."""
        rising = self.warmup * steps
        if step < rising:
            return self.peak * step / rising
        done = (step - rising) / max(steps - rising, 1)
        return self.end + (self.peak - self.end) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


@dataclass(frozen=True)
class Exponential(Schedule):
    """Geometric decay from a first value to a last."""

    start: float
    end: float

    def __call__(self, step: int, steps: int) -> float:
        """See `exponential`."""
        share = min(step / max(steps, 1), 1.0)
        return float(self.start * (self.end / self.start) ** share)


@dataclass(frozen=True)
class Foreign(Schedule):
    """A schedule of somebody's own, read from a file: it tells what was, and cannot be followed."""

    name: str
    config: FrozenDict = field(hash=False, repr=False)

    def __call__(self, step: int, steps: int) -> float:
        """Refuse.

        Raises:
            SpecError: Always.
        """
        raise SpecError(
            explain(
                "fit",
                f"the schedule {self.name!r} came from a file that holds no code",
                expected="a schedule of tk.schedules, or your own made anew",
                received={"schedule": dict(self.config)},
                mend="tk.Phase(..., learning_rate=1e-3)",
            )
        )

    def to_config(self) -> dict[str, Any]:
        """What was read."""
        return dict(self.config)


def constant(value: float) -> Schedule:
    """Always the same learning rate, which is what a bare number means as well.

    Args:
        value: The learning rate, above 0.

    Raises:
        SpecError: If it is not above 0.
    """
    return Constant(_positive("constant", "value", value))


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
    share, last = real(warmup), real(end)
    if share is None or not 0 <= share < 1:
        raise SpecError(
            explain(
                "cosine",
                "the warm-up is no share",
                expected="0 <= warmup < 1",
                received={"warmup": warmup},
                mend="tk.schedules.cosine(1e-3, warmup=0.1)",
            )
        )
    if last is None or not 0 <= last < math.inf:
        raise SpecError(
            explain(
                "cosine",
                "the last rate is no learning rate",
                expected="end of 0 or more",
                received={"end": end},
                mend="tk.schedules.cosine(1e-3, end=1e-5)",
            )
        )
    return Cosine(_positive("cosine", "peak", peak), share, last)


def exponential(start: float, end: float) -> Schedule:
    """``start (end / start)^t``, t from 0 to 1 over the phase.

    Args:
        start: The learning rate at the first step, above 0.
        end: The rate that it has come to when the phase ends, above 0; larger than `start` for one
            that rises.

    Raises:
        SpecError: If a rate is not above 0.
    """
    return Exponential(
        _positive("exponential", "start", start), _positive("exponential", "end", end)
    )


def as_schedule(value: float | Schedule, *, verb: str) -> Schedule:
    """A schedule from what a caller may pass: a number is constant.

    Raises:
        SpecError: If it is neither, or not above 0.
    """
    return (
        value if isinstance(value, Schedule) else Constant(_positive(verb, "learning_rate", value))
    )


def from_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule whose `to_config` gave `config`; somebody's own comes back as `Foreign`."""
    kinds = {kind.__name__: kind for kind in (Constant, Cosine, Exponential)}
    name = config["schedule"]
    if name not in kinds:
        return Foreign(str(name), FrozenDict(config))
    made: Schedule = kinds[name](**{k: v for k, v in config.items() if k != "schedule"})
    return made


def _positive(verb: str, name: str, value: Any) -> float:
    number = real(value)
    if number is None or not 0 < number < math.inf:
        raise SpecError(
            explain(
                verb,
                f"{name} is no learning rate",
                expected="a number above 0, or a schedule of tk.schedules",
                received={name: value},
                mend="learning_rate=1e-3",
            )
        )
    return number
