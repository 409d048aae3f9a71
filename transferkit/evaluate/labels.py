"""Evaluations of any number of labels per picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferkit.evaluate import inputs, scores
from transferkit.evaluate.evaluation import pictures
from transferkit.evaluate.outcomes import Images
from transferkit.evaluate.reliability import Probabilities
from transferkit.evaluate.scores import Array, ClassScore

__all__ = ["Multilabel", "multilabel"]


@dataclass(frozen=True, repr=False, eq=False)
class Multilabel(Probabilities):
    """Any number of labels per picture; `truths` are 0 or 1 ``(pictures, labels)``.

    See `multilabel`.

    Attributes:
        threshold: A label is predicted where its probability is above this; one number, or one for
            each label.
    """

    threshold: float | Sequence[float] = 0.5

    @cached_property
    def predicted(self) -> Array:
        """The predicted labels ``(pictures, labels)``, 0 or 1."""
        return (self.outputs > np.asarray(self.threshold)).astype(np.int64)

    @property
    def accuracy(self) -> float:
        """Subset accuracy: the fraction of pictures of which every label is right."""
        return float(np.mean(~self._wrong()))

    @cached_property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Precision, recall, F1 and support of every label, in order."""
        return scores.per_class(self.names, self._counts)

    @property
    def macro(self) -> ClassScore:
        """The mean over all labels, each counting the same."""
        return scores.average("macro average", self.per_class)

    @property
    def micro(self) -> ClassScore:
        """All decisions of all labels together."""
        one = self._counts.summed()
        numbers = (float(one.precision), float(one.recall), float(one.f1))
        return ClassScore("micro average", *numbers, int(one.true))

    @property
    def metrics(self) -> dict[str, float]:
        """The loss, the subset accuracy, micro F1, macro averages, expected calibration error."""
        return {
            "loss": self.loss,
            "subset_accuracy": self.accuracy,
            "micro_f1": self.micro.f1,
            **scores.macro(self.macro),
            "expected_calibration_error": self.expected_calibration_error,
        }

    @cached_property
    def errors(self) -> Array:
        """The mean binary cross-entropy of each picture ``(pictures,)``."""
        own = np.where(self.truths == 1, self.outputs, 1.0 - self.outputs)
        return np.asarray(scores.cross_entropy(own).mean(axis=1))

    def to_config(self) -> dict[str, Any]:
        """The scores in a JSON-ready form, without outputs and pictures."""
        each = [dataclasses.asdict(score) for score in self.per_class]
        limits = self.threshold
        written = list(limits) if isinstance(limits, tuple) else limits
        return {**super().to_config(), "threshold": written, "per_class": each}

    @cached_property
    def _counts(self) -> scores.Counts:
        hits = (self.predicted * self.truths).sum(axis=0)
        return scores.Counts(hits, self.predicted.sum(axis=0), self.truths.sum(axis=0))

    def _wrong(self) -> Array:
        return np.asarray((self.predicted != self.truths).any(axis=1))

    def told(self, place: int) -> tuple[str, str, float]:
        """A picture's labels, those it was predicted, and how sure one of these decisions was.

        The surest of those that are wrong; where all are right, the least sure of them.
        """
        wrong = self.predicted[place] != self.truths[place]
        decided = np.where(self.predicted[place] == 1, self.outputs[place], 1 - self.outputs[place])
        surest = float(decided[wrong].max() if wrong.any() else decided.min())
        return self._labels(self.truths[place]), self._labels(self.predicted[place]), surest

    def _labels(self, row: Array) -> str:
        return ", ".join(name for name, there in zip(self.names, row, strict=True) if there) or "-"

    def _caption(self) -> str:
        return (
            f"{self.split}: {pictures(self.count)}, {len(self.names)} labels\n"
            f"loss {self.loss:.4f}  subset accuracy {self.accuracy:.4f}  "
            f"micro F1 {self.micro.f1:.4f}  "
            f"calibration error {self.expected_calibration_error:.4f}"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        return scores.table(self.per_class, (self.micro, self.macro), "labels")


def multilabel(
    outputs: Any,
    labels: Any,
    *,
    class_names: Sequence[str],
    loss: float,
    threshold: float | Sequence[float] = 0.5,
    split: str = "val",
    paths: Sequence[Any] | None = None,
    images: Images | None = None,
) -> Multilabel:
    """Evaluate predictions of any number of labels per picture.

    Args:
        outputs: Probabilities ``(pictures, labels)``.
        labels: 1 where a picture has a label and 0 where not ``(pictures, labels)``.
        class_names: The labels in the order of the outputs.
        loss: The mean loss.
        threshold: A label is predicted where its probability is above this; one number, or one for
            each label.
        split: What the pictures are called.
        paths: The pictures' files, one each, where they have any.
        images: From a picture's place to its pixels, for figures of them.

    Raises:
        DataError: If there are no pictures, shapes disagree, outputs are no probabilities, or a
            label is neither 0 nor 1.
        SpecError: If `threshold` is not between 0 and 1, or there are not as many as labels.
        TrainingError: If an output is no finite number.
    """
    verb = "evaluate.multilabel"
    checked = inputs.probabilities(verb, outputs)
    names = inputs.names(verb, class_names, checked)
    truths = inputs.multi_hot(verb, labels, checked)
    files = inputs.paths(verb, paths, checked)
    above = inputs.thresholds(verb, threshold, checked)
    return Multilabel(split, float(loss), checked, truths, names, files, images, above)
