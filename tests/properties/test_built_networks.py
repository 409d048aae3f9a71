"""What a freeze policy promises, held against the real networks: any policy, two training steps.

The steps are the engine's own, run without tracing: a graph of 400 layers takes ten times as long
to trace as to run twice at 32 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import transferkit as tk
from transferkit import _keras, build
from transferkit.engine.step import make_steps
from transferkit.freeze import Freeze
from transferkit.spec import BackboneNetwork, ModelSpec, Target
from transferkit.testing import freeze_policies

NETWORKS = (
    "MobileNet",
    pytest.param("EfficientNetB0", marks=pytest.mark.slow),
    pytest.param("MobileNetV2", marks=pytest.mark.slow),
    pytest.param("DenseNet121", marks=pytest.mark.exhaustive),
)
CLASSES = Target("classes", ("ants", "bees", "wasps"))
SHAPE = (32, 32, 3)
RATE, DECAY = 1e-3, 0.1


class Built:
    """A network with a head, and the numbers that it starts every example from."""

    def __init__(self, name: str) -> None:
        spec = ModelSpec(backbone(name), "pretrained", freeze=tk.freeze.nothing())
        made = build.assemble(spec, CLASSES, input_shape=SHAPE, seed=0)
        self.network, self.table, self.bound = made.network, made.table, made.bound
        kernel = self.network.get_layer("head_logits").kernel
        noise = np.random.default_rng(0).normal(size=kernel.shape) / kernel.shape[0] ** 0.5
        kernel.assign(noise)  # a head of zeros would let no gradient through
        self.start = numbers(self.network)

    def after_two_steps(self, policy: Freeze) -> dict[str, np.ndarray[Any, Any]]:
        keras, tf = _keras.keras(), _keras.tf()
        for variable in self.network.variables:
            variable.assign(self.start[variable.path])
        build.freeze(self.network, self.table, policy)
        optimizer = keras.optimizers.AdamW(RATE, weight_decay=DECAY)
        logits = build.logits_of(self.network)
        strategy = tf.distribute.get_strategy()
        with eagerly():
            steps = make_steps(self.network, logits, self.bound, optimizer, strategy, xla=False)
            for seed in (0, 1):
                steps.train((tf.constant(pictures(2, seed)), tf.constant(np.eye(2, 3, dtype="f"))))
        return numbers(self.network)


def backbone(name: str) -> BackboneNetwork:
    """Random weights, with BatchNormalization statistics that let signals through."""
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    bare = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=SHAPE)
    norms = [n for n in bare.layers if isinstance(n, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    scales_inside = name == "EfficientNetB0"
    bare(pictures(16, 9) if scales_inside else pictures(16, 9) / 127.5 - 1, training=True)
    for norm in norms:
        norm.momentum = 0.99
    return tk.backbones.from_keras(bare, preprocessing="none" if scales_inside else "tf")


def pictures(count: int, seed: int) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(seed).uniform(0, 255, (count, *SHAPE))
    return values.astype(np.float32)


def numbers(network: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Weights, statistics and the states of random generators."""
    return {v.path: np.asarray(v) for v in network.variables}


@contextmanager
def eagerly() -> Iterator[None]:
    config = _keras.tf().config
    config.run_functions_eagerly(True)
    try:
        yield
    finally:
        config.run_functions_eagerly(False)


@pytest.fixture(scope="module", params=NETWORKS)
def built(request: pytest.FixtureRequest) -> Built:
    return Built(str(request.param))


def keeps_its_promise(built: Built, policy: Freeze) -> None:
    after = built.after_two_steps(policy)
    frozen = policy.names(built.table)
    decayed = (1 - RATE * DECAY) ** 2
    for layer in built.network.layers:
        for variable in layer.variables:
            before, now = built.start[variable.path], after[variable.path]
            where = f"{variable.path} under {policy!r}"
            if layer.name in frozen:  # weights, statistics, and the generators of dropout
                assert np.array_equal(before, now), f"moved: {where}"
            elif variable.name == "kernel":
                by_decay = np.allclose(now, before * decayed, rtol=0, atol=1e-9)
                assert not by_decay, f"no gradient came to {where}"
            elif "seed_generator" in variable.path and getattr(layer, "rate", 1) > 0:
                assert not np.array_equal(before, now), f"draws nothing: {where}"
    moved = {path for path, now in after.items() if not np.array_equal(built.start[path], now)}
    assert "head_logits/kernel" in moved


@pytest.mark.parametrize(
    "policy",
    [
        tk.freeze.backbone(),
        tk.freeze.nothing(batch_norm="train"),
        tk.freeze.all_but(tk.select.top_blocks(2)),
        tk.freeze.only(tk.select.blocks(2, 4), batch_norm="train"),
    ],
    ids=repr,
)
def test_a_usual_policy_keeps_its_promise(built: Built, policy: Freeze) -> None:
    keeps_its_promise(built, policy)


@settings(max_examples=3, phases=(Phase.explicit, Phase.generate))
@given(data=st.data())
def test_any_policy_keeps_its_promise(built: Built, data: st.DataObject) -> None:
    keeps_its_promise(built, data.draw(freeze_policies(built.table)))


@pytest.mark.exhaustive
@settings(max_examples=25)
@given(data=st.data())
def test_a_great_many_policies_keep_their_promise(built: Built, data: st.DataObject) -> None:
    keeps_its_promise(built, data.draw(freeze_policies(built.table)))


def test_a_frozen_network_answers_in_training_as_it_does_otherwise(built: Built) -> None:
    for variable in built.network.variables:
        variable.assign(built.start[variable.path])
    build.freeze(built.network, built.table, tk.freeze.backbone())
    pixels = pictures(4, 3)
    first, second = (np.asarray(built.network(pixels, training=True)) for _ in range(2))
    assert np.array_equal(first, second)
    np.testing.assert_allclose(first, built.network(pixels, training=False), rtol=1e-5, atol=1e-6)
    assert np.ptp(first, axis=0).min() > 1e-3, "the pictures have to differ for this to say much"
