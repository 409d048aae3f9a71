"""What is chosen for a model, its misfits refused, and what there is to know told."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from transferkit._text import counted, shortened
from transferkit.augment import Pipeline
from transferkit.calibrate.inference import Inference, changes_labels
from transferkit.calibrate.predictor import ACTIVATIONS, SEED
from transferkit.calibrate.temperature import HIGHEST, temperature
from transferkit.calibrate.thresholds import thresholds
from transferkit.data import Split
from transferkit.errors import SpecError, explain
from transferkit.evaluate.scores import Array
from transferkit.spec import Augmentation, BoundHead, Mix

__all__ = ["calibrated", "check_decides", "check_has_logits", "decided", "deciding", "viewed"]

_NAMED = 5  # labels in a warning
_TRIED = 32  # views, of pictures in full size


def check_has_logits(bound: BoundHead) -> None:
    """Refuse a head whose outputs are no probabilities.

    Raises:
        SpecError: If they are not.
    """
    if bound.activation not in ACTIVATIONS or bound.target.task == "values":
        raise SpecError(
            explain(
                "calibrate",
                "the model predicts no probabilities, so there is no confidence to correct",
                expected="a model of classes or labels, its outputs from softmax or sigmoid",
                received={"task": bound.target.task, "activation": bound.activation},
            )
        )


def check_decides(bound: BoundHead) -> None:
    """Refuse a head that decides by no threshold.

    Raises:
        SpecError: If it does not.
    """
    if not callable(getattr(bound, "deciding", None)):
        raise SpecError(
            explain(
                "choose_thresholds",
                "the model decides by no threshold",
                expected="a model of several labels, with a head as tk.heads.multilabel()",
                received={"task": bound.target.task, "head": bound.head},
                mend="The most probable class needs none; for labels read the data with a row of "
                "0 and 1 for each picture.",
            )
        )


def deciding(bound: BoundHead, limits: Sequence[float]) -> BoundHead:
    """The head with these thresholds, if there are any.

    Raises:
        SpecError: If it decides by none, or there are not as many as labels.
    """
    if not limits:
        return bound
    check_decides(bound)
    head: Any = bound  # more than the protocol asks for
    decides: BoundHead = head.deciding(limits)
    return decides


def calibrated(inference: Inference, logits: Array, split: Split) -> Inference:
    """The same views, with the temperature that fits the logits of a split.

    Args:
        inference: What was chosen before; its thresholds move along.
        logits: ``(pictures, outputs)``, of all views together.
        split: Where the labels are.

    Warns:
        UserWarning: If the logits say nothing of the labels.
    """
    one_logit = split.labels.ndim == 1 and logits.shape[1] == 1
    found = temperature(logits, split.labels[:, None] if one_logit else split.labels)
    if found == HIGHEST:
        _warn(
            f"calibrate: the {counted(len(split), 'picture')} of {split.name} are told no better "
            "than by chance, so that no confidence is left: the temperature is the highest there "
            f"is, {HIGHEST:g}"
        )
    change = inference.temperature / found
    moved = tuple(_scaled(limit, change) for limit in inference.thresholds)
    return replace(inference, temperature=found, thresholds=moved)


def decided(inference: Inference, given: Array, split: Split, bound: Any) -> Inference:
    """The same temperature and views, with thresholds for the probabilities of a split.

    Args:
        inference: What was chosen before; its thresholds count no more.
        given: Probabilities ``(pictures, labels)``.
        split: Where the labels are.
        bound: The head, whose threshold stays where no other is better.

    Warns:
        UserWarning: If there are labels that no picture has.
    """
    absent = [split.class_names[place] for place in np.flatnonzero(~split.labels.any(axis=0))]
    if absent:
        names = ", ".join(repr(shortened(name, 40)) for name in absent[:_NAMED])
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        _warn(
            f"choose_thresholds: no picture of {split.name} has {names}{more}, "
            f"whose threshold stays {bound.threshold}"
        )
    return replace(inference, thresholds=thresholds(given, split.labels, default=bound.threshold))


def viewed(
    operations: Sequence[Augmentation | Mix], views: int, shape: Sequence[int], outputs: int
) -> Inference:
    """An inference by views of these operations.

    Args:
        operations: In order.
        views: How many, the clean one included.
        shape: (height, width, channels) of the pictures.
        outputs: The length of a row of labels.

    Raises:
        SpecError: If there is no operation, one of them mixes pictures or changes labels, or
            `views` is no whole number above 1.
    """
    if not operations:
        raise SpecError(
            explain(
                "with_views",
                "there is no augmentation that would make views",
                expected="operations of tk.augment",
                received={"operations": operations},
                mend="trained.with_views(tk.augment.flip(), views=8)",
            )
        )
    inference = Inference(augmentation=Pipeline(tuple(operations)), views=views)
    for operation in inference.augmentation.operations:
        _check_labels_stay(operation, inference, shape, outputs)
    return inference


def _check_labels_stay(
    operation: Any, inference: Inference, shape: Sequence[int], outputs: int
) -> None:
    """Try it on grey pictures, each with a row of labels and in a view of its own."""
    count = min(inference.views - 1, _TRIED)
    rows = np.linspace(0, 1, count * outputs, dtype=np.float32).reshape(count, outputs)
    _, labels = Pipeline((operation,))(
        np.full((count, *shape), 128, np.uint8),
        rows,
        seed=SEED,
        view=np.arange(1, count + 1),
        indices=np.zeros(count, np.int64),
    )
    if not np.array_equal(labels, rows):
        raise changes_labels(operation)


def _scaled(probability: float, factor: float) -> float:
    """A probability whose logit is so many times as large; 0 and 1 stay."""
    if not 0 < probability < 1:
        return probability
    logit = np.log(probability) - np.log1p(-probability)
    return float(np.exp(-np.logaddexp(0, -logit * factor)))


def _warn(told: str) -> None:
    warnings.warn(told, stacklevel=4)
