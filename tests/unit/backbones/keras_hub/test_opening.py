"""Composite layers opened, on stand-ins for KerasHub's: nothing here needs KerasHub."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.backbones.keras_hub.opening import opened
from transferkit.backbones.keras_hub.tokens import register_tokens
from transferkit.errors import BackboneError

keras = _keras.keras()
Layer: Any = keras.layers.Layer
SHAPE = (8, 8, 4)


def as_keras_hub(**classes: type) -> None:
    for name, each in classes.items():
        each.__module__, each.__name__ = "keras_hub.src.models.stand_in", name


class Inner(Layer):
    """A composite in a composite, with a layer that is called twice."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4, name="dense")

    def call(self, x: Any) -> Any:
        return self.dense(self.dense(x))


class Outer(Layer):
    """Holds a list, calls a method of its own, and passes `training` on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.blocks = [Inner(name="one"), Inner(name="two")]
        self.grouped = keras.layers.Conv2D(4, 3, groups=4, padding="same", name="grouped")
        self.halves = keras.layers.Conv2D(4, 1, groups=2, name="halves")

    def call(self, x: Any, training: Any = None) -> Any:
        x = self.norm(x, training=training)
        for block in self.blocks:
            x = block(x)
        return self._ending(x) + x

    def _ending(self, x: Any) -> Any:
        return self.halves(self.grouped(x))


class Stranger(Layer):
    def call(self, x: Any) -> Any:
        return x


as_keras_hub(MLP=Inner, ViTEncoder=Outer, Stranger=Stranger)


def network(layer: Any) -> Any:
    pixels = keras.Input(SHAPE)
    return keras.Model(pixels, layer(pixels))


def test_an_opened_network_computes_the_same_with_layers_of_keras_alone() -> None:
    author = network(Outer(name="encoder"))
    author.layers[1].norm.moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    pictures = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
    wanted = np.asarray(author(pictures, training=False))
    model = keras.Model(*opened(author, [author.output], SHAPE))
    np.testing.assert_allclose(np.asarray(model(pictures, training=False)), wanted, atol=1e-5)
    kinds = {layer.name: type(layer).__name__ for layer in model.layers}
    assert kinds == {
        "input": "InputLayer",
        "encoder_norm": "BatchNormalization",
        "encoder_one_dense": "Dense",
        "encoder_two_dense": "Dense",
        "encoder_grouped": "DepthwiseConv2D",
        "encoder_halves": "GroupedConv2D",
    }


def test_a_network_can_be_opened_again_for_another_size() -> None:
    author = network(Outer(name="encoder"))
    first, again = (
        keras.Model(*opened(author, [author.output], (side, side, 4))) for side in (8, 12)
    )
    assert [layer.name for layer in first.layers] == [layer.name for layer in again.layers]
    assert again.output_shape == (None, 12, 12, 4)


def test_a_layer_that_nobody_looked_at_is_refused() -> None:
    author = network(Stranger(name="odd"))
    with pytest.raises(BackboneError, match="a layer Stranger of KerasHub's") as caught:
        opened(author, [author.output], SHAPE)
    assert "pip install --upgrade 'transferkit[hub]'" in str(caught.value)


def test_registers_stand_behind_the_first_tokens() -> None:
    layer = register_tokens()(2, after=1)
    assert layer(keras.KerasTensor((None, 4, 3))).shape == (None, 6, 3)
    layer.set_weights([np.arange(6.0).reshape(1, 2, 3)])
    tokens = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    got = np.asarray(layer(tokens))
    np.testing.assert_array_equal(got[:, [0, 3, 4, 5]], tokens)
    np.testing.assert_array_equal(got[1, 1:3], [[0, 1, 2], [3, 4, 5]])
    again = type(layer).from_config(layer.get_config())
    assert (again.count, again.after) == (2, 1)
    assert layer.compute_output_shape((None, None, 3)) == (None, None, 3)
