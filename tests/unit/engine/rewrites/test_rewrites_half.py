"""What computes in bfloat16 and what stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.rewrites import compute_in_bfloat16, rewritten

keras, tf = _keras.keras(), _keras.tf()
layers = keras.layers


class Recorder(layers.Layer):  # type: ignore[name-defined]
    """A layer that nobody knows, and that remembers what it was given."""

    def call(self, inputs: Any) -> Any:
        self.seen = inputs.dtype.name
        return inputs


def network() -> Any:
    entry = keras.Input((8, 8, 3), name="pixels")
    x = layers.Rescaling(1 / 8, name="rescaling")(entry)
    x = layers.Conv2D(8, 3, padding="same", name="conv")(x)
    x = skip = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="sigmoid", name="gate")(x)
    x = layers.Add(name="add")([x, skip]) * 0.5
    x = layers.MaxPooling2D(name="pool")(x)
    x = Recorder(name="recorder")(keras.ops.square(x))
    x = layers.SeparableConv2D(6, 3, strides=2, name="separable")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    x = layers.Dense(4, name="logits")(x)
    model = keras.Model(entry, layers.Activation("softmax", name="outputs")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    model.get_layer("norm").moving_variance.assign(rng.uniform(0.5, 2, 8))
    return model


def pixels() -> Any:
    return tf.constant(np.random.default_rng(1).uniform(0, 8, (4, 8, 8, 3)).astype("float32"))


def dtypes(model: Any, kind: str, training: bool = False) -> list[str]:
    """The dtype of each operation of a kind in the graph."""
    traced = tf.function(lambda x: model(x, training=training)).get_concrete_function(pixels())
    return [op.outputs[0].dtype.name for op in traced.graph.get_operations() if op.type == kind]


def test_each_layer_computes_as_the_rules_say() -> None:
    model = network()
    twin = compute_in_bfloat16(model)
    assert dtypes(twin, "Conv2D") == ["bfloat16", "bfloat16"]  # the pointwise one among them
    assert dtypes(twin, "DepthwiseConv2dNative")[0] == "bfloat16"
    assert dtypes(twin, "Relu") == ["bfloat16"]
    assert dtypes(twin, "MaxPool") == ["bfloat16"]
    assert set(dtypes(twin, "AddV2")) >= {"bfloat16"}
    for kind in ("Square", "Mean", "MatMul", "Softmax"):
        assert dtypes(twin, kind) == ["float32"], kind
    assert model.get_layer("recorder").seen == "float32"
    assert {v.dtype for v in twin.variables} == {"float32"}


def test_outputs_are_float32_and_close() -> None:
    model = network()
    for names in (["compute_in_bfloat16"], ["fuse_batch_norm", "compute_in_bfloat16"]):
        given, wanted = rewritten(model, names)(pixels()), model(pixels())
        assert given.dtype == tf.float32
        assert 0 < np.linalg.norm(given - wanted) <= 2e-2 * np.linalg.norm(wanted)


@pytest.mark.parametrize("end", ["conv", "norm", "relu", "pool", "multiply"])
def test_an_output_anywhere_is_float32(end: str) -> None:
    model = network()
    name = next(layer.name for layer in model.operations if layer.name.startswith(end))
    operation = next(each for each in model.operations if each.name == name)
    inner = operation._inbound_nodes[0].outputs[0]
    part = keras.Model(model.inputs, [inner, model.outputs[0]])
    given, wanted = compute_in_bfloat16(part)(pixels()), part(pixels())
    for ours, theirs in zip(given, wanted, strict=True):
        assert ours.dtype == tf.float32
        assert np.linalg.norm(ours - theirs) <= 2e-2 * np.linalg.norm(theirs)


def test_what_is_kept_stays_float32() -> None:
    twin = rewritten(network(), ["compute_in_bfloat16"], keep=["gate", "pool"])
    assert dtypes(twin, "DepthwiseConv2dNative")[0] == "float32"
    assert dtypes(twin, "MaxPool") == ["float32"]
    assert dtypes(twin, "Relu") == ["bfloat16"]


def test_slow_kernels_get_float32_and_give_bfloat16() -> None:
    entry = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(entry)
    x = layers.DepthwiseConv2D(3, strides=2)(layers.Activation("tanh")(x))
    twin = compute_in_bfloat16(keras.Model(entry, layers.ReLU()(layers.Conv2D(2, 1)(x))))
    assert dtypes(twin, "Tanh") == dtypes(twin, "DepthwiseConv2dNative") == ["float32"]
    assert dtypes(twin, "Conv2D") == ["bfloat16", "bfloat16"]


def test_dense_layers_on_maps_are_convolutions_and_follow_them() -> None:
    entry = keras.Input((4, 4, 3))
    x = layers.LayerNormalization()(layers.Dense(8, activation="relu")(entry))
    twin = compute_in_bfloat16(keras.Model(entry, layers.Dense(5)(layers.Flatten()(x))))
    traced = tf.function(twin).get_concrete_function(tf.zeros((2, 4, 4, 3)))
    products = [op for op in traced.graph.get_operations() if op.type == "MatMul"]
    assert [op.outputs[0].dtype.name for op in products] == ["bfloat16", "float32"]


def test_gradients_are_float32_and_point_the_same_way() -> None:
    model = network()
    twin = rewritten(model, ["fuse_batch_norm", "compute_in_bfloat16"])
    variables = model.trainable_variables

    def gradients(run: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(run(pixels(), training=True)[:, 0])
        return [np.asarray(each).ravel() for each in tape.gradient(loss, variables)]

    ours, theirs = gradients(twin), gradients(model)
    assert {each.dtype for each in ours} == {np.dtype("float32")}
    first, second = np.concatenate(ours), np.concatenate(theirs)
    assert np.linalg.norm(first - second) <= 5e-2 * np.linalg.norm(second)
