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


def test_a_class_token_stands_before_the_others() -> None:
    layer, x = OWN["transferkit>ClassToken"](), drawn(2, 5, 4)
    layer.build(x.shape)
    layer.token.assign(np.arange(4.0).reshape(1, 1, 4))
    out = np.asarray(layer(x))
    np.testing.assert_array_equal(out[:, 0], [[0, 1, 2, 3]] * 2)
    np.testing.assert_array_equal(out[:, 1:], x)
    assert layer.compute_output_shape((None, 5, 4)) == (None, 6, 4)


def test_a_position_embedding_adds_a_vector_for_each_place() -> None:
    layer, x = OWN["transferkit>PositionEmbedding"](), drawn(2, 5, 4)
    layer.build(x.shape)
    places = drawn(1, 5, 4)
    layer.places.assign(places)
    np.testing.assert_array_equal(layer(x), x + places)


def test_self_attention_is_a_mean_of_values_for_each_head() -> None:
    heads, tokens, width = 2, 3, 4
    x = drawn(2, tokens, 3 * width)
    out = np.asarray(OWN["transferkit>SelfAttention"](heads)(x))
    assert out.shape == (2, tokens, width)
    each = width // heads
    for picture in range(2):
        for head in range(heads):
            query, key, value = (
                x[picture, :, width * part + each * head :][:, :each] for part in range(3)
            )
            for place in range(tokens):
                scores = np.array([query[place] @ other for other in key]) / np.sqrt(each)
                weights = np.exp(scores) / np.exp(scores).sum()
                mean = sum(w * v for w, v in zip(weights, value, strict=True))
                ours = out[picture, place, each * head : each * (head + 1)]
                np.testing.assert_allclose(ours, mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "given"), [("LayerScale", {"initial": 0.25}), ("SelfAttention", {"heads": 3})]
)
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
