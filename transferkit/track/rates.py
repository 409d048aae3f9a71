"""The learning rate of each group of layers, as one number for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from transferkit._types import KerasModel
from transferkit.plan import Phase
from transferkit.schedules.layer_rates import AutoRGN
from transferkit.select import LayerTable

__all__ = ["groups", "learning_rates"]


def learning_rates(network: KerasModel, table: LayerTable, phase: Phase) -> dict[str, float]:
    """The rate of the head and of each group of the backbone's layers that has one of its own.

    Args:
        network: Its optimizer has the phase's rate, and its layers are frozen as the phase wants.
        table: The backbone's layers.
        phase: What is being trained. `auto_rgn` finds rates within each step, and a solver has
            none: of such phases there is the head's alone.
    """
    rate = 0.0 if phase.solver else float(np.asarray(network.optimizer.learning_rate))
    if phase.solver or isinstance(phase.layer_rates, AutoRGN):
        return {"head": rate}
    known = dict.fromkeys(table.names, 1.0)
    factors = known if phase.layer_rates is None else phase.layer_rates.factors(table)
    moving = {layer.name for layer in network.layers if layer.trainable_variables}
    trained = {name: factors[name] for name in table.names if name in moving}
    return {"head": rate} | {name: rate * by for name, by in groups(table, trained).items()}


def groups(table: LayerTable, factors: Mapping[str, float]) -> dict[str, float]:
    """The layers with the same factor as a group, called after the blocks that they lie in.

    Where two groups lie in the same blocks, their names have the factors as well.

    Args:
        table: The backbone's layers.
        factors: A factor for each layer that trains.

    Example:
        >>> from transferkit.select import LayerTable
        >>> from transferkit.track.rates import groups
        >>> table = LayerTable.of(("a", "Conv2D", 0, 28), ("b", "Conv2D", 1, 28))
        >>> groups(table, {"a": 0.5, "b": 1.0})
        {'block_0': 0.5, 'block_1': 1.0}
    """
    blocks: dict[float, set[int]] = {}
    for row in table:
        if row.name in factors:
            blocks.setdefault(factors[row.name], set()).add(row.block)
    names = {factor: _named(found) for factor, found in blocks.items()}
    often = Counter(names.values())
    return {
        name if often[name] == 1 else f"{name}_x{factor:g}": factor
        for factor, name in names.items()
    }


def _named(blocks: set[int]) -> str:
    first, last = min(blocks), max(blocks)
    return f"block_{first}" if first == last else f"blocks_{first}-{last}"
