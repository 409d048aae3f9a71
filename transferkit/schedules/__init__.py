"""Learning-rate shapes (step -> value) and factors for layers, as values.

>>> import transferkit as tk
>>> warm = tk.schedules.cosine(1e-3, warmup=0.1)
>>> [round(warm(step, 100), 6) for step in (0, 10, 55, 100)]
[0.0, 0.001, 0.0005, 0.0]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit._types import FrozenDict
from transferkit.schedules.base import Schedule, positive
from transferkit.schedules.constant import Constant, constant
from transferkit.schedules.cosine import Cosine, cosine
from transferkit.schedules.exponential import Exponential, exponential
from transferkit.schedules.foreign import Foreign
from transferkit.schedules.layer_rates import (
    AutoRGN,
    LayerDecay,
    LayerRates,
    Multipliers,
    auto_rgn,
    layer_decay,
    multipliers,
)
from transferkit.schedules.one_cycle import OneCycle, one_cycle
from transferkit.schedules.step import Step, step

__all__ = [
    "AutoRGN",
    "Constant",
    "Cosine",
    "Exponential",
    "Foreign",
    "LayerDecay",
    "LayerRates",
    "Multipliers",
    "OneCycle",
    "Schedule",
    "Step",
    "auto_rgn",
    "constant",
    "cosine",
    "exponential",
    "layer_decay",
    "multipliers",
    "one_cycle",
    "step",
]

_KINDS = {kind.__name__: kind for kind in (Constant, Cosine, Exponential, OneCycle, Step)}


def as_schedule(value: float | Schedule, *, verb: str) -> Schedule:
    """A schedule from what a caller may pass: a number is constant.

    Raises:
        SpecError: If it is neither, or not above 0.
    """
    return (
        value if isinstance(value, Schedule) else Constant(positive(verb, "learning_rate", value))
    )


def from_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule whose `to_config` gave `config`; somebody's own comes back as `Foreign`."""
    name = config["schedule"]
    if name not in _KINDS:
        return Foreign(str(name), FrozenDict(config))
    made: Schedule = _KINDS[name](**{k: v for k, v in config.items() if k != "schedule"})
    return made
