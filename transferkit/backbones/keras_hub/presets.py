"""The presets of the KerasHub that is installed, read off its tables without importing it.

Importing KerasHub imports TensorFlow and takes seconds; a list of ours would grow stale. Its tables
are literals, one file for each family.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from transferkit.backbones.keras_hub.families import ROOMS

__all__ = ["Preset", "is_installed", "listed"]

_TABLE = "backbone_presets"


@dataclass(frozen=True)
class Preset:
    """What a table says of a preset.

    Attributes:
        kind: The name of KerasHub's class.
        handle: Where Kaggle has its files.
    """

    kind: str
    handle: str


def is_installed() -> bool:
    """True if there is a KerasHub; it is not imported."""
    return importlib.util.find_spec("keras_hub") is not None


def listed() -> Mapping[str, Preset]:
    """The presets of all families in `ROOMS` by name; empty without KerasHub."""
    spec = importlib.util.find_spec("keras_hub")
    return _read(*((spec.submodule_search_locations if spec else None) or ()))


@functools.cache
def _read(*places: str) -> Mapping[str, Preset]:
    return {
        name: Preset(kind, handle)
        for place in places
        for kind, room in ROOMS.items()
        for name, handle in _in(Path(place) / "src" / "models" / room / f"{room}_presets.py")
    }


def _in(file: Path) -> Iterator[tuple[str, str]]:
    """The names and handles in one table; none where a later KerasHub keeps it otherwise."""
    if not file.is_file():
        return
    for each in ast.parse(file.read_bytes()).body:
        if isinstance(each, ast.Assign) and _TABLE in map(ast.unparse, each.targets):
            for name, facts in ast.literal_eval(each.value).items():
                yield name, facts["kaggle_handle"]
