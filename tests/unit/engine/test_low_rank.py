"""LoRA's steps against NumPy by the formula, and against factors that Keras puts into layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine import adapters
from transferkit.engine.low_rank import Factored, build_factored
from transferkit.engine.optimizers import make_optimizer, steered
from transferkit.select import LayerTable

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]
RATE = 0.1


def network(*layers: Any, shape: tuple[int, ...] = (5,)) -> tuple[Any, LayerTable]:
    """A backbone of some layers, and one number as head."""
    keras.utils.set_random_seed(0)
    x = given = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    rows = [(layer.name, type(layer).__name__, place, 1) for place, layer in enumerate(layers)]
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(given, keras.layers.Dense(1, name="head")(x)), LayerTable.of(*rows)


def begun(made: Any, table: LayerTable, phase: tk.Phase) -> tuple[Any, list[Factored]]:
    """The optimizer of a phase, as the engine builds it."""
    assert isinstance(phase.adapt, tk.adapt.LowRank)
    adapters.set_trainable(made, table, phase, tk.freeze.nothing())
    optimizer = make_optimizer(phase)
    factored = build_factored(optimizer, made, table, phase.adapt, (0,))
    steered(optimizer, phase, made, table, {}, factored)
    return optimizer, factored


def lora(adapter: tk.adapt.LowRank, optimizer: Any = "sgd", **more: Any) -> tk.Phase:
    return tk.Phase(1, optimizer=optimizer, learning_rate=RATE, adapt=adapter, **more)


def rows(*shape: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(6, *shape)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")


def step(optimizer: Any, made: Any, x: Array, y: Array) -> None:
    """One step on the mean squared error, compiled as the engine compiles it."""

    def run() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(made(x, training=True) - y))
        variables = made.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    _keras.compiled(run, autograph=False)()


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("alpha", [None, 3.0])
def test_steps_are_those_of_the_formula(rank: int, alpha: float | None) -> None:
    made, table = network(keras.layers.Dense(4, name="body"))
    optimizer, (own,) = begun(made, table, lora(tk.adapt.lora(rank, alpha=alpha)))
    (x, y), scale = rows(5), 1.0 if alpha is None else alpha / rank
    body, head = made.get_layer("body"), made.get_layer("head")
    start, bias = body.kernel.numpy().astype(float), body.bias.numpy()
    a, b = own.left.numpy().astype(float), np.zeros((rank, 4))
    v, c = head.kernel.numpy().astype(float), head.bias.numpy().astype(float)
    for _ in range(4):
        step(optimizer, made, x, y)
        hidden = x @ (start + scale * a @ b) + bias
        error = 2 * (hidden @ v + c - y) / len(y)
        by_kernel = x.T @ (error @ v.T)
        v, c = v - RATE * hidden.T @ error, c - RATE * error.sum(axis=0)
        a, b = a - RATE * scale * by_kernel @ b.T, b - RATE * scale * a.T @ by_kernel
    np.testing.assert_allclose(body.kernel, start + scale * a @ b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(head.kernel, v, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(body.bias, bias)
    assert np.linalg.norm(scale * a @ b) > 1e-3, "nothing moved"


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "dense": (lambda: keras.layers.Dense(4, "tanh", name="body"), (5,)),
    "conv": (lambda: keras.layers.Conv2D(4, 3, activation="tanh", name="body"), (5, 5, 2)),
    "einsum": (lambda: keras.layers.EinsumDense("ab,bc->ac", 4, name="body"), (5,)),
}


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [("dense", "adam"), ("conv", "adam"), ("einsum", "adam"), ("dense", "adamw"), ("conv", "lion")],
)
def test_steps_are_those_of_factors_in_the_graph(kind: str, optimizer: str) -> None:
    make, shape = LAYERS[kind]
    (mine, table), (theirs, _) = network(make(), shape=shape), network(make(), shape=shape)
    theirs.set_weights(mine.get_weights())
    moving, (own,) = begun(mine, table, lora(tk.adapt.lora(2, alpha=4), optimizer))
    layer = theirs.get_layer("body")
    layer.enable_lora(2, lora_alpha=4)
    layer.lora_kernel_a.assign(tf.reshape(own.left.value, layer.lora_kernel_a.shape))
    head = theirs.get_layer("head").trainable_variables
    variables = [layer.lora_kernel_a, layer.lora_kernel_b, *head]
    reference = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": RATE}})
    x, y = rows(*shape)
    for _ in range(3):
        step(moving, mine, x, y)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(theirs(x) - y))
        reference.apply(tape.gradient(loss, variables), variables)
    expected = np.asarray(layer.kernel)
    np.testing.assert_allclose(mine.get_layer("body").kernel, expected, rtol=1e-3, atol=2e-4)
    assert np.abs(expected - own.start.numpy()).max() > 0.05, "nothing moved"


def test_it_starts_from_the_network_as_it_was_and_tells_how_much_trains() -> None:
    body = keras.layers.Conv2D(4, 3, name="body")
    made, table = network(body, shape=(5, 5, 2))
    before = [each.copy() for each in made.get_weights()]
    phase = lora(tk.adapt.lora(3))
    optimizer, (own,) = begun(made, table, phase)
    for old, new in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    sizes = [int(np.prod(each.shape)) for each in optimizer._trainable_variables]
    assert sizes == [3 * 3 * 2 * 3, 3 * 4, 3 * 3 * 4, 1]
    assert adapters.count_moving(made, table, phase) == sum(sizes)
    assert abs(own.left.numpy().std() * np.sqrt(18) - 1) < 0.3, "variance 1 / inputs"
    assert not own.right.numpy().any()


def test_a_kernel_smaller_than_the_rank_gets_as_many_as_it_has() -> None:
    made, table = network(keras.layers.Dense(2, name="small"), keras.layers.Dense(9, name="wide"))
    _, factored = begun(made, table, lora(tk.adapt.lora(4)))
    assert [each.left.shape for each in factored] == [(5, 2), (2, 2)]


def test_seeds_decide_the_left_factors_each_kernel_its_own() -> None:
    made, table = network(keras.layers.Dense(5, name="a"), keras.layers.Dense(5, name="b"))
    phase = lora(tk.adapt.lora(2))
    first, second, again = (begun(made, table, phase)[1][place] for place in (0, 1, 0))
    np.testing.assert_array_equal(first.left, again.left)
    assert not np.array_equal(first.left, second.left)


def test_a_layers_rate_is_that_of_its_factors() -> None:
    def moved(**more: Any) -> Array:
        made, table = network(keras.layers.Dense(4, name="body"))
        optimizer, (own,) = begun(made, table, lora(tk.adapt.lora(2), **more))
        step(optimizer, made, *rows(5))
        return np.asarray(own.right)

    rates = tk.schedules.multipliers((tk.select.where("body"), 0.25))
    np.testing.assert_allclose(moved(layer_rates=rates), 0.25 * moved(), rtol=1e-5)


def test_auto_rgn_weighs_the_kernels_and_not_their_factors() -> None:
    layers = keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")
    made, table = network(*layers)
    phase = lora(tk.adapt.lora(2), layer_rates=tk.schedules.auto_rgn())
    optimizer, factored = begun(made, table, phase)
    x, y = rows(5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(made(x) - y))
    kernels = [each.kernel for each in factored]
    found = tape.gradient(loss, [each.value for each in kernels])
    sizes = [np.linalg.norm(g) / np.linalg.norm(w) for g, w in zip(found, kernels, strict=True)]
    step(optimizer, made, x, y)
    for own, gradient, size in zip(factored, found, sizes, strict=True):
        expected = -RATE * size / max(sizes) * np.asarray(own.left).T @ np.asarray(gradient)
        np.testing.assert_allclose(own.right, expected, rtol=1e-4, atol=1e-7)


def test_an_ema_averages_the_factors_and_keeps_the_rank() -> None:
    made, table = network(keras.layers.Dense(4, name="body"))
    phase = lora(tk.adapt.lora(1), averaging=tk.averaging.ema(0.5))
    optimizer, (own,) = begun(made, table, phase)
    for _ in range(3):
        step(optimizer, made, *rows(5))
    last = own.kernel.numpy()
    optimizer.finalize_variable_values(made.trainable_variables)
    product = own.left.numpy() @ own.right.numpy()
    np.testing.assert_allclose(own.kernel, own.start.numpy() + product, rtol=1e-6)
    assert np.abs(own.kernel.numpy() - last).max() > 1e-4
    assert np.linalg.matrix_rank(own.kernel.numpy() - own.start.numpy(), tol=1e-5) == 1


def test_gathered_gradients_move_the_kernel_behind_the_last_of_them() -> None:
    made, table = network(keras.layers.Dense(4, name="body"))
    gathering = keras.optimizers.SGD(RATE, gradient_accumulation_steps=2)
    optimizer, (own,) = begun(made, table, lora(tk.adapt.lora(2), gathering))
    moved = []
    for _ in range(2):
        step(optimizer, made, *rows(5))
        moved.append(bool(np.any(own.kernel.numpy() != own.start.numpy())))
    assert moved == [False, True]
