"""Which files of a folder are pictures, and why the others are not read."""

from __future__ import annotations

from pathlib import Path

__all__ = ["READ", "is_hidden", "why_not_read"]

READ = frozenset({".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"})
"""Endings, in small letters, of the pictures that are read."""

_OTHER_PICTURES = frozenset({".avif", ".gif", ".heic", ".svg", ".tif", ".tiff"})
_LITTER = frozenset({"__macosx", "desktop.ini", "thumbs.db"})


def is_hidden(entry: Path) -> bool:
    """True for what systems leave behind: dot files (macOS' ``._a.jpg``), thumbnails."""
    return entry.name.startswith(".") or entry.name.lower() in _LITTER


def why_not_read(entry: Path) -> str | None:
    """Why an entry of a folder of pictures is left out; None for a picture."""
    ending = entry.suffix.lower()
    if is_hidden(entry):
        return "hidden"
    if entry.is_dir():
        return "a folder inside a class folder"
    if entry.exists() and not entry.is_file():  # opening a pipe would wait for ever
        return "no file"
    if ending in READ:
        return None
    if ending in _OTHER_PICTURES:
        return f"{ending} pictures are not read, convert them to PNG"
    return "no picture"
