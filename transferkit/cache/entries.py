"""An entry as it is read: memory-mapped arrays, every byte of which has been checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from transferkit._text import byte_size
from transferkit.cache.checksums import block_checksums
from transferkit.cache.locks import share
from transferkit.cache.manifest import MANIFEST, ArrayRecord, Manifest, UnusableError

__all__ = ["Entry", "mark_checked", "open_entry", "read_manifest"]

Identity = tuple[tuple[int, int, int], ...]
_checked: dict[str, Identity] = {}
"""Entries whose checksums this process has seen to be right, and the files that they were of."""


@dataclass(frozen=True, eq=False)
class Entry:
    """What is kept under one key.

    There is nothing to close: an entry counts as in use, and is evicted by nobody, as long as one
    of its arrays, or a view of one, is there.

    Attributes:
        key: Its key.
        arrays: The arrays by name, memory-mapped, copy-on-write (so that DLPack hands them on
            without a copy; what is written into them reaches no file), aligned to 64 bytes.
        about: What was said about it when it was made.
    """

    key: str
    arrays: Mapping[str, np.ndarray]
    about: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """The size of all arrays in bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    def __repr__(self) -> str:
        shapes = (f"{name} {a.shape} {a.dtype}" for name, a in self.arrays.items())
        return f"Entry({self.key}: {', '.join(shapes)}, {byte_size(self.nbytes)})"


def open_entry(place: Path) -> Entry | None:
    """Open the entry that lies in a folder; None if there is none.

    All bytes are read and checked when a process first opens it, and again when a file has changed.

    Raises:
        UnusableError: If it is damaged or of another format.
    """
    before = _inode(place)
    if before is None:
        return None
    try:
        entry = _opened(place)
    except UnusableError:
        if _inode(place) == before:
            raise
        return None  # evicted while it was opened
    return entry if _inode(place) == before else None


def mark_checked(place: Path, manifest: Manifest) -> None:
    """Say that the checksums of an entry are right: this process has just made them."""
    _checked[str(place)] = _identity(place, manifest)


def read_manifest(place: Path) -> Manifest:
    """What the manifest in an entry's folder says.

    Raises:
        UnusableError: If it is not to be believed.
    """
    try:
        raw = (place / MANIFEST).read_bytes()
    except OSError as error:
        raise UnusableError(f"its manifest is missing or cannot be read ({error})") from error
    manifest = Manifest.decode(raw)
    if manifest.key != place.name:
        raise UnusableError(f"it was written under another key ({manifest.key})")
    return manifest


def _opened(place: Path) -> Entry:
    manifest = read_manifest(place)
    arrays = {record.name: _mapped(place, record) for record in manifest.arrays}
    _check(place, manifest, arrays)
    with contextlib.suppress(OSError):  # the time of last use; a folder may be for reading only
        os.utime(place)
    return Entry(manifest.key, MappingProxyType(arrays), MappingProxyType(dict(manifest.about)))


def _mapped(place: Path, record: ArrayRecord) -> np.ndarray:
    try:
        with open(place / record.file, "rb") as file:
            share(file)
            size = os.fstat(file.fileno()).st_size
            if size != record.nbytes:
                raise UnusableError(
                    f"the file of {record.name!r} has {size} bytes instead of {record.nbytes}"
                )
            if not record.nbytes:  # nothing can be mapped
                return np.zeros(record.shape, record.dtype)
            return np.memmap(file, record.dtype, "c", shape=record.shape)
    except OSError as error:
        raise UnusableError(f"the file of {record.name!r} cannot be read ({error})") from error


def _check(place: Path, manifest: Manifest, arrays: Mapping[str, np.ndarray]) -> None:
    identity = _identity(place, manifest)
    if _checked.get(str(place)) == identity:
        return
    for record in manifest.arrays:
        if block_checksums(arrays[record.name]) != record.checksums:
            raise UnusableError(f"bytes of {record.name!r} have changed")
    _checked[str(place)] = identity


def _identity(place: Path, manifest: Manifest) -> Identity:
    files = [place / name for name in (MANIFEST, *(record.file for record in manifest.arrays))]
    try:
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in map(os.stat, files))
    except OSError as error:
        raise UnusableError(f"a file of it is gone ({error})") from error


def _inode(place: Path) -> int | None:
    try:
        return os.stat(place).st_ino
    except OSError:
        return None
