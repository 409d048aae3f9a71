"""What a space asks for and answers, found out before anything is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from transferkit.errors import SpecError, explain
from transferkit.model import TransferModel
from transferkit.plan import Phase, Plan, as_plan
from transferkit.tuning.trial import Space, Trial

__all__ = ["answer", "declared"]

QUIET = 8
"""After so many draws in a row that brought no new field there are probably no more."""
MOST = 64
"""Draws at most; a field that is first met in a trial is still learned there."""


def answer(space: Space, trial: Trial) -> tuple[TransferModel, Plan]:
    """Ask a space for the model and the plan of a trial.

    Raises:
        SpecError: If it gives something else.
    """
    given = space(trial)
    if isinstance(given, tuple) and len(given) == 2:
        model, plan = given
        if isinstance(model, TransferModel) and isinstance(plan, Plan | Phase | list | tuple):
            made = as_plan(plan)
            if made is not None:
                return model, made
    raise SpecError(
        explain(
            "tune",
            "the space gives no model and plan",
            expected="a tuple of a TransferModel and a Plan",
            received={"space(t)": given},
            mend="def space(t): return model.head(tk.heads.classification("
            "dropout=t.uniform('dropout', 0, 0.5))), tk.plans.feature_extraction()",
        )
    )


def declared(
    space: Space, make: Callable[[], Any], seed: int
) -> tuple[Any, tuple[TransferModel, Plan]]:
    """Find a space's fields by calling it with values drawn at random.

    An error at the fields' first values is the caller's; one at others will be a failed trial.

    Args:
        space: The space.
        make: Makes Keras Tuner's ``HyperParameters``.
        seed: Decides the draws.

    Returns:
        The hyperparameters, with the fields that the space asked for, and what it answered first.

    Raises:
        SpecError: If it is no function, asks for nothing, or gives no model and plan.
    """
    if not callable(space):
        raise SpecError(
            explain(
                "tune",
                f"{type(space).__name__} is no space",
                expected="a function from a trial to a model and a plan",
                received={"space": space},
                mend="tk.tune(tk.spaces.transfer('keras:MobileNetV2'), photos)",
            )
        )
    known = make()
    first = answer(space, Trial(known))
    if not known.space:
        raise SpecError(
            explain(
                "tune",
                "the search space names no field",
                expected="a function that asks the trial for a value or more",
                received={"space": space},
                mend="def space(t): rate = t.uniform('rate', 1e-4, 1e-2, log=True); ...",
            )
        )
    _look_further(space, make, known, seed)
    return known, first


def _look_further(space: Space, make: Callable[[], Any], known: Any, seed: int) -> None:
    quiet = 0
    for draw in range(MOST):
        drawn = make()
        drawn.merge(known.space, overwrite=False)
        for place, field in enumerate(known.space):
            drawn.values[field.name] = field.random_sample(seed + 1000 * draw + place)
        with contextlib.suppress(Exception):
            answer(space, Trial(drawn))
        new = len(drawn.space) > len(known.space)
        known.merge(drawn.space, overwrite=False)
        quiet = 0 if new else quiet + 1
        if quiet == QUIET:
            return
