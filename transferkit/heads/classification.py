"""One class per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit._types import Tensor
from transferkit.heads import base, imbalance, losses
from transferkit.heads.results import Prediction
from transferkit.spec import Taps, Target, Task

__all__ = ["BoundClassification", "Classification", "classification"]


@dataclass(frozen=True, repr=False)
class Classification(base.Shown):
    """A softmax over the classes; see `classification` for the fields."""

    dropout: float = 0.0
    hidden: tuple[int, ...] = ()
    pooling: base.Pooling = "avg"
    label_smoothing: float = 0.0
    class_weight: Any = None
    one_logit: bool = False
    extra_metrics: tuple[str, ...] = ()
    focal: float = 0.0
    logit_adjustment: float = 0.0

    def __post_init__(self) -> None:
        base.settle("classification", self, one_logit=bool(self.one_logit))
        imbalance.check_adjustment("classification", self)

    @property
    def task(self) -> Task:
        """What kind of target it predicts."""
        return "classes"

    def bind(self, target: Target) -> BoundClassification:
        """Meet the classes.

        Raises:
            SpecError: If the target is no choice between two or more classes, `one_logit` was asked
                for with more than two, or pictures are to be counted that there are none of.
        """
        base.check_task("classification", target, "classes")
        if self.one_logit and target.outputs != 2:
            raise base.wrong(
                "classification",
                "one_logit",
                True,
                f"two classes; there are {target.outputs}",
                "tk.heads.classification(one_logit=False)",
            )
        weights = imbalance.class_weights("classification", self.class_weight, target)
        added = imbalance.adjustment("classification", self.logit_adjustment, target)
        width = 1 if self.one_logit else target.outputs
        base.check_metrics("classification", self.extra_metrics, "accuracy", width)
        return BoundClassification(self, target, weights, adjustment=added)


@dataclass(frozen=True)
class BoundClassification:
    """A classification head that knows its classes."""

    head: Classification
    target: Target
    weights: tuple[float, ...] | None = None
    needs: tuple[int, ...] = ()
    soft_targets: bool = True
    adjustment: tuple[float, ...] | None = None

    @property
    def activation(self) -> str:
        """Softmax, or sigmoid over one logit."""
        return "sigmoid" if self.head.one_logit else "softmax"

    def build(self, taps: Taps) -> Tensor:
        """Logits ``(batch, classes)``, or ``(batch, 1)`` for one logit."""
        head = self.head
        x = base.embed(taps, pooling=head.pooling, hidden=head.hidden, dropout=head.dropout)
        return base.logits(x, 1 if head.one_logit else self.target.outputs)

    def loss(self, *, from_logits: bool = True) -> Any:
        """Cross entropy with the head's label smoothing, class weights, focal factor and prior."""
        head, weights, added = self.head, self.weights, self.adjustment
        if head.one_logit:
            return losses.SigmoidCrossEntropy(
                from_logits,
                head.label_smoothing,
                positive_weight=weights[1:] if weights else None,
                negative_weight=weights[:1] if weights else None,
                focal=head.focal,
                adjustment=added[1] - added[0] if added else 0.0,
            )
        return losses.SoftmaxCrossEntropy(
            from_logits, head.label_smoothing, weights, focal=head.focal, adjustment=added
        )

    def metrics(self) -> list[Any]:
        """Accuracy, and what was asked for besides."""
        keras_metrics = base.keras_metrics("classification", self.head.extra_metrics)
        if self.head.one_logit:
            return [losses.BinaryAccuracy("accuracy"), *keras_metrics]
        return [losses.Accuracy(), *keras_metrics]

    def targets(self, labels: Any) -> np.ndarray[Any, Any]:
        """One-hot (or soft) rows, float32; the probability of class 1 for one logit."""
        array = base.check_labels("classification", labels, self.target)
        if array.ndim == 1:
            array = np.eye(self.target.outputs, dtype=np.float32)[array.astype(np.int64)]
        array = array.astype(np.float32)
        return array[:, 1:] if self.head.one_logit else array

    def probabilities(self, outputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """One probability per class ``(n, classes)`` from what the network gives."""
        if self.head.one_logit:
            return np.concatenate([1 - outputs, outputs], axis=-1)
        return outputs

    def decode(self, outputs: np.ndarray[Any, Any]) -> list[Prediction]:
        """A `Prediction` for each row."""
        names = self.target.class_names
        results = []
        for row in self.probabilities(outputs):
            best = int(np.argmax(row))
            scores = {name: float(p) for name, p in zip(names, row, strict=True)}
            results.append(Prediction(names[best], float(row[best]), scores))
        return results


def classification(
    *,
    dropout: float = 0.0,
    hidden: Sequence[int] = (),
    pooling: base.Pooling = "avg",
    label_smoothing: float = 0.0,
    class_weight: base.ClassWeight = None,
    one_logit: bool = False,
    metrics: Sequence[str] = (),
    focal: float = 0.0,
    logit_adjustment: float = 0.0,
) -> Classification:
    """A head that gives each picture one class.

    Args:
        dropout: Share of the features that is dropped in training, in [0, 1).
        hidden: Widths of ReLU layers between the features and the logits.
        pooling: How a feature map becomes a vector: ``"avg"``, ``"max"``, ``"both"`` (one behind
            the other), ``"flatten"`` (keeps the map; one input size only).
        label_smoothing: Share of each label that is spread over all classes, in [0, 1).
        class_weight: ``"balanced"`` (N / (C n_c), from the training split), or weights by class
            name, 1 for those not named. A weight multiplies the loss of that class's pictures, for
            soft labels in proportion.
        one_logit: Two classes through one sigmoid instead of a softmax over two.
        metrics: Names of Keras metrics beside accuracy.
        focal: The exponent g of ``-sum_c y_c (1 - p_c)^g log p_c``, 0 or more: pictures that are
            told well already count less. 0 is the cross entropy.
        logit_adjustment: How much, t, of the classes' frequencies is taken out of the predictions:
            the loss is that of the logits plus ``t log(n_c / N)``, of the training split; what is
            predicted is without it. 0 takes nothing out, 1 answers as if all classes were as
            frequent. A class without pictures counts as if it had one. Stands neither with
            ``class_weight="balanced"`` nor with label smoothing.

    Raises:
        SpecError: If an argument is out of its range, or two contradict each other.

    References:
        Szegedy et al., Rethinking the Inception Architecture, CVPR 2016 (label smoothing).
        Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
        Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021.
    """
    return Classification(
        dropout,
        hidden,  # type: ignore[arg-type]  # __post_init__ makes it a tuple
        pooling,
        label_smoothing,
        class_weight,
        one_logit,
        metrics,  # type: ignore[arg-type]
        focal,
        logit_adjustment,
    )
