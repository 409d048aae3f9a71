"""Writes the pages of the API reference, one for each room: docs/api/*.rst.

    python docs/make_reference.py FOLDER

A page names everything in the ``__all__`` of its room, so that no public name can be missing. What
two rooms show is described once and linked from the other. Sphinx calls this when a build begins.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

FRONT_DOOR = "transferkit"
ROOMS = (
    "adapt",
    "augment",
    "augment.operation",
    "averaging",
    "backbones",
    "cache",
    "calibrate",
    "check",
    "data",
    "engine.report",
    "errors",
    "evaluate",
    "following",
    "freeze",
    "heads",
    "history",
    "objectives",
    "plans",
    "ranking",
    "rate_search",
    "recommend",
    "running",
    "schedules",
    "select",
    "spaces",
    "spec",
    "testing",
    "track",
    "transferability",
    "tuning",
)
INTERNAL = (
    "build",
    "bundle",
    "continuing",
    "engine",
    "loading",
    "model",
    "plan",
    "plots",
    "predict",
    "resizing",
    "trained",
)
"""Modules without a page: what users need of them stands at the front door."""


def make_reference(folder: Path) -> None:
    """Write a page for the front door and one for each room into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, str] = {}
    for module_name in (FRONT_DOOR, *(f"{FRONT_DOOR}.{room}" for room in ROOMS)):
        text = "\n".join(page(importlib.import_module(module_name), written))
        path = folder / f"{module_name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def page(module: ModuleType, written: dict[str, str]) -> Iterator[str]:
    """The lines of one room's page.

    Args:
        module: The room.
        written: Where each thing was described so far, by its full name; it grows.
    """
    name = module.__name__
    yield from (name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", "")
    for public in module.__all__:
        thing = getattr(module, public)
        if isinstance(thing, ModuleType):
            continue  # a room of its own
        if (home := _home(thing)) in written:
            yield from (f"`{public}` is described as :py:obj:`{written[home]}`.", "")
            continue
        written[home or f"{name}.{public}"] = f"{name}.{public}"
        yield from (f".. {_directive(thing)}:: {name}.{public}", *_options(thing), "")


def _home(thing: Any) -> str | None:
    """The full name of a class or function where it was written; None for any other value."""
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    return None


def _directive(thing: Any) -> str:
    if inspect.isclass(thing):
        return "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return "autofunction" if inspect.isfunction(thing) else "autodata"


def _options(thing: Any) -> tuple[str, ...]:
    if inspect.isclass(thing):
        return ("   :members:", "   :show-inheritance:")
    return ("   :no-value:",) if not inspect.isfunction(thing) else ()


if __name__ == "__main__":
    make_reference(Path(sys.argv[1]))
