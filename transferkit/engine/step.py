"""The one training step, and its twin for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.spec import BoundHead, Seen

__all__ = ["Places", "Steps", "losses_of", "make_steps"]

keras, tf = _keras.keras(), _keras.tf()


@dataclass(frozen=True)
class Places:
    """Where the terms of a phase find what they look at.

    A place of 0 or more is one among what goes into the tail, where the cut is; below 0 it counts
    from the end of what comes out.

    Attributes:
        embedding: Of what the head's last layer reads.
        features: Of the backbone's last features; None where the tail does not compute them.
    """

    embedding: int
    features: int | None

    def seen(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], targets: Tensor) -> Seen:
        """What the terms see of a batch."""

        def at(place: int) -> Tensor:
            return tf.cast((inputs if place >= 0 else outputs)[place], tf.float32)

        features = None if self.features is None else _averaged(at(self.features))
        return Seen(outputs[0], at(self.embedding), targets, features)


@dataclass(frozen=True)
class Steps:
    """The steps of one phase, and the metrics that they feed; a feed compiles them into its calls.

    Attributes:
        train: Takes (inputs, targets) and moves the weights and the running metrics. Inputs are one
            tensor, or a tuple of as many as the tail takes.
        evaluate: The same, and moves the metrics only.
        results: The running metrics by name.
        reset: Sets the running metrics to nothing.
        set_rate: Sets the optimizer's learning rate, also from within a compiled function.
        strategy: The ``tf.distribute`` strategy that the steps run under.
        xla: Whether XLA compiles the step: where it was asked for, on a single device.
    """

    train: Callable[[Any], None]
    evaluate: Callable[[Any], None]
    results: Callable[[], dict[str, Any]]
    reset: Callable[[], None]
    set_rate: Callable[[Any], None]
    strategy: Any
    xla: bool

    @property
    def replicas(self) -> int:
        """How many devices share a batch, over all workers."""
        return int(self.strategy.num_replicas_in_sync)


def make_steps(
    network: KerasModel,
    tail: KerasModel,
    bound: BoundHead,
    optimizer: Any,
    strategy: Any,
    *,
    xla: bool,
    terms: Sequence[Callable[[Seen], Tensor]] = (),
    own: Sequence[Any] = (),
    places: Places | None = None,
) -> Steps:
    """Make the steps of a phase. Call it inside the strategy's scope.

    The loss is taken on float32 logits, summed over the pictures and divided by the size of the
    global batch, so that one device and many give the same gradient, a smaller last batch included.
    Gradients are summed over all devices before the optimizer sees them, and it is applied once for
    all: so clipping, accumulation and averages of Keras' optimizers work on any number of devices.

    Args:
        network: Raw pixels to activated outputs, its layers frozen as the phase wants. The
            optimizer is built on its trainable variables, in their order.
        tail: From raw pixels, or from cached tensors, to logits; shares variables with `network`.
        bound: Loss, metrics and activation.
        optimizer: Fresh for this phase.
        strategy: A ``tf.distribute`` strategy; the default one for one device.
        xla: Whether XLA is to compile them. Over several devices it does not: TensorFlow's XLA
            takes no variable that lies on another device than the program.
        terms: What is minimised beside the head's loss.
        own: Variables that they have and the network has not; they train with it.
        places: Where they find what they see; None without terms.
    """
    measured = _Measured(bound)
    variables = [*network.trainable_variables, *own]
    if not optimizer.built:
        optimizer.build(variables)
    replicas = strategy.num_replicas_in_sync

    def gradients(inputs: Any, targets: Tensor) -> list[Tensor | None]:
        here = tf.cast(tf.shape(targets)[0], tf.float32)
        (total,) = _summed([here], replicas)
        with tf.GradientTape() as tape:
            made = _called(tail, inputs, training=True)
            logits = made[0]
            each = measured.losses(targets, logits)
            objective = tf.reduce_sum(each) / total
            if places is not None:
                seen = places.seen(_listed(inputs), made, targets)
                for term in terms:
                    value = _of_some(partial(term, seen), here, replicas)
                    objective += value * here / total
            if tail.losses:  # weight penalties belong to the model, not to a replica's pictures
                objective += tf.add_n(tail.losses) / replicas
        measured.update(targets, logits, each)
        return _summed(tape.gradient(objective, variables), replicas)

    def evaluate(inputs: Any, targets: Tensor) -> None:
        logits, *_ = _called(tail, inputs, training=False)
        measured.update(targets, logits, measured.losses(targets, logits))

    def train(batch: Any) -> None:
        found = strategy.run(gradients, args=batch)
        _for_all(lambda: optimizer.apply([_local(strategy, each) for each in found], variables))

    def set_rate(rate: Any) -> None:
        optimizer.learning_rate = rate

    return Steps(
        train=train,
        evaluate=lambda batch: strategy.run(evaluate, args=batch),
        results=measured.results,
        reset=measured.reset,
        set_rate=set_rate,
        strategy=strategy,
        xla=xla and replicas == 1,
    )


def losses_of(loss: Any, targets: Tensor, logits: Tensor) -> Tensor:
    """The loss of each picture (batch,)."""
    each = loss.call(targets, logits)
    return tf.reduce_mean(tf.reshape(each, (tf.shape(each)[0], -1)), axis=1)


class _Measured:
    """The loss of each picture, and the metrics of an epoch."""

    def __init__(self, bound: BoundHead) -> None:
        self.loss = bound.loss()
        self.activation = keras.activations.get(bound.activation)
        self.mean = keras.metrics.Mean(name="loss")
        self.metrics = bound.metrics()

    def losses(self, targets: Tensor, logits: Tensor) -> Tensor:
        return losses_of(self.loss, targets, logits)

    def update(self, targets: Tensor, logits: Tensor, each: Tensor) -> None:
        self.mean.update_state(each)
        for metric in self.metrics:
            metric.update_state(targets, self.activation(logits))

    def results(self) -> dict[str, Any]:
        return {metric.name: metric.result() for metric in (self.mean, *self.metrics)}

    def reset(self) -> None:
        for metric in (self.mean, *self.metrics):
            metric.reset_state()


def _of_some(term: Callable[[], Tensor], here: Tensor, replicas: int) -> Tensor:
    """What a term gives; 0 where a device has no pictures of a small last batch."""
    if replicas == 1:
        return term()
    return tf.cond(here > 0, term, lambda: tf.constant(0.0))


def _called(tail: KerasModel, inputs: Any, *, training: bool) -> list[Tensor]:
    """Logits, and the embedding if the tail gives it, float32."""
    parts = _listed(inputs)
    made = tail(parts if len(parts) > 1 else parts[0], training=training)
    return [tf.cast(each, tf.float32) for each in keras.tree.flatten(made)]


def _averaged(features: Tensor) -> Tensor:
    """Over all axes between batch and channels."""
    return tf.reduce_mean(features, axis=list(range(1, len(features.shape) - 1)))


def _listed(inputs: Any) -> list[Tensor]:
    return list(inputs) if isinstance(inputs, tuple | list) else [inputs]


def _summed(given: list[Tensor | None], replicas: int) -> list[Tensor | None]:
    """Tensors summed over all replicas; None, of what the loss does not reach, stays None.

    One replica has nothing to sum; to ask all the same would keep each graph in memory for good, as
    TensorFlow notes a gradient for every sum.
    """
    found = [each for each in given if each is not None]
    if replicas > 1:
        context = tf.distribute.get_replica_context()
        found = context.all_reduce(tf.distribute.ReduceOp.SUM, found)
    summed = iter(found)
    return [None if each is None else next(summed) for each in given]


def _for_all(update: Callable[[], Any]) -> None:
    """Run an update of variables once for all replicas, so that Keras sums no gradients itself."""
    context = tf.distribute.get_replica_context()
    if context is None:  # several replicas, and this is outside each of them already
        update()
    else:
        context.merge_call(lambda strategy: update())


def _local(strategy: Any, gradient: Any) -> Any:
    """What every replica has alike, as one tensor."""
    return None if gradient is None else strategy.experimental_local_results(gradient)[0]
