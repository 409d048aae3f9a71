"""The epochs of one phase: steps, validation, Keras callbacks, the record of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from transferkit._types import KerasModel
from transferkit.engine import workers
from transferkit.engine.distribute import Team
from transferkit.engine.ending import ending_of
from transferkit.engine.feeds import Feed, measured
from transferkit.engine.step import Steps
from transferkit.history import EpochRecord, direction
from transferkit.plan import Phase
from transferkit.schedules import Constant, Schedule

__all__ = ["Best", "PhaseRun", "run_epochs"]


@dataclass(frozen=True)
class PhaseRun:
    """What the loop needs to know of a phase.

    Attributes:
        phase: Its description.
        number: Its place in the plan, from 0.
        start: Its first epoch, counted over all phases; after a resumed run, the first one left.
        stop: The epoch behind its last.
        team: Who trains together.
    """

    phase: Phase
    number: int
    start: int
    stop: int
    team: Team


def run_epochs(
    network: KerasModel,
    steps: Steps,
    run: PhaseRun,
    training: Feed,
    validation: Feed | None,
    callbacks: Any,
    notes: list[str],
) -> Iterator[EpochRecord]:
    """Run a phase's epochs and hand out a record after each.

    Callbacks are told of batches at the beginning and the end of each call of the feed.

    Args:
        network: What callbacks see; its optimizer is the step's.
        steps: The steps that the feeds make.
        run: Which epochs.
        training: The training batches.
        validation: The validation batches, or None.
        callbacks: A ``keras.callbacks.CallbackList``.
        notes: Takes a word on the weights that the phase ends with.
    """
    best, ending = Best(network, run.phase), ending_of(network, run.phase)
    network.stop_training = False
    for epoch in range(run.start, run.stop):
        began = time.perf_counter()
        callbacks.on_epoch_begin(epoch)
        logs = _train(network, steps, run, training, callbacks, epoch)
        if validation is not None:
            logs |= _validate(steps, validation, callbacks, epoch)
        shown = dict(logs)  # callbacks may write into it
        callbacks.on_epoch_end(epoch, shown)
        ending.epoch(epoch - run.stop + run.phase.epochs, logs)
        yield EpochRecord(
            epoch=epoch,
            phase=run.number,
            phase_name=run.phase.name,
            metrics=logs,
            seconds=time.perf_counter() - began,
            learning_rate=0.0 if run.phase.solver else _learning_rate(network.optimizer),
        )
        if workers.any_worker(run.team, best.should_stop(logs) or network.stop_training):
            break
    if getattr(network.optimizer, "use_ema", False):  # as Keras' fit does
        optimizer = network.optimizer  # whose variables may be more than the network's
        optimizer.finalize_variable_values(optimizer._trainable_variables)
    best.restore()
    said = ending.finish(None if validation is None else partial(_loss, steps, validation))
    notes += [said] if said else []


def _train(
    network: KerasModel, steps: Steps, run: PhaseRun, feed: Feed, callbacks: Any, epoch: int
) -> dict[str, float]:
    before = (epoch - run.stop + run.phase.epochs) * feed.steps
    total = run.phase.epochs * feed.steps
    steps.reset()
    logs: dict[str, Any] = {}
    for first, stop in feed.calls:
        rates = _rates(run.phase.learning_rate, before + first, before + stop, total)
        callbacks.on_train_batch_begin(first)
        logs = feed.run(epoch, first, stop, rates)
        callbacks.on_train_batch_end(stop - 1, logs)
        if network.stop_training and not run.team.several:  # else all together, behind the epoch
            break
    return _floats(logs)


def _rates(schedule: Schedule, first: int, stop: int, total: int) -> Any:
    """The learning rate of each step; None if callbacks may set it, since no schedule does."""
    if isinstance(schedule, Constant):
        return None
    return np.array([schedule(step, total) for step in range(first, stop)], np.float32)


def _validate(steps: Steps, feed: Feed, callbacks: Any, epoch: int) -> dict[str, float]:
    steps.reset()
    callbacks.on_test_begin()
    logs: dict[str, Any] = {}
    for first, stop in feed.calls:
        callbacks.on_test_batch_begin(first)
        logs = feed.run(epoch, first, stop, None)
        callbacks.on_test_batch_end(stop - 1, logs)
    callbacks.on_test_end(logs)
    return {f"val_{name}": value for name, value in _floats(logs).items()}


def _loss(steps: Steps, feed: Feed) -> float:
    """The validation loss of the weights as they are, which no callback is told of."""
    steps.reset()
    return _floats(measured(feed))["loss"]


def _floats(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(np.asarray(value)) for name, value in logs.items()}


def _learning_rate(optimizer: Any) -> float:
    return float(np.asarray(optimizer.learning_rate))


class Best:
    """Early stopping and the best weights of one phase."""

    def __init__(self, network: KerasModel, phase: Phase) -> None:
        self.network = network
        self.phase = phase
        watches = phase.restore_best or phase.early_stopping is not None
        falls = watches and direction(phase.monitor, phase.mode, verb="Phase") == "min"
        self.sign = -1.0 if falls else 1.0
        self.value = -np.inf
        self.waited = 0
        self.weights: list[Any] | None = None

    def should_stop(self, logs: dict[str, float]) -> bool:
        """Note an epoch; True if the phase's patience is at its end."""
        value = self.sign * logs.get(self.phase.monitor, np.nan)
        if value > self.value:
            self.value, self.waited = value, 0
            if self.phase.restore_best:
                self.weights = self.network.get_weights()
        else:
            self.waited += 1
        return self.phase.early_stopping is not None and self.waited >= self.phase.early_stopping

    def restore(self) -> None:
        """Put the best weights back, where they were asked for."""
        if self.weights is not None:
            self.network.set_weights(self.weights)
