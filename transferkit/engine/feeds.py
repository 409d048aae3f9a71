"""What hands the batches of an epoch to the steps, many to a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol

import numpy as np

from transferkit import _keras
from transferkit.engine.calls import spans, steps_per_call, wants_batches
from transferkit.engine.step import Steps

__all__ = ["Feed", "Rates", "Stream", "measured", "repeated", "stage", "streamed", "with_rate"]

tf = _keras.tf()
Rates = np.ndarray[Any, Any]


class Feed(Protocol):
    """Where the batches of a split come from, epoch after epoch.

    Attributes:
        steps: Batches in an epoch.
        calls: The first batch of each call, and the one behind its last.
    """

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        ...

    @property
    def calls(self) -> list[tuple[int, int]]:
        """The first batch of each call of an epoch, and the one behind its last."""
        ...

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """Make the steps of a call.

        Args:
            epoch: Counted over all phases.
            first: The first batch.
            stop: The one behind the last.
            rates: A learning rate for each step, float32; None to leave it as it is.

        Returns:
            The running metrics.
        """
        ...


def measured(feed: Feed, epoch: int = 0) -> dict[str, Any]:
    """The metrics of an epoch of a feed that evaluates, of which no callback is told."""
    logs: dict[str, Any] = {}
    for first, stop in feed.calls:
        logs = feed.run(epoch, first, stop, None)
    return logs


class Stream:
    """Batches of a ``tf.data.Dataset``, on one device.

    The first call of an epoch goes on where the last epoch ended, or begins anew with `again`.

    Args:
        steps: The steps.
        dataset: Batches of (inputs, targets).
        count: Batches in an epoch.
        per_call: Steps in one call.
        train: Whether the weights move.
        again: Whether every epoch begins at the front of the dataset.
    """

    def __init__(
        self,
        steps: Steps,
        dataset: Any,
        count: int,
        *,
        per_call: int = 1,
        train: bool = True,
        again: bool = False,
    ) -> None:
        self.dataset, self.steps, self.again = dataset, count, again
        self.calls = spans(count, per_call)
        self.source: Iterator[Any] | None = None
        self._call = _on_iterator(steps, steps.train if train else steps.evaluate, per_call)

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """See `Feed.run`."""
        if self.source is None or (self.again and first == 0):
            self.source = iter(self.dataset)
        made: dict[str, Any] = self._call(self.source, stop - first, rates)
        return made


def streamed(
    steps: Steps,
    dataset: Any,
    count: int,
    *,
    callbacks: Iterable[Any],
    work: float | None = None,
    train: bool = True,
) -> Stream:
    """A stream with as many steps to a call as its work and the callbacks allow.

    A validation split begins anew in every epoch; training batches of all epochs come in a row.

    Args:
        steps: The steps.
        dataset: A ``tf.data.Dataset`` of batches (inputs, targets).
        count: Batches in an epoch.
        callbacks: Keras callbacks.
        work: Multiply-adds of one step, if that is known.
        train: Whether the weights move.
    """
    every = wants_batches(callbacks, stage(train))
    per_call = steps_per_call(count, work, every_batch=every)
    return Stream(steps, dataset, count, per_call=per_call, train=train, again=not train)


def stage(train: bool) -> Literal["train", "test"]:
    """What Keras' callbacks call it."""
    return "train" if train else "test"


def _on_iterator(steps: Steps, step: Callable[[Any], None], per_call: int) -> Callable[..., Any]:
    if steps.xla:  # the iterator stays outside, and batches of one size share a program
        step = _keras.compiled(step, jit_compile=True, autograph=False)
    rated = with_rate(steps, step)

    def one(source: Any, rates: Any) -> dict[str, Any]:
        rated(next(source), 0, rates)
        return steps.results()

    def many(source: Any, count: Any, rates: Any) -> dict[str, Any]:
        repeated(count, lambda number: rated(next(source), number, rates))
        return steps.results()

    # One step stands in the graph by itself: TensorFlow optimises the body of a loop less.
    single = _keras.compiled(one, autograph=False)
    several = _keras.compiled(many, autograph=False)
    if per_call == 1:
        return lambda source, count, rates: single(source, rates)
    return lambda source, count, rates: several(source, tf.constant(count), rates)


def with_rate(steps: Steps, step: Callable[[Any], None]) -> Callable[[Any, Any, Any], None]:
    """The step, with the learning rate of its number set before it where rates are given."""

    def rated(batch: Any, number: Any, rates: Any) -> None:
        if rates is not None:
            steps.set_rate(rates[number])
        step(batch)

    return rated


def repeated(count: Any, body: Callable[[Any], None]) -> None:
    """Call `body` with 0 to ``count - 1``, one after the other, as a loop in the graph."""

    def once(number: Any) -> Any:
        body(number)
        return number + 1

    tf.while_loop(lambda number: number < count, once, [tf.constant(0)], parallel_iterations=1)
