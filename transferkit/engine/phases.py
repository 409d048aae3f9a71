"""A plan, phase by phase: freeze, cut, recompile, train, carry on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transferkit import _keras, build
from transferkit._text import counted
from transferkit._types import KerasModel
from transferkit.engine import checks, resume
from transferkit.engine.feeding import Feeding
from transferkit.engine.loop import PhaseRun, run_epochs
from transferkit.engine.material import Material
from transferkit.engine.optimizers import make_optimizer
from transferkit.engine.progress import Progress
from transferkit.engine.report import EngineReport, PhaseReport
from transferkit.engine.setup import Setup, prepare
from transferkit.engine.step import make_steps
from transferkit.history import History
from transferkit.plan import Phase, Plan
from transferkit.running import Engine

__all__ = ["Material", "run_plan", "scope"]

keras, tf = _keras.keras(), _keras.tf()


def scope(engine: Engine) -> Any:
    """The strategy's scope, in which network, optimizer and metrics have to be made."""
    return _strategy(engine).scope()


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
    with _settings_kept(callbacks):
        setup = prepare(material, plan, engine, seed=seed, verbose=verbose)
        run = _Run(material, plan, setup, engine, callbacks, seed, verbose, epochs_before)
        return run.phases()


def _check(material: Material, plan: Plan, callbacks: Sequence[Any]) -> None:
    """Find whatever can be wrong before the first step is taken."""
    checks.check_precision(material.network)
    checks.check_mixes(material.pipeline, material.bound)
    for phase in plan:
        (phase.freeze or material.policy).resolve(material.table, verb="fit")
        make_optimizer(phase.optimizer, phase.learning_rate(0, 1))
        checks.check_monitor(phase, material.bound, has_val=material.val is not None)
        checks.check_schedule(phase, callbacks)
        checks.check_sampling(phase, material.bound, material.classes)


@dataclass
class _Run:
    """A plan on its way."""

    material: Material
    plan: Plan
    setup: Setup
    engine: Engine
    callbacks: Sequence[Any]
    seed: int
    verbose: int
    epochs_before: int

    def phases(self) -> tuple[History, EngineReport]:
        """All phases, or those that a backup has left; none behind one whose loss is not finite."""
        history, report = History(), EngineReport(self.setup.device)
        first = resume.first_phase(self.plan, self.callbacks)
        for number in range(first, len(self.plan)):
            records, told = self.phase(number, first)
            for record in records:
                history = history.append(record)
            report = report.extended(EngineReport(self.setup.device, (told,)))
            if number + 1 < len(self.plan) and not self._goes_on(number, history):
                break
        return history, report

    def phase(self, number: int, first: int) -> tuple[list[Any], PhaseReport]:
        """One phase, frozen, cut, compiled and trained."""
        stage, material, network = self.setup.stages[number], self.material, self.material.network
        phase = stage.phase
        build.freeze(network, material.table, phase.freeze or material.policy)
        supply = self.setup.supply(number)
        tail = self.setup.tail(number, supply)
        with _strategy(self.engine).scope() as strategy:
            strategy = _strategy(self.engine)
            optimizer = make_optimizer(phase.optimizer, phase.learning_rate(0, 1))
            build.compile_network(network, material.bound, optimizer, jit_compile=False)
            steps = make_steps(
                network, tail.model, material.bound, optimizer, strategy, xla=tail.xla
            )
        begin = sum(each.epochs for each in self.plan.phases[:number])
        listed = self._listed(number, first, begin + phase.epochs)
        listed.on_train_begin()
        start = resume.take_initial_epoch(network, begin)
        run = PhaseRun(phase, number, start, begin + phase.epochs)
        feeding = Feeding(material, stage, supply, tail, steps, listed.callbacks)
        training = feeding.training(run, self.seed, self.epochs_before)
        records = list(
            run_epochs(network, steps, run, training, feeding.validation(), listed)
        )
        listed.on_train_end()
        return records, self.setup.report(number, supply, tail, training)
