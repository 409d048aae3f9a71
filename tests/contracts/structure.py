"""Networks without values, to look at how they are built."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from transferkit import _keras

__all__ = ["structure"]


@contextmanager
def structure() -> Iterator[None]:
    """Within it networks are built whose variables have no values, and never get any.

    Keras would give them their values as soon as it builds anything else: gigabytes for the
    largest, and a minute for all of them.
    """
    state = importlib.import_module("keras.src.backend.common.global_state")
    waiting = "uninitialized_variables"
    before = list(state.get_global_attribute(waiting) or ())
    try:
        with _keras.keras().StatelessScope(initialize_variables=False):
            yield
    finally:
        state.set_global_attribute(waiting, before)
