"""Pictures in, probabilities out: through the views and at the temperature of an `Inference`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from transferkit import _keras, build
from transferkit._types import KerasModel, Tensor
from transferkit.calibrate.inference import Inference
from transferkit.evaluate.scores import Array
from transferkit.predict import Forward, Run, outputs
from transferkit.running import Engine, as_engine

__all__ = ["ACTIVATIONS", "SEED", "Predictor", "activated", "pooled"]

ACTIVATIONS = ("softmax", "sigmoid")
"""Those whose logits are known; outputs of others are averaged as they are."""

SEED = 0
"""The seed of all views. With it a flip that stands first mirrors the second view, and four of
eight."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network as it is asked.

    Where the inference changes the outputs they are computed from the logits, in double precision:
    a saturated probability no longer says which logit it came from.

    Attributes:
        network: Raw pixels to activated outputs; it stays as it is.
        activation: Keras' name of the activation that ends it.
        inference: Temperature and views; thresholds are the head's.
    """

    network: KerasModel
    activation: str
    inference: Inference

    def outputs(self, pixels: Any, *, batch_size: int, engine: Engine | None = None) -> Array:
        """Activated outputs, float32 ``(n, outputs)``; see `transferkit.predict.outputs`."""
        known = self.activation in ACTIVATIONS
        if self.inference.is_plain or not known:
            return self._through(self._whole, "", pixels, batch_size, engine)
        logits = self.logits(pixels, batch_size=batch_size, engine=engine)
        return activated(logits, self.activation, self.inference.temperature)

    def logits(self, pixels: Any, *, batch_size: int, engine: Engine | None = None) -> Array:
        """Logits of all views together, not yet divided by the temperature."""
        return self._through(self._to_logits, self.activation, pixels, batch_size, engine)

    def asking(self, inference: Inference) -> Predictor:
        """The same network through another inference; what was compiled for it serves both."""
        made = replace(self, inference=inference)
        same = inference.augmentation == self.inference.augmentation
        names = ("_whole", "_to_logits", "_view") if same else ("_whole", "_to_logits")
        vars(made).update({name: vars(self)[name] for name in names if name in vars(self)})
        return made

    def _through(
        self, forward: Forward, activation: str, pixels: Any, batch_size: int, engine: Any
    ) -> Array:
        count = len(pixels) * self.inference.views
        run = forward.ready(count, engine and as_engine(engine))
        if self.inference.views > 1:
            run = self._over_views(run, activation)
        return outputs(run, pixels, batch_size=batch_size)

    def _over_views(self, run: Run, activation: str) -> Run:
        """One batch to what its views say together."""

        def together(clean: Tensor) -> Tensor:
            numbers = np.arange(1, self.inference.views)
            seen = [clean, *(self._view(clean, number) for number in _keras.tf().constant(numbers))]
            return pooled(np.stack([np.asarray(run(each)) for each in seen]), activation)

        return together

    @cached_property
    def _view(self) -> Any:
        """A batch in the view of a number, every picture as if it stood alone."""
        tf, pipeline = _keras.tf(), self.inference.augmentation

        def view(clean: Tensor, number: Tensor) -> Tensor:
            first = tf.zeros(tf.shape(clean)[0], tf.int64)
            return pipeline(clean, seed=SEED, view=number, indices=first)

        return _keras.compiled(view)

    @cached_property
    def _whole(self) -> Forward:
        return Forward(self.network)

    @cached_property
    def _to_logits(self) -> Forward:
        return Forward(build.logits_of(self.network))


def pooled(views: Array, activation: str) -> Array:
    """Logits whose probabilities are the mean of those of all views.

    Args:
        views: Logits ``(views, n, outputs)``; with another activation than softmax and sigmoid the
            outputs themselves, of which the mean is taken.
        activation: What comes after them.

    Returns:
        ``(n, outputs)``; of a softmax they are the logarithms of the probabilities.
    """
    logits = views.astype(np.float64)
    if activation == "softmax":
        return _log_mean(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    if activation == "sigmoid":
        return _log_mean(-np.logaddexp(0, -logits)) - _log_mean(-np.logaddexp(0, logits))
    return np.asarray(logits.mean(axis=0))


def activated(logits: Array, activation: str, temperature: float) -> Array:
    """Probabilities at a temperature, float32, by softmax or sigmoid."""
    scaled = logits.astype(np.float64) / temperature
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(0, -scaled)).astype(np.float32)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def _log_mean(logarithms: Array) -> Array:
    """The logarithm of the mean over the first axis, of which nothing underflows."""
    return np.asarray(np.logaddexp.reduce(logarithms, axis=0) - np.log(len(logarithms)))
