"""Layers that Keras does not have, each against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.backbones.torch_hub import layers, own_layers

keras = _keras.keras()
OWN = own_layers()
Array = np.ndarray[Any, Any]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_layer_scale_multiplies_each_channel_by_its_factor() -> None:
    layer, x = OWN["transferkit>LayerScale"](initial=0.5), drawn(2, 3, 3, 4)
    np.testing.assert_allclose(layer(x), x * 0.5)
    factors = np.array([1.0, -2.0, 0.0, 3.0], np.float32)
    layer.factors.assign(factors)
    np.testing.assert_allclose(layer(x), x * factors)


@pytest.mark.parametrize(("name", "given"), [("LayerScale", {"initial": 0.25})])
def test_a_layer_is_made_again_from_its_config(name: str, given: dict[str, Any]) -> None:
    kind = OWN[f"transferkit>{name}"]
    again = kind.from_config(kind(**given, name="a.b").get_config())
    assert again.name == "a.b"
    assert {key: getattr(again, key) for key in given} == given


def test_stochastic_depth_leaves_whole_pictures_out_and_only_in_training() -> None:
    entry = keras.Input((2, 2, 3))
    network = keras.Model(entry, layers.stochastic_depth(entry, "unit", 0.25))
    ones = np.ones((64, 2, 2, 3), np.float32)
    np.testing.assert_array_equal(network(ones, training=False), ones)
    trained = np.asarray(network(ones, training=True)).reshape(64, -1)
    assert np.all(trained == trained[:, :1])  # a picture as a whole
    np.testing.assert_allclose(np.unique(trained), [0, 1 / 0.75], rtol=1e-6)
    assert layers.stochastic_depth(entry, "other", 0.0) is entry
