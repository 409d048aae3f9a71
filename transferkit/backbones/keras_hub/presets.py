"""The presets of the KerasHub that is installed, read off its tables without importing it.

Importing KerasHub imports TensorFlow and takes seconds; a list of ours would grow stale. Its tables
are literals, one file for each family.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

from transferkit.backbones.keras_hub.families import FAMILIES

__all__ = ["handles", "is_installed"]

_TABLE = "backbone_presets"


def is_installed() -> bool:
    """True if there is a KerasHub; it is not imported."""
    return importlib.util.find_spec("keras_hub") is not None


def handles() -> Mapping[str, str]:
    """Where Kaggle has the weights of each preset of pictures; empty without KerasHub."""
    spec = importlib.util.find_spec("keras_hub")
    return _read(*((spec.submodule_search_locations if spec else None) or ()))


@functools.cache
def _read(*places: str) -> Mapping[str, str]:
    rooms = sorted({family.room for family in FAMILIES.values()})
    files = (Path(p) / "src" / "models" / r / f"{r}_presets.py" for p in places for r in rooms)
    return {name: handle for file in files for name, handle in _in(file)}


def _in(file: Path) -> Iterator[tuple[str, str]]:
    """The names and handles in one table; none where a later KerasHub keeps it otherwise."""
    if not file.is_file():
        return
    for each in ast.parse(file.read_bytes()).body:
        if isinstance(each, ast.Assign) and _TABLE in map(ast.unparse, each.targets):
            for name, facts in ast.literal_eval(each.value).items():
                yield name, facts["kaggle_handle"]
