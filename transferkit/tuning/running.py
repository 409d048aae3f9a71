"""One trial after another: ask the space, train, keep the result."""

from __future__ import annotations

import gc
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from transferkit._progress import Progress
from transferkit._text import printable, shortened
from transferkit.data import Data
from transferkit.errors import TrainingError, explain
from transferkit.history import History
from transferkit.model import TransferModel
from transferkit.plan import Plan
from transferkit.running import Engine
from transferkit.trained import TrainedModel
from transferkit.tuning.probing import answer
from transferkit.tuning.results import MODEL, Budget, TrialResult, Trials, name_of
from transferkit.tuning.trial import Space, Trial

__all__ = ["Callbacks", "Runner", "ended", "search", "shared"]

ALONE, CHIEF = "alone", "chief"
PAUSE = 0.5
"""Seconds until a worker that there is nothing to do for asks again."""

Callbacks = Callable[[str], Any]
"""From a trial's name to the Keras callbacks of its fit, made anew for each."""


@dataclass(frozen=True, eq=False)
class Runner:
    """What all trials have in common.

    Attributes:
        space: Gives the model and the plan.
        data: What is trained on.
        objective: A name in the history.
        trials: Where results lie.
        epochs: Of the longest phase in full.
        seed: Of every fit: what differs between two trials is the settings.
        engine: How fits are run.
        callbacks: Of each fit.
        progress: Counts the trials.
    """

    space: Space
    data: Data
    objective: str
    trials: Trials
    epochs: int
    seed: int
    engine: Engine | None
    callbacks: Callbacks | None
    progress: Progress

    def run(self, hyperparameters: Any) -> TrialResult:
        """A trial's result, from its file or by training; one that raises has a problem for it."""
        asked, budget = Trial(hyperparameters), self._budget(hyperparameters.values)
        begun = time.monotonic()
        try:
            result = self._finished(asked, budget)
        except Exception as error:
            problem = shortened(printable(f"{type(error).__name__}: {error}"), 300)
            result = self._result(asked, budget, begun, problem=problem)
            self.trials.write(result)
        told = result.problem or f"{self.objective} {result.score:.4g}"
        self.progress.advance(note=shortened(told, 60))
        return result

    def _finished(self, asked: Trial, budget: Budget) -> TrialResult:
        model, plan = answer(self.space, asked)
        known = self.trials.scored(name_of(asked.values, budget))
        return known or self._trained(model, shared(plan, budget), asked, budget)

    def _trained(
        self, model: TransferModel, plan: Plan, asked: Trial, budget: Budget
    ) -> TrialResult:
        gc.collect()  # networks are cycles: that of the trial before would lie around
        name, begun = name_of(asked.values, budget), time.monotonic()
        callbacks = () if self.callbacks is None else self.callbacks(name)
        how: dict[str, Any] = {"seed": self.seed, "engine": self.engine, "verbose": 0}
        trained = model.fit(self.data, plan, callbacks=callbacks, **how)
        metrics = ended(trained, self.data)
        score = self._score(metrics)
        if self.trials.leads(score):
            trained.save(self.trials.folder_of(name) / MODEL)
        found = {"score": score, "metrics": metrics, "epochs": len(trained.history)}
        result = self._result(asked, budget, begun, **found)
        self.trials.write(result)
        self.trials.keep_best()
        return result

    def _score(self, metrics: dict[str, float]) -> float:
        score = metrics.get(self.objective, math.nan)
        if math.isfinite(score):
            return score
        raise TrainingError(
            explain(
                "tune",
                f"{self.objective!r} was no number in the end",
                expected="a score by which trials can be compared",
                received={"metrics": metrics},
            )
        )

    def _result(self, asked: Trial, budget: Budget, begun: float, **found: Any) -> TrialResult:
        return TrialResult(
            name_of(asked.values, budget),
            asked.values,
            share=budget.share,
            seconds=time.monotonic() - begun,
            finished=time.time(),
            **found,
        )

    def _budget(self, values: dict[str, Any]) -> Budget:
        return Budget(int(values.get("tuner/epochs", self.epochs)), self.epochs)


def shared(plan: Plan, budget: Budget) -> Plan:
    """A plan with a share of its epochs, each phase with one at least."""
    return Plan(tuple(replace(each, epochs=budget.of_phase(each.epochs)) for each in plan))


def ended(trained: TrainedModel, data: Data) -> dict[str, float]:
    """What was measured of the weights that a model ended with.

    That is the history's last epoch, or the one whose weights were restored. Of averaged weights
    the history knows nothing: they are measured on the validation pictures, and what is measured
    there takes the place of the last epoch's.
    """
    phase, last = trained.plan.phases[-1], trained.history[-1]
    if phase.restore_best and phase.solver is None:
        own = tuple(each for each in trained.history if each.phase == last.phase)
        last = History(own).best(phase.monitor, phase.mode)
    metrics = dict(last.metrics)
    if phase.averaging is not None and data.val is not None:
        seen = trained.evaluate(data.val).metrics
        metrics |= {f"val_{name}": float(value) for name, value in seen.items()}
    return metrics


def search(keras_tuner: Any, oracle: Any, runner: Runner) -> None:
    """Run trials until the oracle has no more: in this process, or as its workers.

    Keras Tuner's environment variables say which (``KERASTUNER_TUNER_ID``, ``_ORACLE_IP``,
    ``_ORACLE_PORT``): the chief answers the workers, who train. What Keras Tuner writes down is not
    read again, since it is not written whole: results are.

    Args:
        keras_tuner: The package.
        oracle: Chooses the settings.
        runner: Trains.
    """
    base: Any = keras_tuner.engine.base_tuner.BaseTuner

    class Searching(base):
        def search(self) -> None:
            if name == CHIEF:
                super().search()  # answers the workers
                return
            # Written out, as Keras Tuner's own prints a traceback for each trial that raises, and
            # asks again without a pause while there is nothing to do.
            while (trial := self._next()).status != "STOPPED":
                if trial.status == "IDLE":
                    time.sleep(PAUSE)
                else:
                    self._run(trial)

        def _next(self) -> Any:
            # What its Gaussian process thinks of the bounds of its kernel is nobody's concern here.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module=r"sklearn\.gaussian_process")
                return self.oracle.create_trial(name)

        def _run(self, trial: Any) -> None:
            result = runner.run(trial.hyperparameters)
            trial.status, trial.message = "FAILED", result.problem
            if result.score is not None:
                self.oracle.update_trial(trial.trial_id, {runner.objective: result.score})
                trial.status = "COMPLETED"
            self.oracle.end_trial(trial)

    name = os.environ.get("KERASTUNER_TUNER_ID", ALONE)
    if name in (ALONE, CHIEF):
        runner.trials.forget_failed()
    folder, own = str(runner.trials.folder.parent), f"keras-tuner-{name}"
    with _collecting_only_what_is_new():
        Searching(oracle, directory=folder, project_name=own, overwrite=True).search()


@contextmanager
def _collecting_only_what_is_new() -> Iterator[None]:
    """Spare each trial's collection the half a million objects that TensorFlow consists of."""
    if gc.get_freeze_count():  # somebody else does that
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
