"""Arrays on disk by key. The operating system's page cache is the tier in memory; no other is kept.

Nothing here is ever stale: a key is made from all that the numbers depend on (`keys.key`), an entry
is believed only if every byte of it is as it was written, and it becomes visible whole or not at
all. Any number of processes may use one folder.
"""

from __future__ import annotations

import contextlib
import errno
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transferkit._text import byte_size, printable
from transferkit._types import PathLike
from transferkit.cache.contents import Stored, bytes_held, contents, remove
from transferkit.cache.entries import Entry, open_entry
from transferkit.cache.keys import checked
from transferkit.cache.locks import alone
from transferkit.cache.manifest import UnusableError, record
from transferkit.cache.places import default_limit, free_bytes
from transferkit.cache.writing import Writer
from transferkit.errors import CacheError, explain

__all__ = ["Shapes", "Store"]

Shapes = Mapping[str, tuple[tuple[int, ...], Any]]
"""Shape and dtype of each array of an entry, by name."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Store:
    """Entries in a folder, at most so many bytes of them.

    >>> import numpy as np
    >>> from transferkit.cache import Store, keys
    >>> store, key = Store("cache"), keys.key({"network": "VGG16"})
    >>> with store.create(key, {"features": ((2, 3), "float32")}) as writer:
    ...     writer.arrays["features"][:] = np.arange(6).reshape(2, 3)
    >>> store.find(key).arrays["features"].sum()
    np.float32(15.0)

    Args:
        folder: The folder, which is made when something is written.
        limit: The bytes that it may hold; None for 20 GB or half of what the disk has free or the
            cache holds, whichever is less.
    """

    def __init__(self, folder: PathLike, limit: int | None = None) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.limit = limit

    def find(self, key: str) -> Entry | None:
        """The entry under a key, or None; one that is not to be believed is removed.

        Warns:
            UserWarning: If it was damaged; one of another format goes without a word.

        Raises:
            SpecError: If that is no key.
        """
        place = self.folder / checked(key)
        try:
            return open_entry(place)
        except UnusableError as error:
            done = "was removed" if remove(place) else "cannot be removed"
            if error.damaged:
                text = f"cache: {error}; the entry {key} in {str(self.folder)!r} {done}"
                warnings.warn(printable(text), stacklevel=2)
            return None

    @contextlib.contextmanager
    def create(
        self, key: str, arrays: Shapes, about: Mapping[str, Any] | None = None
    ) -> Iterator[Writer]:
        """Write an entry: a block in which its arrays are filled, slice by slice.

        Room is made by evicting entries that no process uses, the least recently used first. If the
        block raises, nothing is left. If another process was faster, its entry is the one that is
        kept.

        Args:
            key: Its key.
            arrays: Shape and dtype of each array.
            about: What it is, for people and for `tk.cache.info`; JSON-ready.

        Raises:
            CacheError: If there is no room, or the folder cannot be written; nothing is left then.
            SpecError: If that is no key, or an array is none of plain numbers.
        """
        records = [record(name, i, *arrays[name]) for i, name in enumerate(sorted(arrays))]
        writer = Writer(self.folder / checked(key), records, about or {})
        entry = None
        try:
            with self._explained():
                self.folder.mkdir(parents=True, exist_ok=True)
                with alone(self.folder):
                    self._make_room(sum(each.nbytes for each in records))
                    writer.claim()
                writer.open()
            yield writer
            with self._explained():
                entry = self._published(writer)
        finally:
            writer.finish(entry)

    def room(self) -> int:
        """The bytes that a new entry may have now, entries that nobody uses evicted."""
        there = contents(self.folder)
        return max(0, min(self._left(there), self._free(there)))

    def _left(self, there: list[Stored]) -> int:
        """What the limit leaves, entries that nobody uses evicted."""
        return self._limit(there) - sum(each.nbytes for each in there if not each.free)

    def _free(self, there: list[Stored]) -> int:
        """What the disk has, entries that nobody uses evicted."""
        return free_bytes(self.folder) + sum(each.nbytes for each in there if each.free)

    def _limit(self, there: list[Stored]) -> int:
        return self._limit_with(sum(each.nbytes for each in there))

    def _limit_with(self, held: int) -> int:
        return default_limit(self.folder, held) if self.limit is None else self.limit

    def _fits(self, needed: int) -> bool:
        """Whether there is room for so many bytes as it is, and nothing to be cleaned up."""
        held = bytes_held(self.folder)
        if held is None or held + needed > self._limit_with(held):
            return False
        return needed <= free_bytes(self.folder)

    def _make_room(self, needed: int) -> None:
        """Remove what dead processes left, and then entries, until so many bytes may be written."""
        if self._fits(needed):
            return
        for each in contents(self.folder):
            if each.free and not each.finished:
                remove(each.place)
        there = contents(self.folder)
        if needed > self._left(there):
            raise self._over_the_limit(needed, there)
        if needed > self._free(there):
            raise self._disk_full(needed)
        limit = self._limit(there)
        for each in [each for each in there if each.free]:
            held = sum(other.nbytes for other in there)
            if held + needed <= limit and needed <= free_bytes(self.folder):
                return
            if remove(each.place):
                there.remove(each)

    def _published(self, writer: Writer) -> Entry:
        writer.seal()
        # Twice, since an entry that is in the way may be a damaged one, which `find` removes.
        for _ in range(2):
            with alone(self.folder):
                writer.publish()
            if entry := self.find(writer.place.name):
                return entry
        raise CacheError(
            explain(
                "cache",
                f"what lies in {str(writer.place)!r} can neither be read nor replaced",
                expected="an entry of the cache, or nothing",
                mend="Remove it, or tk.Engine(cache='another/folder').",
            )
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except CacheError:
            raise
        except OSError as error:
            if error.errno in FULL:
                raise self._disk_full(None, error) from error
            raise self._no_place(error) from error

    def _no_place(self, error: OSError) -> CacheError:
        return CacheError(
            explain(
                "cache",
                f"the folder cannot be written ({error})",
                expected="a folder that can be written, or the place for one",
                received={"folder": str(self.folder)},
                mend="tk.Engine(cache='another/folder'), or tk.Engine(cache=False) for none.",
            )
        )

    def _disk_full(self, needed: int | None, error: OSError | None = None) -> CacheError:
        size = "the entry" if needed is None else f"an entry of {byte_size(needed)}"
        why = f" ({error})" if error else ""
        return CacheError(
            explain(
                "cache",
                f"the disk has no room for {size}{why}",
                expected=f"at most the {byte_size(max(0, free_bytes(self.folder)))} that are free "
                "for it, beside what entries that nobody uses take",
                received={"folder": str(self.folder)},
                mend="Make room, or tk.Engine(cache='a/folder/on/another/disk').",
            )
        )

    def _over_the_limit(self, needed: int, there: list[Stored]) -> CacheError:
        left, limit = max(0, self._left(there)), self._limit(there)
        return CacheError(
            explain(
                "cache",
                f"an entry of {byte_size(needed)} is more than the limit leaves",
                expected=f"at most {byte_size(left)}: the limit is {byte_size(limit)}, and "
                f"{byte_size(limit - left)} of it are in use now",
                received={"folder": str(self.folder)},
                mend=f"tk.Engine(cache_limit={needed + limit - left}), if the disk has that.",
            )
        )
