"""Decoded pixels, uint8, each picture once: in memory, or memory-mapped if they do not fit."""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._progress import Progress
from transferkit.errors import DataError, explain

__all__ = ["allocate", "each", "fill", "memory_budget", "take"]

_ALIGNMENT = 64  # bytes
_MEMINFO = Path("/proc/meminfo")
_LIMITS = (  # of a container, with the second and the first kind of control groups
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_budget() -> int:
    """Bytes of pixels that are kept in memory: a quarter of what is free when it is asked.

    Free is what Linux calls available, its caches included, and no more than a container may have;
    a gibibyte is kept in memory where the system does not say.
    """
    limits = [number for path in _LIMITS if (number := _number_in(path))]
    try:
        free = _available() or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 1 << 30
    return min([free, *limits]) // 4


def _available() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _number_in(path: Path) -> int | None:
    """The number that a file of the system holds; None if there is none, or the word ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def allocate(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    """Room for pixels; a temporary file that goes with the array where memory is short.

    Raises:
        DataError: If the file would not fit on the disk.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= memory_budget() or not size:  # an empty file cannot be mapped
        return _aligned(shape, np.dtype(dtype), size)
    _check_disk(size)
    handle, path = tempfile.mkstemp(prefix="transferkit-", suffix=".pixels")
    os.close(handle)
    mapped = np.memmap(path, dtype, "w+", shape=shape)
    weakref.finalize(mapped, _remove, path)
    return mapped


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> np.ndarray[Any, Any]:
    """Memory that starts where TensorFlow can read it without a copy; NumPy's own seldom does."""
    room = np.empty(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size].view(dtype).reshape(shape)


def each(
    count: int,
    work: Callable[[int], None],
    *,
    into: np.ndarray[Any, Any] | None = None,
    verbose: int = 0,
    label: str = "decode",
) -> None:
    """Do `work` for every number below `count`, with a pool of threads.

    Only a few numbers wait at a time. An error of `work` ends it all.

    Args:
        count: How many.
        work: What is done; it keeps its results itself.
        into: Where it keeps pixels, if they may lie on disk.
        verbose: 0 silent, 1 or 2 shows how far it is; see `Progress`.
        label: What is being done.
    """
    workers = min(32, (os.cpu_count() or 1) + 4)
    todo = iter(range(count))
    with ThreadPoolExecutor(workers) as pool, Progress(label, count, verbose=verbose) as shown:
        while chunk := list(islice(todo, 16 * workers)):
            for _ in pool.map(work, chunk):
                shown.advance()
            _let_go(into)


def fill(
    into: np.ndarray[Any, Any],
    items: Sequence[Any],
    read: Callable[[Any], np.ndarray[Any, Any]],
    *,
    verbose: int = 0,
) -> list[tuple[Any, Exception]]:
    """Read every item into its row; see `each`.

    Returns:
        The items that could not be read, with their errors.
    """
    failed: list[tuple[Any, Exception]] = []

    def one(index: int) -> None:
        try:
            into[index] = read(items[index])
        except DataError as error:
            failed.append((items[index], error))

    each(len(items), one, into=into, verbose=verbose)
    return failed


def take(array: np.ndarray[Any, Any], indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Some rows, on disk again if they are large: plain indexing would bring them into memory."""
    room = allocate((len(indices), *array.shape[1:]), array.dtype)
    for start in range(0, len(indices), 64):
        room[start : start + 64] = array[indices[start : start + 64]]
        _let_go(room)
        _let_go(array)
    return room


def _let_go(array: np.ndarray[Any, Any] | None) -> None:
    """Let the pages of a mapped file leave memory; what was written to them is in the file.

    The system would do so itself, but only once memory is short.
    """
    if isinstance(array, np.memmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        mapped: Any = array
        mapped._mmap.madvise(mmap.MADV_DONTNEED)


def _check_disk(size: int) -> None:
    """Writing to a mapped file on a full disk would end the process without a word."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            explain(
                "decode",
                f"{folder} has no room for the pixels, which do not fit into memory either",
                expected=f"{size / 1e9:,.1f} GB",
                received={"free": f"{free / 1e9:,.1f} GB"},
                mend="Choose a smaller image_size, or set the environment variable TMPDIR to a "
                "folder with more room.",
            )
        )


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
