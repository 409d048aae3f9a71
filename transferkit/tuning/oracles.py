"""What decides which settings are tried: Keras Tuner's oracles, by the names used here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain

__all__ = ["STRATEGIES", "Question", "Strategy", "check_strategy", "oracle"]

Strategy = Literal["bayesian", "grid", "hyperband", "random"]
"""How settings are chosen."""

STRATEGIES: tuple[str, ...] = get_args(Strategy)


@dataclass(frozen=True, eq=False)
class Question:
    """What is searched.

    Attributes:
        objective: A name in the history.
        mode: Whether less or more of it is better.
        fields: Keras Tuner's ``HyperParameters``, with the fields that are known.
        max_trials: How many settings are tried at most.
        seed: Decides the draws.
        epochs: Of the longest phase, for Hyperband.
    """

    objective: str
    mode: str
    fields: Any
    max_trials: int
    seed: int
    epochs: int


def check_strategy(value: object) -> None:
    """Refuse a strategy that there is not.

    Raises:
        UnknownNameError: Naming the nearest.
    """
    if value not in STRATEGIES:
        raise UnknownNameError(
            explain(
                "tune",
                f"there is no strategy called {value!r}",
                expected=did_you_mean(str(value), STRATEGIES),
                received={"strategy": value},
                mend='tk.tune(space, photos, strategy="bayesian")',
            )
        )


def oracle(keras_tuner: Any, strategy: str, question: Question) -> Any:
    """Keras Tuner's oracle for a strategy.

    It is a function of its seed and of the scores that it is told: asked again with the same ones,
    it gives the same settings.

    Args:
        keras_tuner: The package.
        strategy: One of `STRATEGIES`.
        question: What is searched.

    Raises:
        SpecError: If Hyperband has no epochs to save.
    """
    made = _MAKERS[strategy](
        keras_tuner.oracles,
        question,
        objective=keras_tuner.Objective(question.objective, question.mode),
        hyperparameters=question.fields.copy(),
        seed=question.seed % (2**32 - 2) + 1,  # 0 would mean any, and NumPy takes 32 bits
        max_consecutive_failed_trials=question.max_trials + 1,  # each is recorded, none ends all
    )
    made.max_trials = question.max_trials
    made.verbose = 0
    return made


def _bayesian(oracles: Any, question: Question, **common: Any) -> Any:
    # Keras Tuner draws three settings for each field before it looks at any score: of twenty trials
    # over seven fields that would be all. A number that hangs on max_trials would make a search
    # that goes further another search.
    first = max(3, 1 + len(question.fields.space))
    return oracles.BayesianOptimizationOracle(num_initial_points=first, **common)


def _grid(oracles: Any, question: Question, **common: Any) -> Any:
    return oracles.GridSearchOracle(**common)


def _random(oracles: Any, question: Question, **common: Any) -> Any:
    return oracles.RandomSearchOracle(**common)


def _hyperband(oracles: Any, question: Question, **common: Any) -> Any:
    if question.epochs < 2:
        raise SpecError(
            explain(
                "tune",
                "Hyperband tries many settings for a few epochs, and the plan has only one",
                expected="a plan with a phase of 2 epochs or more",
                received={"epochs": question.epochs},
                mend='tk.tune(space, photos, strategy="bayesian")',
            )
        )
    # None: sweep after sweep until there were max_trials.
    return oracles.HyperbandOracle(max_epochs=question.epochs, hyperband_iterations=None, **common)


_MAKERS: dict[str, Callable[..., Any]] = {
    "bayesian": _bayesian,
    "grid": _grid,
    "hyperband": _hyperband,
    "random": _random,
}
