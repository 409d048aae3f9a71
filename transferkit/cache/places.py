"""Where the cache lies, and how much may lie there."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from transferkit.errors import CacheError, explain

__all__ = ["VARIABLE", "default_limit", "folder", "free_bytes"]

VARIABLE = "TRANSFERKIT_CACHE"
MOST = 20 * 10**9
MARGIN = 10**9
"""Bytes that are left free on a disk, or a fiftieth of it where that is less."""


def folder() -> Path:
    """The folder in which features of frozen layers are kept, unless an engine names another.

    >>> import transferkit as tk
    >>> tk.cache.folder().is_absolute()
    True

    It is what the environment variable ``TRANSFERKIT_CACHE`` says, or ``transferkit`` in the user's
    cache folder: ``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches`` on macOS,
    ``%LOCALAPPDATA%`` on Windows. Nothing is made by asking.

    Raises:
        CacheError: If the user has no home folder and the variable is not set.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    return _user_cache(sys.platform) / "transferkit"


def _user_cache(platform: str) -> Path:
    variable, below_home = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Caches"),
    }.get(platform, ("XDG_CACHE_HOME", ".cache"))
    named = Path(os.environ.get(variable, ""))
    if variable and named.is_absolute():  # a relative one is to be ignored, says XDG
        return named
    try:
        return Path.home() / below_home
    except RuntimeError as error:
        raise CacheError(
            explain(
                "cache",
                "this user has no home folder to keep a cache in",
                expected=f"a home folder, or a folder in the environment variable {VARIABLE}",
                mend="tk.Engine(cache='a/folder')",
            )
        ) from error


def default_limit(place: Path, held: int) -> int:
    """The bytes that a cache may hold if nobody said: 20 GB, or half of what it could have.

    Args:
        place: Its folder.
        held: What it holds already, so that the limit does not shrink as it fills.
    """
    return min(MOST, (_disk(place)[1] + held) // 2)


def free_bytes(place: Path) -> int:
    """What may still be written on the disk of a folder; some is left to others."""
    total, free = _disk(place)
    return free - min(MARGIN, total // 50)


def _disk(place: Path) -> tuple[int, int]:
    """The bytes that the disk has and that are free, also if the folder is not there yet."""
    there = next((path for path in (place, *place.parents) if path.exists()), Path.cwd())
    usage = shutil.disk_usage(there)
    return usage.total, usage.free
