"""A plan, phase by phase: freeze, cut, recompile, train, carry on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from transferkit import _keras, build
from transferkit._text import counted
from transferkit._types import KerasModel
from transferkit.adapt import LowRank
from transferkit.engine import checkpoints, checks, distribute, resume, workers
from transferkit.engine.adapters import check_adapter, set_trainable
from transferkit.engine.distribute import Team
from transferkit.engine.feeding import Feeding
from transferkit.engine.feeds import Feed
from transferkit.engine.frozen import Frozen, Supply
from transferkit.engine.loop import PhaseRun, run_epochs
from transferkit.engine.low_rank import Factored, build_factored
from transferkit.engine.material import Material
from transferkit.engine.optimizers import Starts, hold, make_optimizer, starts_of, steered
from transferkit.engine.pictures import Pictures
from transferkit.engine.progress import Progress
from transferkit.engine.report import EngineReport, PhaseReport
from transferkit.engine.setup import Settled, settle
from transferkit.engine.shards import own_bounds
from transferkit.engine.solving import Solver, Solving, check_solver
from transferkit.engine.stages import Stage
from transferkit.engine.step import Steps, make_steps
from transferkit.engine.tails import Tail
from transferkit.engine.terms import Start, check_co_tuning, co_tuned, terms_of, variables_of
from transferkit.history import EpochRecord, History
from transferkit.objectives import CoTuned, CoTuning
from transferkit.plan import Phase, Plan
from transferkit.running import Engine

__all__ = ["Material", "run_plan", "scope"]

keras = _keras.keras()


def scope(engine: Engine) -> Any:
    """The strategy's scope, in which network, optimizer and metrics have to be made."""
    return distribute.strategy_of(engine).scope()


def run_plan(
    material: Material,
    plan: Plan,
    *,
    seed: int,
    engine: Engine,
    callbacks: Sequence[Any] = (),
    verbose: int = 1,
    epochs_before: int = 0,
) -> tuple[History, EngineReport]:
    """Train through all phases; one history of them, and a report of how they were run.

    Callbacks see every phase as a training of its own (``on_train_begin`` to ``on_train_end``),
    with epochs counted over the whole plan.

    Args:
        material: What is trained, on what.
        plan: The phases.
        seed: Decides order and augmentation.
        engine: How it is run.
        callbacks: Keras callbacks.
        verbose: 0 silent, 1 also how far an epoch is, 2 a line per epoch.
        epochs_before: Epochs that the network has seen; order and augmentation go on from there.

    Raises:
        SpecError: If a phase monitors what is not measured or samples classes that there are not,
            or a mix makes labels that the head does not take.
        SelectionError: If a policy names a layer that there is not.
    """
    _check(material, plan, callbacks)
    team = distribute.team(engine)
    train, val = material.counts
    distribute.check_shares(team, plan, train, val or None)
    settled = settle(
        material.network,
        material.table,
        material.policy,
        material.pipeline,
        plan,
        engine,
        material.counts,
    )
    with _settings_kept(callbacks), checkpoints.whole(material.network), workers.watched(team):
        workers.check_alike(team, _facts(material, plan, settled, seed, team, epochs_before))
        own = workers.callbacks_for(team, callbacks)
        frozen = settled.frozen(verbose if team.chief else 0)
        # What a fit starts from is the chief's: a worker's own weights may be others.
        workers.level(team, material.network.variables)
        starts = starts_of(material.network, material.table, plan.phases)
        begun = Start(material, settled.program, settled.head, engine, team, frozen.verbose)
        learnt = co_tuned(plan, begun)
        run = _Run(
            material, plan, settled, frozen, team, own, seed, verbose, epochs_before, starts, learnt
        )
        return run.phases()


def _check(material: Material, plan: Plan, callbacks: Sequence[Any]) -> None:
    """Find whatever can be wrong before the first step is taken."""
    checks.check_precision(material.network)
    checks.check_mixes(material.pipeline, material.bound)
    for phase in plan:
        policy = phase.policy(material.policy)
        policy.resolve(material.table, verb="fit")
        check_adapter(phase, material.network, material.table)
        make_optimizer(phase)
        if phase.layer_rates is not None:
            phase.layer_rates.factors(material.table)
        checks.check_monitor(phase, material.bound, has_val=material.val is not None)
        checks.check_schedule(phase, callbacks)
        checks.check_averaging(phase, has_val=material.val is not None)
        checks.check_sampling(phase, material.bound, material.classes)
        check_solver(phase, material.network, material.table, policy)
        check_co_tuning(phase, material)


@dataclass(frozen=True)
class _Run:
    """A plan on its way."""

    material: Material
    plan: Plan
    settled: Settled
    frozen: Frozen
    team: Team
    callbacks: Sequence[Any]
    seed: int
    verbose: int
    epochs_before: int
    starts: Starts
    learnt: Mapping[CoTuning, CoTuned]

    def phases(self) -> tuple[History, EngineReport]:
        """All phases, or those that a backup has left; none behind one whose loss is not finite."""
        history, told = History(), []
        first = resume.first_phase(self.plan, self.callbacks)
        first = workers.number_from_chief(self.team, first)
        for number in range(first, len(self.plan)):
            records, report = self.phase(number, first)
            told.append(report)
            for record in records:
                history = history.append(record)
            if number + 1 < len(self.plan) and not _is_finite(self.plan.phases[number], history):
                break
        return history, EngineReport(self.settled.machine.name, tuple(told))

    def phase(self, number: int, first: int) -> tuple[list[EpochRecord], PhaseReport]:
        """One phase: frozen, cut, compiled and trained."""
        material, stage = self.material, self.settled.stages[number]
        network, phase, strategy = material.network, stage.phase, self.team.strategy
        set_trainable(network, material.table, phase, material.policy)
        terms = terms_of(phase, self.learnt)
        own = variables_of(terms)
        with strategy.scope():
            optimizer = make_optimizer(phase)
            build.compile_network(network, material.bound, optimizer, jit_compile=False)
            factored = self._built(optimizer, number, own)
            steered(optimizer, phase, network, material.table, self.starts, factored, own)
        begin = sum(each.epochs for each in self.plan.phases[:number])
        listed = self._listed(number, first, begin + phase.epochs)
        start = self._begun(listed, optimizer, begin)
        # Only now: a backup may just have been read into the layers that are frozen.
        pictures = self._pictures(number)
        supply = self._supply(number, pictures)
        tail = self.settled.tail(number, supply, pictures)
        with strategy.scope():
            steps = make_steps(
                network,
                tail.model,
                material.bound,
                optimizer,
                strategy,
                xla=tail.choice.xla,
                terms=terms,
                own=own,
                places=tail.places,
            )
        feeding = Feeding(
            material,
            stage,
            supply,
            tail.model,
            self.settled.work(number, supply),
            steps,
            self.team,
            self.settled.engine.xla,
        )
        run = PhaseRun(phase, number, start, begin + phase.epochs, self.team)
        names = material.bound.target.class_names
        notes = [term.told(names) for term in terms if isinstance(term, CoTuned)]
        training: Feed
        if phase.solver is None:
            training = feeding.training(run, self.seed, self.epochs_before, listed.callbacks)
        else:
            solver = self._solver(number, supply, pictures)
            training = Solving(solver, feeding.measured_training(listed.callbacks), notes)
        validation = feeding.validation(listed.callbacks)
        records = list(run_epochs(network, steps, run, training, validation, listed, notes))
        listed.on_train_end()
        if phase.adapt is not None:
            self._closed(phase)
        return records, self._told(number, supply, tail, steps, training, notes)

    def _built(self, optimizer: Any, number: int, own: Sequence[Any]) -> list[Factored]:
        """The phase's optimizer built, on `own` besides; the kernels whose factors it moves."""
        material, adapter = self.material, self.plan.phases[number].adapt
        network = material.network
        if isinstance(adapter, LowRank):
            seed = (self.seed, number)
            factored = build_factored(optimizer, network, material.table, adapter, seed, own)
        else:
            factored = []
            optimizer.build([*network.trainable_variables, *own])
        hold(optimizer, own)
        return factored

    def _closed(self, phase: Phase) -> None:
        """Frozen all over, and without the optimizer that knows of the adapter."""
        material = self.material
        build.freeze(material.network, material.table, phase.policy(material.policy))
        with self.team.strategy.scope():
            build.compile_network(material.network, material.bound, jit_compile=False)

    def _begun(self, listed: Any, optimizer: Any, begin: int) -> int:
        """The epoch to start at, when callbacks have begun and all workers have one set of weights.

        What a callback loads (a backup) lies on the chief's disk, and the weights that a worker was
        made with may be its own.
        """
        network = self.material.network
        listed.on_train_begin()
        start = resume.take_initial_epoch(network, begin)
        workers.level(self.team, [*network.variables, *optimizer.variables])
        return workers.number_from_chief(self.team, start)

    def _supply(self, number: int, pictures: Pictures) -> Supply | None:
        """The features of a phase's pictures; None if its tail starts from the pixels."""
        stage = self.settled.stages[number]
        if stage.cut is None:
            return None
        supplied = partial(
            self.frozen.supply,
            stage.cut,
            pictures,
            self.material.validation_pictures(self.team),
            also=self.settled.later_cuts(number),
            also_clean=self.settled.later_cuts(number, clean=True),
        )
        supply = supplied(cached=stage.cached)
        # Workers make the same calls or wait for each other for ever.
        if self.team.several and workers.any_worker(self.team, supply.run is not None):
            supply = supplied(cached=False, keep=False)
        return supply

    def _solver(self, number: int, supply: Supply | None, pictures: Pictures) -> Solver:
        """What solves a phase's head."""
        cut = self.settled.cut(number, supply)
        return Solver(
            self.material,
            self.settled.stages[number].phase,
            self.settled.program,
            supply,
            cut.tensors if cut else (0,),
            pictures,
            self.team,
            self.seed,
        )

    def _pictures(self, number: int) -> Pictures:
        return self.material.training_pictures(
            self.settled.stages[number], self.seed, self.team, self.settled.engine.xla
        )

    def _listed(self, number: int, first: int, stop: int) -> Any:
        """The callbacks of a phase, ours among them."""
        last = number == len(self.plan) - 1
        own = resume.callbacks_for(self.callbacks, begin=number == first, end=last)
        _append_logs(own, again=number > first)
        phase, network = self.settled.stages[number].phase, self.material.network
        headline = _headline(network, self.settled.stages[number], number, len(self.plan))
        verbose = self.verbose if self.team.chief else 0
        count, team = self.material.counts[0], self.team
        bounds = own_bounds(count, phase.batch_size, team.shards, team.own_shards)
        return keras.callbacks.CallbackList(
            [*own, Progress(headline, self.plan.epochs, verbose)],
            model=network,
            epochs=stop,
            steps=1 if phase.solver is not None else len(bounds),
            verbose=self.verbose,
        )

    def _told(
        self,
        number: int,
        supply: Supply | None,
        tail: Tail,
        steps: Steps,
        training: Feed,
        notes: Sequence[str],
    ) -> PhaseReport:
        told = self.settled.told(number)
        compiled = {"prefix": bool(supply and supply.choice.xla), "tail": steps.xla}
        told = replace(
            told,
            steps_per_call=_longest(training.calls),
            precision={**(told.precision or {}), "tail": tail.choice.precision},
            xla=tuple(part for part, fits in compiled.items() if fits),
            rewrites=tail.choice.rewrites,
            notes=(*told.notes, *tail.notes, *notes),
        )
        if supply is None:
            return told
        return replace(
            told,
            cached=supply.train is not None,
            extracted=supply.extracted,
            precision={**(told.precision or {}), "prefix": supply.choice.precision},
            backend=supply.choice.backend,
            notes=(*told.notes, *supply.notes),
        )


def _longest(calls: Sequence[tuple[int, int]]) -> int:
    return max((stop - first for first, stop in calls), default=1)


def _is_finite(phase: Phase, history: History) -> bool:
    if not history or math.isfinite(history.epochs[-1].metrics["loss"]):
        return True
    warnings.warn(
        f"fit: the loss of phase {phase.name!r} is not finite, so the phases behind it are "
        "left out. Try a smaller learning rate.",
        stacklevel=6,
    )
    return False


def _facts(
    material: Material, plan: Plan, settled: Settled, seed: int, team: Team, epochs_before: int
) -> dict[str, Any]:
    """What has to be the same for all workers, by name."""
    (_, targets), val = material.train, material.val
    return {
        "plan": plan.to_config(),
        "seed": seed,
        "shards": team.shards,
        "epochs_before": epochs_before,
        "classes": material.bound.target,
        "pictures": material.counts,
        "labels": targets.tobytes() + (b"" if val is None else val[1].tobytes()),
        "weights": [(tuple(each.shape), each.dtype) for each in material.network.variables],
        "room in the cache": [(stage.cut, stage.cached) for stage in settled.stages],
    }


def _headline(network: KerasModel, stage: Stage, number: int, phases: int) -> str:
    phase, moving, total = stage.phase, stage.moving, network.count_params()
    if phase.solver is not None:
        return f"Phase {number + 1}/{phases}: {phase.name} - {moving:,} parameters are solved for"
    return (
        f"Phase {number + 1}/{phases}: {phase.name} - {counted(phase.epochs, 'epoch')}, "
        f"{phase.optimizer.name} {phase.learning_rate}, {moving:,} of {total:,} parameters train"
    )


@contextmanager
def _settings_kept(callbacks: Sequence[Any]) -> Iterator[None]:
    """CSV logs append behind the first phase; they are as they were when the run ends or breaks."""
    logs = [each for each in callbacks if isinstance(each, keras.callbacks.CSVLogger)]
    before = [{name: getattr(log, name) for name in ("append", "append_header")} for log in logs]
    try:
        yield
    finally:
        for log, setting in zip(logs, before, strict=True):
            vars(log).update(setting)


def _append_logs(callbacks: Sequence[Any], *, again: bool) -> None:
    """Let a CSV log go on behind the phase before instead of starting anew."""
    for callback in callbacks:
        if again and isinstance(callback, keras.callbacks.CSVLogger):
            callback.append = True
