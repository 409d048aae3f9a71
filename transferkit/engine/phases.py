"""A plan, phase by phase: freeze, recompile, train, carry on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from transferkit import _keras, build
from transferkit._text import counted
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.engine import batches, checkpoints, distribute, resume, shards, workers
from transferkit.engine.checks import check_mixes, check_precision, check_sampling
from transferkit.engine.distribute import Team
from transferkit.engine.loop import PhaseRun, run_epochs
from transferkit.engine.progress import Progress
from transferkit.engine.step import Steps, make_steps
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.freeze import Freeze
from transferkit.history import History, direction
from transferkit.plan import OPTIMIZERS, Optimizer, Phase, Plan
from transferkit.running import Engine
from transferkit.schedules import Constant
from transferkit.select import LayerTable
from transferkit.spec import BoundHead

__all__ = ["Material", "run_plan", "scope"]

keras, tf = _keras.keras(), _keras.tf()


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
    """

    network: KerasModel
    table: LayerTable
    bound: BoundHead
    policy: Freeze
    pipeline: Pipeline
    train: tuple[Any, Any]
    val: tuple[Any, Any] | None
    classes: Any = None


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
) -> History:
    """Train through all phases and return one history of them.

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
    check_precision(material.network)
    check_mixes(material.pipeline, material.bound)
    for phase in plan:  # whatever can be wrong is found before the first step is taken
        (phase.freeze or material.policy).resolve(material.table, verb="fit")
        make_optimizer(phase.optimizer, phase.learning_rate(0, 1))
        _check_monitor(phase, material)
        _check_schedule(phase, callbacks)
        check_sampling(phase, material.bound, material.classes)
    team = distribute.team(engine)
    val = None if material.val is None else len(material.val[1])
    distribute.check_shares(team, plan, len(material.train[1]), val)
    with _settings_kept(callbacks), checkpoints.whole(material.network), workers.watched(team):
        workers.check_alike(team, _facts(material, plan, seed, team, epochs_before))
        return _run_phases(
            material,
            plan,
            team,
            seed=seed,
            engine=engine,
            callbacks=workers.callbacks_for(team, callbacks),
            verbose=verbose,
            epochs_before=epochs_before,
        )


def _run_phases(
    material: Material,
    plan: Plan,
    team: Team,
    *,
    seed: int,
    engine: Engine,
    callbacks: Sequence[Any],
    verbose: int,
    epochs_before: int,
) -> History:
    history = History()
    first = workers.number_from_chief(team, resume.first_phase(plan, callbacks))
    begin = sum(phase.epochs for phase in plan.phases[:first])
    for number in range(first, len(plan)):
        phase = plan.phases[number]
        last = number == len(plan) - 1
        own = resume.callbacks_for(callbacks, begin=number == first, end=last)
        _append_logs(own, again=number > first)
        window = (begin, begin + phase.epochs, plan.epochs)
        history = _run_phase(
            material,
            plan,
            number,
            window,
            own,
            history,
            team,
            seed=seed,
            engine=engine,
            verbose=verbose,
            epochs_before=epochs_before,
        )
        begin += phase.epochs
        if not last and not math.isfinite(history.epochs[-1].metrics["loss"] if history else 0.0):
            warnings.warn(
                f"fit: the loss of phase {phase.name!r} is not finite, so the phases behind it are "
                "left out. Try a smaller learning rate.",
                stacklevel=5,
            )
            break
    return history


def _run_phase(
    material: Material,
    plan: Plan,
    number: int,
    window: tuple[int, int, int],
    callbacks: Sequence[Any],
    history: History,
    team: Team,
    *,
    seed: int,
    engine: Engine,
    verbose: int,
    epochs_before: int,
) -> History:
    phase, (begin, stop, last_epoch) = plan.phases[number], window
    network, strategy = material.network, team.strategy
    build.freeze(network, material.table, phase.freeze or material.policy)
    with strategy.scope():
        optimizer = make_optimizer(phase.optimizer, phase.learning_rate(0, 1))
        build.compile_network(network, material.bound, optimizer, jit_compile=False)
        compiled = make_steps(
            network,
            build.logits_of(network),
            material.bound,
            optimizer,
            strategy,
            xla=engine.xla is True,
        )
    compiled = _spreading(compiled, team)
    pixels, targets = material.train
    steps = len(shards.bounds(len(targets), phase.batch_size, team.shards))
    headline = _headline(network, phase, number, len(plan))
    listed = keras.callbacks.CallbackList(
        [*callbacks, Progress(headline, last_epoch, verbose if team.chief else 0)],
        model=network,
        epochs=stop,
        steps=steps,
        verbose=verbose,
    )
    listed.on_train_begin()
    start = workers.number_from_chief(team, resume.take_initial_epoch(network, begin))
    workers.level(team, [*network.variables, *optimizer.variables])
    run = PhaseRun(phase, number, start, stop, steps, team)
    training = batches.training_batches(
        pixels,
        targets,
        phase,
        material.pipeline,
        seed=seed,
        first_epoch=epochs_before + start,
        epochs=max(stop - start, 0),
        classes=material.classes,
        shards=team.shards,
        own=team.own_shards,
    )
    validation = None
    if material.val is not None:
        validation = batches.validation_batches(
            *material.val, phase.batch_size, team.shards, team.own_shards
        )
    for record in run_epochs(network, compiled, run, training, validation, listed):
        history = history.append(record)
    listed.on_train_end()
    return history


def make_optimizer(described: Optimizer, learning_rate: float) -> Any:
    """A fresh optimizer from its configuration; a rate of 0 stands for a warm-up's first step."""
    config = {**described.config, "learning_rate": learning_rate}
    if described.cls is not None:
        return described.cls.from_config(config)
    # keras.optimizers.get does not know all of them by their small names (Lamb).
    kinds = {name.lower(): name for name in dir(keras.optimizers)}
    kind = getattr(keras.optimizers, kinds.get(described.name, ""), None)
    if kind is None:
        raise SpecError(
            explain(
                "fit",
                f"the optimizer {described.name!r} is none of Keras' own",
                expected=did_you_mean(described.name, OPTIMIZERS),
                received={"optimizer": described.name},
                mend="Phase(..., optimizer=MyOptimizer()) brings its class along.",
            )
        )
    return kind.from_config(config)


def _spreading(compiled: Steps, team: Team) -> Steps:
    """The same steps for a process' part of a batch, shared by its devices."""
    return replace(
        compiled,
        train=lambda batch: compiled.train(distribute.spread(batch, team)),
        evaluate=lambda batch: compiled.evaluate(distribute.spread(batch, team)),
    )


def _facts(
    material: Material, plan: Plan, seed: int, team: Team, epochs_before: int
) -> dict[str, Any]:
    """What has to be the same for all workers, by name."""
    (_, targets), val = material.train, material.val
    return {
        "plan": plan.to_config(),
        "seed": seed,
        "shards": team.shards,
        "epochs_before": epochs_before,
        "classes": material.bound.target,
        "pictures": (len(targets), None if val is None else len(val[1])),
        "labels": targets.tobytes() + (b"" if val is None else val[1].tobytes()),
        "weights": [(tuple(each.shape), each.dtype) for each in material.network.variables],
    }


def _headline(network: KerasModel, phase: Phase, number: int, phases: int) -> str:
    moving, total = build.parameters(network)
    return (
        f"Phase {number + 1}/{phases}: {phase.name} - {counted(phase.epochs, 'epoch')}, "
        f"{phase.optimizer.name} {phase.learning_rate}, {moving:,} of {total:,} parameters train"
    )


def _check_monitor(phase: Phase, material: Material) -> None:
    if phase.early_stopping is None and not phase.restore_best:
        return
    has_val = material.val is not None
    known = ["loss", *(metric.name for metric in material.bound.metrics())]
    known += [f"val_{name}" for name in known] if has_val else []
    if phase.monitor not in known:
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} monitors {phase.monitor!r}, which is not measured",
                expected=did_you_mean(phase.monitor, known),
                received={"monitor": phase.monitor},
                mend="Phase(..., monitor='loss')" if not has_val else None,
            )
        )
    direction(phase.monitor, phase.mode, verb="Phase")


def _check_schedule(phase: Phase, callbacks: Sequence[Any]) -> None:
    own = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    found = [type(each).__name__ for each in callbacks if isinstance(each, own)]
    if found and not isinstance(phase.learning_rate, Constant):
        raise SpecError(
            explain(
                "fit",
                f"{found[0]} and the schedule of phase {phase.name!r} both set the learning rate",
                expected="one of them",
                received={"learning_rate": phase.learning_rate},
                mend="Phase(..., learning_rate=1e-3) leaves it to the callback.",
            )
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
