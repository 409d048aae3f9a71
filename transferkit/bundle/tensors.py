"""Tensors as ``.npy`` members: the bytes of ``np.save``, written and read without pickle.

NumPy's format has no name for bfloat16 and the float8 kinds. Their bits are stored as unsigned
integers of the same width, and the manifest keeps the real dtype.
"""

from __future__ import annotations

import io
from typing import Any

import ml_dtypes
import numpy as np

__all__ = ["DTYPES", "decode", "encode", "stored_dtype"]

_EXTENDED = {
    "bfloat16": "uint16",
    "float8_e4m3fn": "uint8",
    "float8_e5m2": "uint8",
}
_PLAIN = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
DTYPES = frozenset(_PLAIN.split()) | frozenset(_EXTENDED)
"""The dtypes that a tensor of a bundle may have."""

Array = np.ndarray[Any, Any]


def stored_dtype(name: str) -> np.dtype[Any]:
    """The little-endian dtype in which a tensor of dtype `name` is stored."""
    return np.dtype(_EXTENDED.get(name, name)).newbyteorder("<")


def encode(array: Array) -> tuple[bytes, Array]:
    """An array as the header of a ``.npy`` file and the flat bytes that follow it.

    Args:
        array: Any shape, a dtype of `DTYPES`.

    Returns:
        The header, and the values as uint8 of shape ``(bytes,)``: a view where possible, so that a
        large tensor is not copied once more.
    """
    name = array.dtype.name
    raw = np.ascontiguousarray(array).reshape(-1)
    stored = raw.view(_EXTENDED[name]) if name in _EXTENDED else raw
    stored = stored.astype(stored_dtype(name), copy=False)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {"descr": stored.dtype.str, "fortran_order": False, "shape": tuple(array.shape)},
    )
    return header.getvalue(), stored.view(np.uint8)


def decode(data: bytes, *, shape: tuple[int, ...], dtype: str) -> Array:
    """The array of a ``.npy`` file that is known to hold `shape` and `dtype`.

    The header is compared before a single value is allocated.

    Args:
        data: The whole member.
        shape: What the manifest says.
        dtype: What the manifest says, a name of `DTYPES`.

    Raises:
        ValueError: If the member is something else.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"npy version {version}")
    found, fortran, stored = np.lib.format.read_array_header_1_0(file)
    expected = stored_dtype(dtype)
    if found != shape or fortran or stored != expected:
        raise ValueError(f"{stored} {found} where {expected} {shape} was listed")
    if len(data) - file.tell() != expected.itemsize * int(np.prod(shape, dtype=object)):
        raise ValueError("values that do not fill the shape")
    flat = np.frombuffer(data, expected, offset=file.tell())
    native = flat.astype(expected.newbyteorder("="), copy=False)
    kind = getattr(ml_dtypes, dtype) if dtype in _EXTENDED else native.dtype
    return native.view(kind).reshape(shape)
