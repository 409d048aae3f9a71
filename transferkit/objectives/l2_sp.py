"""L2-SP: decay toward the weights that the backbone started from, instead of toward zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit._types import real
from transferkit.errors import SpecError, explain
from transferkit.plan import OBJECTIVES

__all__ = ["L2SP", "l2_sp"]


@dataclass(frozen=True, repr=False)
class L2SP:
    """A pull toward the starting point; see `l2_sp`."""

    alpha: float = 0.01

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"objective": "l2_sp", "alpha": self.alpha}

    def __repr__(self) -> str:
        return f"l2_sp({self.alpha:g})"


def l2_sp(alpha: float = 0.01) -> L2SP:
    """Draw the weights of the backbone to those that the fit started from.

    Decoupled from the gradient, as AdamW's decay is: behind each step of the optimizer

        w <- w - rate * alpha * (w - w_start),

    for the weights of the backbone that train, with `rate` the learning rate of their layer. The
    head, which starts from nothing, is left alone.

    Args:
        alpha: Above 0. Over a phase of T steps at a constant rate a weight that nothing else moves
            goes back by ``1 - (1 - rate * alpha)^T``: choose it so that ``rate * alpha * T`` is
            between 0.1 and 1.

    Raises:
        SpecError: If it is out of that range.

    References:
        Xuhong Li, Yves Grandvalet and Franck Davoine, Explicit Inductive Bias for Transfer Learning
        with Convolutional Networks, ICML 2018.
    """
    number = real(alpha)
    if number is None or not 0 < number < math.inf:
        raise SpecError(
            explain(
                "l2_sp",
                "alpha is out of range",
                expected="a number above 0",
                received={"alpha": alpha},
                mend="tk.objectives.l2_sp(0.01)",
            )
        )
    return L2SP(number)


OBJECTIVES.add("l2_sp", l2_sp)
