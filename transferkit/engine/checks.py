"""What can be wrong with a plan, a pipeline and a head together, found before the first step."""

from __future__ import annotations

from typing import Any

from transferkit.augment import Pipeline
from transferkit.errors import SpecError, explain
from transferkit.plan import Phase
from transferkit.spec import BoundHead

__all__ = ["check_mixes", "check_sampling"]


def check_sampling(phase: Phase, bound: BoundHead, classes: Any) -> None:
    """Refuse balanced sampling of pictures that have not one class each.

    Raises:
        SpecError: If the phase samples so, and `classes` is None.
    """
    if phase.sampling == "balanced" and classes is None:
        task = bound.target.task
        mend = "tk.heads.multilabel(class_weight='balanced') weighs rare labels in the loss."
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} samples classes alike, but a picture here has {task}",
                expected="data with one class per picture",
                received={"sampling": phase.sampling, "task": task},
                mend=mend if task == "labels" else "Phase(..., sampling='shuffled')",
            )
        )


def check_mixes(pipeline: Pipeline, bound: BoundHead) -> None:
    """Refuse mixes before a head that has no soft targets; one that does not say has none.

    Raises:
        SpecError: If it is so.
    """
    if pipeline.mixes and not getattr(bound, "soft_targets", False):
        mix, head = pipeline.mixes[0], bound.head
        raise SpecError(
            explain(
                "fit",
                f"{mix!r} mixes labels, and the head {head!r} has no soft labels",
                expected="a head whose loss takes rows between two labels, as classification",
                received={"augment": pipeline, "head": head},
                mend="model.augment(...) without it; tk.augment.strong() mixes no labels.",
            )
        )
