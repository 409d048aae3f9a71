"""Tiny networks with filters of one's own, and the size of what they look at."""

from __future__ import annotations

from typing import Any

import numpy as np

import transferkit as tk
from transferkit import _keras
from transferkit.spec import BackboneNetwork

__all__ = ["COUNT", "LABELS", "OFF", "SIDE", "edges", "network"]

keras = _keras.keras()
Array = np.ndarray[Any, Any]
SIDE, COUNT = 16, 120
LABELS = np.arange(COUNT) % 2
OFF = tk.Engine(precision="float32", prefix="tensorflow", cache=False)


def network(kernel: Array, name: str = "tiny") -> BackboneNetwork:
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(pixels)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    made = keras.Model(pixels, x, name=name)
    made.get_layer("conv").kernel.assign(kernel)
    return tk.backbones.from_keras(made, preprocessing="unit")


def edges() -> Array:
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0, :, :, 0], kernel[2, :, :, 0] = 1, -1
    kernel[:, 0, :, 1], kernel[:, 2, :, 1] = 1, -1
    return kernel
