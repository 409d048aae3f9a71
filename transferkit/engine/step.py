"""The one compiled training step, and its twin for evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.spec import BoundHead

__all__ = ["Steps", "make_steps"]

keras, tf = _keras.keras(), _keras.tf()


@dataclass(frozen=True)
class Steps:
    """The compiled functions of one phase, and the metrics that they feed.

    Attributes:
        train: A batch (images, targets) to the running metrics; moves the weights.
        evaluate: A batch to the running metrics; moves nothing.
        reset: Sets the running metrics to nothing.
    """

    train: Callable[[Any], dict[str, Any]]
    evaluate: Callable[[Any], dict[str, Any]]
    reset: Callable[[], None]
    metric_names: tuple[str, ...]


def make_steps(
    network: KerasModel,
    logits_network: KerasModel,
    bound: BoundHead,
    optimizer: Any,
    strategy: Any,
    *,
    xla: bool,
) -> Steps:
    """Compile the steps of a phase. Call it inside the strategy's scope.

    The loss is taken on logits, summed over the pictures and divided by the size of the global
    batch, so that one device and many give the same gradient, a smaller last batch included.

    Args:
        network: Raw pixels to activated outputs, its layers frozen as the phase wants.
        logits_network: The same up to the logits.
        bound: Loss, metrics and activation.
        optimizer: Fresh for this phase.
        strategy: A ``tf.distribute`` strategy; the default one for one device.
        xla: Whether to compile with XLA.
    """
    loss = bound.loss()
    activation = keras.activations.get(bound.activation)
    tracked = [keras.metrics.Mean(name="loss"), *bound.metrics()]
    variables = network.trainable_variables
    optimizer.build(variables)

    def losses(targets: Tensor, logits: Tensor) -> Tensor:
        each = loss.call(targets, tf.cast(logits, tf.float32))
        return tf.reduce_mean(tf.reshape(each, (tf.shape(each)[0], -1)), axis=1)

    def track(targets: Tensor, logits: Tensor, each: Tensor) -> None:
        tracked[0].update_state(each)
        for metric in tracked[1:]:
            metric.update_state(targets, activation(logits))

    def train_replica(images: Tensor, targets: Tensor) -> None:
        context = tf.distribute.get_replica_context()
        here = tf.cast(tf.shape(images)[0], tf.float32)
        total = context.all_reduce(tf.distribute.ReduceOp.SUM, here)
        with tf.GradientTape() as tape:
            logits = logits_network(images, training=True)
            each = losses(targets, logits)
            objective = tf.reduce_sum(each) / total
            extra = logits_network.losses
            if extra:  # weight penalties belong to the model, not to each replica's pictures
                objective += tf.add_n(extra) / strategy.num_replicas_in_sync
        gradients = tape.gradient(objective, variables)
        optimizer.apply(gradients, variables)
        track(targets, logits, each)

    def evaluate_replica(images: Tensor, targets: Tensor) -> None:
        logits = logits_network(images, training=False)
        track(targets, logits, losses(targets, logits))

    def compiled(replica: Callable[[Tensor, Tensor], None]) -> Callable[[Any], dict[str, Any]]:
        inner = _keras.compiled(replica, jit_compile=True) if xla else replica

        def step(batch: Any) -> dict[str, Any]:
            strategy.run(inner, args=batch)
            return {metric.name: metric.result() for metric in tracked}

        whole: Callable[[Any], dict[str, Any]] = _keras.compiled(step)
        return whole

    def reset() -> None:
        for metric in tracked:
            metric.reset_state()

    names = tuple(metric.name for metric in tracked)
    return Steps(compiled(train_replica), compiled(evaluate_replica), reset, names)
