"""What is put on an optimizer: rates for layers, and the pull toward the start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine.optimizers import make_optimizer, starts_of, steered
from transferkit.select import LayerTable

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]
TABLE = LayerTable.of(
    ("first", "Dense", 0, 6), ("second", "Dense", 1, 4), block_names=("early", "late")
)


def network() -> Any:
    keras.utils.set_random_seed(0)
    x = given = keras.Input((3,))
    x = keras.layers.Dense(2, name="first")(x)
    x = keras.layers.Dense(2, name="second")(x)
    return keras.Model(given, keras.layers.Dense(1, name="head")(x))


def moved(made: Any, steps: int = 1, **phase: Any) -> dict[str, Array]:
    """How far each kernel goes in some steps with gradients of one."""
    described = tk.Phase(1, **{"optimizer": "sgd", "learning_rate": 0.1, **phase})
    starts = starts_of(made, TABLE, [described])
    optimizer = make_optimizer(described)
    optimizer.build(made.trainable_variables)
    steered(optimizer, described, made, TABLE, starts)
    before = {layer.name: layer.kernel.numpy() for layer in made.layers[1:]}

    def step() -> None:
        ones = [tf.ones_like(each.value) for each in made.trainable_variables]
        optimizer.apply(ones, made.trainable_variables)

    run = _keras.compiled(step, autograph=False)
    for _ in range(steps):
        run()
    return {name: made.get_layer(name).kernel.numpy() - old for name, old in before.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "lion"])
def test_layers_move_in_proportion_to_their_factors(optimizer: str) -> None:
    plain = moved(network(), optimizer=optimizer, learning_rate=1e-3)
    scaled = moved(
        network(),
        optimizer=optimizer,
        learning_rate=1e-3,
        layer_rates=tk.schedules.layer_decay(0.5),
    )
    for name, factor in (("first", 0.25), ("second", 0.5), ("head", 1.0)):
        np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=2e-3, atol=1e-6)


def test_the_default_rates_change_nothing() -> None:
    plain, same = moved(network()), moved(network(), layer_rates=tk.schedules.layer_decay(1.0))
    for name, by in plain.items():
        np.testing.assert_array_equal(by, same[name])


def test_auto_rgn_gives_the_layer_that_is_pulled_hardest_the_whole_rate() -> None:
    made = network()
    for name, size in (("first", 4.0), ("second", 1.0)):
        made.get_layer(name).kernel.assign(np.full(made.get_layer(name).kernel.shape, size))
        made.get_layer(name).bias.assign(np.zeros(2))
    found = moved(made, layer_rates=tk.schedules.auto_rgn())
    # |g| / |w| with kernel and bias together: sqrt(8 / (6 * 16)) and sqrt(6 / 4).
    expected = np.sqrt(8 / 96) / np.sqrt(6 / 4)
    np.testing.assert_allclose(found["second"], -0.1, rtol=1e-5)
    np.testing.assert_allclose(found["first"], -0.1 * expected, rtol=1e-4)
    np.testing.assert_allclose(found["head"], -0.1, rtol=1e-5)


def test_l2_sp_draws_the_backbone_back_and_leaves_the_head() -> None:
    rate, alpha, steps = 0.1, 0.5, 7
    found = moved(network(), steps=steps, learning_rate=rate, objectives=tk.objectives.l2_sp(alpha))
    off = 0.0
    for _ in range(steps):  # a step of the gradient, then the pull, from the definition
        off -= rate
        off -= rate * alpha * off
    for name, expected in (("first", off), ("second", off), ("head", -rate * steps)):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4)


def test_l2_sp_pulls_at_the_rate_of_the_layer() -> None:
    rates = tk.schedules.multipliers((tk.select.blocks(0, 1), 0.1))
    found = moved(network(), steps=2, layer_rates=rates, objectives=tk.objectives.l2_sp(1.0))
    for name, rate in (("first", 0.01), ("second", 0.1)):
        off = -rate * (1 - rate)
        off = (off - rate) * (1 - rate)
        np.testing.assert_allclose(found[name], off, rtol=1e-4)


def test_l2_sp_waits_for_gradients_that_are_gathered() -> None:
    gathering = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    found = moved(
        network(),
        steps=2,
        optimizer=gathering,
        objectives=tk.objectives.l2_sp(1.0),
    )
    np.testing.assert_allclose(found["first"], -0.1 * 0.9, rtol=1e-4)


def test_without_l2_sp_nothing_is_remembered() -> None:
    assert starts_of(network(), TABLE, [tk.Phase(1)]) == {}
    kept = starts_of(network(), TABLE, [tk.Phase(1, objectives=tk.objectives.l2_sp())])
    assert len(kept) == 4, "kernel and bias of two layers; not the head's"


def test_an_ema_is_kept_by_the_optimizer() -> None:
    phase = tk.Phase(1, averaging=tk.averaging.ema(0.9))
    made = make_optimizer(phase)
    assert (made.use_ema, made.ema_momentum) == (True, 0.9)
