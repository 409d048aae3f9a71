"""Trials, and fields whose values are said beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transferkit.tuning import TrialResult

__all__ = ["BAD", "GOOD", "POOR", "Said"]

GOOD = TrialResult("good", {"rate": 0.01, "optimizer": "adam"}, 1.0, 0.9, {"val_loss": 0.1}, 3, 2)
POOR = TrialResult("poor", {"rate": 1.0, "flip": True}, 1.0, 0.5, {"val_loss": 0.7}, 3, 1)
BAD = TrialResult("bad", {"rate": 2.0}, problem="ValueError: too much")


@dataclass
class Said:
    """Fields as Keras Tuner's ``HyperParameters`` gives them: by default their first value."""

    values: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def Float(self, name: str, low: float, high: float, sampling: str) -> Any:  # noqa: N802
        self.kinds[name] = ("Float", low, high, sampling)
        return self.values.get(name, low)

    def Int(self, name: str, low: int, high: int, sampling: str) -> Any:  # noqa: N802
        self.kinds[name] = ("Int", low, high, sampling)
        return self.values.get(name, low)

    def Choice(self, name: str, values: list[Any]) -> Any:  # noqa: N802
        self.kinds[name] = ("Choice", *values)
        return self.values.get(name, values[0])

    def Boolean(self, name: str) -> Any:  # noqa: N802
        self.kinds[name] = ("Boolean",)
        return self.values.get(name, False)
