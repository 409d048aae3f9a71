"""Batch spectral shrinkage: penalise the directions of a batch's features that carry least."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor, real, whole
from transferkit.errors import SpecError, explain
from transferkit.plan import OBJECTIVES
from transferkit.spec import Seen

__all__ = ["BSS", "bss"]


@dataclass(frozen=True, repr=False)
class BSS:
    """A penalty on the smallest singular values of a batch's features; see `bss`."""

    weight: float = 1e-3
    k: int = 1

    def __call__(self, seen: Seen) -> Tensor:
        """``weight`` times the sum of the `k` smallest squared singular values: a number."""
        tf = _keras.tf()
        features = tf.cast(seen.embedding, tf.float32)
        # The squared singular values are the eigenvalues of F F', ascending, behind the noughts of
        # the rows that are more than columns.
        squares = tf.linalg.eigvalsh(tf.matmul(features, features, transpose_b=True))
        first = tf.maximum(tf.shape(features)[0] - tf.shape(features)[1], 0)
        return self.weight * tf.reduce_sum(squares[first : first + self.k])

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"objective": "bss", "weight": self.weight, "k": self.k}

    def __repr__(self) -> str:
        return f"bss({self.weight:g}{'' if self.k == 1 else f', k={self.k}'})"


def bss(weight: float = 1e-3, *, k: int = 1) -> BSS:
    """Batch spectral shrinkage, against negative transfer from directions that do not transfer.

    To the loss of a batch comes

        weight * sum of the k smallest sigma_i^2,

    with sigma the singular values of the features (batch, channels) that the head's last layer
    reads, before dropout. What remains small after pretraining is what the target does not need; in
    fine-tuning on few labels it overfits.

    Args:
        weight: Above 0; 1e-3 is the paper's.
        k: How many singular values, 1 or more.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Xinyang Chen et al., Catastrophic Forgetting Meets Negative Transfer: Batch Spectral
        Shrinkage for Safe Transfer Learning, NeurIPS 2019.
    """
    number, count = real(weight), whole(k)
    if number is None or not 0 < number < math.inf or count is None or count < 1:
        raise SpecError(
            explain(
                "bss",
                "an argument is out of range",
                expected="a weight above 0, and k of 1 or more",
                received={"weight": weight, "k": k},
                mend="tk.objectives.bss(1e-3, k=1)",
            )
        )
    return BSS(number, count)


OBJECTIVES.add("bss", bss)
