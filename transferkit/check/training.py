"""The dear tiers: the same training from the source and from random weights, several times each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from transferkit import freeze as freezing
from transferkit._types import KerasModel
from transferkit.data import Data, Split
from transferkit.errors import DataError, SpecError, explain
from transferkit.plan import Phase, Plan, as_plan
from transferkit.ranking.random_networks import calibrate
from transferkit.running import Engine
from transferkit.select import LayerTable

__all__ = [
    "Control",
    "Trainable",
    "better_of",
    "check_can_train",
    "from_nothing",
    "lost_by_training",
    "lost_of",
    "lost_without",
    "shortened",
    "watched",
]

Array = np.ndarray[Any, Any]
SHORTER = 5
"""A learning curve's beginning: so many times fewer epochs."""


class Fitting(Protocol):
    """What can be trained."""

    def fit(
        self,
        data: Data,
        plan: Plan | None = None,
        *,
        seed: int = 0,
        engine: Engine | None = None,
        verbose: int = 1,
    ) -> Control:
        """Train it."""
        ...


class Trainable(Fitting, Protocol):
    """What a check needs of a model to train it, as `TransferModel` has it."""

    def default_plan(self, data: Data) -> Plan:
        """What `fit` would do."""
        ...


class Control(Fitting, Protocol):
    """What a check needs of a trained model, as `TrainedModel` has it."""

    @property
    def network(self) -> KerasModel:
        """From pixels to outputs."""
        ...

    @property
    def table(self) -> LayerTable:
        """The backbone's layers."""
        ...

    def evaluate(self, split: Split) -> Any:
        """Measure it."""
        ...

    def untrained(self, seed: int = 0) -> Control:
        """The same with random weights."""
        ...


def lost_by_training(
    model: Any, data: Data, plan: Plan | None, tier: str, *, runs: int, **how: Any
) -> tuple[Array, Array]:
    """The loss of each validation picture with the source and without it, both (runs, images).

    Args:
        model: What can be trained.
        data: With validation pictures.
        plan: How; None for what `fit` would do.
        tier: ``"curve"`` for the beginning of the plan, or ``"full"``.
        runs: How many trainings from the source, and how many from random weights.
        **how: ``seed``, ``engine`` and ``verbose``.

    Raises:
        SpecError: If the model cannot be trained.
        DataError: If there are too few validation pictures.
    """
    check_can_train(model, tier)
    split = watched(data, tier)
    chosen = as_plan(plan) or model.default_plan(data)
    chosen = shortened(chosen) if tier == "curve" else chosen
    trained = _with_source(model, chosen, data, runs=runs, **how)
    lost = np.stack([lost_of(each.evaluate(split)) for each in trained])
    return lost, lost_without(trained[0], chosen, data, split, runs=runs, **how)


def check_can_train(model: Any, tier: str) -> None:
    """Refuse what is no model to be trained.

    Raises:
        SpecError: If it is none.
    """
    if not all(hasattr(model, verb) for verb in ("fit", "default_plan")):
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


def _with_source(
    model: Trainable, plan: Plan, data: Data, *, runs: int, seed: int, **how: Any
) -> list[Control]:
    """Several trainings by the plan, with different seeds."""
    return [model.fit(data, plan, seed=seed + number, **how) for number in range(runs)]


def lost_without(
    model: Control, plan: Plan, data: Data, split: Split, *, runs: int, seed: int, **how: Any
) -> Array:
    """The loss of each image (runs, images) without the source, in the better of two ways.

    They are: the same plan on random networks whose normalisation is calibrated, or training all of
    them for as many epochs. On few pictures the second teaches next to nothing, and any source
    would seem to help beside it; on many the first is held back by layers that stay as they were
    drawn. See `better_of` for how one is chosen.
    """
    ways = [
        np.stack(
            [
                lost_of(each.fit(data, steps, seed=seed + number, **how).evaluate(split))
                for number, each in enumerate(_controls(model, data, runs, seed, ready))
            ]
        )
        for steps, ready in ((plan, True), (from_nothing(plan), False))
    ]
    return better_of(ways)


def better_of(ways: Sequence[Array]) -> Array:
    """The losses of the best way (runs, images), none of which had a part in choosing it.

    Every second image is measured by the way that is best on the others: with all in both parts, of
    two ways that are equally good the luckier one would count.

    Args:
        ways: The losses by each (runs, images), of two images or more.
    """
    halves = slice(0, None, 2), slice(1, None, 2)
    found = np.empty_like(ways[0])
    for own, others in (halves, halves[::-1]):
        means = [float(lost[:, others].mean()) for lost in ways]
        found[:, own] = ways[int(np.argmin(means))][:, own]
    return found


def _controls(model: Control, data: Data, runs: int, seed: int, ready: bool) -> Iterator[Control]:
    for number in range(runs):
        control = model.untrained(seed + number)
        if ready:
            calibrate(control.network, control.table, data.train, verb="check_transfer")
        yield control


def from_nothing(plan: Plan) -> Plan:
    """A training of all of a random network, for as many epochs as a plan has."""
    thawed = freezing.nothing(batch_norm="train")
    size = plan.phases[-1].batch_size
    return Plan((Phase(plan.epochs, thawed, batch_size=size, name="from random weights"),))


def lost_of(evaluation: Any) -> Array:
    """1 for a wrong class and 0 for a right one, else the squared error over the variance."""
    if hasattr(evaluation, "predicted") and np.ndim(evaluation.truths) == 1:
        return np.asarray(evaluation.predicted != evaluation.truths, np.float64)
    truths = np.asarray(evaluation.truths, np.float64).reshape(len(evaluation.truths), -1)
    outputs = np.asarray(evaluation.outputs, np.float64).reshape(truths.shape)
    spread = float(np.var(truths, axis=0).sum())
    errors = np.square(outputs - truths).sum(axis=1)
    return errors / spread if spread > 0 else np.zeros(len(errors))
