"""Calls that leave no trace: Keras hangs a node for each on the layer that was called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["forgetting"]


@contextmanager
def forgetting(operations: Iterable[Any]) -> Iterator[None]:
    """Behind it the operations know the calls that they knew before.

    A functional model runs from the nodes that it found when it was made, so that one that is made
    within goes on running; ``layer.output`` and saved files stay what they were.

    Args:
        operations: Layers and operations; one that is named twice counts once.
    """
    shared = {id(each): each for each in operations}.values()
    lists = [known for each in shared for known in (each._inbound_nodes, each._outbound_nodes)]
    before = [len(known) for known in lists]
    try:
        yield
    finally:
        for known, count in zip(lists, before, strict=True):
            del known[count:]
