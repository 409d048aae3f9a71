"""Rows of an array inside a ``tf.data`` pipeline, without a copy of the array where that can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.data import store

__all__ = ["reader", "shared"]

_ALIGNMENT = 64  # bytes; TensorFlow's kernels end the process at a tensor that lies otherwise


def reader(array: Any) -> Callable[[Tensor], Tensor]:
    """Indices to rows, as a function for a graph.

    An array that TensorFlow can read where it lies is read there, a mapped file too. Another one is
    copied, if it lies in memory and the copy has room there. All else is asked for its rows by
    Python, batch by batch.

    Args:
        array: ``array[indices]`` gives the rows; it has a `shape` and a `dtype`.

    Returns:
        int64 ``(n,)`` to a tensor ``(n, ...)``.
    """
    tf = _keras.tf()
    tensor = shared(array)
    if tensor is None and _can_be_copied(array):
        tensor = shared(_copied(array))
    if tensor is not None:
        return lambda indices: tf.gather(tensor, indices)

    def asked(indices: Tensor) -> Tensor:
        rows = tf.numpy_function(lambda which: array[which], [indices], array.dtype)
        return tf.ensure_shape(rows, (*indices.shape[:1], *array.shape[1:]))

    return asked


def shared(array: Any) -> Tensor | None:
    """The array as a tensor on the same memory; None where there is no such tensor.

    It has to be a plain array of numbers whose memory is whole, aligned to 64 bytes and may be
    written to, as in files mapped with mode ``"r+"``, ``"w+"`` or ``"c"``.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or not array.size:
        return None
    flags = array.flags
    if not (flags.c_contiguous and flags.writeable and array.dtype.isnative):
        return None
    if array.ctypes.data % _ALIGNMENT:
        return None
    return _keras.tf().experimental.dlpack.from_dlpack(array.__dlpack__())


def _can_be_copied(array: Any) -> bool:
    if not isinstance(array, np.ndarray) or isinstance(array, np.memmap):
        return False
    return array.dtype.kind in "fiu" and 0 < array.nbytes <= store.memory_budget()


def _copied(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copy = store.allocate(array.shape, array.dtype.newbyteorder("="))
    copy[...] = array
    return copy
