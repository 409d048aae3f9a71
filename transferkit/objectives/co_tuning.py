"""Co-Tuning: the source's own classes go on being learnt, beside the new ones."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from transferkit import _keras
from transferkit._types import PathLike, Tensor, real
from transferkit.errors import SpecError, explain
from transferkit.plan import OBJECTIVES
from transferkit.spec import Seen

__all__ = ["CoTuned", "CoTuning", "co_tuning", "relationship"]

Array = np.ndarray[Any, Any]
TOLD = 10
"""Classes that a note names."""


@dataclass(frozen=True, repr=False)
class CoTuning:
    """The source head stays in training; see `co_tuning`."""

    weight: float = 2.3
    head: str | None = None
    temperature: float = 1.0

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "objective": "co_tuning",
            "weight": self.weight,
            "head": self.head,
            "temperature": self.temperature,
        }

    def __repr__(self) -> str:
        head = "" if self.head is None else f", head={os.path.basename(self.head)!r}"
        warm = "" if self.temperature == 1 else f", temperature={self.temperature:g}"
        return f"co_tuning({self.weight:g}{head}{warm})"


@dataclass(frozen=True, eq=False)
class CoTuned:
    """A `CoTuning` that knows its source head and its pictures: the term that is minimised.

    Attributes:
        weight: What it is multiplied by.
        relationship: float32 (classes, source classes), see `relationship`.
        head: The source head, a dense Keras layer that gives logits.
    """

    weight: float
    relationship: Array
    head: Any

    @property
    def variables(self) -> list[Any]:
        """What trains of it, and is none of the network's."""
        return list(self.head.trainable_variables)

    def told(self, class_names: Sequence[str]) -> str:
        """What the source takes the first classes for, in words."""
        most = self.relationship.argmax(axis=1)
        pairs = zip(class_names[:TOLD], self.relationship, most, strict=False)
        parts = [f"{name} for its class {place} ({row[place]:.2f})" for name, row, place in pairs]
        return "co_tuning: the source takes " + ", ".join(parts)

    def __call__(self, seen: Seen) -> Tensor:
        """``weight`` times the mean cross entropy of the source's classes: a number."""
        tf = _keras.tf()
        wanted = tf.matmul(_rows(seen.targets), tf.constant(self.relationship))
        logits = self.head(seen.features)
        each = tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
        return self.weight * tf.reduce_mean(each)


def co_tuning(
    weight: float = 2.3, *, head: PathLike | None = None, temperature: float = 1.0
) -> CoTuning:
    """Co-Tuning: each picture also teaches the source's classes that its own class goes with.

    Before the fit p(z | y) is learnt for the classes y and the source's classes z, as the mean over
    the training pictures of y of

        softmax((f @ kernel + bias) / temperature),

    with f (images, channels) the averaged features of the weights that the fit starts from, and
    kernel and bias the source head: the layer by which the pretrained network told its own classes.
    To the loss of a batch comes

        weight * mean over pictures of -sum_z p(z | y) log q(z),

    with q the source head's softmax over the features as they are now. A picture whose label is
    mixed from several classes has its p mixed alike; label smoothing is the new head's own matter
    and does not touch it. The source head trains along at the rate of the new head, and is gone
    when the fit ends: what is saved has the layers that it would have without.

    Args:
        weight: Above 0; 2.3 is the default of the authors' program.
        head: Where the source head is: a weight file of a network of ``keras:`` with its top, an
            ``.npz`` file with `kernel` (channels, source classes) and `bias` (source classes,) for
            any backbone, or ``"imagenet"``. None takes the weights that the model was made with.
            It is read when a fit begins, and not to load or use what was trained.
        temperature: Above 0: what the logits are divided by where p is learnt, so that p is
            calibrated; 1 leaves them as they are. It is a matter of the source's own validation
            pictures (the authors have 1.13 for their ResNet50), which are not at hand here.

    Raises:
        SpecError: If an argument is out of its range. When a fit begins: if there is no source
            head, it has another width than the features, a class has no training picture, pictures
            have not one class each, or the phase trains nothing of the backbone.

    Example:
        >>> import transferkit as tk
        >>> tk.plans.fine_tune(5, objectives=tk.objectives.co_tuning(head="top.weights.h5"))
        Plan of 1 phase, 5 epochs
          1. fine-tuning: 5 epochs, the model's policy, adam 1e-05, batches of 32, co_tuning(2.3, \
head='top.weights.h5')

    References:
        Kaichao You, Zhi Kou, Mingsheng Long and Jianmin Wang, Co-Tuning for Transfer Learning,
        NeurIPS 2020. This is its direct approach.
    """
    number, warmth = real(weight), real(temperature)
    if not _is_positive(number) or not _is_positive(warmth) or not _is_head(head):
        raise SpecError(
            explain(
                "co_tuning",
                "an argument is out of range",
                expected="weight and temperature above 0, and as head a path, a name or None",
                received={"weight": weight, "head": head, "temperature": temperature},
                mend="tk.objectives.co_tuning(2.3, head='with_top.weights.h5')",
            )
        )
    assert number is not None
    assert warmth is not None
    return CoTuning(number, None if head is None else os.fspath(head), warmth)


def relationship(
    features: Array, labels: Array, classes: int, kernel: Array, bias: Array, temperature: float
) -> Array:
    """The mean distribution over the source's classes of each class's pictures.

    Args:
        features: (images, channels).
        labels: The class of each image, 0 to ``classes - 1``; every class has one.
        classes: How many there are.
        kernel: (channels, source classes).
        bias: (source classes,).
        temperature: What logits are divided by.

    Returns:
        float32 (classes, source classes); each row sums to 1.
    """

    def mean(number: int) -> Array:
        logits = features[labels == number] @ kernel + bias
        return np.asarray(softmax(logits.astype(np.float64) / temperature, axis=1).mean(axis=0))

    return np.stack([mean(number) for number in range(classes)]).astype(np.float32)


def _rows(targets: Tensor) -> Tensor:
    """One column for each class, where a head with one logit has that of the second alone."""
    tf = _keras.tf()
    return targets if targets.shape[1] > 1 else tf.concat([1.0 - targets, targets], axis=1)


def _is_positive(number: float | None) -> bool:
    return number is not None and 0 < number < math.inf


def _is_head(head: Any) -> bool:
    return head is None or (isinstance(head, str | os.PathLike) and bool(os.fspath(head)))


OBJECTIVES.add("co_tuning", co_tuning)
