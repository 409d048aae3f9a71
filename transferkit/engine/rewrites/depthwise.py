"""Depthwise convolutions as shifted multiply-adds, which XLA compiles well on a CPU."""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.engine.rewrites.nodes import Calls, rebuilt
from transferkit.engine.rewrites.products import Product
from transferkit.engine.rewrites.stand_in import Recipe, StandIn, is_one

__all__ = ["lower_depthwise", "shifted"]

keras, tf = _keras.keras(), _keras.tf()


def lower_depthwise(model: KerasModel) -> KerasModel:
    """Depthwise convolutions become a sum over the kernel's places of shifted inputs.

    For XLA only: TensorFlow's own depthwise operation is up to 70 times slower there than outside,
    and this sum, which XLA fuses into one loop, is slower outside than the operation. The height
    and width of the input must be known when the model is rewritten; where not, or where channels
    come first, the layer stays.

    Args:
        model: A functional model; stand-ins that a norm was folded into are lowered as well.
    """
    made: dict[int, StandIn] = {}
    instead: dict[Any, Any] = {}
    for node in Calls(model).nodes:
        lowered = _lowered(node)
        if lowered is not None:
            instead[node] = made.setdefault(id(node.operation), lowered)
    return rebuilt(model, instead)


def _lowered(node: Any) -> StandIn | None:
    operation, kinds = node.operation, ("DepthwiseConv2D", "SeparableConv2D")
    if isinstance(operation, Product):
        layer, recipe = operation.recipe.layers[0], operation.recipe
    elif is_one(node, *kinds):
        layer, recipe = operation, Recipe.of(operation)
    else:
        return None
    if type(layer).__name__ not in kinds or layer.data_format != "channels_last":
        return None
    if None in node.input_tensors[0].shape[1:]:
        return None
    separable = type(layer).__name__ == "SeparableConv2D"
    return Product(recipe).again(multiply=_separably if separable else _by_channel)


def _by_channel(layer: Any, x: Tensor, kernel: Tensor) -> Tensor:
    return shifted(x, kernel, layer.strides, layer.padding, layer.dilation_rate)


def _separably(layer: Any, x: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
    return keras.ops.conv(_by_channel(layer, x, depthwise), pointwise)


def shifted(
    x: Tensor,
    kernel: Tensor,
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int],
) -> Tensor:
    """``out[p] = sum over q of x[stride p + dilation q] kernel[q]``, each channel by itself.

    Args:
        x: (batch, height, width, channels), height and width known.
        kernel: (rows, columns, channels, multiplier).
        strides: Of the output's rows and columns.
        padding: ``"same"`` or ``"valid"``.
        dilation: Of the kernel's rows and columns.

    Returns:
        (batch, rows, columns, channels * multiplier), in the dtype of `x`; sums are in
        float32 at least.
    """
    sizes = tuple(kernel.shape[:2])
    reach = [(size - 1) * step + 1 for size, step in zip(sizes, dilation, strict=True)]
    before, after, out = _frame(x.shape[1:3], reach, strides, padding)
    if any((*before, *after)):
        x = tf.pad(x, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]])
    sums = tf.float64 if x.dtype == tf.float64 else tf.float32
    wide, weights = tf.cast(x, sums), tf.cast(kernel, sums)
    total: Any = None
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            place = (row * dilation[0], column * dilation[1])
            seen = _every(wide, place, out, strides)
            term = _times(seen, weights[row, column])
            total = term if total is None else total + term
    return tf.cast(total, x.dtype)


def _frame(
    shape: Any, reach: list[int], strides: tuple[int, int], padding: str
) -> tuple[list[int], list[int], list[int]]:
    """Rows and columns of zeros before and behind, and the size of the output."""
    if padding == "valid":
        sides = zip(shape, reach, strides, strict=True)
        return [0, 0], [0, 0], [(n - width) // step + 1 for n, width, step in sides]
    out = [-(-n // step) for n, step in zip(shape, strides, strict=True)]
    frames = zip(out, strides, reach, shape, strict=True)
    missing = [max((count - 1) * step + width - n, 0) for count, step, width, n in frames]
    before = [total // 2 for total in missing]
    return before, [total - half for total, half in zip(missing, before, strict=True)], out


def _every(x: Tensor, place: tuple[int, int], out: list[int], strides: tuple[int, int]) -> Tensor:
    rows, columns = (
        slice(first, first + (count - 1) * step + 1, step)
        for first, count, step in zip(place, out, strides, strict=True)
    )
    return x[:, rows, columns]


def _times(x: Tensor, weights: Tensor) -> Tensor:
    """(batch, rows, columns, channels) times (channels, multiplier), the two last made one."""
    if weights.shape[1] == 1:
        return x * weights[:, 0]
    product = x[..., None] * weights
    return tf.reshape(product, (-1, *x.shape[1:3], weights.shape[0] * weights.shape[1]))
