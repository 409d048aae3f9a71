"""For each phase of a plan: where the network is cut, in how many views, and what is kept.

All of it is decided before the first step, by rules on the network, the plan and the room in the
cache, so that it can be told without training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from transferkit import build
from transferkit._text import byte_size
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.engine.adapters import count_moving, set_trainable
from transferkit.engine.cut import Cut, candidates, choose
from transferkit.engine.program import Program, read
from transferkit.freeze import Freeze
from transferkit.plan import Phase, Plan
from transferkit.select import LayerTable

__all__ = ["AUTO_EPOCHS", "AUTO_VIEWS", "Budget", "Stage", "later_cuts", "stages"]

AUTO_VIEWS, AUTO_EPOCHS = 4, 8
"""``views="auto"``: so many views, for plans of so many epochs or more."""


@dataclass(frozen=True)
class Budget:
    """What the choice rests on besides network and plan.

    Attributes:
        train: Training pictures.
        val: Validation pictures.
        room: Bytes that the cache may take; 0 for no cache.
        device: ``"cpu"``, ``"gpu"`` or ``"tpu"``.
        itemsize: Bytes of a number in the cache.
    """

    train: int
    val: int
    room: float
    device: str = "cpu"
    itemsize: int = 4

    def for_each(self, views: int) -> float:
        """The bytes that one view of one picture may take."""
        return self.room / max(views * self.train + self.val, 1)


@dataclass(frozen=True)
class Stage:
    """One phase, settled.

    Attributes:
        phase: With its views settled: ``"auto"`` is gone.
        cut: Where the frozen prefix ends; None if there is none that is worth cutting off.
        cached: Whether the training pictures' features are kept.
        why: In words.
        moving: How many numbers train.
    """

    phase: Phase
    cut: Cut | None
    cached: bool
    why: str
    moving: int = 0

    @property
    def views(self) -> int:
        """Fixed views of each training picture; 0 for new pixels in every epoch."""
        return 0 if isinstance(self.phase.views, str) else self.phase.views


def stages(
    network: KerasModel,
    table: LayerTable,
    policy: Freeze,
    plan: Plan,
    pipeline: Pipeline,
    budget: Budget,
) -> tuple[Program, list[Stage]]:
    """Settle every phase; the network is left frozen as the last one wants.

    Args:
        network: Raw pixels to activated outputs.
        table: The backbone's layers.
        policy: Of phases that have none of their own.
        plan: The phases.
        pipeline: The augmentation.
        budget: Pictures, room and device.

    Returns:
        The network's program up to the logits, and a stage for each phase.
    """
    program = read(build.logits_of(network))
    found = []
    for phase in plan:
        set_trainable(network, table, phase, policy)
        stage = _stage(program, phase, plan, pipeline, budget)
        found.append(replace(stage, moving=count_moving(network, table, phase)))
    return program, found


def _stage(program: Program, phase: Phase, plan: Plan, pipeline: Pipeline, budget: Budget) -> Stage:
    if phase.solver is not None:
        pipeline = Pipeline(())  # a head is solved on clean pictures
    free = _chosen(program, budget, float("inf"))
    if free is None:
        return Stage(_settled(phase, pipeline), None, False, _why_no_cut(program))
    views, why = _wanted(phase, pipeline, plan.epochs)
    if not views:
        return Stage(_settled(phase, pipeline), free, False, why)
    if not budget.room:
        return Stage(_with_views(phase, views), free, False, f"{why}; the cache is switched off")
    cut = _chosen(program, budget, budget.for_each(views))
    if cut is not None:
        return Stage(_with_views(phase, views), cut, True, why)
    text = _too_large(free, views, budget)
    if phase.views == "auto":
        return Stage(_settled(phase, pipeline), free, False, f"fresh pixels, as {text}")
    return Stage(_with_views(phase, views), free, False, text)


def _wanted(phase: Phase, pipeline: Pipeline, epochs: int) -> tuple[int, str]:
    """How many views are worth keeping, 0 for none; never fewer than were asked for."""
    if not pipeline.operations:
        return 1, "no augmentation: every epoch has the same pixels"
    if phase.views == "fresh":
        return 0, "views='fresh': every epoch has new pixels"
    if phase.views == "auto" and epochs < AUTO_EPOCHS:
        return 0, f"views='auto': fresh pixels, as the plan has fewer than {AUTO_EPOCHS} epochs"
    count = AUTO_VIEWS if phase.views == "auto" else int(phase.views)
    return count, f"{count} views of each picture"


def _settled(phase: Phase, pipeline: Pipeline) -> Phase:
    """A phase that keeps nothing: what is not a number of views is fresh."""
    if not pipeline.operations:
        return _with_views(phase, 1)
    return _with_views(phase, "fresh") if phase.views == "auto" else phase


def _with_views(phase: Phase, views: Any) -> Phase:
    return replace(phase, views=views)


def _chosen(program: Program, budget: Budget, room: float) -> Cut | None:
    return choose(program, device=budget.device, itemsize=budget.itemsize, room=room)


def _why_no_cut(program: Program) -> str:
    if any(cut.work for cut in candidates(program)):
        return "the frozen layers are computed as fast as their outputs could be read"
    return "no layer at the beginning is frozen"


def _too_large(cut: Cut, views: int, budget: Budget) -> str:
    rows = views * budget.train + budget.val
    needed = rows * cut.elements * budget.itemsize
    return (
        f"the features of {rows:,} views take {byte_size(needed)}, and the cache has room for "
        f"{byte_size(budget.room)}"
    )


def later_cuts(found: Sequence[Stage], number: int, *, clean: bool = False) -> list[Cut]:
    """The lower cuts that phases behind a phase will ask for.

    What crosses them can be kept while this phase's features are made, since what lies before them
    trains in no phase until then.

    Args:
        found: All stages.
        number: The phase that is about to run.
        clean: For validation pictures, which have one view in every phase and are always kept; else
            for training pictures, in phases that keep them in the same views.
    """
    own = found[number]
    limit, cuts = own.cut, []
    for stage in found[number + 1 :]:
        if limit is None or stage.cut is None or not stage.cut.lies_within(limit):
            break
        kept = clean or (stage.cached and stage.views == own.views)
        if kept and stage.cut.calls != limit.calls:
            cuts.append(stage.cut)
        limit = stage.cut
    return cuts
