from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras


@pytest.fixture(scope="module")
def network() -> Any:
    """A small network with what matters: convolutions, depthwise ones, norms, two outputs."""
    keras = _keras.keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    pixels = layers.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, -1)(pixels)
    x = layers.Conv2D(8, 3, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    tap = x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    made = keras.Model(pixels, [tap, layers.Dense(5)(x)])
    rng = np.random.default_rng(0)
    for weight in made.weights:
        noise = rng.normal(scale=0.2, size=weight.shape)
        weight.assign(np.abs(1 + noise) if "variance" in weight.path else weight + noise)
    return made


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(2).integers(0, 256, (9, 16, 16, 3)).astype(np.float32)
