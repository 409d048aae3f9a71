"""A model rebuilt from its calls: what it shares, and that the given one stays what it was."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras, build, freeze, select
from transferkit.engine.rewrites import REWRITES, rewritten
from transferkit.engine.rewrites.nodes import Calls, rebuilt

keras, tf = _keras.keras(), _keras.tf()
layers = keras.layers


def two_ended() -> Any:
    """Two inputs, two outputs, a layer called twice, an operation, a nested model, a Dropout."""
    left, right = keras.Input((8, 8, 4), name="left"), keras.Input((8, 8, 4), name="right")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = layers.BatchNormalization(name="norm")(shared(left))
    y = layers.BatchNormalization(name="other_norm")(shared(right))
    x = layers.Dropout(0.5, name="dropout")(layers.ReLU(name="relu")(x) + y)
    x = layers.DepthwiseConv2D(3, strides=2, name="depthwise")(x)
    inner = keras.Sequential([keras.Input((3, 3, 4)), layers.Conv2D(2, 1)], name="inner")
    z = layers.GlobalAveragePooling2D(name="pool")(inner(x))
    model = keras.Model([left, right], [layers.Dense(3, name="logits")(z), x], name="two_ended")
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(w + rng.normal(0, 0.3, w.shape)) for w in model.get_weights()])
    return model


def given(*shape: int, seed: int = 0) -> Any:
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def pair() -> list[Any]:
    return [given(5, 8, 8, 4), given(5, 8, 8, 4, seed=1)]


def state(model: Any) -> list[Any]:
    """What a rewrite must leave alone, by identity where it matters."""
    return [
        (
            layer.name,
            layer.trainable,
            [id(node) for node in layer._inbound_nodes],
            [id(node) for node in layer._outbound_nodes],
            id(layer.output),
            tuple(layer.output._keras_history),
            sorted(vars(layer)),
            id(vars(layer).get("call")),
            layer.dtype_policy.name,
            [(id(weight), weight.trainable) for weight in layer.weights],
        )
        for layer in model.layers
    ]


def written(model: Any, file: Path) -> Any:
    model.save(file)
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("config.json"))


@pytest.mark.parametrize("frozen", [False, True])
def test_the_given_model_stays_what_it_was(frozen: bool, tmp_path: Path) -> None:
    model = two_ended()
    if frozen:
        table = select.LayerTable(
            tuple(select.Layer(layer.name, type(layer).__name__, 0, 0) for layer in model.layers),
            ("all",),
        )
        build.freeze(model, table, freeze.backbone())
        assert "call" in vars(model.get_layer("dropout"))
    before, config = state(model), written(model, tmp_path / "before.keras")
    outputs = [np.asarray(out) for out in model(pair())]
    for names in (*([name] for name in REWRITES), list(REWRITES)):
        rewritten(model, names)(pair(), training=False)
    assert state(model) == before
    assert written(model, tmp_path / "after.keras") == config
    for out, wanted in zip(model(pair()), outputs, strict=True):
        assert np.array_equal(out, wanted)


def test_it_stays_so_when_a_model_cannot_be_rebuilt() -> None:
    model = two_ended()
    before = state(model)
    with pytest.raises(AttributeError):
        rebuilt(model, {Calls(model).nodes[3]: object()})
    assert state(model) == before


def test_all_rewrites_together_give_the_same_outputs_in_the_same_structure() -> None:
    model = two_ended()
    model.get_layer("norm").trainable = False
    twin = rewritten(model, ["lower_depthwise", "fuse_batch_norm", "fold_batch_norm"])
    assert twin.name == "two_ended"
    assert [x.name for x in twin.inputs] == ["left", "right"]
    for out, wanted in zip(twin(pair()), model(pair()), strict=True):
        np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)


def test_every_variable_is_shared_and_moves_in_both() -> None:
    model = two_ended()
    twin = rewritten(model, list(REWRITES))
    assert {id(v) for v in twin.variables} == {id(v) for v in model.variables}
    assert {id(v) for v in twin.trainable_variables} == {id(v) for v in model.trainable_variables}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(pair(), training=True)[0] ** 2)
    before = model.get_layer("shared").kernel.numpy()
    variables = model.trainable_variables
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, variables), variables)
    assert not np.array_equal(model.get_layer("shared").kernel, before)


def test_a_name_that_is_not_asked_for_changes_nothing() -> None:
    model = two_ended()
    assert rewritten(model, []) is model


def test_a_sequential_model_is_taken_too() -> None:
    parts = [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.BatchNormalization()]
    model = keras.Sequential(parts)
    model.layers[-1].trainable = False
    twin, x = rewritten(model, ["fold_batch_norm"]), given(2, 6, 6, 2)
    assert len(twin.layers) == 2
    np.testing.assert_allclose(twin(x), model(x), rtol=1e-5, atol=1e-5)


def test_weight_penalties_are_counted_once() -> None:
    entry = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, kernel_regularizer="l2", name="conv")(entry)
    model = keras.Model(entry, layers.BatchNormalization(name="norm")(x))
    model.get_layer("norm").trainable = False
    twin = rewritten(model, list(REWRITES))
    assert len(twin.losses) == len(model.losses) == 1
    assert float(twin.losses[0]) == pytest.approx(float(model.losses[0]))
