"""Models whose pictures have labels that are drawn as the logits say, at a temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build

Array = np.ndarray[Any, Any]

SIDE = 16
NAMES = ("ants", "bees & wasps", "$c")
TRUE_TEMPERATURE = 3.0


@dataclass(frozen=True, eq=False)
class Case:
    """A model, and pictures that it answers too surely."""

    trained: tk.TrainedModel
    photos: tk.data.Data

    @property
    def val(self) -> tk.data.Split:
        assert self.photos.val is not None
        return self.photos.val

    @property
    def few(self) -> tk.data.Split:
        """So few of them that nothing is compiled for their views."""
        return self.val.taken(np.arange(12), "val")

    @property
    def logits(self) -> Array:
        """What the network says of the validation pictures before its activation."""
        network = build.logits_of(self.trained.network)
        return np.asarray(network.predict_on_batch(self.val.pixels()), np.float64)


def pictures(count: int = 80) -> Array:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (count, SIDE, SIDE, 3))
    bright = rng.random((count, 1, 1, 3))
    return (noise * bright).astype(np.uint8)


def untrained(labels: Array, head: Any, names: tuple[str, ...] | None) -> tk.TrainedModel:
    """A model with a last kernel that is drawn at random, so that each picture has its logits."""
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    features = keras.layers.Conv2D(8, 3, strides=4, activation="relu", name="conv")(pixels)
    backbone = tk.backbones.from_keras(keras.Model(pixels, features), preprocessing="unit")
    data = tk.data.from_arrays(pictures(len(labels)), labels, class_names=names)
    model = tk.TransferModel(backbone).freeze(tk.freeze.backbone()).head(head)
    engine = tk.Engine(precision="float32", prefix="tensorflow", cache=False)
    trained: tk.TrainedModel = model.fit(data, tk.Phase(1), engine=engine, verbose=0)
    last = trained.network.get_layer("head_logits")
    rng = np.random.default_rng(4)
    last.set_weights([rng.normal(0, 40, last.kernel.shape), np.zeros(last.bias.shape)])
    logits = np.asarray(build.logits_of(trained.network).predict_on_batch(data.train.pixels()))
    last.set_weights([last.kernel.numpy(), -logits.mean(axis=0)])
    return trained


def shares(trained: tk.TrainedModel, temperature: float = TRUE_TEMPERATURE) -> Array:
    """How probable each class of each picture really is."""
    logits = np.asarray(build.logits_of(trained.network).predict_on_batch(pictures()))
    if trained.bound.activation == "softmax":
        powers = np.exp(logits / temperature)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-logits / temperature)))


def drawn(trained: tk.TrainedModel, labels: Array) -> Case:
    names = trained.class_names or None
    return Case(trained, tk.data.from_arrays(pictures(), labels, class_names=names, val=0.6))


@pytest.fixture(scope="session")
def classes() -> Case:
    head = tk.heads.classification()
    trained = untrained(np.arange(80) % 3, head, NAMES)
    rng = np.random.default_rng(1)
    return drawn(trained, np.array([rng.choice(3, p=row / row.sum()) for row in shares(trained)]))


@pytest.fixture(scope="session")
def one_logit() -> Case:
    head = tk.heads.classification(one_logit=True)
    trained = untrained(np.arange(80) % 2, head, NAMES[:2])
    chances = np.random.default_rng(2).random(80)
    return drawn(trained, (chances < shares(trained)[:, 0]).astype(np.int64))


@pytest.fixture(scope="session")
def labels() -> Case:
    rows = np.stack([np.arange(80) % 2, np.arange(80) % 3 == 0, np.arange(80) % 5 > 1], axis=1)
    trained = untrained(rows.astype(np.int64), tk.heads.multilabel(), NAMES)
    chances = np.random.default_rng(3).random((80, 3))
    return drawn(trained, (chances < shares(trained)).astype(np.int64))


@pytest.fixture(scope="session")
def values() -> Case:
    numbers = np.random.default_rng(5).normal(size=(80, 2))
    trained = untrained(numbers, tk.heads.regression(), None)
    return Case(trained, tk.data.from_arrays(pictures(), numbers, val=0.6))


@pytest.fixture(params=["classes", "one_logit", "labels"])
def case(request: pytest.FixtureRequest) -> Any:
    """Each of those with probabilities."""
    return request.getfixturevalue(request.param)
