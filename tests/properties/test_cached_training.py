"""Training on cached features is training: the same losses, gradients and weights, at any cut.

What is compared with is the whole network in plain TensorFlow, without the engine. Both run
without tracing: a graph of 400 layers takes ten times as long to trace as to run at 32 pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import transferkit as tk
from transferkit import _keras, build
from transferkit.engine.cut import Cut, candidates
from transferkit.engine.program import read
from transferkit.engine.sections import section
from transferkit.freeze import Freeze
from transferkit.spec import ModelSpec, Target
from transferkit.testing import freeze_policies

keras, tf = _keras.keras(), _keras.tf()
NETWORKS = (
    "VGG16",
    "MobileNetV2",
    pytest.param("EfficientNetB0", marks=pytest.mark.slow),
    pytest.param("DenseNet121", marks=pytest.mark.exhaustive),
    pytest.param("ResNet50", marks=pytest.mark.exhaustive),
)
TARGETS = np.eye(3, dtype=np.float32)
SHAPE = (32, 32, 3)
STEPS = 2


class Trained:
    """A network that can be trained from the same numbers in two ways."""

    def __init__(self, name: str) -> None:
        spec = ModelSpec(f"keras:{name}", None, freeze=tk.freeze.nothing())
        target = Target("classes", ("ants", "bees", "wasps"))
        made = build.assemble(spec, target, input_shape=SHAPE, seed=0)
        self.network, self.table = made.network, made.table
        generator = np.random.default_rng(0)
        kernel = made.network.get_layer("head_logits").kernel
        kernel.assign(generator.normal(size=kernel.shape) / kernel.shape[0] ** 0.5)
        for layer in made.network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_variance.assign(
                    generator.uniform(0.5, 1.5, layer.moving_variance.shape)
                )
                layer.moving_mean.assign(generator.normal(0, 0.1, layer.moving_mean.shape))
        self.start = [np.asarray(v) for v in self.network.variables]
        self.program = read(build.logits_of(self.network))
        self.pixels = tf.constant(generator.uniform(0, 255, (3, *SHAPE)), tf.float32)

    def frozen(self, policy: Freeze) -> list[Cut]:
        """Start again under a policy; where the network may be cut."""
        for variable, value in zip(self.network.variables, self.start, strict=True):
            variable.assign(value)
        build.freeze(self.network, self.table, policy)
        return list(candidates(self.program))

    def steps(self, model: Any, given: Any) -> list[np.ndarray[Any, Any]]:
        """Losses, gradients and, at the end, weights of some steps of momentum."""
        variables = self.network.trainable_variables
        optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
        optimizer.build(variables)
        found = []
        for _ in range(STEPS):
            with tf.GradientTape() as tape:
                logits = keras.tree.flatten(model(given, training=True))[0]
                loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(TARGETS, logits))
            gradients = tape.gradient(loss, variables)
            optimizer.apply(gradients, variables)
            found += [np.asarray(loss), *(np.asarray(each) for each in gradients)]
        return found + [np.asarray(v) for v in self.network.variables]


def assert_the_same(network: Trained, policy: Freeze, place: float) -> None:
    """`place` says which of the cuts: 0 the lowest, 1 the highest."""
    cuts = network.frozen(policy)
    if not cuts:
        return
    cut = cuts[round(place * (len(cuts) - 1))]
    whole = network.steps(build.logits_of(network.network), [network.pixels])
    network.frozen(policy)
    features = keras.tree.map_structure(
        tf.constant, section(network.program, (0,), cut.tensors)(network.pixels)
    )
    tail = section(network.program, cut.tensors, (network.program.end,))
    cached = network.steps(tail, features)
    for mine, theirs in zip(cached, whole, strict=True):
        difference = np.linalg.norm(mine.astype(float) - theirs)
        assert difference <= 1e-5 * np.linalg.norm(theirs) + 1e-12, (policy, cut.names)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Trained:
    return Trained(str(request.param))


@pytest.mark.parametrize(
    "policy", [tk.freeze.backbone(), tk.freeze.all_but(tk.select.top_blocks(2))], ids=repr
)
def test_at_the_highest_cut_under_a_usual_policy(network: Trained, policy: Freeze) -> None:
    assert_the_same(network, policy, 1.0)


@settings(max_examples=2, phases=(Phase.explicit, Phase.generate))
@given(data=st.data(), place=st.floats(0, 1))
def test_at_any_cut_under_any_policy(network: Trained, data: Any, place: float) -> None:
    assert_the_same(network, data.draw(freeze_policies(network.table)), place)


@pytest.mark.exhaustive
@settings(max_examples=20)
@given(data=st.data(), place=st.floats(0, 1))
def test_at_a_great_many_cuts_and_policies(network: Trained, data: Any, place: float) -> None:
    assert_the_same(network, data.draw(freeze_policies(network.table)), place)
