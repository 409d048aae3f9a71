"""Training steps of whole networks: against plain Keras' ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import doors
import drawn_pictures
from measuring import Result, Seconds, median_ratio
from turns import epochs_in_turn

import transferkit as tk
from rows import Setting, at_least, row

NETWORKS = {"ResNet50": 2.2, "MobileNetV2": 1.25, "EfficientNetB0": 1.0}
CLASSES = 5


def by_transferkit(
    name: str, pixels: Any, labels: Any, *, epochs: int, batch_size: int, **engine: Any
) -> Callable[[Any], Any]:
    """A training of all layers, normalisation included."""

    def train(callback: Any) -> Any:
        photos = tk.data.from_arrays(pixels, labels, val=0.0)
        model = tk.TransferModel(f"keras:{name}", weights=None)
        model = model.freeze(tk.freeze.nothing(batch_norm="train"))
        plan = tk.Phase(epochs, batch_size=batch_size, views="fresh")
        return model.fit(
            photos,
            plan,
            engine=doors.fitted_engine(False, **engine),
            callbacks=[callback],
            verbose=0,
        )

    return train


def by_keras(
    name: str, pixels: Any, labels: Any, *, epochs: int, batch_size: int
) -> Callable[[Any], Any]:
    """The same by `fit` on arrays."""

    def train(callback: Any) -> Any:
        import keras
        import plain_keras

        make = getattr(keras.applications, name)
        side = pixels.shape[1]
        network, base = plain_keras.classifier(make, CLASSES, side=side, dropout=0.0)
        plain_keras.unfreeze(base, 0, batch_norm=True)
        plain_keras.compiled(network, keras.optimizers.Adam(1e-3))
        return network.fit(
            pixels, labels, epochs=epochs, batch_size=batch_size, callbacks=[callback], verbose=0
        )

    return train


def compared(setting: Setting, name: str) -> Seconds:
    side, batch_size, steps = (32, 2, 1) if setting.small else (128, 16, 6)
    pixels, labels = drawn_pictures.array(steps * batch_size, side, classes=CLASSES)
    epochs = 1 + setting.many(9)
    sizes = {"epochs": epochs, "batch_size": batch_size}
    arms = {
        "mine": by_transferkit(name, pixels, labels, **sizes),
        "keras": by_keras(name, pixels, labels, **sizes),
    }
    return epochs_in_turn(arms, epochs)


@row(
    "step",
    "Training steps of whole networks (128, batch 16, six steps an epoch, normalisation trains "
    "too), in the precision that the engine chooses, against Keras' `fit` on the same arrays.",
    minutes=8,
    targets={name: at_least(bound) for name, bound in NETWORKS.items()},
    in_bfloat16=("ResNet50",),
    reasons={
        "ResNet50": "Where there is bfloat16 the tail has it, and fused norms; what else takes the "
        "time there was not looked into.",
    },
)
def step(setting: Setting) -> Result:
    figures = []
    for name in ["VGG16"] if setting.small else NETWORKS:
        seconds = compared(setting, name)
        figures.append(median_ratio(name, seconds["mine"], seconds["keras"]))
    return Result(tuple(figures))
