"""Who uses a file: asked of the operating system, which knows when a process dies.

A file that is in use holds a shared lock (``flock``). A mapping keeps the descriptor that it was
made from, so the lock of a mapped file lasts exactly as long as somebody can read the mapping, in
whatever process, and is gone when the process is. Unlike a process number it cannot be taken for
another's, and holds between containers that share a folder.

On Windows a mapped file cannot be moved or removed at all, so there nothing is locked. Where a file
system knows no locks, whatever was touched within a day counts as in use.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from transferkit._types import PathLike

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["alone", "is_free", "share"]

DAY = 86400.0


if sys.platform == "win32":

    def share(file: IO[bytes]) -> None:
        """Say that the file is in use: an open one is."""

    def is_free(path: PathLike) -> bool:
        """Whether nobody uses the file: it shows when it is to be moved."""
        return True

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

else:

    def share(file: IO[bytes]) -> None:
        """Say that the file is in use, until all descriptors and mappings of it are closed."""
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_SH)

    def is_free(path: PathLike) -> bool:
        """Whether nobody uses the file."""
        try:
            with open(path, "rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return True
        except OSError:
            return _untouched(path)
        return True

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one, among all processes, who changes what lies in a folder."""
    with open(folder / ".lock", "ab") as file:
        with contextlib.suppress(OSError):  # a file system without locks: renames are atomic still
            _lock(file)
        yield


def _untouched(path: PathLike) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > DAY
    except OSError:
        return True
