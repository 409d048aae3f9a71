"""Batch normalisation folded and fused, against Keras' own layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras, build
from transferkit.engine.rewrites import fold_batch_norm, fuse_batch_norm
from transferkit.engine.rewrites.norms import FrozenNorm, TrainingNorm
from transferkit.engine.rewrites.products import Product

keras, tf = _keras.keras(), _keras.tf()
layers = keras.layers
Array = np.ndarray[Any, Any]


def chain(shape: tuple[int, ...], *parts: Any, frozen: bool = True) -> Any:
    """Layers one behind the other, every norm with statistics of its own."""
    entry = x = keras.Input(shape)
    for part in parts:
        x = part(x)
    model = keras.Model(entry, x)
    rng = np.random.default_rng(3)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(0.1, 3, layer.moving_variance.shape))
            layer.trainable = not frozen
    return model


def drawn(model: Any, count: int = 3) -> Any:
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(0.5, 2, (count, *model.input_shape[1:])).astype("float32"))


def kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers[1:]]


def close(given: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    given, wanted = np.asarray(given, np.float64), np.asarray(wanted, np.float64)
    assert given.shape == wanted.shape
    assert np.linalg.norm(given - wanted) <= tolerance * np.linalg.norm(wanted) + 1e-12


def gradients(model: Any, run: Any, x: Any, training: bool) -> list[Any]:
    """Of a weighted sum of the outputs, by the inputs and by whatever trains."""
    variables = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cast(run(x, training=training), tf.float32)
        weights = tf.reshape(tf.cos(tf.range(tf.size(y), dtype=tf.float32)), tf.shape(y))
        total = tf.reduce_sum(y * weights)
    return list(tape.gradient(total, [x, *variables]))


def assert_alike(model: Any, twin: Any, x: Any, *, training: bool) -> None:
    """Outputs, gradients and what one step makes of the moving statistics."""
    start = model.get_weights()
    wanted = [model(x, training=training), *gradients(model, model, x, training)]
    ended = model.get_weights()
    model.set_weights(start)
    given = [twin(x, training=training), *gradients(model, twin, x, training)]
    for ours, theirs in zip([*given, *model.get_weights()], [*wanted, *ended], strict=True):
        close(ours, theirs)
    model.set_weights(start)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((7, 7, 3), layers.Conv2D(4, 3, padding="same")),
        ((7, 7, 3), layers.Conv2D(4, 3, strides=2, use_bias=False)),
        ((7, 7, 4), layers.Conv2D(6, 3, groups=2, dilation_rate=2)),
        ((7, 7, 3), layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")),
        ((7, 7, 3), layers.SeparableConv2D(5, 3, depth_multiplier=2)),
        ((7,), layers.Dense(4)),
        ((2, 7), layers.Dense(4, use_bias=False)),
    ],
    ids=["same", "strided", "grouped", "depthwise", "separable", "vector", "tokens"],
)
@pytest.mark.parametrize("training", [False, True])
def test_a_frozen_norm_disappears_in_the_layer_before_it(
    shape: tuple[int, ...], layer: Any, training: bool
) -> None:
    twin_of = type(layer).from_config(layer.get_config())
    model = chain(shape, twin_of, layers.BatchNormalization(epsilon=0.01))
    twin = fold_batch_norm(model)
    assert kinds(twin) == ["Product"]
    assert_alike(model, twin, drawn(model), training=training)


def test_a_kernel_that_does_not_train_may_be_folded_as_well() -> None:
    model = chain((5, 5, 2), layers.Conv2D(3, 3), layers.BatchNormalization())
    model.trainable = False
    assert_alike(model, fold_batch_norm(model), drawn(model), training=True)


def test_the_activation_behind_a_folded_norm_stays() -> None:
    parts = [layers.Conv2D(3, 3), layers.BatchNormalization(center=False, scale=False)]
    model = chain((5, 5, 2), *parts, layers.ReLU())
    twin = fold_batch_norm(model)
    assert kinds(twin) == ["Product", "ReLU"]
    assert_alike(model, twin, drawn(model), training=True)


class Odd(layers.Conv2D):  # type: ignore[name-defined]
    """A convolution that is another one."""

    def call(self, inputs: Any) -> Any:
        return super().call(inputs) ** 2


@pytest.mark.parametrize(
    "before",
    [
        [layers.Conv2D(3, 3, activation="relu")],
        [layers.Conv2D(3, 3), layers.ReLU()],
        [layers.Conv2D(3, 3), layers.ZeroPadding2D()],
        [layers.Conv2D(3, 3, activity_regularizer="l2")],
        [Odd(3, 3)],
        [],
    ],
    ids=["activated", "relu between", "padding between", "watched", "derived", "nothing before"],
)
def test_a_frozen_norm_that_cannot_be_folded_is_one_kernel(before: list[Any]) -> None:
    own = [type(layer).from_config(layer.get_config()) for layer in before]
    model = chain((6, 6, 2), *own, layers.BatchNormalization())
    twin = fold_batch_norm(model)
    assert kinds(twin) == [*kinds(model)[:-1], "FrozenNorm"]
    assert_alike(model, twin, drawn(model), training=True)


@pytest.mark.parametrize(
    ("shape", "axis"), [((4,), -1), ((5, 4), 2), ((4, 5), 1), ((4, 5, 5), 1), ((2, 3, 3, 4), -1)]
)
def test_a_frozen_norm_of_any_rank_and_axis(shape: tuple[int, ...], axis: int) -> None:
    model = chain(shape, layers.BatchNormalization(axis=axis))
    twin = fold_batch_norm(model)
    assert kinds(twin) == ["FrozenNorm"]
    assert_alike(model, twin, drawn(model), training=True)


@pytest.mark.parametrize("moving", [("gamma", "beta"), ("beta",)], ids=["both", "offset"])
def test_a_norm_that_is_adapted_keeps_to_its_statistics(moving: tuple[str, ...]) -> None:
    model = chain((6, 6, 2), layers.Conv2D(3, 3, name="conv"), layers.BatchNormalization(name="bn"))
    norm = model.get_layer("bn")
    model.get_layer("conv").trainable = False
    build.thaw(model, {"bn": [getattr(norm, name) for name in moving]})
    twin = fuse_batch_norm(fold_batch_norm(model))
    assert kinds(twin) == ["Conv2D", "TrainingNorm"]
    before = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    assert_alike(model, twin, drawn(model), training=True)
    np.testing.assert_array_equal((norm.moving_mean, norm.moving_variance), before)


def test_what_is_read_elsewhere_too_is_not_folded() -> None:
    entry = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, name="conv")(entry)
    norm = layers.BatchNormalization(trainable=False, name="norm")(x)
    for model in (keras.Model(entry, layers.Add()([x, norm])), keras.Model(entry, [norm, x])):
        twin = fold_batch_norm(model)
        assert {type(layer) for layer in twin.layers} >= {layers.Conv2D, FrozenNorm}
        for ours, theirs in zip(twin(drawn(model)), model(drawn(model)), strict=True):
            close(ours, theirs)


def test_one_convolution_before_two_norms_is_folded_twice() -> None:
    first, second = keras.Input((6, 6, 2)), keras.Input((6, 6, 2))
    conv = layers.Conv2D(3, 3, name="conv")
    norms = [layers.BatchNormalization(trainable=False, epsilon=e) for e in (0.1, 0.5)]
    outputs = [norm(conv(x)) for norm, x in zip(norms, (first, second), strict=True)]
    model = keras.Model([first, second], outputs)
    twin, x = fold_batch_norm(model), drawn(keras.Model(first, outputs[0]))
    assert sum(isinstance(layer, Product) for layer in twin.layers) == 2
    for ours, theirs in zip(twin([x, 2 * x]), model([x, 2 * x]), strict=True):
        close(ours, theirs)


def test_a_norm_that_trains_is_not_folded() -> None:
    model = chain((5, 5, 2), layers.Conv2D(3, 3), layers.BatchNormalization(), frozen=False)
    assert kinds(fold_batch_norm(model)) == ["Conv2D", "BatchNormalization"]


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_a_norm_that_trains_is_the_fused_kernel(center: bool, scale: bool, training: bool) -> None:
    norm = layers.BatchNormalization(center=center, scale=scale, momentum=0.6)
    # Without a bias, whose gradient before such a norm is nothing but rounding.
    model = chain((3, 3, 4), layers.Conv2D(4, 1, use_bias=False), norm, frozen=False)
    twin = fuse_batch_norm(model)
    assert kinds(twin) == ["Conv2D", "TrainingNorm"]
    assert_alike(model, twin, drawn(model, count=2), training=training)


def test_an_epsilon_that_cudnn_would_raise_stays_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    norm = layers.BatchNormalization(epsilon=1e-5)  # PyTorch's
    model = chain((3, 3, 4), layers.Conv2D(4, 1, use_bias=False), norm, frozen=False)
    twin = fuse_batch_norm(model)
    assert kinds(twin) == ["Conv2D", "TrainingNorm"]
    assert_alike(model, twin, drawn(model, count=2), training=True)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert kinds(fuse_batch_norm(model)) == ["Conv2D", "BatchNormalization"]


def test_one_pixel_has_no_variance() -> None:
    model = chain((1, 1, 4), layers.BatchNormalization(momentum=0.6), frozen=False)
    x, start = drawn(model, count=1), model.get_weights()
    model(x, training=True)
    wanted = model.get_weights()
    model.set_weights(start)
    fuse_batch_norm(model)(x, training=True)
    for ours, theirs in zip(model.get_weights(), wanted, strict=True):
        close(ours, theirs)


def test_statistics_move_once_in_a_compiled_step() -> None:
    model = chain((3, 3, 4), layers.BatchNormalization(momentum=0.5), frozen=False)
    twin, x = fuse_batch_norm(model), drawn(model)
    before = model.layers[1].moving_mean.numpy()
    _keras.compiled(lambda x: twin(x, training=True))(x)
    close(model.layers[1].moving_mean, (before + np.mean(x, axis=(0, 1, 2))) / 2)


def test_bfloat16_inputs_keep_their_statistics_in_float32() -> None:
    norm = layers.BatchNormalization(dtype="mixed_bfloat16", momentum=0.5)
    model = chain((8, 8, 4), norm, frozen=False)
    twin, x, start = fuse_batch_norm(model), drawn(model), model.get_weights()
    wanted = model(x, training=True)
    ended = model.get_weights()
    model.set_weights(start)
    given = twin(x, training=True)
    assert given.dtype == wanted.dtype == tf.bfloat16
    close(tf.cast(given, "float32"), tf.cast(wanted, "float32"), 5e-3)
    for ours, theirs in zip(model.get_weights(), ended, strict=True):
        assert ours.dtype == np.float32
        close(ours, theirs, 1e-4)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 4, 3), {"axis": 1}),
        ((4, 4, 3), {"renorm": True}),
        ((4, 4, 3), {"synchronized": True}),
        ((4, 3), {}),
        ((4, 4, 3), {"dtype": "float64"}),
    ],
)
def test_a_norm_that_the_kernel_cannot_do_stays(shape: Any, options: Any) -> None:
    model = chain(shape, layers.BatchNormalization(**options), frozen=False)
    assert kinds(fuse_batch_norm(model)) == ["BatchNormalization"]


def test_a_masked_norm_is_left_to_keras() -> None:
    model = chain((4, 4, 3), layers.BatchNormalization(), frozen=False)
    twin, x, start = fuse_batch_norm(model), drawn(model), model.get_weights()
    mask = tf.constant(np.random.default_rng(0).random((3, 4, 4)) > 0.5)
    wanted = model.layers[1](x, training=True, mask=mask)
    ended = model.get_weights()
    model.set_weights(start)
    (fused,) = (layer for layer in twin.layers if isinstance(layer, TrainingNorm))
    close(fused(x, training=True, mask=mask), wanted)
    for ours, theirs in zip(model.get_weights(), ended, strict=True):
        close(ours, theirs)
