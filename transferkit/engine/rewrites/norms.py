"""Stand-ins for batch normalisation: one kernel where Keras has a graph of adds and multiplies."""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.build import is_held_in_inference
from transferkit.engine.rewrites.products import scale_and_shift
from transferkit.engine.rewrites.stand_in import StandIn

__all__ = ["FrozenNorm", "TrainingNorm"]

keras, tf = _keras.keras(), _keras.tf()


class FrozenNorm(StandIn):
    """``x * scale + shift``; the statistics are the moving ones whatever the step does."""

    def call(self, inputs: Tensor) -> Tensor:
        """The normalised inputs."""
        (norm,) = self.recipe.layers
        x, axis = self.entering(inputs), norm.axis
        if len(x.shape) == 4 and axis in (-1, 3) and x.dtype != tf.float64:
            return self.leaving(_held(norm, x))
        shape = [1] * len(x.shape)
        shape[axis] = -1
        scale, shift = (tf.reshape(each, shape) for each in scale_and_shift(norm))
        return self.leaving(x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype))


class TrainingNorm(StandIn):
    """Normalises with the batch's own statistics in training, and moves the moving ones.

    One whose scale and offset are adapted while it is held in inference keeps to the moving ones.
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        """The normalised inputs; a mask is Keras' business."""
        (norm,) = self.recipe.layers
        if mask is not None:
            return self.leaving(norm.call(inputs, training=training, mask=mask))
        x = self.entering(inputs)
        if not training or not norm.trainable or is_held_in_inference(norm):
            return self.leaving(_normalised(norm, x))
        gamma, beta = _gamma_and_beta(norm)
        out = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=norm.epsilon
        )
        self._move(norm, x, tf.stop_gradient(out.batch_mean), tf.stop_gradient(out.batch_variance))
        return self.leaving(out.y)

    def _move(self, norm: Any, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Keras averages the variance over n pixels, the kernel gives it over n - 1."""
        count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)
        biased = variance * (count - 1) / count
        for moving, new in ((norm.moving_mean, mean), (norm.moving_variance, biased)):
            kept = tf.convert_to_tensor(moving)
            moving.assign(kept * norm.momentum + new * (1.0 - norm.momentum))


def _held(norm: Any, x: Tensor) -> Tensor:
    """`_normalised` for a norm that does not train.

    The kernel's own gradient reduces over the batch for gamma and beta, which nobody asks for:
    there and back it takes 1.6 times as long.
    """
    scale = tf.cast(scale_and_shift(norm)[0], x.dtype)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def forward(x: Tensor, *values: Tensor) -> Any:
        y = _by_kernel(x, values, norm.epsilon)
        return y, lambda upstream: (upstream * scale, *(None for _ in values))

    return forward(x, *_values(norm))


def _normalised(norm: Any, x: Tensor) -> Tensor:
    return _by_kernel(x, _values(norm), norm.epsilon)


def _values(norm: Any) -> tuple[Tensor, ...]:
    gamma, beta = _gamma_and_beta(norm)
    read = tf.convert_to_tensor
    mean, variance = read(norm.moving_mean), read(norm.moving_variance)
    return gamma, beta, mean, variance


def _by_kernel(x: Tensor, values: tuple[Tensor, ...], epsilon: float) -> Tensor:
    named = dict(zip(("scale", "offset", "mean", "variance"), values, strict=True))
    return tf.raw_ops.FusedBatchNormV3(x=x, **named, epsilon=epsilon, is_training=False).y


def _gamma_and_beta(norm: Any) -> tuple[Tensor, Tensor]:
    read, channels = tf.convert_to_tensor, norm.moving_mean.shape
    gamma = read(norm.gamma) if norm.scale else tf.ones(channels)
    return gamma, read(norm.beta) if norm.center else tf.zeros(channels)
