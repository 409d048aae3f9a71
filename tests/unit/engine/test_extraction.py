"""Vectors of frozen networks, where the usual way is closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine import extraction, forward
from transferkit.engine.forward.check import Problem
from transferkit.errors import BackboneError

keras = _keras.keras()
Layer: Any = keras.layers.Layer
PIXELS = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
F32 = tk.Engine(precision="float32", prefix="tensorflow")


class Draws(Layer):
    """Noise in inference too, by a generator that nobody can foresee."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.seed = keras.random.SeedGenerator(0)

    def call(self, inputs: Any) -> Any:
        return inputs + keras.random.normal(_keras.keras().ops.shape(inputs), seed=self.seed)


def network(*extra: Any) -> Any:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, trainable=False)(pixels)
    for layer in extra:
        x = layer(x)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(x))


def extracted(model: Any) -> Any:
    return extraction.extract(model, PIXELS, kinds={"Conv2D"}, engine=F32)


def test_vectors_are_the_networks_own() -> None:
    model = network()
    found = extracted(model)
    wanted = model(PIXELS.astype(np.float32))
    np.testing.assert_allclose(found.vectors, wanted, rtol=1e-5, atol=1e-4)
    assert found.work == 6 * 6 * 27 * 4
    assert found.seconds is not None


def test_a_compiled_network_that_is_not_trusted_gives_way_to_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = forward.prepare

    def refused(*args: Any, **more: Any) -> Any:
        made = usual(*args, **more)
        return type(made)(made.run, made.notes, Problem("neighbours", "they changed"))

    monkeypatch.setattr("transferkit.engine.frozen.prepare", refused)
    model = network()
    found = extracted(model)
    np.testing.assert_allclose(found.vectors, model(PIXELS.astype(np.float32)), rtol=1e-5)
    assert found.seconds is None


def test_a_network_that_draws_random_numbers_is_refused() -> None:
    with pytest.raises(BackboneError, match="gives other numbers each time, though all its layers"):
        extracted(network(Draws()))
