"""A tiny network on random rows, and oracles of plain Keras and NumPy for what trains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras, heads
from transferkit.engine import shards
from transferkit.engine.feeds import Feed, Stream
from transferkit.engine.resident import Resident, Rows
from transferkit.engine.step import Steps, make_steps
from transferkit.engine.through import Through
from transferkit.spec import Target

keras, tf = _keras.keras(), _keras.tf()
ROWS, WIDTH, CLASSES, BATCH, EPOCHS = 20, 6, 3, 8, 3
"""Two full batches in an epoch, and one of 4."""

NAMES = ("a", "b", "c")
X = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
Y = np.eye(CLASSES, dtype=np.float32)[np.random.default_rng(1).integers(0, CLASSES, ROWS)]
Weights = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Lab:
    """Network, tail and steps over the same variables."""

    network: Any
    tail: Any
    steps: Steps

    def rows(self, per_call: int, rows: Rows | None = None, **more: Any) -> Resident:
        rows = rows or Rows((X,), Y)
        return Resident(self.steps, self.tail, rows, order, bounds(self), per_call=per_call, **more)

    def stream(self, per_call: int) -> Feed:
        dataset = dealt(self)
        if self.steps.replicas > 1:
            return Through(self.steps, dataset, len(bounds(self)))
        return Stream(self.steps, dataset, len(bounds(self)), per_call=per_call)


def make(
    optimizer: Callable[[], Any], *, strategy: Any = None, xla: bool = False, dropout: float = 0.0
) -> Lab:
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        network, tail = networks(dropout)
        network.optimizer = optimizer()
        return over(network, tail, xla=xla)


def over(network: Any, tail: Any, *, xla: bool = False) -> Lab:
    """The steps of a network that has its optimizer."""
    bound = heads.classification().bind(Target("classes", NAMES))
    strategy = tf.distribute.get_strategy()
    steps = make_steps(network, tail, bound, network.optimizer, strategy, xla=xla)
    return Lab(network, tail, steps)


def networks(dropout: float = 0.0) -> tuple[Any, Any]:
    """To outputs and to logits; the same weights every time, whatever the strategy."""
    features = keras.Input((WIDTH,))
    x = keras.layers.Dense(5, "tanh", kernel_initializer=first(0))(features)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=3)(x)
    logits = keras.layers.Dense(CLASSES, kernel_initializer=first(1))(x)
    outputs = keras.layers.Activation("softmax")(logits)
    return keras.Model(features, outputs), keras.Model(features, logits)


def first(seed: int) -> Any:
    return keras.initializers.GlorotUniform(seed=seed)


def order(epoch: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng((5, epoch)).permutation(ROWS)


def bounds(lab: Lab) -> list[tuple[int, int]]:
    return shards.bounds(ROWS, BATCH, shards.Shards(1, lab.steps.replicas))


def dealt(lab: Lab, epochs: int = EPOCHS) -> Any:
    def made() -> Any:
        for epoch in range(epochs):
            for start, stop in bounds(lab):
                yield X[order(epoch)[start:stop]], Y[order(epoch)[start:stop]]

    shapes = (tf.TensorSpec((None, WIDTH)), tf.TensorSpec((None, CLASSES)))
    return tf.data.Dataset.from_generator(made, output_signature=shapes)


def train(lab: Lab, feed: Feed, rates: Any = None, epochs: int = EPOCHS) -> list[dict[str, float]]:
    """Run all epochs; the metrics of each."""
    found = []
    for epoch in range(epochs):
        lab.steps.reset()
        for start, stop in feed.calls:
            at = slice(epoch * feed.steps + start, epoch * feed.steps + stop)
            logs = feed.run(epoch, start, stop, None if rates is None else rates[at])
        found.append({name: float(value) for name, value in logs.items()})
    return found


def trained_by_keras(optimizer: Any) -> Weights:
    """What ``fit`` of plain Keras makes of the same batches, one after the other."""
    network, _ = networks()
    network.compile(optimizer, "categorical_crossentropy")
    lab = make(lambda: keras.optimizers.SGD(0.1))
    known = tf.data.experimental.assert_cardinality(len(bounds(lab)) * EPOCHS)
    network.fit(dealt(lab).apply(known), epochs=1, verbose=0)
    weights: Weights = network.get_weights()
    return weights


def distance(first: Weights, second: Weights) -> float:
    """The largest difference between two sets of weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "clipnorm": lambda: keras.optimizers.Adam(0.05, clipnorm=0.05),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.5, global_clipnorm=0.1),
    "clipvalue": lambda: keras.optimizers.SGD(0.5, clipvalue=0.01),
    "accumulation": lambda: keras.optimizers.Adam(0.05, gradient_accumulation_steps=2),
    "ema": lambda: keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5),
    "ema, overwriting": lambda: keras.optimizers.SGD(
        0.5, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "all": lambda: keras.optimizers.AdamW(
        0.05, clipnorm=0.05, use_ema=True, gradient_accumulation_steps=4
    ),
}
"""What Keras' optimizers can do besides moving weights."""


def finished(lab: Lab) -> Weights:
    """The weights that a phase ends with."""
    lab.network.optimizer.finalize_variable_values(lab.network.trainable_variables)
    weights: Weights = lab.network.get_weights()
    return weights
