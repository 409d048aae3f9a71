"""Depthwise convolutions as shifted multiply-adds, against loops and TensorFlow's operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.rewrites import fold_batch_norm, lower_depthwise
from transferkit.engine.rewrites.depthwise import shifted

keras, tf = _keras.keras(), _keras.tf()
layers = keras.layers
Array = np.ndarray[Any, Any]
Pair = tuple[int, int]


def by_loops(x: Array, kernel: Array, strides: Pair, padding: str, dilation: Pair) -> Array:
    """The definition, pixel by pixel; outside the picture there are zeros."""
    count, height, width, channels = x.shape
    reach = [(kernel.shape[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    size = (height, width)
    if padding == "same":
        out = [-(-size[i] // strides[i]) for i in (0, 1)]
        missing = [max(0, (out[i] - 1) * strides[i] + reach[i] - size[i]) for i in (0, 1)]
    else:
        out, missing = [1 + (size[i] - reach[i]) // strides[i] for i in (0, 1)], [0, 0]
    result = np.zeros((count, *out, channels, kernel.shape[3]))
    for p, q, i, j in np.ndindex(*out, *kernel.shape[:2]):
        row = p * strides[0] + i * dilation[0] - missing[0] // 2
        column = q * strides[1] + j * dilation[1] - missing[1] // 2
        if 0 <= row < height and 0 <= column < width:
            result[:, p, q] += x[:, row, column, :, None] * kernel[i, j]
    return result.reshape(count, *out, -1)


def drawn(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(1, 1, 3, 1), (3, 3, 3, 1), (5, 5, 3, 1), (2, 4, 3, 2)])
@pytest.mark.parametrize(
    ("strides", "dilation"),
    [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 3), (2, 1)), ((1, 1), (2, 2))],
)
def test_it_is_the_sum_of_the_definition(
    padding: str, kernel: Any, strides: Pair, dilation: Pair
) -> None:
    x, weights = drawn(2, 10, 9, 3), drawn(*kernel, seed=1)
    given = shifted(tf.constant(x), tf.constant(weights), strides, padding, dilation)
    wanted = by_loops(x, weights, strides, padding, dilation)
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("compiled", [False, True])
def test_outputs_and_gradients_are_those_of_tensorflow(
    padding: str, stride: int, multiplier: int, compiled: bool
) -> None:
    x, kernel = tf.constant(drawn(2, 8, 7, 3)), tf.constant(drawn(3, 3, 3, multiplier, seed=1))

    def ours(x: Any, kernel: Any) -> Any:
        return shifted(x, kernel, (stride, stride), padding, (1, 1))

    def theirs(x: Any, kernel: Any) -> Any:
        return tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), padding.upper())

    def results(function: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
            total = tf.reduce_sum(y * tf.sin(y))
        return [y, *tape.gradient(total, [x, kernel])]

    run = _keras.compiled(lambda: results(ours), jit_compile=True) if compiled else None
    given = run() if run else results(ours)
    for mine, wanted in zip(given, results(theirs), strict=True):
        scale = np.linalg.norm(wanted)
        assert np.linalg.norm(np.asarray(mine) - wanted) <= 1e-5 * scale


def test_bfloat16_is_summed_in_float32() -> None:
    x, kernel = drawn(2, 12, 12, 4), drawn(7, 7, 4, 1, seed=1)
    half = [tf.cast(value, "bfloat16") for value in (x, kernel)]
    given = shifted(half[0], half[1], (1, 1), "same", (1, 1))
    assert given.dtype == tf.bfloat16
    wide = [np.asarray(tf.cast(value, "float32")) for value in half]
    wanted = by_loops(wide[0], wide[1], (1, 1), "same", (1, 1))
    error = np.abs(np.asarray(tf.cast(given, "float32")) - wanted)
    assert (error <= 2.0**-8 * np.abs(wanted) + 1e-6).all(), "rounded once, at the end"


def test_float64_stays_float64() -> None:
    x, kernel = (drawn(*s).astype(np.float64) / 3 for s in ((2, 5, 5, 3), (3, 3, 3, 1)))
    given = shifted(tf.constant(x), tf.constant(kernel), (1, 1), "same", (1, 1))
    wanted = by_loops(x, kernel, (1, 1), "same", (1, 1))
    np.testing.assert_allclose(given, wanted, rtol=1e-12, atol=1e-12)


def model_of(*parts: Any, shape: tuple[Any, ...] = (9, 9, 4)) -> Any:
    entry = x = keras.Input(shape)
    for part in parts:
        x = part(x)
    return keras.Model(entry, x)


@pytest.mark.parametrize(
    "layer",
    [
        layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
        layers.DepthwiseConv2D((3, 5), depth_multiplier=2, use_bias=False),
        layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
        layers.SeparableConv2D(5, 3, padding="same", strides=2, depth_multiplier=2),
    ],
    ids=["strided", "multiplied", "dilated", "separable"],
)
def test_a_layer_is_lowered_with_all_that_it_does(layer: Any) -> None:
    model = model_of(type(layer).from_config(layer.get_config()), layers.BatchNormalization())
    model.trainable = False
    x = tf.constant(drawn(2, 9, 9, 4))
    for twin in (lower_depthwise(model), lower_depthwise(fold_batch_norm(model))):
        graph = tf.function(twin).get_concrete_function(x).graph
        assert "DepthwiseConv2dNative" not in {op.type for op in graph.get_operations()}
        np.testing.assert_allclose(twin(x), model(x), rtol=1e-5, atol=1e-5)


def test_a_map_of_unknown_size_keeps_its_layer() -> None:
    model = model_of(layers.DepthwiseConv2D(3), shape=(None, 9, 4))
    assert lower_depthwise(model).layers[1] is model.layers[1]


def test_other_convolutions_are_left_alone() -> None:
    model = model_of(layers.Conv2D(3, 3), layers.BatchNormalization(trainable=False))
    assert lower_depthwise(model).layers[1] is model.layers[1]
    folded = fold_batch_norm(model)
    assert lower_depthwise(folded).layers[1] is folded.layers[1]


def test_channels_that_come_first_are_left_alone() -> None:
    model = model_of(layers.DepthwiseConv2D(3, data_format="channels_first"))
    assert lower_depthwise(model).layers[1] is model.layers[1]
