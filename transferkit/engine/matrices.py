"""A kernel as one matrix: from what goes into a place of the output to what comes out there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.select import LayerTable

__all__ = ["Matrix", "matrices_of", "matrix_of"]

keras, tf = _keras.keras(), _keras.tf()
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


@dataclass(frozen=True)
class Matrix:
    """How a kernel is unfolded.

    Attributes:
        shape: The kernel's own.
        inputs: Its axes that are summed over; all others come out.
    """

    shape: tuple[int, ...]
    inputs: tuple[int, ...]

    @property
    def axes(self) -> tuple[int, ...]:
        """All axes, those that are summed over first."""
        others = (axis for axis in range(len(self.shape)) if axis not in self.inputs)
        return (*self.inputs, *others)

    @property
    def rows(self) -> int:
        """Numbers that go into a place of the output."""
        return math.prod(self.shape[axis] for axis in self.inputs)

    @property
    def columns(self) -> int:
        """Numbers that come out there."""
        return math.prod(self.shape) // self.rows

    def rank(self, wanted: int) -> int:
        """The rank, or as much of it as the matrix can have."""
        return min(wanted, self.rows, self.columns)

    def unfold(self, kernel: Tensor) -> Tensor:
        """A kernel as a matrix (rows, columns)."""
        return tf.reshape(tf.transpose(kernel, self.axes), (self.rows, self.columns))

    def fold(self, matrix: Tensor) -> Tensor:
        """The inverse of `unfold`."""
        sides = [self.shape[axis] for axis in self.axes]
        back = [self.axes.index(axis) for axis in range(len(self.axes))]
        return tf.transpose(tf.reshape(matrix, sides), back)


def matrix_of(layer: Any) -> Matrix | None:
    """How the kernel of a layer is unfolded; None if it has none, or one that is no single matrix.

    Args:
        layer: Built. Depthwise, separable, transposed and grouped convolutions have none, nor has
            an EinsumDense that goes through an axis of its kernel without a sum.
    """
    if not isinstance(layer, (*CONVOLUTIONS, keras.layers.Dense, keras.layers.EinsumDense)):
        return None
    if not any(layer.kernel is each for each in layer._trainable_variables):
        return None  # quantised, or a sum with factors of Keras' own
    shape = tuple(layer.kernel.shape)
    if isinstance(layer, keras.layers.EinsumDense):
        return _of_equation(layer.equation, shape)
    if getattr(layer, "groups", 1) > 1:
        return None
    return Matrix(shape, tuple(range(len(shape) - 1)))


def matrices_of(network: KerasModel, table: LayerTable) -> dict[int, Matrix]:
    """How each kernel of the backbone that is one matrix is unfolded, by the kernel's id."""
    names = set(table.names)
    layers = (layer for layer in network.layers if layer.name in names)
    parts = {part: matrix_of(part) for layer in layers for part in layer._flatten_layers()}
    return {id(part.kernel): matrix for part, matrix in parts.items() if matrix is not None}


def _of_equation(equation: str, shape: tuple[int, ...]) -> Matrix | None:
    """The kernel of ``"abc,cde->abde"`` sums over c and gives d and e."""
    terms, out = equation.replace(" ", "").split("->")
    given, kernel = terms.split(",")
    if any(axis in given and axis in out for axis in kernel):
        return None
    inputs = tuple(place for place, axis in enumerate(kernel) if axis in given)
    return Matrix(shape, inputs) if inputs else None
