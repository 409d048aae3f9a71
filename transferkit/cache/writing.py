"""An entry as it is written: beside its place, whole, and only then renamed.

A process that is killed at any moment leaves a folder that ends in ``.tmp``, which nobody believes
and the next writer removes.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.cache.checksums import block_checksums
from transferkit.cache.contents import temporary
from transferkit.cache.entries import Entry, mark_checked
from transferkit.cache.keys import plain
from transferkit.cache.locks import share
from transferkit.cache.manifest import MANIFEST, ArrayRecord, Manifest
from transferkit.errors import CacheError, explain

__all__ = ["Writer", "reserve"]

ZEROS = bytes(2**22)
UNKNOWN = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that cannot reserve."""


class Writer:
    """Arrays on the disk that are to be filled; made by `Store.create`.

    Attributes:
        arrays: By name, mapped for writing, zeros at first. Write into slices of them, and keep
            none of them when the block has ended.
        place: Where the entry will lie.
    """

    def __init__(self, place: Path, records: Iterable[ArrayRecord], about: Mapping[str, Any]):
        self.place = place
        self.arrays: dict[str, np.ndarray] = {}
        # Made plain now: an hour later would be late to find out that JSON cannot hold it.
        self._manifest = Manifest(place.name, plain(about), tuple(records))
        self._folder = temporary(place)
        self._files: list[FileIO] = []
        self._entry: Entry | None = None

    @property
    def entry(self) -> Entry:
        """What was written, to be read; there is one when the block has ended well.

        Raises:
            CacheError: If it has not.
        """
        if self._entry is None:
            raise CacheError(
                explain(
                    "cache",
                    "the entry is not whole before its block has ended",
                    expected="to be asked behind the block",
                    mend="with store.create(...) as writer: ...; then writer.entry",
                )
            )
        return self._entry

    def tell(self, about: Mapping[str, Any]) -> None:
        """Say more of the entry, such as how long it took, before its block has ended."""
        self._manifest = replace(self._manifest, about={**self._manifest.about, **plain(about)})

    def claim(self) -> None:
        """Make the files, in their size but without room on the disk, and say they are in use."""
        self._folder.mkdir()
        for record in self._manifest.arrays:
            # Closed by `close`; until then its lock says that somebody writes here.
            file = open(self._folder / record.file, "xb+", buffering=0)  # noqa: SIM115
            self._files.append(file)
            share(file)
            file.truncate(record.nbytes)

    def open(self) -> None:
        """Take the room on the disk, and map the files."""
        for record, file in zip(self._manifest.arrays, self._files, strict=True):
            reserve(file, record.nbytes)
            self.arrays[record.name] = (
                np.memmap(file, record.dtype, "r+", shape=record.shape)
                if record.nbytes
                else np.zeros(record.shape, record.dtype)
            )

    def seal(self) -> None:
        """Put checksums and manifest beside the arrays, and all of it on the disk."""
        records = self._manifest.arrays
        sums = {r.name: block_checksums(self.arrays[r.name]) for r in records}
        whole = tuple(replace(r, checksums=sums[r.name]) for r in records)
        self._manifest = replace(self._manifest, arrays=whole)
        self._flush()
        with open(self._folder / MANIFEST, "xb") as file:
            file.write(self._manifest.encode())
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> None:
        """Rename the folder, unless another entry came first; nobody else may remove it meanwhile.

        Raises:
            OSError: If that cannot be done, and no entry is the reason.
        """
        self._let_go()  # Windows moves no folder with open files in it
        try:
            os.rename(self._folder, self.place)
        except OSError:
            if not self.place.is_dir():
                raise
        else:
            mark_checked(self.place, self._manifest)

    def finish(self, entry: Entry | None) -> None:
        """Let go of everything, and remove what has not become an entry."""
        self._entry = entry
        self._let_go()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _let_go(self) -> None:
        self.arrays.clear()
        for file in self._files:
            file.close()

    def _flush(self) -> None:
        for array, file in zip(self.arrays.values(), self._files, strict=True):
            if isinstance(array, np.memmap):
                array.flush()
            os.fsync(file.fileno())


def reserve(file: FileIO, size: int) -> None:
    """Take room on the disk for a file of so many bytes, which stay zeros.

    Writing into a mapped file whose room is only promised kills the process without a word
    (SIGBUS) when the disk is full.

    Raises:
        OSError: If there is no room.
    """
    if size and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
    file.seek(0)
    while size:
        size -= file.write(ZEROS[:size])
