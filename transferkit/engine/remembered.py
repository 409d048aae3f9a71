"""The choice that gave way when a compiled prefix was checked: kept beside the features.

A check compiles the frozen layers once or twice and runs real pictures through all of them. Where
it says that another choice has to be taken than the rules', features lie under that one, and a
later run would check again only to find them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from transferkit.cache import Store
from transferkit.engine.choices import PrefixChoice
from transferkit.engine.cut import Cut
from transferkit.engine.features import Prefix
from transferkit.engine.machine import Machine
from transferkit.engine.pictures import Pictures
from transferkit.errors import CacheError
from transferkit.running import Engine

__all__ = ["keep", "key_of", "recall"]

_ARRAYS = {"checked": ((1,), "uint8")}


def key_of(
    prefix: Prefix, cut: Cut, pictures: Pictures, choice: PrefixChoice, engine: Engine, on: Machine
) -> str:
    """The key of what a check comes to: of these weights, these pictures and this machine."""
    asked = {
        "choice": asdict(choice),
        "precision": engine.precision,
        "prefix": engine.prefix,
        "machine": asdict(on),
        **prefix.about,
    }
    return prefix.identity.key(cut, {"check": asked, **pictures.parts})


def recall(store: Store, key: str) -> tuple[PrefixChoice, tuple[str, ...]] | None:
    """The choice that was taken, and what was noted of it; None if no check gave way."""
    entry = store.find(key)
    if entry is None:
        return None
    return PrefixChoice(**entry.about["choice"]), tuple(entry.about["notes"])


def keep(store: Store, key: str, choice: PrefixChoice, notes: Sequence[str]) -> None:
    """Remember it; where the cache has no room, the next run checks again."""
    about: dict[str, Any] = {
        "check": "frozen layers",
        "choice": asdict(choice),
        "notes": list(notes),
    }
    with contextlib.suppress(CacheError), store.create(key, _ARRAYS, about) as writer:
        writer.arrays["checked"][:] = 1
