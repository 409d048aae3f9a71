"""Reading ``.safetensors``: eight bytes of length, a JSON header, and the tensors' bytes.

The header comes from a stranger: every number in it is looked at before a byte is read through it.

References:
    safetensors, *Format*, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from transferkit._types import whole
from transferkit.errors import WeightsError, explain

__all__ = ["read"]

Array = np.ndarray[Any, Any]

_LENGTH = 8
_LONGEST = 100_000_000
"""The format's own limit for the header, in bytes."""
_DTYPES: Mapping[str, str] = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"},
}


@dataclass(frozen=True)
class _Entry:
    """A tensor as the header describes it; `begin` and `end` count from behind the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read(file: Path) -> dict[str, Array]:
    """The tensors of a file by name; those in half precision become float32.

    The file is mapped into memory: a tensor that is not looked at is not read.

    Args:
        file: A file that is there.

    Raises:
        WeightsError: If the header is none, or does not fit the bytes behind it.
    """
    content = np.memmap(file, np.uint8, mode="r") if file.stat().st_size else np.zeros(0, np.uint8)
    header, start = _header(content, file)
    data = content[start:]
    entries = [_entry(name, told, file) for name, told in header.items() if name != "__metadata__"]
    _check_places(entries, len(data), file)
    return {entry.name: _tensor(data, entry) for entry in entries}


def _header(content: Array, file: Path) -> tuple[dict[str, Any], int]:
    if len(content) < _LENGTH:
        _refuse(file, f"it has {len(content)} bytes, too few for a header")
    length = int.from_bytes(content[:_LENGTH].tobytes(), "little")
    if length > min(_LONGEST, len(content) - _LENGTH):
        _refuse(file, f"its header is said to have {length} bytes, the file has {len(content)}")
    start = _LENGTH + length
    try:
        header = json.loads(content[_LENGTH:start].tobytes(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        _refuse(file, f"its header is not JSON ({error})")
    if not isinstance(header, dict):
        _refuse(file, f"its header is a {type(header).__name__}")
    return header, start


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name comes twice")
    return named


def _entry(name: str, told: object, file: Path) -> _Entry:
    """One line of the header; shape, dtype and length have to agree."""
    given = told if isinstance(told, dict) else {}
    dtype, shape, offsets = (given.get(key) for key in ("dtype", "shape", "data_offsets"))
    sides, places = _counts(shape), _counts(offsets)
    known = isinstance(dtype, str) and dtype in _DTYPES
    if not known or sides is None or places is None or len(places) != 2:
        _refuse(file, f"the tensor {name!r} is described by {str(told)[:200]}")
    begin, end = places
    size = prod(sides) * np.dtype(_DTYPES[str(dtype)]).itemsize
    if end - begin != size:
        what = f"{dtype} of the shape {sides}"
        _refuse(file, f"the tensor {name!r}, {what}, lies in {end - begin} bytes and not in {size}")
    return _Entry(name, str(dtype), sides, begin, end)


def _counts(value: object) -> tuple[int, ...] | None:
    counts = [whole(item) for item in value] if isinstance(value, list) else [None]
    known = tuple(n for n in counts if n is not None and n >= 0)
    return known if len(known) == len(counts) else None


def _check_places(entries: list[_Entry], size: int, file: Path) -> None:
    """The tensors lie side by side and fill what is behind the header."""
    placed = sorted(entries, key=lambda entry: (entry.begin, entry.end))
    for before, behind in pairwise(placed):
        if behind.begin != before.end:
            how = "overlap" if behind.begin < before.end else "leave bytes between them"
            _refuse(file, f"the tensors {before.name!r} and {behind.name!r} {how}")
    begins, ends = (placed[0].begin, placed[-1].end) if placed else (0, 0)
    if begins != 0 or ends != size:
        told = f"bytes {begins} to {ends}, and there are {size} behind the header"
        _refuse(file, f"its tensors lie in the {told}")


def _tensor(data: Array, entry: _Entry) -> Array:
    raw = data[entry.begin : entry.end].view(_DTYPES[entry.dtype]).reshape(entry.shape)
    if entry.dtype == "BF16":  # the upper half of a float32
        return (raw.astype("<u4") << 16).view("<f4")
    return raw.astype("<f4") if entry.dtype == "F16" else raw


def _refuse(file: Path, happened: str) -> NoReturn:
    raise WeightsError(
        explain(
            "weights",
            f"{file.name} is no safetensors file: {happened}",
            expected="eight bytes of length, a JSON header, and the tensors it describes",
            received={"weights": str(file)},
            mend="Fetch the file again; it may have been cut off.",
        )
    )
