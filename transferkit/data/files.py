"""Which files of a folder are pictures, and why the others are not read."""

from __future__ import annotations

import stat
from pathlib import Path

from transferkit.data.formats import ENDINGS, OTHER_PICTURES

__all__ = ["BROKEN_LINK", "READ", "is_hidden", "why_not_read"]

READ = frozenset(ENDINGS)
"""Endings, in small letters, of the pictures that are read."""

BROKEN_LINK = "a broken link"
_LITTER = frozenset({"$recycle.bin", "@eadir", "__macosx", "desktop.ini", "thumbs.db"})


def is_hidden(entry: Path) -> bool:
    """True for what systems leave behind: dot files (macOS' ``._a.jpg``), thumbnails."""
    return entry.name.startswith(".") or entry.name.lower() in _LITTER


def why_not_read(entry: Path) -> str | None:
    """Why an entry of a folder of pictures is left out; None for a picture."""
    if is_hidden(entry):
        return "hidden"
    ending = entry.suffix.lower()
    try:
        kind = entry.stat().st_mode
    except OSError:  # it leads nowhere, or round in a circle
        return BROKEN_LINK if entry.is_symlink() else "not accessible"
    if stat.S_ISDIR(kind):
        return "a folder inside a class folder"
    if not stat.S_ISREG(kind):  # opening a pipe would wait for ever
        return "no file"
    if ending in READ:
        return None
    if ending in OTHER_PICTURES:
        return f"{ending} pictures are not read, convert them to PNG"
    return "no picture"
