"""A head that compares directions: the logits are scaled cosines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from transferkit.errors import SpecError
from transferkit.spec import Taps, Target

__all__ = ["BoundCosine", "Choice", "Cosine"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Choice:
    """The class of a picture."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Cosine:
    """One class per picture, by the angle between its features and one direction per class.

    Attributes:
        scale: What cosines are multiplied by.
    """

    scale: float = 10.0

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise SpecError(f"Cosine: scale has to be above 0. Received: scale={self.scale}")
        object.__setattr__(self, "scale", float(self.scale))

    def bind(self, target: Target) -> BoundCosine:
        """Meet the classes.

        Raises:
            SpecError: If there are none.
        """
        if target.task != "classes":
            raise SpecError(f"Cosine: the data has {target.task}. Expected classes.")
        return BoundCosine(self, target)


@dataclass(frozen=True)
class BoundCosine:
    """The head with its classes."""

    head: Cosine
    target: Target
    needs: tuple[int, ...] = ()
    activation: str = "softmax"
    soft_targets: bool = True

    def build(self, taps: Taps) -> Any:
        """Logits ``(batch, classes)``."""
        features = taps.features
        if len(features.shape) == 4:
            features = keras.layers.GlobalAveragePooling2D(name="head_average")(features)
        direction = keras.layers.UnitNormalization(dtype="float32", name="head_unit")(features)
        cosines = keras.layers.Dense(
            self.target.outputs,
            use_bias=False,
            kernel_constraint=keras.constraints.UnitNorm(axis=0),
            dtype="float32",
            name="head_cosines",
        )(direction)
        scale = keras.layers.Rescaling(self.head.scale, dtype="float32", name="head_scale")
        return scale(cosines)

    def loss(self, *, from_logits: bool = True) -> Any:
        """Cross entropy."""
        return keras.losses.CategoricalCrossentropy(from_logits=from_logits)

    def metrics(self) -> list[Any]:
        """Accuracy."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def targets(self, labels: Any) -> Array:
        """One-hot rows; rows that are given stay."""
        given = np.asarray(labels)
        if given.ndim == 1:
            given = np.eye(self.target.outputs)[given.astype(np.int64)]
        return given.astype(np.float32)

    def decode(self, outputs: Array) -> list[Choice]:
        """A `Choice` for each row."""
        names = self.target.class_names
        return [Choice(names[int(row.argmax())], float(row.max())) for row in outputs]
