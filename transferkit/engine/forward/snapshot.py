"""Whether variables still hold what they held, without a copy or a hash of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["Snapshot", "as_array"]


class Snapshot:
    """The values of variables at one moment.

    What was read of a variable shares its memory and never changes: TensorFlow gives the variable
    other memory when it is written while somebody holds what was read. So a variable that is still
    at the same address holds the same bits; only where the address differs are bytes compared.

    Args:
        variables: Keras variables.
    """

    def __init__(self, variables: Iterable[Any]) -> None:
        self._held = [(variable, _read(variable)) for variable in variables]

    def __len__(self) -> int:
        return len(self._held)

    def arrays(self) -> list[tuple[Any, np.ndarray[Any, Any]]]:
        """Each variable with its value as it was."""
        return [(variable, as_array(value)) for variable, value in self._held]

    def unchanged(self) -> bool:
        """Whether every variable has the bits that it had, every sign and NaN included."""
        for place, (variable, value) in enumerate(self._held):
            now = _read(variable)
            if not _same(value, now):
                return False
            self._held[place] = (variable, now)  # the same bits, and next time the same address
        return True


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor's values, without a copy where it lies in the processor's memory."""
    if tensor.shape.rank and tensor.dtype in _buffered():
        return np.asarray(memoryview(tensor))
    return np.asarray(tensor)


def _read(variable: Any) -> Tensor:
    return _keras.tf().convert_to_tensor(variable.value)


def _same(before: Tensor, now: Tensor) -> bool:
    first, second = _bytes(before), _bytes(now)
    if first.__array_interface__["data"] == second.__array_interface__["data"]:
        return True
    return np.array_equal(first, second)


def _bytes(tensor: Tensor) -> np.ndarray[Any, Any]:
    try:
        return np.frombuffer(tensor, np.uint8)
    except ValueError:  # it holds nothing, or a type that Python's buffers do not know (bfloat16)
        tf = _keras.tf()
        return np.asarray(tf.reshape(tf.bitcast(tensor, tf.uint8), (-1,)))


@functools.cache
def _buffered() -> tuple[Any, ...]:
    """Types that Python's buffers know; bfloat16 and its kin are not among them."""
    tf = _keras.tf()
    return tf.float32, tf.float16, tf.float64, tf.int32, tf.int64, tf.uint8, tf.int8, tf.bool
