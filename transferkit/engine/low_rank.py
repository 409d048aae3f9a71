"""LoRA in the optimizer: kernels of the network that move by the product of two factors.

The network stays as it is. A step takes the gradient G of the loss by a kernel ``W = W0 + s A B``,
as for any kernel that trains, and gives the optimizer the gradients by its factors,

    dA = s G B^T,    dB = s A^T G,

which is what it would be if the sum stood in the graph, where the same G had to be computed. Behind
the optimizer's step the kernel is set to the new sum. So the compiled tail, callbacks, averages and
files all see plain kernels that are merged at any time. `A`, `B` and `W0` are variables of the
optimizer: whoever keeps its state, as a backup does, keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.adapt import LowRank
from transferkit.engine.matrices import Matrix, matrices_of
from transferkit.select import LayerTable

__all__ = ["Factored", "build_factored"]

keras, tf = _keras.keras(), _keras.tf()


@dataclass(frozen=True)
class Factored:
    """A kernel, and what moves it.

    Attributes:
        kernel: The network's variable.
        start: What it was when the phase began.
        left: A (rows, rank).
        right: B (rank, columns).
        matrix: How the kernel is unfolded.
        scale: ``alpha / rank``.
    """

    kernel: Any
    start: Any
    left: Any
    right: Any
    matrix: Matrix
    scale: float

    @property
    def factors(self) -> list[Any]:
        """What the optimizer moves."""
        return [self.left, self.right]

    def gradients(self, gradient: Tensor | None) -> list[Tensor | None]:
        """Those by the factors, from that by the kernel; None where the loss does not reach it."""
        if gradient is None:
            return [None, None]
        by_sum = self.scale * self.matrix.unfold(gradient)
        left, right = _read(self.left), _read(self.right)
        by_left = tf.matmul(by_sum, right, transpose_b=True)
        by_right = tf.matmul(left, by_sum, transpose_a=True)
        # No factor moves before both are there: that A is read before it is set does not follow
        # from its own gradient, and TensorFlow's graph optimizer drops an order that nothing needs.
        return list(tf.tuple([by_left, by_right]))

    def merge(self) -> None:
        """Set the kernel to the sum."""
        product = self.scale * tf.matmul(_read(self.left), _read(self.right))
        self.kernel.assign(_read(self.start) + self.matrix.fold(product))


def build_factored(
    optimizer: Any,
    network: KerasModel,
    table: LayerTable,
    adapter: LowRank,
    seed: Sequence[int],
    own: Sequence[Any] = (),
) -> list[Factored]:
    """Build an optimizer that is called with the network's kernels and moves their factors.

    Call it inside the strategy's scope.

    Args:
        optimizer: Not built yet. Its ``apply`` and ``finalize_variable_values`` take the network's
            trainable variables, as before.
        network: Of the backbone nothing trains but the kernels that are adapted.
        table: The backbone's layers.
        adapter: Rank and scale.
        seed: Decides the left factors, each with the place of its kernel.
        own: Variables that train behind those of the network.
    """
    matrices = matrices_of(network, table)
    found = [each for each in network.trainable_variables if id(each) in matrices]
    made = {
        id(kernel): _factored(optimizer, kernel, matrices[id(kernel)], adapter, [*seed, place])
        for place, kernel in enumerate(found)
    }
    _put_on(optimizer, made)
    optimizer.build(_factors_of([*network.trainable_variables, *own], made))
    return list(made.values())


def _factored(
    optimizer: Any, kernel: Any, matrix: Matrix, adapter: LowRank, seed: Sequence[int]
) -> Factored:
    rank = matrix.rank(adapter.rank)
    drawn = int(np.random.SeedSequence(seed).generate_state(1)[0])
    normal = keras.initializers.RandomNormal(stddev=1 / math.sqrt(matrix.rows), seed=drawn)

    def kept(name: str, shape: tuple[int, ...], first: Any = "zeros") -> Any:
        named = f"{kernel.path.replace('/', '_')}_{name}"
        return optimizer.add_variable(shape, initializer=first, dtype=kernel.dtype, name=named)

    start = kept("lora_start", matrix.shape)
    start.assign(kernel)
    left = kept("lora_a", (matrix.rows, rank), normal)
    right = kept("lora_b", (rank, matrix.columns))
    return Factored(kernel, start, left, right, matrix, adapter.scale)


def _put_on(optimizer: Any, made: Mapping[int, Factored]) -> None:
    """Let an optimizer take kernels and move their factors."""
    apply, finalize = optimizer.apply, optimizer.finalize_variable_values

    def applied(gradients: Sequence[Any], variables: Sequence[Any]) -> Any:
        found: list[Any] = []
        for gradient, variable in zip(gradients, variables, strict=True):
            own = made.get(id(variable))
            found += [gradient] if own is None else own.gradients(gradient)
        result = apply(found, _factors_of(variables, made))
        _merge(made)
        return result

    def finalized(variables: Sequence[Any]) -> None:
        finalize(_factors_of(variables, made))
        _merge(made)

    optimizer.apply, optimizer.finalize_variable_values = applied, finalized


def _factors_of(variables: Sequence[Any], made: Mapping[int, Factored]) -> list[Any]:
    """The same variables, each kernel's factors in its place."""
    own = {place: each.factors for place, each in made.items()}
    return [each for variable in variables for each in own.get(id(variable), [variable])]


def _merge(made: Mapping[int, Factored]) -> None:
    for each in made.values():
        each.merge()


def _read(variable: Any) -> Tensor:
    return tf.convert_to_tensor(variable.value)
