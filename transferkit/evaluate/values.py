"""Evaluations of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferkit._text import shortened
from transferkit.evaluate import inputs, scores
from transferkit.evaluate.evaluation import Evaluation, pictures
from transferkit.evaluate.outcomes import Images
from transferkit.evaluate.scores import Array

__all__ = ["Regression", "regression"]


@dataclass(frozen=True, repr=False, eq=False)
class Regression(Evaluation):
    """Numbers; `truths` are ``(pictures, outputs)``. See `regression`."""

    @property
    def mae(self) -> float:
        """The mean absolute error over all pictures and outputs."""
        return float(np.mean(self._per_output[0]))

    @property
    def rmse(self) -> float:
        """The root of the mean squared error over all pictures and outputs."""
        return float(np.sqrt(np.mean(self.errors)))

    @property
    def r2(self) -> float:
        """The fraction of the variance that is explained, its mean over the outputs.

        An output whose truths are all the same counts 1 if every prediction is right, else 0.
        """
        return float(np.mean(self._per_output[2]))

    @property
    def metrics(self) -> dict[str, float]:
        """The loss, MAE, RMSE and R2."""
        return {"loss": self.loss, "mae": self.mae, "rmse": self.rmse, "r2": self.r2}

    @cached_property
    def errors(self) -> Array:
        """The mean squared error of each picture ``(pictures,)``."""
        return np.asarray(((self.outputs - self.truths) ** 2).mean(axis=1))

    def to_config(self) -> dict[str, Any]:
        """The scores in a JSON-ready form, without outputs and pictures."""
        columns = zip(self.names, *(each.tolist() for each in self._per_output), strict=True)
        each = [{"name": n, "mae": mae, "rmse": rmse, "r2": r2} for n, mae, rmse, r2 in columns]
        return {**super().to_config(), "per_output": each}

    @cached_property
    def _per_output(self) -> tuple[Array, Array, Array]:
        off = self.outputs - self.truths
        rmse = np.sqrt((off**2).mean(axis=0))
        return np.abs(off).mean(axis=0), rmse, scores.r2(self.outputs, self.truths)

    def _wrong(self) -> Array:
        return self.errors > 0

    def told(self, place: int) -> tuple[str, str, float]:
        """What a picture is and what it was predicted as, and NaN."""
        true, predicted = (
            ", ".join(f"{number:.4g}" for number in row)
            for row in (self.truths[place], self.outputs[place])
        )
        return true, predicted, float("nan")

    def _caption(self) -> str:
        return (
            f"{self.split}: {pictures(self.count)}\nloss {self.loss:.4f}  MAE {self.mae:.4f}  "
            f"RMSE {self.rmse:.4f}  R2 {self.r2:.4f}"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        columns = zip(self.names, *self._per_output, strict=True)
        rows = [
            [shortened(name, 40), f"{mae:.4f}", f"{rmse:.4f}", f"{r2:.4f}"]
            for name, mae, rmse, r2 in columns
        ]
        return ["", "MAE", "RMSE", "R2"], rows


def regression(
    outputs: Any,
    values: Any,
    *,
    loss: float,
    names: Sequence[str] | None = None,
    split: str = "val",
    paths: Sequence[Any] | None = None,
    images: Images | None = None,
) -> Regression:
    """Evaluate predictions of numbers.

    Args:
        outputs: What was predicted ``(pictures, outputs)``, or ``(pictures,)`` for one number.
        values: What is true, in the same shape.
        loss: The mean loss.
        names: What the numbers are called; None for ``output 0`` and so on.
        split: What the pictures are called.
        paths: The pictures' files, one each, where they have any.
        images: From a picture's place to its pixels, for figures of them.

    Raises:
        DataError: If there are no pictures, or shapes disagree.
        TrainingError: If an output is no finite number.
    """
    verb = "evaluate.regression"
    checked = inputs.numbers(verb, _columns(outputs))
    truths = inputs.values(verb, _columns(values), checked)
    called = [f"output {i}" for i in range(checked.shape[1])] if names is None else names
    given = inputs.names(verb, called, checked)
    files = inputs.paths(verb, paths, checked)
    return Regression(split, float(loss), checked, truths, given, files, images)


def _columns(values: Any) -> Array:
    array = np.asarray(values)
    return array[:, None] if array.ndim == 1 else array
