"""A tiny model to be searched, trials, and fields whose values are said beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import transferkit as tk
from transferkit import _keras
from transferkit.tuning import TrialResult

__all__ = ["BAD", "GOOD", "POOR", "Said", "model"]

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


def model() -> tk.TransferModel:
    """Two convolutions, each a block; the backbone is frozen."""
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="low")(pixels)
    x = keras.layers.Conv2D(4, 3, name="high")(x)
    network = keras.Model(pixels, x, name="tiny")
    made = tk.backbones.from_keras(network, preprocessing="unit", blocks="(low|high)")
    return tk.TransferModel(made).freeze(tk.freeze.backbone())
