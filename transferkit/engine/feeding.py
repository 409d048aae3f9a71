"""From a phase's features or pixels to the feeds of its loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from transferkit._types import KerasModel
from transferkit.engine import batches
from transferkit.engine.distribute import Team
from transferkit.engine.features import Features
from transferkit.engine.feeds import Feed, streamed
from transferkit.engine.frozen import Supply
from transferkit.engine.loop import PhaseRun
from transferkit.engine.material import Material
from transferkit.engine.resident import Order, Rows, in_turn, order_of, resident
from transferkit.engine.shards import own_bounds
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
        work: Multiply-adds of its forward pass, for one picture.
        steps: Its steps.
        team: Who trains together.
        xla: Whether XLA compiles the augmentation, as the engine was told.
    """

    material: Material
    stage: Stage
    supply: Supply | None
    tail: KerasModel
    work: int
    steps: Steps
    team: Team
    xla: bool | Literal["auto"] = "auto"

    def training(
        self, run: PhaseRun, seed: int, epochs_before: int, callbacks: Iterable[Any]
    ) -> Feed:
        """The training batches of all epochs of the phase."""
        phase, count, classes = self.stage.phase, self.material.counts[0], self.material.classes
        if self.supply and self.supply.train:
            order = order_of(
                phase,
                count,
                classes,
                seed=seed,
                views=self.stage.views,
                before=epochs_before,
                workers=self.team.workers,
                **self._shares,
            )
            return self._resident(self.supply.train, order, count, callbacks, train=True)
        dataset = batches.training_batches(
            *self.material.train,
            phase,
            self.material.pipeline,
            seed=seed,
            first_epoch=epochs_before + run.start,
            epochs=max(run.stop - run.start, 0),
            classes=classes,
            xla=self.xla,
            **self._shares,
        )
        return self._streamed(dataset, count, callbacks, train=True)

    def validation(self, callbacks: Iterable[Any]) -> Feed | None:
        """The validation batches, clean and in order; None without such pictures."""
        if self.material.val is None:
            return None
        features = self.supply.val if self.supply else None
        return self._in_turn(self.material.val, features, callbacks)

    def measured_training(self, callbacks: Iterable[Any]) -> Feed:
        """The training pictures as validation has them, for a phase that keeps them clean."""
        features = self.supply.train if self.supply else None
        return self._in_turn(self.material.train, features, callbacks)

    def _in_turn(
        self, split: tuple[Any, Any], features: Features | None, callbacks: Iterable[Any]
    ) -> Feed:
        count, size = len(split[1]), self.stage.phase.batch_size
        if features:
            order = in_turn(count, size, workers=self.team.workers, **self._shares)
            return self._resident(features, order, count, callbacks, train=False)
        dataset = batches.validation_batches(*split, size, **self._shares)
        return self._streamed(dataset, count, callbacks, train=False)

    def _resident(
        self,
        features: Features,
        order: Order,
        count: int,
        callbacks: Iterable[Any],
        *,
        train: bool,
    ) -> Feed:
        packed = tuple(array.dtype == np.uint16 for array in features.arrays)
        return resident(
            self.steps,
            self.tail,
            Rows(features.arrays, features.targets, packed),
            order,
            self._bounds(count),
            callbacks=callbacks,
            work=self._work(train),
            train=train,
        )

    def _streamed(self, dataset: Any, count: int, callbacks: Iterable[Any], *, train: bool) -> Feed:
        number = len(self._bounds(count))
        prefix = self.supply.run if self.supply else None
        if prefix or self.steps.replicas > 1:
            return Through(self.steps, dataset, number, prefix, train=train)
        return streamed(
            self.steps,
            dataset,
            number,
            callbacks=callbacks,
            work=self._work(train),
            train=train,
        )

    @property
    def _shares(self) -> dict[str, Any]:
        return {"shards": self.team.shards, "own": self.team.own_shards}

    def _bounds(self, count: int) -> list[tuple[int, int]]:
        return own_bounds(count, self.stage.phase.batch_size, **self._shares)

    def _work(self, train: bool) -> float:
        """Multiply-adds of one step."""
        return self.work * self.stage.phase.batch_size * (BACKWARD if train else 1)
