"""What is settled before a plan runs, and told by `explain_engine` without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import cache
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.cache import Store
from transferkit.engine.choices import PrefixChoice, TailChoice, choose_prefix, choose_tail
from transferkit.engine.cut import Cut
from transferkit.engine.features import read_values
from transferkit.engine.forward.check import SAMPLES
from transferkit.engine.frozen import Frozen, Supply
from transferkit.engine.machine import Machine, machine
from transferkit.engine.pictures import Pictures
from transferkit.engine.program import Program
from transferkit.engine.report import EngineReport, PhaseReport
from transferkit.engine.stages import Budget, Stage, later_cuts, stages
from transferkit.engine.tails import Tail, make_tail
from transferkit.freeze import Freeze
from transferkit.objectives import CoTuning
from transferkit.plan import Plan
from transferkit.running import Engine
from transferkit.select import LayerTable

__all__ = ["Settled", "explained", "settle"]


@dataclass(frozen=True)
class Settled:
    """How a plan will be run.

    Attributes:
        machine: What it runs on.
        program: The network's calls, up to the logits.
        stages: One for each phase.
        engine: What was asked for.
        prefix: How frozen layers are to be run.
        tails: How the rest is, for each phase.
        store: Where features are kept; None for no cache.
        counts: Training and validation pictures.
        head: The layers that are none of the backbone's.
    """

    machine: Machine
    program: Program
    stages: tuple[Stage, ...]
    engine: Engine
    prefix: PrefixChoice
    tails: tuple[TailChoice, ...]
    store: Store | None
    counts: tuple[int, int]
    head: frozenset[str]

    def frozen(self, verbose: int) -> Frozen:
        """The frozen layers of a run that begins."""
        images = _images(self.stages, self.counts)
        how = self.engine, self.machine
        return Frozen(self.program, self.prefix, self.store, *how, images, verbose)

    def tail(self, number: int, supply: Supply | None, pictures: Pictures) -> Tail:
        """The tail of a phase, whose layers are frozen as it wants.

        Args:
            number: The phase.
            supply: What it is fed with; None for pixels.
            pictures: The training pictures, some of which a tail in bfloat16 is tried on.
        """
        cut = self.cut(number, supply)
        tried = partial(_samples, supply, pictures) if self.engine.precision == "auto" else None
        return make_tail(
            self.program,
            cut.tensors if cut else (0,),
            self.tails[number],
            head=self.head,
            samples=tried,
            shown=any(_is_term(each) for each in self.stages[number].phase.objectives),
        )

    def work(self, number: int, supply: Supply | None) -> int:
        """Multiply-adds of the tail's forward pass, for one picture."""
        cut = self.cut(number, supply)
        return self.program.work - (cut.work if cut else 0)

    def cut(self, number: int, supply: Supply | None) -> Cut | None:
        """Where the tail of a phase begins; None for the pixels."""
        return self.stages[number].cut if supply and supply.cuts else None

    def later_cuts(self, number: int, *, clean: bool = False) -> list[Cut]:
        """The lower cuts that phases behind a phase will ask for; see `stages.later_cuts`."""
        return later_cuts(self.stages, number, clean=clean)

    def told(self, number: int) -> PhaseReport:
        """What there is to say of a phase before it runs."""
        stage, tail = self.stages[number], self.tails[number]
        cut, itemsize = stage.cut, self.prefix.itemsize
        parts = {"prefix": self.prefix.precision} if cut else {}
        xla = (*(("prefix",) if cut and self.prefix.xla else ()), *(("tail",) if tail.xla else ()))
        return PhaseReport(
            phase=stage.phase.name,
            cut=cut.names if cut else (),
            cached=stage.cached,
            why=stage.why,
            bytes_per_image=cut.elements * itemsize if cut else 0,
            images=sum(self.counts),
            views=stage.views,
            saved=cut.share if cut else 0.0,
            precision={**parts, "tail": tail.precision},
            backend=self.prefix.backend if cut else "tensorflow",
            xla=xla,
            rewrites=tail.rewrites,
            notes=_adapted(stage),
        )


def settle(
    network: KerasModel,
    table: LayerTable,
    policy: Freeze,
    pipeline: Pipeline,
    plan: Plan,
    engine: Engine,
    counts: tuple[int, int],
) -> Settled:
    """Settle how a plan is run; nothing is computed and nothing is written.

    Args:
        network: Raw pixels to activated outputs; its layers are frozen as the last phase wants.
        table: The backbone's layers.
        policy: Of phases that have none of their own.
        pipeline: The augmentation.
        plan: The phases.
        engine: What was asked for.
        counts: Training and validation pictures.
    """
    here = machine()
    kinds = {layer.kind for layer in table}
    store = store_of(engine)
    room = float(store.room()) if store else 0.0
    itemsize = choose_prefix(engine, here, kinds, images=0).itemsize
    budget = Budget(*counts, room, here.device, itemsize)
    program, found = stages(network, table, policy, plan, pipeline, budget)
    prefix = choose_prefix(engine, here, kinds, _images(found, counts))
    tails = tuple(_tail_choice(program, stage, engine, here, counts[0]) for stage in found)
    head = _head(program, {layer.name for layer in table})
    return Settled(here, program, tuple(found), engine, prefix, tails, store, counts, head)


def _images(found: Sequence[Stage], counts: tuple[int, int]) -> int:
    """The pictures, views counted, that pass through frozen layers in the longest phase."""
    train, val = counts
    passes = (stage.views if stage.cached else stage.phase.epochs for stage in found if stage.cut)
    return train * max(passes, default=0) + val


def _samples(supply: Supply | None, pictures: Pictures) -> list[np.ndarray[Any, Any]]:
    """Some real values of what a tail reads."""
    if supply and supply.train:
        return [read_values(array[:SAMPLES]) for array in supply.train.arrays]
    pixels = pictures.first(SAMPLES)
    return [np.asarray(each) for each in supply.run(pixels)] if supply and supply.run else [pixels]


def _head(program: Program, backbone: set[str]) -> frozenset[str]:
    """The layers behind the backbone; those before it are its preprocessing."""
    behind: set[int] = set()
    names = set()
    for call in program.calls:
        own = call.operation.name in backbone
        if own or behind.intersection(call.inputs):
            behind.update(call.outputs)
            names |= set() if own else {call.operation.name}
    return frozenset(names)


def _adapted(stage: Stage) -> tuple[str, ...]:
    adapter = stage.phase.adapt
    return () if adapter is None else (f"{adapter!r}: {stage.moving:,} parameters train",)


def _is_term(objective: Any) -> bool:
    return callable(objective) or isinstance(objective, CoTuning)


def explained(settled: Settled) -> EngineReport:
    """The report of a run that has not begun."""
    phases = tuple(settled.told(number) for number in range(len(settled.stages)))
    return EngineReport(settled.machine.name, phases)


def store_of(engine: Engine) -> Store | None:
    """Where an engine keeps features; None for no cache."""
    if engine.cache is False:
        return None
    folder = cache.folder() if engine.cache is True else Path(engine.cache)
    return Store(folder, engine.cache_limit)


def _tail_choice(
    program: Program, stage: Stage, engine: Engine, here: Machine, train: int
) -> TailChoice:
    before = set(stage.cut.calls) if stage.cut else set()
    calls = [call for number, call in enumerate(program.calls) if number not in before]
    kinds = {type(call.operation).__name__ for call in calls}
    steps = stage.phase.epochs * -(-train // stage.phase.batch_size)
    return choose_tail(engine, here, kinds, cached=stage.cached, steps=steps)
