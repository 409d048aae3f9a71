"""The choice that gave way when a compiled prefix was checked: kept beside the features.

A check compiles the frozen layers once or twice and runs real pictures through all of them. Where
it says that another choice has to be taken than the rules', features lie under that one, and a
later run would check again only to find them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
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

__all__ = ["keep", "key_of", "recall", "rules_of"]

_ARRAYS = {"checked": ((1,), "uint8")}


def key_of(
    prefix: Prefix, cut: Cut, pictures: Pictures, choice: PrefixChoice, rules: Mapping[str, Any]
) -> str:
    """The key of what a check comes to.

    Args:
        prefix: The frozen layers, with their weights.
        cut: Where they end.
        pictures: What they were checked on.
        choice: What the rules said.
        rules: What the rules go by, JSON-ready: they say as well what comes next.
    """
    asked = {"choice": asdict(choice), **rules, **prefix.about}
    return prefix.identity.key(cut, {"check": asked, **pictures.parts})


def rules_of(engine: Engine, on: Machine, images: int) -> dict[str, Any]:
    """What the rules go by besides the network.

    Args:
        engine: What was asked for.
        on: The machine.
        images: How many pictures, views counted, pass through the frozen layers.
    """
    asked = {name: getattr(engine, name) for name in ("precision", "prefix", "xla")}
    several = engine.strategy is not None
    return {**asked, "strategy": several, "machine": asdict(on), "images": images}


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
