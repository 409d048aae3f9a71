"""What the rules for backbones look at: a backbone that was loaded twice, with drawn weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras, backbones
from transferkit._types import KerasModel, Tensor
from transferkit.data import from_arrays
from transferkit.model import TransferModel
from transferkit.plans import feature_extraction
from transferkit.spec import Backbone, BackboneInfo, BackboneNetwork, BackboneSource
from transferkit.trained import TrainedModel

__all__ = ["BackboneSubject", "OneOfASource", "Registered", "draw_weights"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Registered:
    """A registered backbone as one network."""

    name: str

    @property
    def info(self) -> BackboneInfo:
        """What is known of it."""
        return backbones.info(self.name)

    def load(self, *, input_shape: Shape, weights: str | None) -> Backbone:
        """Build it."""
        return backbones.load(self.name, input_shape=input_shape, weights=weights)


@dataclass(frozen=True)
class OneOfASource:
    """One network of a source that need not be registered."""

    source: BackboneSource
    name: str

    @property
    def info(self) -> BackboneInfo:
        """What is known of it."""
        return self.source.info(self.name)

    def load(self, *, input_shape: Shape, weights: str | None) -> Backbone:
        """Build it."""
        return self.source.load(self.name, input_shape=input_shape, weights=weights)


@dataclass(frozen=True)
class BackboneSubject:
    """A backbone under test; whatever is built of it is built once.

    Attributes:
        network: What can be loaded.
        image_size: (height, width) of the pictures.
        folder: Where files may be written.
        seed: Decides pictures and weights.
    """

    network: BackboneNetwork
    image_size: tuple[int, int]
    folder: Path
    seed: int

    @cached_property
    def info(self) -> BackboneInfo:
        """What is promised of it."""
        return self.network.info

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of the pictures."""
        return (*self.image_size, self.info.channels)

    @cached_property
    def loaded(self) -> Backbone:
        """The backbone as it is loaded with random weights."""
        return self.network.load(input_shape=self.shape, weights=None)

    @cached_property
    def first(self) -> Backbone:
        """The same, with weights that a picture gets through."""
        draw_weights(self.loaded.network, self.seed)
        return self.loaded

    @cached_property
    def weights(self) -> str:
        """A file that the first one's weights were saved into."""
        path = str(self.folder / "backbone.weights.h5")
        self.first.network.save_weights(path)
        return path

    @cached_property
    def second(self) -> Backbone:
        """The same backbone with the same weights, from that file."""
        return self.network.load(input_shape=self.shape, weights=self.weights)

    @cached_property
    def pictures(self) -> Array:
        """Four pictures of raw pixels 0..255, whole numbers."""
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, 256, (4, *self.shape)).astype(np.float32)

    @cached_property
    def features(self) -> Array:
        """What the first one makes of the pictures."""
        return np.asarray(self.run(self.first.network, self.pictures))

    @cached_property
    def learning_rate(self) -> float:
        """The rate at which two steps of a head make logits of about 1."""
        loaded = self.first
        vectors = self.run(self.model(loaded.network.inputs[0], loaded.embedding), self.pictures)
        return 1 / float(np.abs(vectors).sum(axis=-1).max())

    @cached_property
    def trained(self) -> TrainedModel:
        """A model on it after one epoch of two steps, its head alone."""
        photos = from_arrays(self.pictures.astype(np.uint8), np.array([0, 1, 1, 1]), val=0)
        # Two steps: a head starts at zero, so the first gives the backbone no gradient in any case.
        plan = feature_extraction(epochs=1, learning_rate=self.learning_rate, batch_size=2)
        model = TransferModel(self.network, weights=self.weights)
        return model.fit(photos, plan, seed=self.seed, verbose=0)

    def model(self, start: Tensor, end: Any) -> KerasModel:
        """The part of the first one's graph that leads from a tensor to others."""
        return _keras.keras().Model(start, end)

    def run(self, network: KerasModel, inputs: Any) -> Any:
        """A network's outputs in inference, as NumPy arrays."""
        outputs = network(inputs, training=False)
        return _keras.keras().tree.map_structure(np.asarray, outputs)


def draw_weights(network: KerasModel, seed: int) -> None:
    """Weights that a picture gets through: fresh ones leave deep features all but constant.

    Args:
        network: A built network; its kernels are drawn so that activations keep their size, and
            the statistics of its norms so that they are not those of a fresh one.
        seed: Decides them.
    """
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        shape = tuple(weight.shape)
        if "int" in str(weight.dtype):  # a count, or the state of a random generator
            continue
        if len(shape) > 1:
            by_channel = len(shape) == 4 and ("depthwise" in weight.path or shape[-1] == 1)
            inputs = shape[:2] if by_channel else shape[:-1]
            values = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(inputs))
        elif weight.path.endswith(("gamma", "variance")):
            values = rng.uniform(0.8, 1.2, shape)
        else:
            values = rng.uniform(-0.1, 0.1, shape)
        weight.assign(values)
