"""The head on cached features: against ``fit`` on the features themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Result, median_ratio
from turns import epochs_in_turn

import transferkit as tk
from rows import Setting, at_least, row

WIDTH = 1280
"""Channels of what MobileNetV2 gives."""


def on_cached_features(
    setting: Setting, pixels: Any, labels: Any, *, epochs: int, kept: list[tk.TrainedModel]
) -> Callable[[Any], Any]:
    """MobileNetV2, frozen: behind the first epoch's extraction, only the head is left."""

    def train(callback: Any) -> None:
        photos = tk.data.from_arrays(pixels, labels, val=0.0)
        model = tk.TransferModel("keras:MobileNetV2", weights=None)
        plan = tk.plans.feature_extraction(epochs)
        with setting.empty_cache() as cache:
            engine = doors.fitted_engine(cache)
            kept.append(model.fit(photos, plan, engine=engine, callbacks=[callback], verbose=0))

    return train


def by_keras(labels: Any, *, epochs: int) -> Callable[[Any], Any]:
    """A dense layer on random features of the same width."""

    def train(callback: Any) -> None:
        import keras
        import plain_keras

        features = np.random.default_rng(0).standard_normal((len(labels), WIDTH), np.float32)
        network = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(2)])
        plain_keras.compiled(network, keras.optimizers.Adam(1e-3))
        network.fit(features, labels, epochs=epochs, callbacks=[callback], verbose=0)

    return train


@row(
    "head",
    "A head on cached features of 1280 channels, batch 32, 4,096 pictures, 40 epochs: steps per "
    "second of a frozen MobileNetV2's later epochs, against Keras' `fit` on ready features.",
    minutes=2,
    targets={"steps per second": at_least(8)},
)
def head(setting: Setting) -> Result:
    pixels, labels = drawn_pictures.array(64 if setting.small else 4096, 32, classes=2)
    epochs = 2 + setting.many(38)
    kept: list[tk.TrainedModel] = []
    arms = {
        "mine": on_cached_features(setting, pixels, labels, epochs=epochs, kept=kept),
        "keras": by_keras(labels, epochs=epochs),
    }
    seconds = epochs_in_turn(arms, epochs, warm=2)
    steps = len(labels) / 32
    mine, theirs = (steps / float(np.median(seconds[arm])) for arm in ("mine", "keras"))
    figure = median_ratio("steps per second", seconds["mine"], seconds["keras"], unit="ms")
    told = f"{mine:,.0f} against {theirs:,.0f} steps per second"
    return Result((figure,), (told, *doors.described(kept[0])))
