"""A kernel as one matrix: the layer is that matrix, where its output has a single place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.matrices import matrix_of

keras = _keras.keras()
L = keras.layers

ONE_MATRIX: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: L.Dense(5), (1, 3)),
    "conv1d": (lambda: L.Conv1D(5, 3), (1, 3, 2)),
    "conv2d": (lambda: L.Conv2D(5, (3, 2)), (1, 3, 2, 4)),
    "conv3d": (lambda: L.Conv3D(2, 2), (1, 2, 2, 2, 3)),
    "like dense": (lambda: L.EinsumDense("ab,bc->ac", 5), (1, 3)),
    "with dots": (lambda: L.EinsumDense("...b,bc->...c", 5), (1, 3)),
    "into heads": (lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3)), (1, 1, 4)),
    "out of heads": (lambda: L.EinsumDense("abcd,cde->abe", (None, 4)), (1, 1, 2, 3)),
    "the wrong way round": (lambda: L.EinsumDense("ab,cb->ac", 5), (1, 3)),
}
NO_MATRIX: dict[str, tuple[Any, tuple[int, ...]]] = {
    "depthwise": (lambda: L.DepthwiseConv2D(3), (1, 3, 3, 2)),
    "separable": (lambda: L.SeparableConv2D(4, 3), (1, 3, 3, 2)),
    "transposed": (lambda: L.Conv2DTranspose(4, 3), (1, 3, 3, 2)),
    "grouped": (lambda: L.Conv2D(4, 3, groups=2), (1, 3, 3, 2)),
    "diagonal": (lambda: L.EinsumDense("ab,b->ab", 3), (1, 3)),
    "for each position": (lambda: L.EinsumDense("abc,bcd->abd", (3, 5)), (1, 3, 4)),
    "norm": (lambda: L.BatchNormalization(), (1, 3)),
    "with keras's own factors": (lambda: L.Dense(5, lora_rank=2), (1, 3)),
}


@pytest.mark.parametrize("name", ONE_MATRIX)
def test_the_layer_is_its_matrix(name: str) -> None:
    make, shape = ONE_MATRIX[name]
    layer, x = make(), np.random.default_rng(0).normal(size=shape).astype(np.float32)
    outputs = layer(x)
    matrix = matrix_of(layer)
    assert matrix is not None
    unfolded = matrix.unfold(layer.kernel.value)
    assert unfolded.shape == (matrix.rows, matrix.columns) == (x.size, np.size(outputs))
    np.testing.assert_allclose(
        x.reshape(1, -1) @ unfolded.numpy(), np.reshape(outputs, (1, -1)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(matrix.fold(unfolded), layer.kernel)


@pytest.mark.parametrize("name", NO_MATRIX)
def test_what_is_no_single_matrix_has_none(name: str) -> None:
    make, shape = NO_MATRIX[name]
    layer = make()
    layer(np.zeros(shape, np.float32))
    assert matrix_of(layer) is None
