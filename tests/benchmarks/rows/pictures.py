"""From a folder of JPEG files to augmented batches: against Keras' two ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Result, Seconds, median_ratio

import transferkit as tk
from rows import Setting, at_least, row

Epoch = Callable[[], None]
GENERATOR, LAYERS = "against ImageDataGenerator", "against Keras' layers in tf.data"


def ours(folder: Path, side: int, epochs: int) -> Epoch:
    """Reads the folder at the first epoch, and its own batches ever after."""
    stream: list[Iterator[Any]] = []
    counts: list[int] = []

    def epoch() -> None:
        if not stream:
            photos = tk.data.from_directory(folder, image_size=(side, side), val=0.0, verbose=0)
            counts.append(len(photos.train))
            batches = doors.augmented_epochs(
                photos.train, tk.augment.tutorial(), batch_size=32, epochs=epochs
            )
            stream.append(batches)
        seen = 0
        while seen < counts[0]:
            seen += len(np.asarray(next(stream[0])[0]))

    return epoch


def by_generator(folder: Path, side: int) -> Epoch:
    """The tutorial's own way: decoding and SciPy in Python, picture by picture."""
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rotation_range=20, width_shift_range=0.2, height_shift_range=0.2, horizontal_flip=True
    )
    flow = generator.flow_from_directory(
        str(folder), target_size=(side, side), batch_size=32, class_mode="sparse"
    )

    def epoch() -> None:
        for _ in range(len(flow)):
            next(flow)

    return epoch


def by_layers(folder: Path, side: int, *, cache: bool) -> Epoch:
    """As Keras' guides have it: layers inside `tf.data`, with or without a cache before them."""
    import plain_keras

    batches = plain_keras.from_folder(
        folder, side=side, augment=plain_keras.augmentation(), cache=cache
    )

    def epoch() -> None:
        for images, _ in batches:
            np.asarray(images)

    return epoch


@row(
    "input",
    "A folder of JPEG files to batches of 32 pictures of 224 with the tutorial's augmentation: an "
    "epoch behind the first one, when ours and Keras' cache hold what was decoded.",
    minutes=3,
    targets={GENERATOR: at_least(5), LAYERS: at_least(3)},
)
def pictures(setting: Setting) -> Result:
    count, side, scale = (8, 32, 0.2) if setting.small else (512, 224, 1.0)
    folder = drawn_pictures.folder(setting.folder / "jpegs", 5, count, scale=scale)
    epochs = 1 + setting.many(7, least=1)
    arms = {
        "mine": ours(folder, side, epochs),
        "generator": by_generator(folder, side),
        "layers": by_layers(folder, side, cache=True),
        "uncached": by_layers(folder, side, cache=False),
    }
    seconds = every_epoch(arms, epochs)
    later: Seconds = {name: values[1:] for name, values in seconds.items()}
    figures = [
        median_ratio(GENERATOR, later["mine"], later["generator"]),
        median_ratio(LAYERS, later["mine"], later["layers"]),
        median_ratio(
            "against Keras' layers that decode anew", later["mine"], later["uncached"], detail=True
        ),
    ]
    for name in ("generator", "layers", "uncached"):
        label = f"first epoch, decoding included, against {name}"
        figures.append(median_ratio(label, seconds["mine"][:1], seconds[name][:1], detail=True))
    return Result(tuple(figures), (rates(later, count),))


def every_epoch(arms: dict[str, Epoch], epochs: int) -> Seconds:
    seconds: Seconds = {name: [] for name in arms}
    for _ in range(epochs):
        for name, epoch in arms.items():
            began = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def rates(seconds: Seconds, count: int) -> str:
    told = [f"{name} {count / float(np.median(each)):,.0f}" for name, each in seconds.items()]
    return f"Pictures per second: {', '.join(told)}."
