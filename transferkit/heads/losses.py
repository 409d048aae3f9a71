"""Losses and metrics that take every form of label: class ids, one-hot, soft, multi-hot, numbers.

Keras' own losses serve; what is added is the label's form and the class weights. Keras'
`class_weight` takes the arg-max of a label, which is wrong for soft and multi-hot ones: here each
class's share of a label weighs what that class weighs, so the loss of a mixed label is the mean of
the losses of its parts.
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


@serializable
class SoftmaxCrossEntropy(Loss):
    """``-sum_c w_c y_c log p_c`` for one class per picture.

    Args:
        from_logits: Whether outputs are logits or probabilities.
        label_smoothing: Share of the label that is spread over all classes, in [0, 1).
        class_weight: One weight for each class, or None.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        class_weight: Sequence[float] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "cross_entropy",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.class_weight = list(class_weight) if class_weight is not None else None

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per picture ``(batch,)`` of labels ``(batch,)`` or ``(batch, classes)``."""
        y_true = as_one_hot(y_true, y_pred)
        if self.class_weight is not None:
            y_true = y_true * ops.convert_to_tensor(self.class_weight)
        # The gradient of softmax and cross entropy is only right for rows that add up to 1.
        total = ops.sum(y_true, axis=-1, keepdims=True)
        rows = ops.divide_no_nan(y_true, total)
        loss = keras.losses.categorical_crossentropy(
            rows, y_pred, from_logits=self.from_logits, label_smoothing=self.label_smoothing
        )
        return loss * total[..., 0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "class_weight": self.class_weight,
        }


@serializable
class SigmoidCrossEntropy(Loss):
    """``-sum_c w_c y_c log p_c + v_c (1 - y_c) log(1 - p_c)``, averaged over the outputs.

    Args:
        from_logits: Whether outputs are logits or probabilities.
        label_smoothing: Moves labels towards 1/2, in [0, 1).
        positive_weight: The weight w of each output's positive labels, or None for 1.
        negative_weight: The weight v of each output's negative labels, or None for 1.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        positive_weight: Sequence[float] | None = None,
        negative_weight: Sequence[float] | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "cross_entropy",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.positive_weight = list(positive_weight) if positive_weight is not None else None
        self.negative_weight = list(negative_weight) if negative_weight is not None else None

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per picture ``(batch,)`` of labels ``(batch, outputs)``, or ``(batch,)`` for one."""
        y_true = ops.reshape(ops.cast(y_true, y_pred.dtype), ops.shape(y_pred))
        positive, negative = self.positive_weight, self.negative_weight
        yes = y_true if positive is None else y_true * ops.convert_to_tensor(positive)
        no = 1 - y_true if negative is None else (1 - y_true) * ops.convert_to_tensor(negative)
        share = ops.divide_no_nan(yes, yes + no)
        smooth = share * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        loss = ops.binary_crossentropy(smooth, y_pred, from_logits=self.from_logits)
        return ops.mean(loss * (yes + no), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "positive_weight": self.positive_weight,
            "negative_weight": self.negative_weight,
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
