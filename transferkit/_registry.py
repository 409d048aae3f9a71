"""Names to things: what transferkit brings, what a user adds, what other packages bring."""

from __future__ import annotations

import fnmatch
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import metadata
from typing import Any, Generic, TypeVar

from transferkit.errors import (
    PluginError,
    SpecError,
    UnknownNameError,
    did_you_mean,
    explain,
)

T = TypeVar("T")
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
Points = tuple[metadata.EntryPoint, ...]


class Registry(Generic[T]):
    """A mapping from names to things of one kind, open to everyone.

    Other packages bring theirs through entry points. The entry points are read when a name is asked
    for that is not known yet, or when all names are listed; a plug-in is imported when it is asked
    for by name, and not before. One that cannot be used is an error that names its package, for
    those who ask for it; whoever goes through all things gets the others, and a warning.

    Args:
        kind: What the things are called in an error ("backbone source").
        group: The entry-point group that other packages use, or None.
        fits: Whether a thing that another package brings is of this kind.
        expected: What such a thing has to be, for the error.
    """

    def __init__(
        self,
        kind: str,
        *,
        group: str | None = None,
        fits: Callable[[Any], bool] | None = None,
        expected: str | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._fits = fits
        self._expected = expected or f"a {kind}"
        self._things: dict[str, T] = {}

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

    def get(self, name: str, *, verb: str, package: str | None = None) -> T:
        """Look `name` up.

        Args:
            name: What was registered.
            verb: The call that the user typed, for the error.
            package: The distribution that brought it, as a file says, for the error. The file may
                come from a stranger: what is no name of a package is not repeated.

        Raises:
            UnknownNameError: If nobody registered it; the nearest names are named.
            PluginError: If another package brings it and it cannot be used.
        """
        if name not in self._things and name in self._points:
            self._things[name] = self._loaded(name, verb)
        if name not in self._things:
            named = isinstance(package, str) and _PACKAGE_NAME.fullmatch(package)
            whose = f"; the file says that the package {package!r} brings it" if named else ""
            raise UnknownNameError(
                explain(
                    verb,
                    f"there is no {self.kind} called {name!r}{whose}",
                    expected=did_you_mean(name, self._names()),
                    received={"name": name},
                    mend=f"If you trust that package: pip install {package}" if named else None,
                )
            )
        return self._things[name]

    def names(self, glob: str = "*") -> tuple[str, ...]:
        """All names that match `glob`, sorted. No plug-in is imported for it."""
        return tuple(sorted(n for n in self._names() if fnmatch.fnmatchcase(n, glob)))

    def items(self) -> Iterator[tuple[str, T]]:
        """Every (name, thing) that can be used, sorted by name; a warning for each that cannot."""
        for name in self.names():
            try:
                thing = self.get(name, verb=f"{self.kind}s")
            except PluginError as error:
                warnings.warn(str(error), stacklevel=2)
            else:
                yield name, thing

    def name_of(self, thing: T) -> str | None:
        """What `thing` is registered as; plug-ins are imported only if nothing known is it."""
        known = (name for name, each in sorted(self._things.items()) if each is thing)
        found = next(known, None)
        return found or next((name for name, each in self.items() if each is thing), None)

    def package_of(self, name: str) -> str | None:
        """The distribution whose entry point `name` is; None for what was registered here."""
        points = self._points.get(name, ())
        return _package(points[0]) if len(points) == 1 else None

    def registering(self, name: str) -> Callable[[T], T]:
        """A decorator that registers what it decorates."""

        def register(thing: T) -> T:
            self.add(name, thing)
            return thing

        return register

    def _names(self) -> set[str]:
        return {*self._things, *self._points}

    @cached_property
    def _points(self) -> dict[str, Points]:
        """The entry points of the group by name, without those whose name is ours."""
        if self.group is None:
            return {}
        found: dict[str, Points] = {}
        for point in metadata.entry_points(group=self.group):
            if point.name not in self._things or self._is_its_own(point):
                found[point.name] = (*found.get(point.name, ()), point)
            else:
                warnings.warn(self._taken(point), stacklevel=4)
        return found

    def _is_its_own(self, point: metadata.EntryPoint) -> bool:
        """Whether the name is taken by the very thing: a plug-in may register itself as well."""
        return point.module in sys.modules and self._things[point.name] is _attempt(point)

    def _loaded(self, name: str, verb: str) -> T:
        first, *others = self._points[name]
        if others:
            both = " and ".join(_whose(point) for point in (first, *others))
            mend = f"pip uninstall {_package(others[0])}"
            raise self._unusable(verb, first, f"{both} have the same name", mend=mend)
        thing = _attempt(first)
        if isinstance(thing, _Failed):
            raise self._unusable(
                verb,
                first,
                f"{_whose(first)} cannot be imported ({type(thing.error).__name__}: {thing.error})",
                mend=f"pip install --upgrade {_package(first)}",
            ) from thing.error
        if self._fits is not None and not self._fits(thing):
            what = f"{_whose(first)} gives {_described(thing)}, which is no {self.kind}"
            raise self._unusable(verb, first, what, expected=self._expected)
        made: T = thing
        return made

    def _taken(self, point: metadata.EntryPoint) -> str:
        return explain(
            f"{self.kind}s",
            f"{_whose(point)} is left out, as the name {point.name!r} is taken",
            expected="a new name",
            received={"name": point.name},
            mend=f"Ask the authors of {_package(point)} for another name.",
        )

    def _unusable(
        self,
        verb: str,
        point: metadata.EntryPoint,
        happened: str,
        *,
        expected: str | None = None,
        mend: str | None = None,
    ) -> PluginError:
        received = {"name": point.name, "group": point.group, "value": point.value}
        return PluginError(explain(verb, happened, expected=expected, received=received, mend=mend))


class _Failed:
    """What a plug-in that cannot be imported gave."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _attempt(point: metadata.EntryPoint) -> Any:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # other people's code runs here
        return _Failed(error)


def _package(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _whose(point: metadata.EntryPoint) -> str:
    version = f" {point.dist.version}" if point.dist is not None else ""
    return f"the entry point {point.name!r} of the package {_package(point)}{version}"


def _described(thing: Any) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return f"an instance of {type(thing).__name__}"
