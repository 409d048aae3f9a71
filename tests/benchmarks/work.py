"""How many multiply-adds a layer costs for one picture."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["multiply_adds"]


def multiply_adds(layer: Any) -> float:
    """Of convolutions and dense layers; 0 for all others.

    Every value of the output takes as many as the kernel has entries for it.
    """
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0.0
    shape = tuple(kernel.shape)
    output = tuple(layer.output.shape)[1:]
    if type(layer).__name__ == "DepthwiseConv2D":
        return float(math.prod(output) * math.prod(shape[:2]))
    return float(math.prod(output) * math.prod(shape[:-1]))
