"""A file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from transferkit._types import PathLike
from transferkit.errors import SaveError, explain

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: PathLike, *, needed: int) -> Iterator[BinaryIO]:
    """Open a new file beside `path` that takes its place when the block ends well.

    The bytes are on the disk before the name changes hands, so whoever looks at `path`, at any
    moment and after a power cut, finds the old file or the new one. If the block raises, the new
    file is removed and the old one is as it was. (A process that is killed can remove nothing: it
    may leave a hidden file called ``.<name>.<random>.tmp``, and the old file.)

    Args:
        path: The file to write; if it is a link, what it points to. Its folder has to exist.
        needed: About how many bytes will be written, for the error.

    Raises:
        SaveError: If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    if os.path.isdir(target) or not os.path.isdir(target.parent):
        raise _no_place(target)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _failed(target, needed, error) from error
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # Not every system lets a folder be opened; there the new name is as safe as it gets.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _no_place(target: Path) -> SaveError:
    happened = (
        "is a folder" if target.is_dir() else f"lies in {str(target.parent)!r}, which is no folder"
    )
    return SaveError(
        explain(
            "save",
            f"the path {happened}",
            expected="the path of a file in a folder that exists",
            received={"path": str(target)},
            mend=f"trained.save({str(target / 'model.tkm')!r})"
            if target.is_dir()
            else f"pathlib.Path({str(target.parent)!r}).mkdir(parents=True)",
        )
    )


def _failed(target: Path, needed: int, error: OSError) -> SaveError:
    try:
        free = f"{shutil.disk_usage(target.parent).free} bytes are free"
    except OSError:
        free = "what is free is unknown"
    kept = (
        "the file that was there is untouched"
        if os.path.exists(target)
        else "nothing was left behind"
    )
    return SaveError(
        explain(
            "save",
            f"{target.name!r} could not be written ({error}); {kept}",
            expected=f"a folder that can be written, with about {needed} bytes for the new file "
            f"beside the old one ({free})",
            received={"path": str(target)},
            mend="Make room there, or save to another folder.",
        )
    )
