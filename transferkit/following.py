"""Callbacks that are told of a whole run, where Keras' contract tells of one phase after another.

An experiment tracker wants to know what is trained on what before the first phase, and the trained
model behind the last one. Any Keras callback that has the two methods of `RunCallback` is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from transferkit.data import Data
from transferkit.engine import workers
from transferkit.plan import Plan
from transferkit.running import Engine

__all__ = ["Run", "RunCallback", "followed"]


@dataclass(frozen=True, eq=False)
class Run:
    """What a `fit` is about to do.

    Attributes:
        model: A `TrainedModel` before the first step; its plan and history are of what was before.
        data: The pictures, at the model's size.
        plan: The phases.
        seed: Decides order and augmentation.
        engine: How it is run.
        callbacks: All callbacks of the run.
    """

    model: Any
    data: Data
    plan: Plan
    seed: int
    engine: Engine
    callbacks: tuple[Any, ...] = ()


@runtime_checkable
class RunCallback(Protocol):
    """A Keras callback that is told of the run as a whole; under several workers the chief's is."""

    def on_run_begin(self, run: Run) -> None:
        """Called before anything is computed."""
        ...

    def on_run_end(self, trained: Any | None) -> None:
        """Called with the `TrainedModel`, or with None if the run broke off."""
        ...


@contextmanager
def followed(run: Run) -> Iterator[Callable[[Any], None]]:
    """Within it a run is followed; what the trained model is handed to when there is one.

    Args:
        run: What is about to begin.
    """
    told = [each for each in run.callbacks if isinstance(each, RunCallback)]
    told = told if workers.is_chief(run.model.network) else []
    made: list[Any] = []
    for each in told:
        each.on_run_begin(run)
    try:
        yield made.append
    finally:
        for each in told:
            each.on_run_end(made[0] if made else None)
