"""Names to things: what transferkit brings, what a user adds, what other packages bring."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Generic, TypeVar

from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping from names to things of one kind, open to everyone.

    Entry points of the group are looked up when a name is asked for that is not known yet, or when
    all names are listed; an installed plug-in costs nothing before that.

    Args:
        kind: What the things are called in an error ("backbone source").
        group: The entry-point group that other packages use, or None.
    """

    def __init__(self, kind: str, *, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._things: dict[str, T] = {}
        self._entry_points_read = group is None

    def add(self, name: str, thing: T, *, replace: bool = False) -> None:
        """Register `thing` under `name`.

        Raises:
            SpecError: If the name is taken by another thing and `replace` is False.
        """
        if not replace and name in self._things and self._things[name] is not thing:
            raise SpecError(
                explain(
                    "register",
                    f"the {self.kind} name {name!r} is taken",
                    expected="a new name",
                    received={"name": name},
                    mend="Choose another name, or say replace=True.",
                )
            )
        self._things[name] = thing

    def get(self, name: str, *, verb: str) -> T:
        """Look `name` up.

        Raises:
            UnknownNameError: If nobody registered it; the nearest names are named.
        """
        if name not in self._things:
            self._read_entry_points()
        if name not in self._things:
            raise UnknownNameError(
                explain(
                    verb,
                    f"there is no {self.kind} called {name!r}",
                    expected=did_you_mean(name, self._things),
                    received={"name": name},
                )
            )
        return self._things[name]

    def names(self, glob: str = "*") -> tuple[str, ...]:
        """All names that match `glob`, sorted."""
        self._read_entry_points()
        return tuple(sorted(n for n in self._things if fnmatch.fnmatchcase(n, glob)))

    def items(self) -> Iterator[tuple[str, T]]:
        """Every (name, thing), sorted by name."""
        return iter((name, self._things[name]) for name in self.names())

    def registering(self, name: str) -> Callable[[T], T]:
        """A decorator that registers what it decorates."""

        def register(thing: T) -> T:
            self.add(name, thing)
            return thing

        return register

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        for point in metadata.entry_points(group=self.group or ""):
            if point.name not in self._things:
                self._things[point.name] = point.load()
        # Only now, so that a plug-in that fails to load fails every time and is never left out.
        self._entry_points_read = True
