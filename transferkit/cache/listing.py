"""What the cache holds, for people; and how it is emptied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from transferkit._text import byte_size, html_table, shortened, text_table
from transferkit._types import PathLike, real
from transferkit.cache import places
from transferkit.cache.contents import Stored, contents, remove
from transferkit.cache.entries import read_manifest
from transferkit.cache.locks import alone
from transferkit.cache.manifest import UnusableError
from transferkit.errors import CacheError, SpecError, explain

__all__ = ["CacheInfo", "EntryInfo", "clear", "info"]

_ABOUT = 60  # columns


@dataclass(frozen=True)
class EntryInfo:
    """One entry of the cache.

    Attributes:
        key: Its key, which is the name of its folder.
        about: What it is: the network, where it was cut, how many pictures. Empty if it cannot be
            read.
        nbytes: Its size.
        used: When it was last used, in local time.
        in_use: Whether a process reads it now; such an entry is neither evicted nor cleared.
    """

    key: str
    about: Mapping[str, Any]
    nbytes: int
    used: datetime
    in_use: bool

    def _row(self) -> list[str]:
        said = ", ".join(f"{name} {value}" for name, value in self.about.items())
        used = "now" if self.in_use else f"{self.used:%Y-%m-%d %H:%M}"
        return [shortened(said, _ABOUT) or self.key, used, byte_size(self.nbytes)]


@dataclass(frozen=True)
class CacheInfo:
    """What a cache holds; ``print`` says it, a notebook shows it as a table.

    Attributes:
        folder: Where it lies.
        limit: The bytes that it may hold if an engine sets no other limit.
        entries: The most recently used first.
        unfinished: Bytes of entries that are being written, or that a killed process left; the
            next one that writes removes those.
    """

    folder: Path
    limit: int
    entries: tuple[EntryInfo, ...] = field(default=())
    unfinished: int = 0

    @property
    def total(self) -> int:
        """The bytes of all entries, unfinished ones too."""
        return self.unfinished + sum(entry.nbytes for entry in self.entries)

    def __repr__(self) -> str:
        return "\n".join([self._caption(), *([self._table()] if self.entries else [])])

    def _repr_html_(self) -> str:
        rows = [entry._row() for entry in self.entries]
        return html_table(self._caption(), ["entry", "last used", "size"], rows, left=2)

    def _table(self) -> str:
        rows = [entry._row() for entry in self.entries]
        return text_table(["entry", "last used", "size"], rows, left=2)

    def _caption(self) -> str:
        count = f"{len(self.entries)} {'entry' if len(self.entries) == 1 else 'entries'}"
        more = f", {byte_size(self.unfinished)} of them unfinished" if self.unfinished else ""
        where = shortened(str(self.folder), _ABOUT)
        return (
            f"Cache in {where}: {count}, {byte_size(self.total)} of {byte_size(self.limit)}{more}"
        )


def info(folder: PathLike | None = None) -> CacheInfo:
    """Look into the cache; nothing is made, read through or changed.

    >>> import transferkit as tk
    >>> print(tk.cache.info("nothing-here-yet"))
    Cache in ...nothing-here-yet: 0 entries, 0 B of ...

    Args:
        folder: The folder that an engine named (``tk.Engine(cache="folder")``); by default
            `tk.cache.folder`.

    Raises:
        CacheError: If no folder is named and the user has no home.
    """
    place = _place(folder)
    there = contents(place)
    limit = places.default_limit(place, sum(each.nbytes for each in there))
    entries = tuple(_entry(each) for each in reversed(there) if each.finished)
    unfinished = sum(each.nbytes for each in there if not each.finished)
    return CacheInfo(place, limit, entries, unfinished)


def clear(folder: PathLike | None = None, *, unused_for: float = 0) -> int:
    """Remove entries from the cache, and what killed processes left there.

    Entries that a process uses now stay. Other files in the folder are left alone.

    >>> import transferkit as tk
    >>> tk.cache.clear(unused_for=30)
    0

    Args:
        folder: The folder that an engine named; by default `tk.cache.folder`.
        unused_for: Only what nobody used for so many days; 0 for all.

    Returns:
        The bytes that were freed.

    Raises:
        CacheError: If no folder is named and the user has no home, or it cannot be written.
        SpecError: If `unused_for` is no number of days.
    """
    place, before = _place(folder), datetime.now() - _days(unused_for)
    if not contents(place):
        return 0
    try:
        with alone(place):
            old = [each for each in contents(place) if each.free and _used(each) <= before]
            return sum(each.nbytes for each in old if remove(each.place))
    except OSError as error:
        raise CacheError(
            explain(
                "clear",
                f"the folder cannot be written ({error})",
                expected="a folder that this user may write",
                received={"folder": str(place)},
                mend=f"Remove {str(place)!r} as the user who made it.",
            )
        ) from error


def _place(folder: PathLike | None) -> Path:
    return places.folder() if folder is None else Path(folder).expanduser().absolute()


def _entry(stored: Stored) -> EntryInfo:
    try:
        about = read_manifest(stored.place).about
    except UnusableError:
        about = {}
    return EntryInfo(stored.place.name, about, stored.nbytes, _used(stored), not stored.free)


def _used(stored: Stored) -> datetime:
    return datetime.fromtimestamp(stored.used)


def _days(value: object) -> timedelta:
    days = real(value)
    if days is None or not 0 <= days < 1e6:
        raise SpecError(
            explain(
                "clear",
                "that is no number of days",
                expected="a number from 0",
                received={"unused_for": value},
                mend="tk.cache.clear(unused_for=30)",
            )
        )
    return timedelta(days=days)
