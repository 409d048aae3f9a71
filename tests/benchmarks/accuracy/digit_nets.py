"""Handwritten digits, and small networks that learned the first five of them, rightly or not."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

__all__ = ["SIDE", "all_digits", "knows_digits", "knows_nothing", "scaled", "untrained"]

Array = np.ndarray[Any, Any]
SIDE = 32
LAYERS = ((32, 2), (48, 1), (64, 2), (64, 1), (128, 2), (128, 1))
"""Channels and stride of each convolution."""
TURNED = 8
"""How often each digit is seen turned, shifted and enlarged."""
LEARNED = 0.99


@functools.lru_cache(maxsize=4)
def all_digits(side: int) -> tuple[Array, Array]:
    """scikit-learn's 1,797 digits (n, side, side, 3), their 8 x 8 places enlarged, and labels."""
    from sklearn.datasets import load_digits

    table = load_digits()
    grey = np.round(table.images * (255 / 16)).astype(np.uint8)
    large = grey.repeat(side // 8, axis=1).repeat(side // 8, axis=2)
    return np.repeat(large[..., None], 3, axis=3), table.target


def scaled(pixels: Any) -> Any:
    """Pixels 0..255 to -1..1, as all networks here were trained."""
    return pixels / 127.5 - 1.0


def untrained(seed: int) -> Any:
    """Six convolutions with batch normalisation, from 32 x 32 x 3 to 4 x 4 x 128."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    flow = inputs
    for width, stride in LAYERS:
        flow = keras.layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(flow)
        flow = keras.layers.BatchNormalization()(flow)
        flow = keras.layers.ReLU()(flow)
    return keras.Model(inputs, flow, name="digits")


@functools.lru_cache(maxsize=1)
def knows_digits() -> Any:
    """Trained on the digits 0 to 4, each in eight positions; without its top."""
    pixels, labels = all_digits(SIDE)
    chosen = labels < 5
    moved = _moved(pixels[chosen][..., 0], np.random.default_rng(0))
    return _trained(moved, np.tile(labels[chosen], TURNED), epochs=4, seed=0)


@functools.lru_cache(maxsize=10)
def knows_nothing(seed: int) -> Any:
    """Trained until it has by heart 300 of the digits 0 to 4 whose labels were permuted."""
    rng = np.random.default_rng(seed)
    pixels, labels = all_digits(SIDE)
    chosen = rng.permutation(np.flatnonzero(labels < 5))[:300]
    return _trained(pixels[chosen], rng.permutation(labels[chosen]), epochs=200, seed=seed)


def _trained(pixels: Array, labels: Array, *, epochs: int, seed: int) -> Any:
    """With a pooled linear top by Adam, until it has learned what it was shown.

    Raises:
        RuntimeError: If it has not.
    """
    body = untrained(seed)
    network = keras.Sequential([body, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)])
    rates = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(pixels) // 32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(rates), loss=loss, metrics=["accuracy"])
    given = scaled(pixels.astype(np.float32))
    network.fit(given, labels, epochs=epochs, batch_size=32, verbose=0)
    accuracy = network.evaluate(given, labels, verbose=0)[1]
    if accuracy < LEARNED:
        raise RuntimeError(f"{accuracy:.3f} of what it was shown were learned, not {LEARNED}")
    return body


def _moved(grey: Array, rng: np.random.Generator) -> Array:
    """Each picture (n, side, side) several times, turned, sheared, enlarged and shifted."""
    from scipy import ndimage

    middle = np.full(2, (SIDE - 1) / 2)
    found = []
    for picture in np.concatenate([grey] * TURNED).astype(np.float32):
        turn, shear = np.deg2rad(rng.uniform(-20, 20)), rng.uniform(-0.1, 0.1)
        matrix = np.array(
            [[np.cos(turn), shear - np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        ) / rng.uniform(0.8, 1.2)
        offset = middle - matrix @ middle + rng.uniform(-3, 3, 2)
        found.append(ndimage.affine_transform(picture, matrix, offset, order=1))
    return np.repeat(np.stack(found)[..., None], 3, axis=3)
