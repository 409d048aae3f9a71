"""Numbers per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.heads import base
from transferkit.heads.results import Value
from transferkit.spec import Taps, Target, Task

__all__ = ["BoundRegression", "Regression", "regression"]

_LOSSES = {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "huber": "Huber"}


@dataclass(frozen=True, repr=False)
class Regression(base.Shown):
    """Linear outputs; see `regression` for the fields."""

    dropout: float = 0.0
    hidden: tuple[int, ...] = ()
    pooling: base.Pooling = "avg"
    kind: Literal["mse", "mae", "huber"] = "mse"
    extra_metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _LOSSES:
            expected = "'mse', 'mae' or 'huber'"
            raise base.wrong("regression", "loss", self.kind, expected, "loss='mse'")
        base.settle("regression", self)

    @property
    def task(self) -> Task:
        """What kind of target it predicts."""
        return "values"

    def bind(self, target: Target) -> BoundRegression:
        """Meet the number of outputs.

        Raises:
            SpecError: If the target is not numbers.
        """
        base.check_task("regression", target, "values")
        base.check_metrics("regression", self.extra_metrics, "mae", target.outputs)
        return BoundRegression(self, target)


@dataclass(frozen=True)
class BoundRegression:
    """A regression head that knows its outputs."""

    head: Regression
    target: Target
    needs: tuple[int, ...] = ()
    activation: str = "linear"
    soft_targets: bool = False

    def build(self, taps: Taps) -> Tensor:
        """Outputs ``(batch, outputs)``."""
        head = self.head
        x = base.embed(taps, pooling=head.pooling, hidden=head.hidden, dropout=head.dropout)
        return base.logits(x, self.target.outputs)

    def loss(self, *, from_logits: bool = True) -> Any:
        """The loss that was chosen; outputs and logits are the same here."""
        return getattr(_keras.keras().losses, _LOSSES[self.head.kind])()

    def metrics(self) -> list[Any]:
        """Mean absolute error, and what was asked for besides."""
        own = _keras.keras().metrics.MeanAbsoluteError(name="mae")
        return [own, *base.keras_metrics("regression", self.head.extra_metrics)]

    def targets(self, labels: Any) -> np.ndarray[Any, Any]:
        """Rows of numbers ``(n, outputs)``, float32."""
        array = base.check_labels("regression", labels, self.target).astype(np.float32)
        return array.reshape(len(array), self.target.outputs)

    def decode(self, outputs: np.ndarray[Any, Any]) -> list[Value]:
        """A `Value` for each row."""
        return [Value(tuple(float(v) for v in row)) for row in outputs]


def regression(
    *,
    dropout: float = 0.0,
    hidden: Sequence[int] = (),
    pooling: base.Pooling = "avg",
    loss: Literal["mse", "mae", "huber"] = "mse",
    metrics: Sequence[str] = (),
) -> Regression:
    """A head that gives each picture numbers.

    Args:
        dropout: Share of the features that is dropped in training, in [0, 1).
        hidden: Widths of ReLU layers between the features and the outputs.
        pooling: ``"avg"``, ``"max"``, ``"both"`` or ``"flatten"``; see `classification`.
        loss: ``"mse"``, ``"mae"`` or ``"huber"`` (quadratic below an error of 1, linear above).
        metrics: Names of Keras metrics beside the mean absolute error.

    Raises:
        SpecError: If an argument is out of its range.
    """
    # __post_init__ makes tuples of them.
    return Regression(dropout, hidden, pooling, loss, metrics)  # type: ignore[arg-type]
