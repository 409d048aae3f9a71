"""From a phase's features or pixels to the feeds of its loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.engine import batches
from transferkit.engine.features import Features
from transferkit.engine.feeds import Feed, streamed
from transferkit.engine.frozen import Supply
from transferkit.engine.loop import PhaseRun
from transferkit.engine.material import Material
from transferkit.engine.resident import Order, Rows, in_turn, order_of, resident
from transferkit.engine.setup import Tail
from transferkit.engine.stages import Stage
from transferkit.engine.step import Steps
from transferkit.engine.through import Through

__all__ = ["Feeding"]

BACKWARD = 3
"""A training step's work, in forward passes: the gradients of inputs and of weights come along."""


@dataclass(frozen=True)
class Feeding:
    """What a phase is fed with.

    Attributes:
        material: The splits.
        stage: What was settled of the phase.
        supply: Its features, or what computes them; None if the tail starts from the pixels.
        tail: What trains.
        steps: Its steps.
        callbacks: Those of the run.
    """

    material: Material
    stage: Stage
    supply: Supply | None
    tail: Tail
    steps: Steps
    callbacks: Iterable[Any]

    def training(self, run: PhaseRun, seed: int, epochs_before: int) -> Feed:
        """The training batches of all epochs of the phase."""
        phase, count = self.stage.phase, self.material.counts[0]
        if self.supply and self.supply.train:
            order = order_of(
                phase,
                count,
                self.material.classes,
                seed=seed,
                views=self.stage.views,
                before=epochs_before,
            )
            return self._resident(self.supply.train, order, count, train=True)
        dataset = batches.training_batches(
            *self.material.train,
            phase,
            self.material.pipeline,
            seed=seed,
            first_epoch=epochs_before + run.start,
            epochs=max(run.stop - run.start, 0),
            replicas=self.steps.replicas,
            classes=self.material.classes,
        )
        return self._streamed(dataset, count, train=True)

    def validation(self) -> Feed | None:
        """The validation batches, clean and in order; None without such pictures."""
        if self.material.val is None:
            return None
        count = self.material.counts[1]
        if self.supply and self.supply.val:
            return self._resident(self.supply.val, in_turn(count), count, train=False)
        size, replicas = self.stage.phase.batch_size, self.steps.replicas
        dataset = batches.validation_batches(*self.material.val, size, replicas)
        return self._streamed(dataset, count, train=False)

    def _resident(self, features: Features, order: Order, count: int, *, train: bool) -> Feed:
        packed = tuple(array.dtype == np.uint16 for array in features.arrays)
        return resident(
            self.steps,
            self.tail.model,
            Rows(features.arrays, features.targets, packed),
            order,
            self._bounds(count),
            callbacks=self.callbacks,
            work=self._work(train),
            train=train,
        )

    def _streamed(self, dataset: Any, count: int, *, train: bool) -> Feed:
        number = len(self._bounds(count))
        if self.supply and self.supply.run:
            return Through(self.steps, dataset, number, self.supply.run, train=train)
        return streamed(
            self.steps,
            dataset,
            number,
            callbacks=self.callbacks,
            work=self._work(train),
            train=train,
        )

    def _bounds(self, count: int) -> list[tuple[int, int]]:
        return batches.bounds(count, self.stage.phase.batch_size, self.steps.replicas)

    def _work(self, train: bool) -> float:
        """Multiply-adds of one step."""
        return self.tail.work * self.stage.phase.batch_size * (BACKWARD if train else 1)
