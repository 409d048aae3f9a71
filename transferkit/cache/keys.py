"""Names that cannot lie: the key of an entry, and the digest of what went into it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from transferkit.errors import SpecError, explain

__all__ = ["checked", "digest", "key", "plain"]

BLOCK = 2**22
"""Bytes that are read at a time of what is no plain array in memory."""


def key(parts: Mapping[str, Any]) -> str:
    """The name of an entry, made from everything that its numbers depend on.

    >>> from transferkit.cache import keys
    >>> keys.key({"cut": ["block4_pool"], "size": 224})
    '5a1c724f6479a3f7433a2e0a8380da16'

    Args:
        parts: Text, numbers, truth values, None, and lists and mappings of those; a tuple counts as
            a list, the order of a mapping does not count, and 1, 1.0 and True are three things.

    Returns:
        32 hexadecimal digits: BLAKE2b of the parts as JSON in one canonical form.

    Raises:
        SpecError: If a part is something else; the error says where it stands.
    """
    text = json.dumps(plain(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def plain(parts: Mapping[str, Any]) -> dict[str, Any]:
    """`parts` in JSON's own kinds, in their order: what is read back from their JSON.

    Raises:
        SpecError: If JSON cannot hold them.
    """
    found: dict[str, Any] = _plain(parts, "parts")
    return found


def checked(name: object) -> str:
    """`name`, if it is a key; whatever is not might lead out of the cache's folder.

    Raises:
        SpecError: If it is none.
    """
    if isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name):
        return name
    raise SpecError(
        explain(
            "cache",
            "that is no key of an entry",
            expected="32 hexadecimal digits in small letters",
            received={"key": name},
            mend="keys.key({'network': ..., 'data': ...})",
        )
    )


def digest(*arrays: Any) -> str:
    """What the arrays hold, in 32 hexadecimal digits: SHA-256 over types, shapes and values, cut.

    SHA-256, since processors have instructions for it: 1.8 GB/s where BLAKE2b made 0.8 (AMD EPYC).
    Values count as they lie in memory, so that 0.0 and -0.0 differ, and so do byte orders.

    Args:
        *arrays: Arrays, memory-mapped ones, or whatever has ``shape``, ``dtype`` and slices of its
            rows. Never more than some rows are brought into memory.

    Raises:
        SpecError: If an array holds Python objects, which have no bytes.
    """
    found = hashlib.sha256()
    for array in arrays:
        dtype = np.dtype(array.dtype)
        if dtype.hasobject:
            raise SpecError(
                explain(
                    "digest",
                    "an array of Python objects has no bytes to count",
                    expected="numbers or text of a fixed length",
                    received={"dtype": str(dtype)},
                    mend="array.astype(str)",
                )
            )
        # Types of an outsider (bfloat16, float8) may share their `str`; names tell them apart.
        found.update(f"{dtype.str} {dtype.name} {tuple(array.shape)}\n".encode())
        for block in _blocks(array, dtype):
            found.update(block.data)
    return found.hexdigest()[:32]


def _blocks(array: Any, dtype: np.dtype[Any]) -> Iterator[np.ndarray]:
    """The bytes of an array in the order of its rows."""
    if isinstance(array, np.ndarray) and array.flags.c_contiguous:
        yield _as_bytes(array)
        return
    if not array.shape:
        yield _as_bytes(np.asarray(array[()], dtype))
        return
    row = dtype.itemsize * int(np.prod(array.shape[1:], dtype=object))
    step = max(1, BLOCK // max(1, row))
    for start in range(0, array.shape[0], step):
        yield _as_bytes(np.ascontiguousarray(array[start : start + step], dtype))


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1).view(np.uint8)


def _plain(value: Any, where: str) -> Any:
    """`value` as JSON's own kinds, or an error that says which part of it is none."""
    if isinstance(value, Mapping):
        named = _with_names(value, where)
        return {name: _plain(part, f"{where}[{name!r}]") for name, part in named}
    if isinstance(value, list | tuple):
        return [_plain(part, f"{where}[{number}]") for number, part in enumerate(value)]
    if isinstance(value, float) and not np.isfinite(value):
        raise _no_json(where, "is no finite number", value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise _no_json(where, f"is of the type {type(value).__name__}", value)


def _with_names(value: Mapping[Any, Any], where: str) -> Iterable[tuple[str, Any]]:
    for name in value:
        if not isinstance(name, str):
            raise _no_json(where, f"is a mapping with the key {name!r}", value)
    return value.items()


def _no_json(where: str, happened: str, value: Any) -> SpecError:
    return SpecError(
        explain(
            "key",
            f"{where} {happened}, for which there is no one JSON text",
            expected="text, finite numbers, truth values, None, lists, mappings from text",
            received={where: value},
            mend="An array goes in as keys.digest(array), a number of NumPy's as number.item().",
        )
    )
