"""Any number of labels per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transferkit._types import Tensor, real
from transferkit.errors import SpecError, explain
from transferkit.heads import base, imbalance, losses
from transferkit.heads.results import Labels
from transferkit.spec import Taps, Target, Task

__all__ = ["BoundMultilabel", "Multilabel", "multilabel"]


@dataclass(frozen=True, repr=False)
class Multilabel(base.Shown):
    """A sigmoid for each label; see `multilabel` for the fields."""

    dropout: float = 0.0
    hidden: tuple[int, ...] = ()
    pooling: base.Pooling = "avg"
    label_smoothing: float = 0.0
    class_weight: Any = None
    threshold: float = 0.5
    extra_metrics: tuple[str, ...] = ()
    focal: float = 0.0

    def __post_init__(self) -> None:
        threshold = real(self.threshold)
        if threshold is None or not 0 < threshold < 1:
            raise base.wrong(
                "multilabel",
                "threshold",
                self.threshold,
                "a number above 0 and below 1",
                "threshold=0.5",
            )
        base.settle("multilabel", self, threshold=threshold)

    @property
    def task(self) -> Task:
        """What kind of target it predicts."""
        return "labels"

    def bind(self, target: Target) -> BoundMultilabel:
        """Meet the labels.

        Raises:
            SpecError: If the target is no set of labels.
        """
        base.check_task("multilabel", target, "labels")
        weights = imbalance.class_weights("multilabel", self.class_weight, target)
        base.check_metrics("multilabel", self.extra_metrics, "binary_accuracy", target.outputs)
        return BoundMultilabel(self, target, weights)


@dataclass(frozen=True)
class BoundMultilabel:
    """A multilabel head that knows its labels.

    Attributes:
        thresholds: One for each label, or () where that of the head holds for all; see `deciding`.
    """

    head: Multilabel
    target: Target
    weights: tuple[float, ...] | None = None
    needs: tuple[int, ...] = ()
    activation: str = "sigmoid"
    soft_targets: bool = True
    thresholds: tuple[float, ...] = ()

    @property
    def threshold(self) -> float:
        """The probability above which a label counts as given."""
        return self.head.threshold

    def deciding(self, thresholds: Sequence[float]) -> BoundMultilabel:
        """The same head with a threshold for each label.

        Raises:
            SpecError: If there are not as many as labels.
        """
        if len(thresholds) != self.target.outputs:
            raise SpecError(
                explain(
                    "multilabel",
                    "thresholds and labels differ in number",
                    expected=f"one for each of {self.target.outputs} labels",
                    received={"thresholds": tuple(thresholds)},
                    mend="trained.choose_thresholds(photos.val) chooses them.",
                )
            )
        return replace(self, thresholds=tuple(thresholds))

    def build(self, taps: Taps) -> Tensor:
        """Logits ``(batch, labels)``."""
        head = self.head
        x = base.embed(taps, pooling=head.pooling, hidden=head.hidden, dropout=head.dropout)
        return base.logits(x, self.target.outputs)

    def loss(self, *, from_logits: bool = True) -> Any:
        """Binary cross entropy, averaged over the labels; weights count for positives."""
        return losses.SigmoidCrossEntropy(
            from_logits,
            self.head.label_smoothing,
            positive_weight=self.weights,
            focal=self.head.focal,
        )

    def metrics(self) -> list[Any]:
        """Accuracy over all labels, and what was asked for besides."""
        return [
            losses.BinaryAccuracy(),
            *base.keras_metrics("multilabel", self.head.extra_metrics),
        ]

    def targets(self, labels: Any) -> np.ndarray[Any, Any]:
        """Multi-hot rows, float32."""
        return base.check_labels("multilabel", labels, self.target).astype(np.float32)

    def decode(self, outputs: np.ndarray[Any, Any]) -> list[Labels]:
        """`Labels` for each row."""
        names = self.target.class_names
        limits = self.thresholds or (self.threshold,) * len(names)
        results = []
        for row in np.asarray(outputs, np.float64):  # as `evaluate` compares them with thresholds
            above = zip(names, row, limits, strict=True)
            scores = {name: float(p) for name, p in zip(names, row, strict=True)}
            results.append(Labels(tuple(name for name, p, t in above if p > t), scores))
        return results


def multilabel(
    *,
    dropout: float = 0.0,
    hidden: Sequence[int] = (),
    pooling: base.Pooling = "avg",
    label_smoothing: float = 0.0,
    class_weight: base.ClassWeight = None,
    threshold: float = 0.5,
    metrics: Sequence[str] = (),
    focal: float = 0.0,
) -> Multilabel:
    """A head that gives each picture any number of labels.

    Args:
        dropout: Share of the features that is dropped in training, in [0, 1).
        hidden: Widths of ReLU layers between the features and the logits.
        pooling: ``"avg"``, ``"max"``, ``"both"`` or ``"flatten"``; see `classification`.
        label_smoothing: Moves labels towards 1/2, in [0, 1).
        class_weight: ``"balanced"`` or weights by label name: the weight of a label's positives in
            the loss; negatives weigh 1.
        threshold: The probability above which a label counts as given, in (0, 1).
        metrics: Names of Keras metrics beside accuracy.
        focal: The exponent g of ``-y (1 - p)^g log p - (1 - y) p^g log(1 - p)``, 0 or more: labels
            that are told well already count less. 0 is the cross entropy.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
    """
    return Multilabel(
        dropout,
        hidden,  # type: ignore[arg-type]  # __post_init__ makes it a tuple
        pooling,
        label_smoothing,
        class_weight,
        threshold,
        metrics,  # type: ignore[arg-type]
        focal,
    )
