"""Bring rows of a memory-mapped file into memory before they are wanted."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["larger_than_memory", "read_ahead", "runs"]

Array = np.ndarray[Any, Any]
SHARE = 0.25
"""Of the machine's memory: a larger array is read piece by piece, ahead of the steps."""

GAP = 128 * 1024
"""Bytes between two rows up to which they are read in one go, as Linux does by itself."""


def larger_than_memory(arrays: Iterable[Array]) -> bool:
    """Whether arrays take more than a good part of the machine's memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE if hasattr(os, "sysconf") else 0
    return sum(array.nbytes for array in arrays) > SHARE * memory


def read_ahead(arrays: Iterable[Array], rows: Array | None = None) -> threading.Thread | None:
    """Ask for rows of memory-mapped arrays in the order of the file, without waiting for them.

    They come into the page cache, which the kernel takes back when it needs to, and not into the
    memory of the process.

    Args:
        arrays: ``(rows, ...)`` each; one that is not mapped is left alone.
        rows: The numbers of the rows, in any order; None for all.

    Returns:
        The thread that asks, or None if there is nothing to ask for.
    """
    mapped = [array for array in arrays if _is_mapped(array)]
    advise = _advise()
    if not mapped or advise is None:
        return None
    asking = threading.Thread(target=_ask, args=(advise, mapped, rows), daemon=True)
    asking.start()
    return asking


def runs(rows: Array, row_bytes: int, gap: int = GAP) -> list[tuple[int, int]]:
    """Where rows lie, as (start, stop) in bytes, those that are near each other in one.

    Args:
        rows: The numbers of the rows, in any order.
        row_bytes: Bytes of a row.
        gap: Bytes between two of them up to which they are one.
    """
    starts = np.unique(rows) * row_bytes
    if not len(starts):
        return []
    breaks = np.flatnonzero(np.diff(starts) > row_bytes + gap) + 1
    parts = np.split(starts, breaks)
    return [(int(part[0]), int(part[-1]) + row_bytes) for part in parts]


def _ask(advise: Callable[..., int], arrays: list[Array], rows: Array | None) -> None:
    for array in arrays:
        row_bytes = array.nbytes // max(len(array), 1)
        pieces = [(0, array.nbytes)] if rows is None else runs(rows, row_bytes)
        for start, stop in pieces:
            begin = array.ctypes.data + start
            page = begin - begin % mmap.PAGESIZE
            advise(page, array.ctypes.data + stop - page, mmap.MADV_WILLNEED)


@functools.cache
def _advise() -> Callable[..., int] | None:
    """The system's ``madvise``, called without Python's lock; None where there is none."""
    if not hasattr(mmap, "MADV_WILLNEED"):
        return None
    found = ctypes.CDLL(None, use_errno=True).madvise
    found.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return found


def _is_mapped(array: Any) -> bool:
    """Whether an array, or what it is a view of, is a file in memory."""
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False
