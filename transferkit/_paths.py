"""Names of files that come from elsewhere: archives and saved models."""

from __future__ import annotations

from pathlib import PurePosixPath

__all__ = ["is_inside"]


def is_inside(name: str) -> bool:
    """Whether a path, written with slashes, stays below the folder it is put into, on any system.

    Args:
        name: As an archive names its member.
    """
    parts = PurePosixPath(name).parts
    odd = any(character in name for character in "\\:\0")
    return bool(name) and not odd and not name.startswith("/") and ".." not in parts
