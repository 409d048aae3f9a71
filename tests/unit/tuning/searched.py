"""A tiny model to be searched, fields whose values are said, and fits that take no time."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import SpecError
from transferkit.history import EpochRecord, History
from transferkit.tuning import TrialResult, Tuning

__all__ = [
    "BAD",
    "BODY",
    "ENGINE",
    "GOOD",
    "POOR",
    "Said",
    "fits_take_no_time",
    "model",
    "needs_keras_tuner",
    "photos",
    "refused",
    "searched",
    "space",
]

ENGINE = tk.Engine(precision="float32", prefix="tensorflow")

GOOD = TrialResult("good", {"rate": 0.01, "optimizer": "adam"}, 1.0, 0.9, {"val_loss": 0.1}, 3, 2)
POOR = TrialResult("poor", {"rate": 1.0, "flip": True}, 1.0, 0.5, {"val_loss": 0.7}, 3, 1)
BAD = TrialResult("bad", {"rate": 2.0}, problem="ValueError: too much")

needs_keras_tuner = pytest.mark.skipif(
    not importlib.util.find_spec("keras_tuner"), reason="an extra"
)


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


def photos(val: float = 0.4) -> tk.data.Data:
    """Dark and light squares of noise: easily told apart."""
    labels = np.arange(20) % 2
    noise = np.random.default_rng(0).integers(0, 120, (20, 8, 8, 3))
    images = (noise + 130 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(images, labels, class_names=("dark", "light"), val=val, seed=0)


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


BODY = model()


def space(t: Any) -> tuple[tk.TransferModel, tk.Plan]:
    """A rate, of which the right one is large."""
    rate = t.uniform("rate", 1e-5, 1.0, log=True)
    return BODY.head(tk.heads.classification()), tk.plans.feature_extraction(
        2, learning_rate=rate, batch_size=4
    )


def searched(given: Any = space, data: Any = None, **options: Any) -> Tuning:
    """A search of three trials that says nothing."""
    settings: dict[str, Any] = {"strategy": "random", "max_trials": 3, "objective": "val_loss"}
    settings |= {"engine": ENGINE, "verbose": 0, **options}
    return tk.tune(given, photos() if data is None else data, **settings)


def refused(**options: Any) -> str:
    """What a search is refused with."""
    with pytest.raises(SpecError) as caught:
        searched(**options)
    return str(caught.value)


def fits_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every fit give one model at once, with a history that follows from rate and epochs.

    A loss is the square of the orders of magnitude between the rate and 0.01, and 1 over the number
    of epochs so far; a rate above 10 makes it no number.
    """

    def fit(self: tk.TransferModel, data: tk.data.Data, plan: tk.Plan, **options: Any) -> Any:
        return dataclasses.replace(_trained(), plan=plan, history=_said_history(plan))

    monkeypatch.setattr(tk.TransferModel, "fit", fit)


def _said_history(plan: tk.Plan) -> History:
    records: list[EpochRecord] = []
    for number, phase in enumerate(plan):
        rate = phase.learning_rate(0, 10)
        away = math.log10(rate / 0.01) ** 2 if rate <= 10 else math.nan
        for _ in range(phase.epochs):
            losses = {"loss": 0.0, "val_loss": away + 1 / (1 + len(records))}
            records.append(EpochRecord(len(records), number, phase.name, losses, 0.0, rate))
    return History(tuple(records))


@cache
def _trained() -> tk.TrainedModel:
    return FIT(BODY, photos(), tk.plans.feature_extraction(1), engine=ENGINE, verbose=0)


FIT = tk.TransferModel.fit
