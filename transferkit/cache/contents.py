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

__all__ = ["Stored", "contents", "remove", "temporary"]

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
        files = [Path(file.path) for file in os.scandir(place)]
        used = place.stat().st_mtime
        nbytes = sum(file.stat().st_size for file in files)
        free = all(map(is_free, files))
        yield Stored(place, nbytes, used, free, _is_entry(place))


def _is_entry(place: Path) -> bool:
    match = _NAME.fullmatch(place.name)
    return bool(match and not match["temporary"])
