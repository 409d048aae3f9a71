"""A head on trial: what it is bound to, and a tiny network that it stands on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras, build
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.backbones import KerasNetwork, from_keras
from transferkit.freeze import nothing
from transferkit.loading import load
from transferkit.plan import Phase, Plan
from transferkit.spec import BoundHead, Head, ModelSpec, Taps, Target
from transferkit.trained import TrainedModel

__all__ = ["TARGETS", "HeadTrial", "fitting_target", "half_precision"]

Array = np.ndarray[Any, Any]

_ROWS = 12
TARGETS = (
    Target("classes", ("ants", "bees", "wasps"), counts=(5, 4, 3)),
    Target("classes", ("ants", "bees"), counts=(7, 5)),
    Target("labels", ("red", "round", "big"), counts=(6, 4, 3)),
    Target("values", outputs=2),
)
_CHANNELS = 4


@dataclass(frozen=True)
class HeadTrial:
    """What the rules of a head look at; everything is made once and then shared.

    Attributes:
        head: The head.
        target: What it is bound to.
        given: Labels of some pictures, or None for some that fit the target.
    """

    head: Head
    target: Target
    given: Any = field(default=None, hash=False)

    @cached_property
    def bound(self) -> BoundHead:
        """The head that knows its target."""
        return self.head.bind(self.target)

    @cached_property
    def labels(self) -> Array:
        """Labels as data has them: ids, rows of noughts and ones, or rows of numbers."""
        if self.given is not None:
            return np.asarray(self.given)
        if self.target.task == "classes":
            return np.arange(_ROWS) % self.target.outputs
        rng = np.random.default_rng(0)
        shape = (_ROWS, self.target.outputs)
        return rng.integers(0, 2, shape) if self.target.task == "labels" else rng.normal(size=shape)

    @cached_property
    def targets(self) -> Array:
        """The labels as the loss wants them."""
        return self.bound.targets(self.labels.copy())

    @cached_property
    def images(self) -> Array:
        """Noise in the size that has all the strides: uint8 ``(rows, side, side, 3)``."""
        shape = (len(self.labels), self.side, self.side, 3)
        return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the tiny backbone: powers of two, up to the coarsest that is read."""
        coarsest = max((4, *self.bound.needs))
        return tuple(2**power for power in range(1, coarsest.bit_length()))

    @property
    def side(self) -> int:
        """Pixels on a side: four in the coarsest map."""
        return 4 * self.strides[-1]

    @cached_property
    def assembled(self) -> build.Assembled:
        """The head on a tiny backbone, all of it trainable."""
        policy = nothing(batch_norm="train")
        spec = ModelSpec(_tiny(self.side, len(self.strides)), head=self.head, freeze=policy)
        shape = (self.side, self.side, 3)
        return build.assemble(spec, self.target, input_shape=shape, seed=0)

    @cached_property
    def logits(self) -> Array:
        """Logits as a network might give them, in the shape that the head builds."""
        shape = build.logits_of(self.assembled.network).output_shape[1:]
        return np.random.default_rng(2).normal(0, 2, (len(self.labels), *shape)).astype(np.float32)

    @property
    def outputs(self) -> Array:
        """Those logits behind the activation."""
        activation = _keras.keras().activations.get(self.bound.activation)
        return np.asarray(activation(_keras.tf().constant(self.logits)), np.float32)

    def taps(self, strides: Sequence[int], *, vector: bool = False) -> Taps:
        """Fresh symbolic taps of these strides, and features: a map, or a vector."""
        keras = _keras.keras()
        maps = {
            stride: keras.Input((self.side // stride, self.side // stride, _CHANNELS))
            for stride in strides
        }
        shape = (_CHANNELS,) if vector else (4, 4, _CHANNELS)
        return Taps(maps, keras.Input(shape))

    def loss(self) -> float:
        """The loss of the assembled network on the trial's pictures."""
        logits = build.logits_of(self.assembled.network)([self.images], training=False)
        return float(np.asarray(self.bound.loss()(self.targets, logits)))

    def train(self, steps: int) -> None:
        """Some steps of Adam on all pictures at once."""
        tf, network = _keras.tf(), build.logits_of(self.assembled.network)
        optimizer, loss = _keras.keras().optimizers.Adam(0.01), self.bound.loss()
        for _ in range(steps):
            with tf.GradientTape() as tape:
                value = loss(self.targets, network([self.images], training=True))
            variables = [weight.value for weight in network.trainable_weights]
            gradients = tape.gradient(value, variables)
            optimizer.apply(gradients, network.trainable_weights)

    def trained(self) -> TrainedModel:
        """The assembled network as `fit` would return it."""
        return TrainedModel(
            network=self.assembled.network,
            bound=self.assembled.bound,
            table=self.assembled.table,
            policy=nothing(batch_norm="train"),
            pipeline=Pipeline(),
            about={
                "backbone": "tiny",
                "weights": "random weights",
                "preprocessing": self.assembled.preprocessing,
                "image_size": [self.side, self.side],
                "channels": 3,
                "fit": "crop",
            },
            plan=Plan((Phase(1),)),
        )

    def reopened(self) -> TrainedModel:
        """That model, written to a file and read from it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.tkm")
            self.trained().save(path)
            return load(path)


def fitting_target(head: Head) -> Target | Exception:
    """The first of `TARGETS` that the head can be bound to, or what it says of the last one."""
    said = Exception("nothing")
    for target in TARGETS:
        try:
            head.bind(target)
        except Exception as error:  # the plug-in's own
            said = error
        else:
            return target
    return said


@contextmanager
def half_precision() -> Iterator[None]:
    """Keras' layers compute in bfloat16 inside."""
    policies = _keras.keras().mixed_precision
    before = policies.dtype_policy()
    policies.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        policies.set_dtype_policy(before)


def _tiny(side: int, depth: int) -> KerasNetwork:
    """One convolution for each stride of 2."""
    keras = _keras.keras()
    with build.seeded(0):
        pixels = x = keras.Input((side, side, 3))
        for number in range(depth):
            conv = keras.layers.Conv2D(_CHANNELS, 3, strides=2, padding="same", activation="relu")
            conv.name = f"conv_{number}"
            x = conv(x)
        network: KerasModel = keras.Model(pixels, x, name="tiny")
    return from_keras(network, preprocessing="unit")
