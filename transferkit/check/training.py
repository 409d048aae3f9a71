"""The dear tiers: the same training from the source and from random weights, several times each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from transferkit import freeze as freezing
from transferkit.data import Data, Split
from transferkit.errors import DataError, SpecError, explain
from transferkit.plan import Phase, Plan
from transferkit.spec import ModelSpec

__all__ = [
    "Trainable",
    "check_can_train",
    "from_nothing",
    "from_random",
    "lost_of",
    "shortened",
    "trained_losses",
    "watched",
]

Array = np.ndarray[Any, Any]
SHORTER = 5
"""A learning curve's beginning: so many times fewer epochs."""


class Trainable(Protocol):
    """What a check needs of a model to train it, as `TransferModel` has it."""

    spec: ModelSpec

    def fit(self, data: Data, plan: Any = None, **more: Any) -> Any:
        """Train it."""
        ...

    def default_plan(self, data: Data) -> Plan:
        """What `fit` would do."""
        ...

    def weights(self, weights: Any) -> Any:
        """The same from other weights."""
        ...


def check_can_train(model: Any, tier: str) -> None:
    """Refuse what is no model to be trained.

    Raises:
        SpecError: If it is none.
    """
    if not all(hasattr(model, verb) for verb in ("fit", "default_plan", "weights", "spec")):
        raise SpecError(
            explain(
                "check_transfer",
                f"{type(model).__name__} cannot be trained, as tier={tier!r} wants",
                expected="a TransferModel",
                received={"model": model},
                mend='check_transfer(tk.TransferModel("keras:MobileNetV2"), photos, tier="full")',
            )
        )


def watched(data: Data, tier: str) -> Split:
    """The split that trained models are measured on.

    Raises:
        DataError: If there are no validation pictures, or fewer than four.
    """
    if data.val is not None and len(data.val) >= 4:
        return data.val
    raise DataError(
        explain(
            "check_transfer",
            f"tier={tier!r} measures trained models on validation pictures, of which there are "
            f"{0 if data.val is None else len(data.val)}",
            expected="four or more",
            received={"tier": tier},
            mend="photos.hold_out(0.2)",
        )
    )


def shortened(plan: Plan) -> Plan:
    """The beginning of a plan: a fifth of each phase's epochs, one at least."""
    return Plan(tuple(replace(each, epochs=max(1, each.epochs // SHORTER)) for each in plan))


def from_random(model: Any, plan: Plan) -> tuple[Any, Plan]:
    """The same model from random weights, and how it is trained."""
    return model.weights(None), from_nothing(plan)


def from_nothing(plan: Plan) -> Plan:
    """A training of all of a random network, for as many epochs as a plan has."""
    thawed = freezing.nothing(batch_norm="train")
    size = plan.phases[-1].batch_size
    return Plan((Phase(plan.epochs, thawed, batch_size=size, name="from random weights"),))


def trained_losses(
    model: Trainable, plan: Plan, data: Data, split: Split, *, runs: int, seed: int, **how: Any
) -> Array:
    """The loss of each image (runs, images) by models that were trained with different seeds."""
    return np.stack(
        [
            lost_of(model.fit(data, plan, seed=seed + number, **how).evaluate(split))
            for number in range(runs)
        ]
    )


def lost_of(evaluation: Any) -> Array:
    """1 for a wrong class and 0 for a right one, else the squared error over the variance."""
    if hasattr(evaluation, "predicted") and np.ndim(evaluation.truths) == 1:
        return np.asarray(evaluation.predicted != evaluation.truths, np.float64)
    truths = np.asarray(evaluation.truths, np.float64).reshape(len(evaluation.truths), -1)
    outputs = np.asarray(evaluation.outputs, np.float64).reshape(truths.shape)
    spread = float(np.var(truths, axis=0).sum())
    errors = np.square(outputs - truths).sum(axis=1)
    return errors / spread if spread > 0 else np.zeros(len(errors))
