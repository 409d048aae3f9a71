"""`tune`: search a space of models and plans for the best one."""

from __future__ import annotations

from typing import Any

from transferkit import build
from transferkit._optional import require
from transferkit._progress import Progress, check_verbose
from transferkit._types import PathLike, checked_seed, whole
from transferkit.data import Data
from transferkit.data.bundle import check_data
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.history import Mode, direction
from transferkit.model import TransferModel
from transferkit.running import Engine, as_engine
from transferkit.tuning.directory import check_same, facts_of, place
from transferkit.tuning.oracles import Question, Strategy, check_strategy, oracle
from transferkit.tuning.probing import declared
from transferkit.tuning.results import Trials
from transferkit.tuning.running import Callbacks, Runner
from transferkit.tuning.running import search as run_search
from transferkit.tuning.table import Tuning
from transferkit.tuning.trial import Space

__all__ = ["tune"]

TRIALS = "trials"


def tune(
    space: Space,
    data: Data,
    *,
    strategy: Strategy = "bayesian",
    max_trials: int = 20,
    objective: str = "val_accuracy",
    mode: Mode | None = None,
    directory: PathLike | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    callbacks: Callbacks | None = None,
    verbose: int = 1,
) -> Tuning:
    """Try settings of a space, each by training, and keep the best model.

    Trials share the cache of features, so that one on a frozen backbone that was seen before costs
    seconds. All have the same seed: what differs is the settings. A trial that raises is recorded
    with its error, and the search goes on. Trials end early where their plan says so
    (``early_stopping=``).

    Called again with the same directory the search goes on: what is finished is read, and what
    failed is tried again. Only the best trial's model is kept.

    With Keras Tuner's environment variables ``KERASTUNER_TUNER_ID``, ``KERASTUNER_ORACLE_IP`` and
    ``KERASTUNER_ORACLE_PORT`` several processes search together, on one machine or on several that
    share the directory: the one whose id is ``chief`` hands out the settings, the others train.

    Args:
        space: A function from a `Trial` to a model and a plan, or a ready one of
            `transferkit.spaces`. It is called with some drawn values before the search, to find its
            fields.
        data: What is trained on, with validation pictures if the objective is theirs.
        strategy: ``"bayesian"`` (a Gaussian process over the scores so far), ``"random"``,
            ``"grid"`` (in order; a range has eleven values) or ``"hyperband"``, which gives many
            settings a ninth or a third of the plan's epochs and the best ones all of them. A
            setting that is promoted is trained from the start, so that schedules keep their shape.
        max_trials: How many settings at most, 1 or more. Fewer are trained if the space has no
            more, or if the strategy comes back to one, which counts and is read.
        objective: A name in the history, of the weights that the model ended with.
        mode: ``"min"`` if less of it is better, ``"max"`` if more is; None reads it from the name.
        directory: Where trials lie; it is made. None for a folder that goes with the result. What a
            space does with its fields cannot be compared: one that is changed needs another.
        seed: Decides the settings, and is that of every fit.
        engine: How fits are run.
        callbacks: A function from a trial's name, which is the same in every run, to the callbacks
            of its fit: ``lambda name: tk.track.tensorboard(f"logs/{name}")``.
        verbose: 0 silent, 1 a line that counts the trials, 2 plain lines.

    Returns:
        All trials, also those of earlier runs in that directory.

    Raises:
        MissingExtraError: If Keras Tuner is not installed.
        SpecError: If the space names no field or gives no model and plan, the directory holds
            another search, the objective needs validation pictures that are not there, or an
            argument is out of its range.
        UnknownNameError: If there is no such strategy, or no such objective.

    Example:
        >>> import transferkit as tk
        >>> model = tk.TransferModel("keras:MobileNetV2")
        >>> def space(t):
        ...     head = tk.heads.classification(dropout=t.uniform("dropout", 0, 0.5))
        ...     rate = t.uniform("rate", 1e-4, 1e-2, log=True)
        ...     return model.head(head), tk.plans.feature_extraction(5, learning_rate=rate)

        ``found = tk.tune(space, photos, max_trials=20)`` then has ``found.best``.

    References:
        Lisha Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
        JMLR 2018. Jasper Snoek, Hugo Larochelle, Ryan Adams, Practical Bayesian Optimization of
        Machine Learning Algorithms, NeurIPS 2012.
    """
    check_strategy(strategy)
    check_data(data)
    check_verbose("tune", verbose)
    seed, count = checked_seed("tune", seed), _checked_count(max_trials)
    _check_callbacks(callbacks)
    keras_tuner = require("keras_tuner", extra="tune", needed_for="tk.tune()")
    fields, (model, plan) = declared(space, keras_tuner.HyperParameters, seed)
    _check_objective(objective, model, data)
    chosen = direction(objective, mode, verb="tune")
    epochs = max(phase.epochs for phase in plan)
    question = Question(objective, chosen, fields, count, seed, epochs)
    asked = oracle(keras_tuner, strategy, question)
    keeper, folder = place(directory)
    check_same(folder, facts_of(strategy, question, data))
    trials = Trials(folder / TRIALS, chosen)
    with Progress("tune", count, verbose=verbose) as progress:
        runner = Runner(
            space, data, objective, trials, epochs, seed, as_engine(engine), callbacks, progress
        )
        run_search(keras_tuner, asked, runner)
    return Tuning(trials.finished(), objective, chosen, folder / TRIALS, keeper)


def _checked_count(value: Any) -> int:
    count = whole(value)
    if count is not None and count >= 1:
        return count
    raise SpecError(
        explain(
            "tune",
            "that is no number of trials",
            expected="a whole number of 1 or more",
            received={"max_trials": value},
            mend="tk.tune(space, photos, max_trials=20)",
        )
    )


def _check_callbacks(value: Any) -> None:
    if value is not None and not callable(value):
        raise SpecError(
            explain(
                "tune",
                "callbacks that were made once would be those of every trial",
                expected="a function from a trial's name to its callbacks",
                received={"callbacks": value},
                mend="tk.tune(..., callbacks=lambda name: tk.track.tensorboard(f'logs/{name}'))",
            )
        )


def _check_objective(objective: str, model: TransferModel, data: Data) -> None:
    if data.val is None and objective.startswith("val_"):
        raise SpecError(
            explain(
                "tune",
                f"{objective!r} is measured on validation pictures, and the data has none",
                expected="data with a validation split",
                received={"objective": objective},
                mend="tk.tune(space, photos.hold_out(0.2))",
            )
        )
    metrics = ["loss", *(each.name for each in build.bind(model.spec, data.target).metrics())]
    known = [f"{part}{name}" for name in metrics for part in ("val_", "")]
    if objective not in known:
        raise UnknownNameError(
            explain(
                "tune",
                f"nothing is measured that is called {objective!r}",
                expected=did_you_mean(objective, known),
                received={"objective": objective},
                mend="tk.tune(space, photos, objective='val_loss')",
            )
        )
