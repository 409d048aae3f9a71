"""What a plan is run on: plain parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.cache import keys
from transferkit.engine.distribute import Team
from transferkit.engine.pictures import Pictures
from transferkit.engine.stages import Stage
from transferkit.freeze import Freeze
from transferkit.select import LayerTable
from transferkit.spec import BoundHead

__all__ = ["Material"]


@dataclass(frozen=True)
class Material:
    """What a plan is run on: plain parts.

    Attributes:
        network: The network; its weights are moved in place.
        table: The backbone's layers.
        bound: Loss, metrics and targets.
        policy: The policy of phases that have none of their own.
        pipeline: The augmentation.
        train: (pixels, targets) of the training split.
        val: (pixels, targets) of the validation split, or None.
        classes: The class of each training picture, where it has one.
        backbone: The backbone's name.
        weights: Where its weights came from, a name or a path; None where nobody knows any more.
    """

    network: KerasModel
    table: LayerTable
    bound: BoundHead
    policy: Freeze
    pipeline: Pipeline
    train: tuple[Any, Any]
    val: tuple[Any, Any] | None
    classes: Any = None
    backbone: str = ""
    weights: str | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """Training and validation pictures."""
        return len(self.train[1]), 0 if self.val is None else len(self.val[1])

    def training_pictures(self, stage: Stage, seed: int, team: Team, xla: Any) -> Pictures:
        """This worker's training pictures in the views of a phase."""
        share = (team.worker, team.workers)
        return Pictures(
            *self.train,
            Pipeline(()) if stage.phase.solver is not None else self.pipeline,
            seed,
            max(stage.views, 1),
            share,
            xla,
            digest=lambda: self._digests[0],
        )

    def clean_pictures(self, team: Team) -> Pictures:
        """This worker's training pictures, clean."""
        share = (team.worker, team.workers)
        return Pictures(*self.train, Pipeline(()), worker=share, digest=lambda: self._digests[0])

    def validation_pictures(self, team: Team) -> Pictures | None:
        """This worker's validation pictures, which are always clean."""
        if self.val is None:
            return None
        share = (team.worker, team.workers)
        return Pictures(*self.val, Pipeline(()), worker=share, digest=lambda: self._digests[1])

    @cached_property
    def _digests(self) -> tuple[str, str]:
        """What the pixels hold: gone through once for all phases."""
        train, val = self.train[0], None if self.val is None else self.val[0]
        return keys.digest(train), "" if val is None else keys.digest(val)
