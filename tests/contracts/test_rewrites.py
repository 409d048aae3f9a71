"""What holds for every rewrite on every backbone of ``keras:``: the plain model's results.

A few small networks that between them hold all kinds of layers are compared in the usual run; the
others of the table in the slow one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from keras_tables import CASES

import transferkit as tk
from transferkit import _keras
from transferkit.engine.rewrites import REWRITES, rewritten
from transferkit.testing.subjects import draw_weights

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]

USUAL = ("VGG16", "MobileNetV2", "MobileNetV3Small")
"""The rest takes most of the time: deep or wide."""
EXACT = tuple(name for name in REWRITES if name != "compute_in_bfloat16")
COMBINATIONS = [*((name,) for name in EXACT), EXACT]


@dataclass(frozen=True)
class Subject:
    """One network with a vector of features behind it, half of it frozen, and its pictures."""

    name: str

    @property
    def side(self) -> int:
        return CASES[self.name].smallest

    @cached_property
    def model(self) -> Any:
        backbone: Any = tk.backbones.load(
            f"keras:{self.name}", input_shape=(self.side, self.side, 3), weights=None
        )
        draw_weights(backbone.network, seed=1)
        settle(backbone.network, self.pictures)
        return backbone.network

    @cached_property
    def pictures(self) -> Any:
        rng = np.random.default_rng(0)
        cells = rng.uniform(0, 255, (2, 4, 4, 3)).repeat(-(-self.side // 4), 1)
        patches = cells.repeat(-(-self.side // 4), 2)[:, : self.side, : self.side]
        return tf.constant((patches + rng.normal(0, 8, patches.shape)).astype("float32"))

    def freeze(self, frozen: str) -> None:
        """Thaw the network, then freeze all norms, every second one, or none."""
        norms = [each for each in self.model.layers if type(each).__name__ == "BatchNormalization"]
        self.model.trainable = True
        for norm in norms[:: {"all": 1, "some": 2}[frozen]] if frozen != "none" else []:
            norm.trainable = False


def settle(network: Any, pictures: Any) -> None:
    """Statistics near those of a batch, so that no activation saturates; they stay non-trivial."""
    norms = [each for each in network.layers if type(each).__name__ == "BatchNormalization"]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.3
    network(pictures, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def step(network: Any, model: Any, pictures: Any, *, training: bool) -> dict[str, Array]:
    """Outputs, all gradients as one vector, all statistics after the step as another."""
    start = model.get_weights()
    variables = model.trainable_variables

    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = network(x, training=training)
            total = tf.reduce_sum(y * tf.cos(tf.range(y.shape[-1], dtype=tf.float32)))
        return y, tape.gradient(total, [x, *variables], unconnected_gradients="zero")

    outputs, gradients = _keras.compiled(run)(pictures)
    moved = [np.ravel(w) for w in model.non_trainable_variables if "moving" in w.path]
    model.set_weights(start)
    flat = np.concatenate([np.ravel(each) for each in gradients])
    return {
        "outputs": np.asarray(outputs),
        "gradients": flat,
        "statistics": np.concatenate([*moved, [1.0]]),
    }


def error(given: Array, wanted: Array) -> float:
    assert np.isfinite(wanted).all()
    assert given.shape == wanted.shape
    return float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted))


def state(model: Any) -> list[Any]:
    """What a rewrite has to leave alone."""
    return [
        (
            layer.name,
            layer.trainable,
            tuple(id(node) for node in layer._inbound_nodes),
            tuple(id(node) for node in layer._outbound_nodes),
            tuple(layer.output._keras_history),
            sorted(vars(layer)),
        )
        for layer in model.layers
    ]


@pytest.fixture(scope="module", autouse=True)
def _initial_weights_cost_nothing() -> Iterator[None]:
    """Every weight is drawn by the tests; Keras' own draws are left out."""
    initializers = importlib.import_module("keras.src.initializers.random_initializers")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("VarianceScaling", "RandomUniform", "TruncatedNormal"):
            patch.setattr(getattr(initializers, kind), "__call__", zeros)
        yield


def zeros(self: Any, shape: Any, dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype)


@pytest.fixture(
    scope="module",
    params=[n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in CASES],
)
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(str(request.param))


def test_every_rewrite_gives_what_the_plain_network_gives(subject: Subject) -> None:
    for frozen, training in (("some", True), ("all", False)):
        subject.freeze(frozen)
        model, before = subject.model, state(subject.model)
        wanted = step(model, model, subject.pictures, training=training)
        for names in COMBINATIONS if training else [EXACT]:
            twin = rewritten(model, names)
            given = step(twin, model, subject.pictures, training=training)
            for what, values in wanted.items():
                found = error(given[what], values)
                print(subject.name, frozen, names, what, found)
                assert found <= 1e-5, (what, names, frozen)
        assert state(model) == before
