"""Frozen networks, forward: against ``predict`` of plain Keras."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Result, in_turn, median_ratio

from rows import Setting, SkippedError, at_least, row

NETWORKS = ("VGG16", "ResNet50", "EfficientNetB0", "MobileNetV2")
TENSORFLOW = dict(zip(NETWORKS, (1.6, 2.4, 2.0, 1.5), strict=True))
OPENVINO = dict(zip(NETWORKS, (2.0, 2.8, 2.2, 3.0), strict=True))


def networks(setting: Setting) -> tuple[str, ...]:
    """All of them, or the smallest."""
    return NETWORKS[-1:] if setting.small else NETWORKS


def frozen(name: str, side: int) -> Any:
    """A network of Keras' without its top, with random weights."""
    import keras

    make = getattr(keras.applications, name)
    made = make(weights=None, include_top=False, input_shape=(side, side, 3), pooling="avg")
    made.trainable = False
    return made


def looped(function: Callable[[Any], Any], pixels: Any, batch_size: int) -> Callable[[], Any]:
    """A function over all batches of `pixels`, its results brought to NumPy as ``predict`` does."""

    def call() -> Any:
        starts = range(0, len(pixels), batch_size)
        return [np.asarray(function(pixels[start : start + batch_size])) for start in starts]

    return call


def pictures(setting: Setting) -> tuple[Any, int, int]:
    """Pixels as float32, their side and the batch size."""
    side, count, batch_size = (32, 4, 2) if setting.small else (224, 64, 16)
    pixels, _ = drawn_pictures.array(count, side, classes=2)
    return pixels.astype(np.float32), side, batch_size


def against_predict(setting: Setting, backend: str) -> Result:
    pixels, side, batch_size = pictures(setting)
    figures, remarks = [], []
    for name in networks(setting):
        network = frozen(name, side)
        forward, how = doors.compiled_forward(network, pixels, backend=backend)
        remarks.append(f"{name}: {how}")
        arms: dict[str, Callable[[], Any]] = {
            "mine": looped(forward, pixels, batch_size),
            "keras": functools.partial(network.predict, pixels, batch_size=batch_size, verbose=0),
        }
        seconds = in_turn(arms, setting.many(9))
        figures.append(median_ratio(name, seconds["mine"], seconds["keras"]))
    return Result(tuple(figures), tuple(remarks))


SIZES = "224, batch 16, 64 pictures, random weights"


FALLS_BACK = (
    "Where there is bfloat16, its features are off by more than 1e-2 with these random weights, "
    "and the engine runs it in float32."
)


@row(
    "forward",
    f"Frozen networks forward ({SIZES}), compiled by TensorFlow in the precision that the engine "
    "chooses, against Keras' `predict`.",
    minutes=5,
    targets={name: at_least(bound) for name, bound in TENSORFLOW.items()},
    in_bfloat16=NETWORKS[:-1],
    reasons={
        "ResNet50": "Where there is bfloat16, plain Keras' own times lay up to twofold apart; the "
        "interval holds the target.",
        "EfficientNetB0": FALLS_BACK,
    },
)
def forward(setting: Setting) -> Result:
    return against_predict(setting, "tensorflow")


@row(
    "forward-openvino",
    f"The same networks forward ({SIZES}) by OpenVINO, the optional backend, against Keras' "
    "`predict`.",
    minutes=5,
    targets={name: at_least(bound) for name, bound in OPENVINO.items()},
    in_bfloat16=NETWORKS,
    reasons={
        "EfficientNetB0": f"{FALLS_BACK} OpenVINO then takes twice the time of TensorFlow, so that "
        '`prefix="auto"` has TensorFlow run such networks in float32.',
    },
)
def forward_openvino(setting: Setting) -> Result:
    if importlib.util.find_spec("openvino") is None:
        raise SkippedError("OpenVINO is not installed: pip install 'transferkit[openvino]'")
    return against_predict(setting, "openvino")
