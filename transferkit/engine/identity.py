"""What a cached feature depends on, as a key: a change of any of it gives another key."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.cache import keys
from transferkit.engine.cut import Cut
from transferkit.engine.program import Call, Program

__all__ = ["Identity", "source_of", "versions"]

FORMAT = 1
"""Raised when the engine computes features otherwise than before."""


def versions(*more: str) -> dict[str, str]:
    """The versions of the libraries that decide what a number comes out as.

    Args:
        *more: Further distributions that take part.
    """
    names = ("tensorflow", "keras", "numpy", *more)
    found = {name: importlib.metadata.version(name) for name in names}
    return {**found, "transferkit": importlib.metadata.version("transferkit")}


class Identity:
    """The identity of a network's calls: what they are, and the weights that they have now.

    Args:
        program: Of the network. Weights are read once, when a cut asks for them first.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._digests: dict[int, str] = {}

    def key(self, cut: Cut, parts: Mapping[str, Any]) -> str:
        """The key of what crosses a cut.

        Args:
            cut: Where the network is cut.
            parts: What it depends on besides the network: data, views, precision, versions.
        """
        numbers = self._numbers(cut)
        graph = [
            [
                self._digest(place),
                [numbers[tensor] for tensor in self._program.calls[place].inputs],
            ]
            for place in cut.calls
        ]
        return keys.key(
            {
                "format": FORMAT,
                "pixels": list(self._program.tensors[0].shape[1:]),
                "graph": graph,
                "cut": [numbers[tensor] for tensor in cut.tensors],
                **parts,
            }
        )

    def _numbers(self, cut: Cut) -> dict[int, int]:
        """Tensors counted in the cut's own order: what lies behind it must not change the key."""
        found = {0: 0}
        for place in cut.calls:
            for tensor in self._program.calls[place].outputs:
                found[tensor] = len(found)
        return found

    def _digest(self, place: int) -> str:
        if place not in self._digests:
            self._digests[place] = _digest(self._program.calls[place])
        return self._digests[place]


def _digest(call: Call) -> str:
    operation = call.operation
    parts = [_description(operation), call.constants]
    weights = [np.asarray(weight) for weight in getattr(operation, "weights", ())]
    text = json.dumps([*parts, keys.digest(*weights)], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _description(operation: Any) -> list[Any]:
    """Class and configuration; of a class that is not Keras' own, its source as well."""
    cls = type(operation)
    found: list[Any] = [f"{cls.__module__}.{cls.__qualname__}"]
    if isinstance(operation, _keras.keras().layers.Layer):
        found.append(_nameless(operation.get_config()))
    else:  # an operation keeps its arguments as attributes
        found.append({key: str(value) for key, value in vars(operation).items() if key[0] != "_"})
        found[-1].pop("name", None)
    if not cls.__module__.startswith("keras."):
        found.append(source_of(cls))
    return found


def _nameless(config: Any) -> Any:
    """A configuration without what changes no number: names and whether something trains."""
    if isinstance(config, dict):
        rest = ("name", "trainable", "build_config", "registered_name")
        return {key: _nameless(value) for key, value in config.items() if key not in rest}
    if isinstance(config, list | tuple):
        return [_nameless(value) for value in config]
    return config


def source_of(cls: type[Any]) -> str:
    """A class's own text; of one without, a word that never comes again."""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return secrets.token_hex(16)
