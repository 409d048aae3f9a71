"""A store in a folder of its own, and entries in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit.cache import Entry, Store, keys

Fill = Callable[..., Entry]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache", limit=10**6)


@pytest.fixture
def fill(store: Store) -> Fill:
    """Writes an entry: ``fill("a")``, ``fill("b", rows=100, into=other_store)``."""

    def write(name: str, rows: int = 10, into: Store = store, **about: Any) -> Entry:
        values = np.random.default_rng(len(name)).random((rows, 4), dtype=np.float32)
        shapes = {"x": (values.shape, values.dtype)}
        with into.create(keys.key({"name": name}), shapes, about or {"name": name}) as writer:
            writer.arrays["x"][:] = values
        return writer.entry

    return write
