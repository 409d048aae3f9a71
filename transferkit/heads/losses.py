"""Losses and metrics that take every form of label: class ids, one-hot, soft, multi-hot, numbers.

Keras' own losses serve; what is added is the label's form, the class weights, the focal factor and
the logit adjustment. Keras' `class_weight` takes the arg-max of a label, which is wrong for soft
and multi-hot ones: here each class's share of a label weighs what that class weighs, so the loss of
a mixed label is the mean of the losses of its parts.

There is one loss, for training and for evaluation. With logit adjustment, too: the plain cross
entropy of pictures in which rare classes are rare is smallest where they are neglected, so whoever
stopped early by it would choose the weights that the adjustment is there to avoid. Predictions and
metrics are those of the network, which knows nothing of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

keras = _keras.keras()
ops = keras.ops
Loss: Any = keras.losses.Loss
Mean: Any = keras.metrics.Mean
serializable = keras.saving.register_keras_serializable(package="transferkit")

_LEAST = 1e-30  # at 0 neither a logarithm is finite, nor the gradient of a power below 1


@serializable
class SoftmaxCrossEntropy(Loss):
    """``-sum_c w_c y_c (1 - p_c)^g log p_c`` for one class per picture.

    p is the softmax of the logits and, where there is one, the adjustment.

    Args:
        from_logits: Whether outputs are logits or probabilities.
        label_smoothing: Share of the label that is spread over all classes, in [0, 1).
        class_weight: One weight for each class, or None.
        focal: The exponent g of the focal factor; 0 is the cross entropy.
        adjustment: What is added to the logit of each class before the softmax, or None.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "cross_entropy",
        focal: float = 0.0,
        adjustment: Sequence[float] | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.class_weight = list(class_weight) if class_weight is not None else None
        self.focal = focal
        self.adjustment = list(adjustment) if adjustment is not None else None

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per picture ``(batch,)`` of labels ``(batch,)`` or ``(batch, classes)``."""
        y_true = as_one_hot(y_true, y_pred)
        if self.class_weight is not None:
            y_true = y_true * ops.convert_to_tensor(self.class_weight)
        # The gradient of softmax and cross entropy is only right for rows that add up to 1.
        total = ops.sum(y_true, axis=-1, keepdims=True)
        rows = ops.divide_no_nan(y_true, total)
        return self._unweighted(rows, y_pred) * total[..., 0]

    def _unweighted(self, rows: Tensor, y_pred: Tensor) -> Tensor:
        from_logits, smoothing = self.from_logits, self.label_smoothing
        if self.focal or self.adjustment is not None:
            y_pred, from_logits = _logits(y_pred, "softmax", known=from_logits), True
        if self.adjustment is not None:
            y_pred = y_pred + ops.convert_to_tensor(self.adjustment, y_pred.dtype)
        if self.focal:
            smooth = rows * (1 - smoothing) + smoothing / rows.shape[-1]
            return _focal_softmax(smooth, y_pred, self.focal)
        return keras.losses.categorical_crossentropy(
            rows, y_pred, from_logits=from_logits, label_smoothing=smoothing
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "class_weight": self.class_weight,
            "focal": self.focal,
            "adjustment": self.adjustment,
        }


@serializable
class SigmoidCrossEntropy(Loss):
    """``-w y (1 - p)^g log p - v (1 - y) p^g log(1 - p)``, averaged over the outputs.

    p is the sigmoid of the logits plus the adjustment.

    Args:
        from_logits: Whether outputs are logits or probabilities.
        label_smoothing: Moves labels towards 1/2, in [0, 1).
        positive_weight: The weight w of each output's positive labels, or None for 1.
        negative_weight: The weight v of each output's negative labels, or None for 1.
        focal: The exponent g of the focal factor; 0 is the cross entropy.
        adjustment: What is added to every logit before the sigmoid.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        positive_weight: Sequence[float] | None = None,
        negative_weight: Sequence[float] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "cross_entropy",
        focal: float = 0.0,
        adjustment: float = 0.0,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.positive_weight = list(positive_weight) if positive_weight is not None else None
        self.negative_weight = list(negative_weight) if negative_weight is not None else None
        self.focal = focal
        self.adjustment = adjustment

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per picture ``(batch,)`` of labels ``(batch, outputs)``, or ``(batch,)`` for one."""
        y_true = ops.reshape(ops.cast(y_true, y_pred.dtype), ops.shape(y_pred))
        positive, negative = self.positive_weight, self.negative_weight
        yes = y_true if positive is None else y_true * ops.convert_to_tensor(positive)
        no = 1 - y_true if negative is None else (1 - y_true) * ops.convert_to_tensor(negative)
        share = ops.divide_no_nan(yes, yes + no)
        smooth = share * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        return ops.mean(self._unweighted(smooth, y_pred) * (yes + no), axis=-1)

    def _unweighted(self, rows: Tensor, y_pred: Tensor) -> Tensor:
        if not self.focal and not self.adjustment:
            return ops.binary_crossentropy(rows, y_pred, from_logits=self.from_logits)
        logits = _logits(y_pred, "sigmoid", known=self.from_logits) + self.adjustment
        if self.focal:
            return _focal_sigmoid(rows, logits, self.focal)
        return ops.binary_crossentropy(rows, logits, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "positive_weight": self.positive_weight,
            "negative_weight": self.negative_weight,
            "focal": self.focal,
            "adjustment": self.adjustment,
        }


@serializable
class Accuracy(Mean):
    """Share of pictures whose largest output is the label's largest class, whatever its form.

    Of a mixed label the class with the largest share counts.
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        """Count a batch of labels ``(batch,)`` or ``(batch, classes)``."""
        right = ops.argmax(as_one_hot(y_true, y_pred), axis=-1) == ops.argmax(y_pred, axis=-1)
        super().update_state(ops.cast(right, "float32"), sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}


@serializable
class BinaryAccuracy(Mean):
    """Share of outputs on the label's side of one half.

    Keras' own compares the label itself, so that nothing is ever right of a mixed one.
    """

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        """Count a batch of labels and outputs ``(batch, outputs)``."""
        y_true = ops.reshape(ops.convert_to_tensor(y_true), ops.shape(y_pred))
        right = (y_true > 0.5) == (y_pred > 0.5)
        super().update_state(ops.cast(right, "float32"), sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}


def as_one_hot(labels: Tensor, outputs: Tensor) -> Tensor:
    """Class ids as one-hot rows; rows that have the outputs' width as they are."""
    labels = ops.convert_to_tensor(labels)
    classes = outputs.shape[-1]
    if len(labels.shape) == len(outputs.shape) and labels.shape[-1] == classes:
        return ops.cast(labels, outputs.dtype)
    ids = ops.reshape(ops.cast(labels, "int32"), (-1,))
    return ops.one_hot(ids, classes, dtype=outputs.dtype)


def _logits(outputs: Tensor, activation: str, *, known: bool) -> Tensor:
    """The logits that are known, or those behind outputs, as Keras' own losses find them."""
    if known:
        return outputs
    if (kept := getattr(outputs, "_keras_logits", None)) is not None:
        return kept  # by Keras' activations, since a probability that is rounded has no gradient
    if activation == "softmax":
        return ops.log(ops.maximum(outputs, _LEAST))
    least = keras.config.epsilon()
    inside = ops.clip(outputs, least, 1 - least)
    return ops.log(inside) - ops.log1p(-inside)


def _focal_softmax(rows: Tensor, logits: Tensor, gamma: float) -> Tensor:
    """``-sum_c y_c (1 - p_c)^g log p_c`` for each picture ``(batch,)``."""
    log_p = ops.log_softmax(logits, axis=-1)
    missing = ops.maximum(-ops.expm1(log_p), _LEAST)  # 1 - p, without its cancellation
    return -ops.sum(rows * missing**gamma * log_p, axis=-1)


def _focal_sigmoid(rows: Tensor, logits: Tensor, gamma: float) -> Tensor:
    """``-y (1 - p)^g log p - (1 - y) p^g log(1 - p)`` for each output ``(batch, outputs)``."""
    no, yes = ops.softplus(logits), ops.softplus(-logits)  # minus the logarithms of 1 - p and p
    return rows * ops.exp(-gamma * no) * yes + (1 - rows) * ops.exp(-gamma * yes) * no
