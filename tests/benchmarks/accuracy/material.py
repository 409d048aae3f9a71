"""What is learned, from which source, and what it is measured on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rows import SkippedError

import transferkit as tk
from accuracy.digit_nets import all_digits, knows_digits
from transferkit import build
from transferkit.data import Data, Split

__all__ = [
    "Drawn",
    "Source",
    "Target",
    "asset",
    "digits",
    "digits_source",
    "insects",
    "mobile_net",
    "small_mobile_net",
    "targets",
]

Array = np.ndarray[Any, Any]
HELD_OUT = 0.2
"""The share of the training pictures on which recipes may choose."""
SHOTS = (5, 10, 20)


@dataclass(frozen=True)
class Source:
    """A pretrained network, for both sides.

    Attributes:
        model: It as a `TransferModel`.
        base: It as a plain Keras model without a top, new each time.
        first: Index of the first layer that the classic recipe unfreezes.
    """

    model: tk.TransferModel
    base: Callable[[], Any]
    first: int


@dataclass(frozen=True)
class Drawn:
    """The pictures of one seed.

    Attributes:
        data: To train on, with a validation split unless there are few.
        test: What is measured, the same for every seed.
        source: Where it starts from.
    """

    data: Data
    test: Split
    source: Source


@dataclass(frozen=True)
class Target:
    """A task, in full or with so many pictures of each class.

    Attributes:
        name: What it is called in the tables.
        draw: From a seed to its pictures.
    """

    name: str
    draw: Callable[[int], Drawn]


def targets(assets: Path, kind: str, *, side: int, source: Callable[[], Source]) -> list[Target]:
    """A task in full, and with 5, 10 and 20 pictures of each class.

    Args:
        assets: Where the real pictures lie.
        kind: ``"insects"`` or ``"digits"``.
        side: Of the pictures.
        source: Makes the source when it is needed.
    """
    reader = {"insects": insects, "digits": digits}[kind]

    def drawn(shots: int | None, seed: int) -> Drawn:
        train, test = reader(assets, side)
        data = train.few(shots, seed=seed) if shots else train.hold_out(HELD_OUT, seed=seed)
        return Drawn(data, test, source())

    full = Target(kind, functools.partial(drawn, None))
    few = [Target(f"{kind}, {k} of each", functools.partial(drawn, k)) for k in SHOTS]
    return [full, *few]


@functools.lru_cache(maxsize=4)
def insects(assets: Path, side: int) -> tuple[Data, Split]:
    """Ants and bees: those to train on, without a validation split, and the 153 of ``val/``."""
    folder = assets / "hymenoptera"
    if not folder.exists():
        raise SkippedError("no hymenoptera in the assets; TRANSFERKIT_ASSETS names their folder")
    options: dict[str, Any] = {"image_size": (side, side), "on_bad": "skip", "verbose": 0}
    both = tk.data.from_directory(folder, **options)
    assert both.val is not None
    return tk.data.from_directory(folder / "train", val=0, **options), both.val


@functools.lru_cache(maxsize=4)
def digits(assets: Path | None, side: int) -> tuple[Data, Split]:
    """Handwritten digits 5 to 9 of scikit-learn's table: one half to train on, one to measure."""
    pixels, labels = all_digits(side)
    chosen = labels >= 5
    both = tk.data.from_arrays(
        pixels[chosen], [str(label) for label in labels[chosen]], val=0.5, seed=0
    )
    assert both.val is not None
    training = np.asarray(both.train.pixels()), [both.class_names[n] for n in both.train.labels]
    return tk.data.from_arrays(*training, val=0, class_names=both.class_names), both.val


@functools.lru_cache(maxsize=1)
def digits_source() -> Source:
    """The small network that knows the digits 0 to 4."""
    body = knows_digits()
    backbone = tk.backbones.from_keras(body, preprocessing="tf")
    base = functools.partial(build.copy, body)
    return Source(tk.TransferModel(backbone), base, first=13)


def mobile_net(assets: Path) -> Source:
    """MobileNetV2 with its ImageNet weights, at 224."""
    path = asset(assets, "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5")

    def base() -> Any:
        return keras.applications.MobileNetV2(
            weights=str(path), include_top=False, input_shape=(224, 224, 3)
        )

    model = tk.TransferModel("keras:MobileNetV2", weights=path)
    return Source(model, base, first=134)


def small_mobile_net(assets: Path) -> Any:
    """MobileNet 0.25 with its ImageNet weights, at 128, as a backbone."""
    path = asset(assets, "weights/mobilenet_0.25_128_imagenet_no_top.weights.h5")
    network = keras.applications.MobileNet(
        alpha=0.25, weights=str(path), include_top=False, input_shape=(128, 128, 3)
    )
    return tk.backbones.from_keras(network, preprocessing="tf")


def asset(assets: Path, path: str) -> Path:
    """A file of the assets.

    Raises:
        SkippedError: If it is not there.
    """
    if not (assets / path).exists():
        raise SkippedError(f"no {path} in the assets; TRANSFERKIT_ASSETS names their folder")
    return assets / path
