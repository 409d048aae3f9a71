"""A network converted from PyTorch beside Keras' own: both are plain layers of Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Figure, Result, in_turn, median_ratio
from turns import epochs_in_turn

import transferkit as tk
from rows import Setting, at_least, row

ALIKE = 0.9
"""ResNet v1.5, as torchvision has it, strides in the 3 x 3 convolution: 6 % more multiply-adds."""
CLASSES = 5


def arms(setting: Setting) -> dict[str, str]:
    """Both networks by their names."""
    if setting.small:
        return {"converted": "torch:vgg16", "keras": "keras:VGG16"}
    return {"converted": "torch:resnet50", "keras": "keras:ResNet50"}


def extraction(setting: Setting) -> Figure:
    """Both forward on the same pictures, compiled alike."""
    side, count = (32, 4) if setting.small else (224, 32)
    pixels = drawn_pictures.array(count, side, classes=2)[0].astype(np.float32)
    calls: dict[str, Callable[[], Any]] = {}
    for arm, name in arms(setting).items():
        network = tk.backbones.load(name, input_shape=(side, side, 3), weights=None).network
        forward, _ = doors.compiled_forward(network, pixels)
        calls[arm] = functools.partial(brought, forward, pixels)
    seconds = in_turn(calls, setting.many(15))
    return median_ratio("extraction", seconds["converted"], seconds["keras"])


def brought(forward: Callable[[Any], Any], pixels: Any) -> Any:
    """The result in NumPy, as whoever asks for features has it."""
    return np.asarray(forward(pixels))


def steps(setting: Setting) -> Figure:
    """Both trained, all layers, on the same pictures."""
    side, batch_size, count = (32, 2, 1) if setting.small else (128, 16, 6)
    pixels, labels = drawn_pictures.array(count * batch_size, side, classes=CLASSES)
    photos = tk.data.from_arrays(pixels, labels, val=0.0)
    epochs = 1 + setting.many(9)
    plan = tk.Phase(epochs, batch_size=batch_size, views="fresh")

    def training(name: str) -> Callable[[Any], Any]:
        model = tk.TransferModel(name, weights=None).freeze(tk.freeze.nothing(batch_norm="train"))
        engine = doors.fitted_engine(False)
        return lambda callback: model.fit(
            photos, plan, engine=engine, callbacks=[callback], verbose=0
        )

    seconds = epochs_in_turn({arm: training(name) for arm, name in arms(setting).items()}, epochs)
    return median_ratio("step", seconds["converted"], seconds["keras"])


@row(
    "converted",
    "`torch:resnet50` against `keras:ResNet50`, both by transferkit: forward (224, 32 pictures) "
    "and training steps of all layers (128, batch 16). torchvision's has 6 % more multiply-adds.",
    minutes=6,
    targets={"extraction": at_least(ALIKE), "step": at_least(ALIKE)},
)
def converted(setting: Setting) -> Result:
    return Result((extraction(setting), steps(setting)))
