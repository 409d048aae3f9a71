"""Plans that go on from a plan: what a trained model does when it is trained further."""

from __future__ import annotations

from dataclasses import replace

from transferkit import schedules
from transferkit.errors import SpecError, explain
from transferkit.plan import Phase, Plan
from transferkit.plans import fine_tune
from transferkit.schedules import Schedule

__all__ = ["gently", "once_more"]


def gently(phase: Phase) -> Plan:
    """Five epochs more, at 1e-5, of what trained in a phase."""
    return fine_tune(5, freeze=phase.freeze, adapt=phase.adapt)


def once_more(
    phase: Phase, epochs: int | None = None, learning_rate: float | Schedule | None = None
) -> Plan:
    """A phase again as it was, for as many epochs and at the rate that are said.

    Args:
        phase: Any but one that solved its head.
        epochs: 1 or more; None for as many as it had.
        learning_rate: A number or a schedule; None for the phase's own.

    Raises:
        SpecError: If the phase solved its head, or `epochs` is out of range.
    """
    if phase.solver is not None:
        raise SpecError(
            explain(
                "continue_training",
                f"the last phase, {phase.name!r}, solved its head, so that there are no steps to "
                "go on with",
                expected="a model whose last phase was trained step by step",
                received={"solver": phase.solver},
                mend="trained.fit(photos, tk.plans.fine_tune(5, unfreeze=tk.select.top_blocks(1)))",
            )
        )
    rate = phase.learning_rate if learning_rate is None else learning_rate
    return Plan(
        (
            replace(
                phase,
                epochs=phase.epochs if epochs is None else epochs,
                learning_rate=schedules.as_schedule(rate, verb="continue_training"),
            ),
        )
    )
