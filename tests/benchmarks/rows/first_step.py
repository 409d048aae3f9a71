"""Tracing and compiling a fine-tuning phase: how long until its first step is done."""

from __future__ import annotations

import time
from typing import Any

import doors
import drawn_pictures
from measuring import Result, median_ratio

import transferkit as tk
from rows import Setting, at_least, row
from transferkit import _keras

NETWORKS = ("VGG16", "ResNet50", "MobileNetV2", "EfficientNetB0")
CLASSES, BATCH = 5, 16


class Border:
    """Seconds from the end of the first phase to the end of the second one's first epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def callback(self) -> Any:
        border, phases = self, [0]

        class Clock(_keras.keras().callbacks.Callback):  # type: ignore[misc]
            def on_train_end(self, logs: Any = None) -> None:
                phases[0] += 1
                self.began = time.perf_counter()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if phases[0] == 1:
                    border.seconds.append(time.perf_counter() - self.began)

        return Clock()


def ours(name: str, photos: tk.data.Data, cache: Any, border: Border) -> None:
    plan = tk.plans.feature_extraction(1, batch_size=BATCH).then(
        tk.plans.fine_tune(1, unfreeze=tk.select.top_blocks(2), batch_size=BATCH)
    )
    tk.TransferModel(f"keras:{name}", weights=None).fit(
        photos,
        plan,
        engine=doors.fitted_engine(cache),
        callbacks=[border.callback()],
        verbose=0,
    )


def plain(name: str, pixels: Any, labels: Any, first: int, border: Border) -> None:
    import keras
    import plain_keras

    clock = border.callback()
    network, base = plain_keras.classifier(
        getattr(keras.applications, name), CLASSES, side=pixels.shape[1], dropout=0.0
    )
    options = {"batch_size": BATCH, "callbacks": [clock], "verbose": 0}
    network.fit(pixels, labels, **options)
    plain_keras.unfreeze(base, first, batch_norm=False)
    plain_keras.compiled(network, keras.optimizers.Adam(1e-5))
    network.fit(pixels, labels, **options)


@row(
    "first-step",
    "The first step of a fine-tuning phase with a frozen prefix (128, one batch of 16, the top two "
    "blocks unfrozen): from the end of the phase before it, tracing and compiling included, "
    "against unfreezing, `compile` and `fit` of plain Keras.",
    minutes=6,
    targets={name: at_least(1) for name in NETWORKS},
)
def first_step(setting: Setting) -> Result:
    side = 32 if setting.small else 128
    pixels, labels = drawn_pictures.array(BATCH, side, classes=CLASSES)
    photos = tk.data.from_arrays(pixels, labels, val=0.0)
    figures = []
    for name in ["VGG16"] if setting.small else NETWORKS:
        mine, theirs, first = Border(), Border(), doors.first_unfrozen(name, 2)
        for _ in range(setting.many(7, least=1)):
            with setting.empty_cache() as cache:
                ours(name, photos, cache, mine)
            plain(name, pixels, labels, first, theirs)
        figures.append(median_ratio(name, mine.seconds, theirs.seconds))
    return Result(tuple(figures))
