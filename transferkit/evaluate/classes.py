"""Evaluations of one class per picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit import plots
from transferkit._text import counted
from transferkit.evaluate import inputs, scores
from transferkit.evaluate.evaluation import pictures
from transferkit.evaluate.outcomes import Images
from transferkit.evaluate.reliability import Probabilities
from transferkit.evaluate.scores import Array, ClassScore, Confused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Classification", "classification"]

_PAIRS = 20  # of a figure


@dataclass(frozen=True, repr=False, eq=False)
class Classification(Probabilities):
    """One class per picture; `truths` are whole numbers ``(pictures,)``. See `classification`."""

    @cached_property
    def predicted(self) -> Array:
        """The most probable class ``(pictures,)``; of equal ones the first."""
        return np.asarray(np.argmax(self.outputs, axis=1))

    @cached_property
    def confusion(self) -> Array:
        """Counts ``(classes, classes)``: true classes by rows, predicted ones by columns."""
        return scores.confusion(self.truths, self.predicted, len(self.names))

    @property
    def accuracy(self) -> float:
        """The fraction of pictures whose most probable class is the true one."""
        return float(np.mean(self.predicted == self.truths))

    @cached_property
    def top_k(self) -> dict[int, float]:
        """For k = 5: the fraction whose true class is among the k most probable ones.

        Empty where there are no more than 5 classes. Of equally probable classes the first count.
        """
        if len(self.names) <= 5:
            return {}
        return {5: float(np.mean(scores.ranks(self.outputs, self.truths) < 5))}

    @cached_property
    def per_class(self) -> tuple[ClassScore, ...]:
        """Precision, recall, F1 and support of every class, in order."""
        table = self.confusion
        counts = scores.Counts(np.diagonal(table), table.sum(axis=0), table.sum(axis=1))
        return scores.per_class(self.names, counts)

    @property
    def macro(self) -> ClassScore:
        """The mean over all classes, each counting the same."""
        return scores.average("macro average", self.per_class)

    @property
    def metrics(self) -> dict[str, float]:
        """The loss, the accuracy, top-5 accuracy where it means something, and macro averages.

        Last the expected calibration error.
        """
        tops = {f"top_{k}_accuracy": value for k, value in self.top_k.items()}
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            **tops,
            **scores.macro(self.macro),
            "expected_calibration_error": self.expected_calibration_error,
        }

    @cached_property
    def errors(self) -> Array:
        """The cross-entropy of each picture ``(pictures,)``: minus the log of the true class."""
        return scores.cross_entropy(self.outputs[np.arange(self.count), self.truths])

    def most_confused(self, min_count: int = 1) -> tuple[Confused, ...]:
        """The pairs of classes that are taken for each other, the most frequent first.

        Args:
            min_count: The fewest pictures that a pair has to have.

        Raises:
            SpecError: If `min_count` is no whole number above 0.
        """
        least = inputs.count("evaluation.most_confused", "min_count", min_count)
        return scores.confused(self.confusion, self.names, least)

    def plot_confusion(self, normalize: bool = False) -> Figure:
        """The confusion matrix; of more than 40 classes the pairs that are confused most often.

        Args:
            normalize: Fractions of each true class in place of counts.

        Raises:
            MissingExtraError: If matplotlib is not installed.
        """
        needed_for = "evaluation.plot_confusion()"
        if len(self.names) > plots.MANY_CLASSES:
            return self._plot_pairs(normalize, needed_for)
        return plots.confusion(
            self.confusion, self.names, normalize=normalize, needed_for=needed_for
        )

    def _plot_pairs(self, normalize: bool, needed_for: str) -> Figure:
        found = self.most_confused()
        if normalize:
            found = tuple(sorted(found, key=lambda pair: -pair.share))
        rows = [dataclasses.astuple(pair) for pair in found[:_PAIRS]]
        return plots.pairs(rows, self._title(found), normalize=normalize, needed_for=needed_for)

    def _title(self, found: Sequence[Confused]) -> str:
        shown = found[:_PAIRS]
        mistakes = counted(int(self._wrong().sum()), "mistake")
        return (
            f"{len(self.names)} classes: {counted(len(shown), 'pair')} confused most often\n"
            f"with {sum(pair.count for pair in shown):,} of {mistakes} "
            f"in {counted(self.count, 'picture')}"
        )

    def to_config(self) -> dict[str, Any]:
        """The scores in a JSON-ready form, without outputs and pictures."""
        each = [dataclasses.asdict(score) for score in self.per_class]
        return {**super().to_config(), "per_class": each, "confusion": self.confusion.tolist()}

    def _wrong(self) -> Array:
        return np.asarray(self.predicted != self.truths)

    def told(self, place: int) -> tuple[str, str, float]:
        """What a picture is, what it was predicted as, and the probability of that."""
        true, predicted = int(self.truths[place]), int(self.predicted[place])
        return self.names[true], self.names[predicted], float(self.outputs[place, predicted])

    def _caption(self) -> str:
        tops = "".join(f"  top-{k} {value:.4f}" for k, value in self.top_k.items())
        return (
            f"{self.split}: {pictures(self.count)}, {len(self.names)} classes\n"
            f"loss {self.loss:.4f}  accuracy {self.accuracy:.4f}{tops}  "
            f"calibration error {self.expected_calibration_error:.4f}"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        return scores.table(self.per_class, (self.macro,), "classes")


def classification(
    outputs: Any,
    labels: Any,
    *,
    class_names: Sequence[str],
    loss: float,
    split: str = "val",
    paths: Sequence[Any] | None = None,
    images: Images | None = None,
) -> Classification:
    """Evaluate predictions of one class per picture.

    Args:
        outputs: Probabilities ``(pictures, classes)``.
        labels: The true classes ``(pictures,)``, whole numbers from 0.
        class_names: The classes in the order of the outputs.
        loss: The mean loss.
        split: What the pictures are called.
        paths: The pictures' files, one each, where they have any.
        images: From a picture's place to its pixels, for figures of them.

    Raises:
        DataError: If there are no pictures, shapes disagree, outputs are no probabilities, or a
            label is no class.
        TrainingError: If an output is no finite number.
    """
    verb = "evaluate.classification"
    checked = inputs.probabilities(verb, outputs)
    names = inputs.names(verb, class_names, checked)
    truths = inputs.classes(verb, labels, checked)
    files = inputs.paths(verb, paths, checked)
    return Classification(split, float(loss), checked, truths, names, files, images)
