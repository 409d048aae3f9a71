"""bfloat16 for the layers that gain from it, float32 for variables, statistics and the head."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.rewrites.nodes import Calls, rebuilt
from transferkit.engine.rewrites.norms import FrozenNorm, TrainingNorm
from transferkit.engine.rewrites.products import PRODUCTS, Product
from transferkit.engine.rewrites.stand_in import (
    InFloat32,
    Recipe,
    StandIn,
    Through,
    is_one,
    names_of,
    written_by_keras,
)

__all__ = ["compute_in_bfloat16"]

HALF = "bfloat16"
NORMS = ("BatchNormalization", "LayerNormalization", "GroupNormalization")
"""Keras computes them in float32 whatever goes in."""

FOLLOWING = (
    "Activation", "Add", "AveragePooling2D", "Average", "Concatenate", "Cropping2D", "Dropout",
    "LeakyReLU", "MaxPooling2D", "Maximum", "Multiply", "ReLU", "Reshape", "SpatialDropout2D",
    "Subtract", "UpSampling2D", "ZeroPadding2D",
)  # fmt: skip
"""Layers without weights: bfloat16 where their inputs are."""

FAST_ACTIVATIONS = (
    "hard_sigmoid", "hard_silu", "leaky_relu", "linear", "relu", "relu6", "silu",
)  # fmt: skip
"""Measured on a CPU, there and back: sigmoid 1.6 and gelu 3 times slower in bfloat16 than cast to
float32 and back, these not."""

ARITHMETIC = ("Add", "Divide", "Multiply", "Negative", "Relu", "Relu6", "Subtract", "TrueDivide")
"""Operations that are no layers, for which the same holds."""


def compute_in_bfloat16(model: KerasModel, *, keep: Collection[str] = ()) -> KerasModel:
    """Convolutions and what follows them compute in bfloat16, as Keras' ``mixed_bfloat16`` has it.

    Variables stay float32 and are cast when they are read; norms compute their statistics in
    float32. Layers that are not known here, global pooling, dense layers on vectors and whatever
    `keep` names compute in float32, and so is every output of the model.

    Args:
        model: A functional model; stand-ins of other rewrites are taken as what they stand for.
        keep: Names of layers that stay float32: the head's.
    """
    calls, walk = Calls(model), _Walk(frozenset(keep))
    return rebuilt(model, {node: walk.operation(node, calls.ends) for node in calls.nodes})


@dataclass
class _Walk:
    """From the inputs on: which tensors are bfloat16, and what makes them so."""

    keep: frozenset[str]
    halves: set[int] = field(default_factory=set)
    made: dict[tuple[int, str], Any] = field(default_factory=dict)

    def operation(self, node: Any, ends: Collection[int]) -> Any:
        is_end = any(id(out) in ends for out in node.outputs)
        given = [id(tensor) in self.halves for tensor in node.input_tensors]
        operation = node.operation
        if not self.keep & names_of(operation):
            if stand_in := _half(node, some=any(given)):
                return self._put(node, stand_in, "float32" if is_end else HALF)
            if _is_arithmetic(operation) and not is_end and given and all(given):
                self.halves.update(id(out) for out in node.outputs)
                return operation
        if any(given) and not isinstance(operation, _keras.keras().layers.Layer):
            return self.made.setdefault((id(operation), "float32"), InFloat32(operation))
        return operation

    def _put(self, node: Any, stand_in: StandIn, result: str) -> Any:
        if result == HALF:
            self.halves.update(id(out) for out in node.outputs)
        key = (id(node.operation), result)
        if key not in self.made:
            compute = HALF if _is_fast(stand_in.recipe.layers[0]) else "float32"
            self.made[key] = stand_in.again(compute=compute, result=result)
        return self.made[key]


def _half(node: Any, *, some: bool) -> StandIn | None:
    """What can compute a call in bfloat16, or None if it should stay float32."""
    operation = node.operation
    if isinstance(operation, Product):
        return operation if _is_map(node) else None
    if isinstance(operation, TrainingNorm | FrozenNorm):
        return operation if _is_map(node) else None
    if is_one(node, *PRODUCTS):
        return Product(Recipe.of(operation)) if _is_map(node) else None
    if is_one(node, *NORMS) or (some and is_one(node, *FOLLOWING)):
        return Through(Recipe.of(operation)) if _is_map(node) else None
    return None


def _is_fast(layer: Any) -> bool:
    """False for what TensorFlow's CPU kernels do so slowly in bfloat16 that casting pays.

    The gradient of a strided depthwise convolution takes 25 times as long.
    """
    kind = type(layer).__name__
    if kind == "Activation":
        return getattr(layer.activation, "__name__", "") in FAST_ACTIVATIONS
    return kind != "DepthwiseConv2D" or max(layer.strides) == 1


def _is_map(node: Any) -> bool:
    """False for what works on a vector of each picture, as heads do."""
    return len(node.outputs[0].shape) > 2


def _is_arithmetic(operation: Any) -> bool:
    layer = isinstance(operation, _keras.keras().layers.Layer)
    return not layer and type(operation).__name__ in ARITHMETIC and written_by_keras(operation)
