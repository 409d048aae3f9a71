"""What holds for every rewrite on every backbone of ``keras:``: the plain model's results.

One small network is compared in the usual run, three that hold most other kinds of layers in the
slow one, and all others of the table in the exhaustive one.
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

USUAL = ("MobileNetV2",)
"""Plain convolutions, depthwise ones and shortcuts."""
SLOW = ("EfficientNetB0", "ResNet50", "VGG16")
"""With these most kinds of layers; DenseNet joins them otherwise, Xception has separable ones, and
ConvNeXt traces for a minute: those, and all relatives, are left to the exhaustive run."""
HALF = "compute_in_bfloat16"
EXACT = tuple(name for name in REWRITES if name != HALF)
FINE, COARSE = 1e-6, 2.0**-8
"""Rounding of pictures, relative: several times that of float32, and once that of bfloat16."""
LAYERS = 10
"""How many times more it makes to round in every layer and not in the pictures alone."""


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
        for layer in backbone.network.layers:
            if type(layer).__name__ == "Dropout":
                layer.rate = 0.0  # the same pictures twice have to give the same
        settle(backbone.network, self.pictures)
        return backbone.network

    @cached_property
    def pictures(self) -> Any:
        rng = np.random.default_rng(0)
        cells = rng.uniform(0, 255, (16, 4, 4, 3)).repeat(-(-self.side // 4), 1)
        patches = cells.repeat(-(-self.side // 4), 2)[:, : self.side, : self.side]
        return tf.constant((patches + rng.normal(0, 8, patches.shape)).astype("float32"))

    def freeze(self, every: int) -> None:
        """Thaw all norms, then freeze each of the first, second, ... in every so many; 0: none."""
        norms = [each for each in self.model.layers if type(each).__name__ == "BatchNormalization"]
        for layer in self.model.layers:
            layer.trainable = True
        for norm in norms[::every] if every else []:
            norm.trainable = False

    def rounded(self, size: float) -> Any:
        """The pictures as they are after rounding of that relative size."""
        noise = np.random.default_rng(5).uniform(-1, 1, self.pictures.shape)
        return self.pictures * (1 + size * noise.astype("float32"))


def settle(network: Any, pictures: Any) -> None:
    """Statistics near those of a batch, so that no activation saturates; they stay non-trivial."""
    norms = [each for each in network.layers if type(each).__name__ == "BatchNormalization"]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.3
    network(pictures, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def step(network: Any, model: Any, pictures: Any) -> dict[str, Array]:
    """Outputs, all gradients as one vector, all statistics behind the step as another."""
    start, variables = model.get_weights(), model.trainable_variables
    with tf.GradientTape() as tape:
        tape.watch(pictures)
        outputs = network(pictures, training=True)
        total = tf.reduce_sum(outputs * tf.cos(tf.range(outputs.shape[-1], dtype=tf.float32)))
    gradients = tape.gradient(total, [pictures, *variables], unconnected_gradients="zero")
    moved = [np.ravel(v) for v in model.variables if "moving" in v.path]
    model.set_weights(start)
    flat = [np.ravel(each) for each in gradients]
    results = {"outputs": np.asarray(outputs), "gradients": np.concatenate(flat)}
    return {**results, "statistics": np.concatenate(moved)} if moved else results


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


def marks_of(name: str) -> Any:
    return () if name in USUAL else pytest.mark.slow if name in SLOW else pytest.mark.exhaustive


@pytest.fixture(scope="module", params=[pytest.param(name, marks=marks_of(name)) for name in CASES])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(str(request.param))


def predicted(network: Any, pictures: Any) -> Array:
    return np.asarray(network(pictures, training=False))


def test_predictions_are_those_of_the_plain_network(subject: Subject) -> None:
    """To 1e-5 (2e-2 in bfloat16), or to what rounding makes of them where that is more."""
    model = subject.model
    wanted = predicted(model, subject.pictures)
    noise = {size: predicted(model, subject.rounded(size)) for size in (FINE, COARSE)}
    for every in (0, 1):  # which in inference is the same to the plain network
        subject.freeze(every)
        before = state(model)
        allowed = max(1e-5, LAYERS * error(noise[FINE], wanted))
        for names in (*([name] for name in EXACT), EXACT):
            given = predicted(rewritten(model, names), subject.pictures)
            assert error(given, wanted) <= allowed, (names, every)
        allowed = max(2e-2, 2 * error(noise[COARSE], wanted))
        for names in ([HALF], list(REWRITES)):
            given = predicted(rewritten(model, names), subject.pictures)
            assert given.dtype == np.float32
            assert 0 < error(given, wanted) <= allowed, (names, every)
        assert state(model) == before


def test_a_training_step_is_that_of_the_plain_network(subject: Subject) -> None:
    """Outputs, gradients and moving statistics, with every second norm frozen and with none.

    A deep network of drawn weights magnifies rounding, and a ReLU switches at it: what counts is
    that a rewrite changes no more than rounding does. Single layers are held to 1e-5 elsewhere.
    """
    for every, names in ((2, EXACT), (0, ["fuse_batch_norm"])):
        subject.freeze(every)
        model = subject.model
        wanted = step(model, model, subject.pictures)
        noise = step(model, model, subject.rounded(FINE))
        given = step(rewritten(model, names), model, subject.pictures)
        for what, values in wanted.items():
            allowed = max(1e-5, LAYERS * error(noise[what], values))
            assert error(given[what], values) <= allowed, (what, every)
