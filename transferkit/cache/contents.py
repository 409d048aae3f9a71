"""What lies in a cache's folder, and how it is taken out.

An entry is a folder named by its key; what is being written, or removed, is one that ends in
``.tmp``. Whatever else lies there belongs to somebody else and is never touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transferkit.cache.locks import is_free
from transferkit.cache.manifest import MANIFEST

__all__ = ["Stored", "bytes_held", "contents", "remove", "temporary"]

_sizes: dict[tuple[str, int, int], int] = {}
"""The bytes of entries that were looked into, by path, and by number and time of the manifest."""
_MOST_SIZES = 100_000
_NAME = re.compile(r"[0-9a-f]{32}(?P<temporary>\.\d+\.[0-9a-f]{8}\.tmp)?")


@dataclass(frozen=True)
class Stored:
    """One folder of a cache.

    Attributes:
        place: The folder.
        nbytes: The bytes of its files.
        used: When somebody last used it, in seconds since 1970.
        free: Whether no process uses it now, neither reads nor writes.
        finished: Whether it is an entry; else it is being written or removed, or was left over.
    """

    place: Path
    nbytes: int
    used: float
    free: bool
    finished: bool


def contents(folder: Path) -> list[Stored]:
    """All that is in a cache's folder, the least recently used first; [] if there is no folder."""
    try:
        names = [name for name in os.listdir(folder) if _NAME.fullmatch(name)]
    except OSError:
        return []
    found = [stored for name in names for stored in _stored(folder / name)]
    return sorted(found, key=lambda stored: stored.used)


def bytes_held(folder: Path) -> int | None:
    """The bytes of all that is in a cache's folder; None where a dead process left something.

    A process looks into each entry once, as entries are never written again, and nobody is asked
    who uses it: with thousands of entries that is some milliseconds.
    """
    try:
        names = [name for name in os.listdir(folder) if _NAME.fullmatch(name)]
    except OSError:
        return 0
    if len(_sizes) > _MOST_SIZES:
        _sizes.clear()
    total = 0
    for name in names:
        place = os.path.join(folder, name)
        identity = _identity(place)
        known = None if identity is None else _sizes.get(identity)
        if known is not None:
            total += known
            continue
        for stored in _stored(Path(place)):
            if stored.free and not stored.finished:
                return None
            total += stored.nbytes
            if stored.finished and identity is not None:
                _sizes[identity] = stored.nbytes
    return total


def _identity(place: str) -> tuple[str, int, int] | None:
    """What tells an entry from one that is written in its place."""
    try:
        manifest = os.stat(os.path.join(place, MANIFEST))
    except OSError:
        return None
    return place, manifest.st_ino, manifest.st_mtime_ns


def temporary(place: Path) -> Path:
    """Where an entry is written before it is believed: beside its own place."""
    return place.with_name(f"{place.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def remove(place: Path) -> bool:
    """Take an entry out, whoever uses it; returns whether that could be done.

    On Linux and macOS a mapping of a removed file stays what it was; Windows refuses to move it.
    """
    grave = temporary(place) if _is_entry(place) else place
    try:
        if grave != place:
            os.rename(place, grave)  # at once: half an entry is never seen
    except OSError:
        return False
    shutil.rmtree(grave, ignore_errors=True)
    return not grave.exists()


def _stored(place: Path) -> Iterator[Stored]:
    with contextlib.suppress(OSError):  # another process may remove it while it is looked at
        with os.scandir(place) as listing:
            files = list(listing)
        used = place.stat().st_mtime
        nbytes = sum(file.stat().st_size for file in files)
        free = all(is_free(file.path) for file in files)
        yield Stored(place, nbytes, used, free, _is_entry(place))


def _is_entry(place: Path) -> bool:
    match = _NAME.fullmatch(place.name)
    return bool(match and not match["temporary"])
