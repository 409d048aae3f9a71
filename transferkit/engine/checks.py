"""What can be wrong with a plan, a pipeline and a head together, found before the first step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.averaging import Interpolated, Soup
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.history import direction
from transferkit.plan import Phase
from transferkit.schedules import Constant
from transferkit.spec import BoundHead

__all__ = [
    "check_averaging",
    "check_mixes",
    "check_monitor",
    "check_precision",
    "check_sampling",
    "check_schedule",
]


def check_sampling(phase: Phase, bound: BoundHead, classes: Any) -> None:
    """Refuse balanced sampling of pictures that have not one class each.

    Raises:
        SpecError: If the phase samples so, and `classes` is None.

    Warns:
        UserWarning: If the head weighs the classes alike as well, or takes their frequencies out.
    """
    if phase.sampling != "balanced":
        return
    if (twice := _evens_classes(bound.head)) is not None:
        warnings.warn(
            f"fit: phase {phase.name!r} samples classes alike and so does the head weigh them, so "
            f"rare classes count twice. Leave out sampling='balanced' or {twice}.",
            stacklevel=6,
        )
    if classes is None:
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


def _evens_classes(head: Any) -> str | None:
    """The argument by which a head makes up for rare classes; None if it does not."""
    if getattr(head, "class_weight", None) == "balanced":
        return "class_weight='balanced'"
    tau = getattr(head, "logit_adjustment", 0)
    return f"logit_adjustment={tau:g}" if tau else None


def check_precision(network: KerasModel) -> None:
    """Refuse float16, whose small gradients vanish unless the loss is scaled.

    Raises:
        SpecError: If a layer computes in it.
    """
    if any(layer.compute_dtype == "float16" for layer in network._flatten_layers()):
        raise SpecError(
            explain(
                "fit",
                "the network computes in float16, in which small gradients vanish",
                expected="float32 or bfloat16",
                received={"dtype_policy": network.dtype_policy.name},
                mend="keras.mixed_precision.set_dtype_policy('mixed_bfloat16'), then fit anew.",
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


def check_monitor(phase: Phase, bound: BoundHead, *, has_val: bool) -> None:
    """Refuse a phase that watches what is not measured.

    Raises:
        SpecError: With the names of what is.
    """
    if phase.early_stopping is None and not phase.restore_best:
        return
    known = ["loss", *(metric.name for metric in bound.metrics())]
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


def check_averaging(phase: Phase, *, has_val: bool) -> None:
    """Refuse an average that is chosen on pictures which are not there.

    Raises:
        SpecError: If it is so.
    """
    chosen = isinstance(phase.averaging, Soup) or phase.averaging == Interpolated()
    if chosen and not has_val:
        fixed = "wise_ft(0.5)" if phase.averaging == Interpolated() else "swa()"
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} chooses its average on validation pictures, and there are "
                "none",
                expected="data with a validation split",
                received={"averaging": phase.averaging},
                mend=f"photos.hold_out(0.2), or tk.averaging.{fixed}",
            )
        )


def check_schedule(phase: Phase, callbacks: Sequence[Any]) -> None:
    """Refuse a schedule and a callback that both set the learning rate.

    Raises:
        SpecError: Naming both.
    """
    keras = _keras.keras()
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
