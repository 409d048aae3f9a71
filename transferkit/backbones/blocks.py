"""Dividing a network into blocks: by its shape, by a pattern of names, by where each one ends.

A division takes a graph and gives the block of each layer by name, and the blocks' names. Whether
its blocks are units, with one tensor that leaves each, is checked where a backbone is assembled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from transferkit.backbones.graph import Rewired

__all__ = ["Division", "by_ends", "by_pattern", "by_shape", "split_by_pattern"]

Division: TypeAlias = Callable[[Rewired], tuple[dict[str, int], tuple[str, ...]]]


def by_ends(ends: Mapping[str, str]) -> Division:
    """Blocks by their last layer, for networks whose layers are not named after their blocks.

    Args:
        ends: The last layer, or operation that is none, of each block by the block's name, in
            order. What comes behind the last end belongs to the last block.
    """

    def divide(graph: Rewired) -> tuple[dict[str, int], tuple[str, ...]]:
        block_of: dict[str, int] = {}
        last = [*ends.values()]
        block = 0
        for name in graph.order:
            block_of[name] = block
            if name == last[block] and block < len(last) - 1:
                block += 1
        return block_of, tuple(ends)

    return divide


def by_pattern(pattern: str) -> Division:
    """Blocks by a regular expression on layers' names; see `split_by_pattern`."""
    return lambda graph: split_by_pattern([layer.name for layer in graph.layers], pattern)


def split_by_pattern(names: Sequence[str], pattern: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Blocks by a regular expression whose first group names the block.

    What comes before the first match is the stem; a name that does not match belongs to the block
    before it.

    Returns:
        The block of each name, and the blocks' names.
    """
    block_of: dict[str, int] = {}
    found: list[str] = []
    waiting: list[str] = []
    for name in names:
        match = re.match(pattern, name)
        block = match.group(1) if match else None
        if block is not None and (not found or block != found[-1]):
            found.append(block)
        if found:
            block_of[name] = len(found) - 1
        else:
            waiting.append(name)
    block_of.update(dict.fromkeys(waiting, 0))
    return block_of, tuple(found) or ("all",)


def by_shape(graph: Rewired) -> tuple[dict[str, int], tuple[str, ...]]:
    """Blocks read from the graph alone: branches that meet again, and chains between poolings.

    Every block ends in a cut point. A region that branches and meets again is a block. A plain
    chain is divided where it gets coarser: behind a pooling layer, before a strided convolution.

    Returns:
        The block of each layer name, and the blocks' names.
    """
    cuts = set(graph.cuts)
    kinds = {layer.name: type(layer).__name__ for layer in graph.layers}
    # Each region ends in a cut; one that branches has more than one layer.
    regions: list[list[str]] = [[]]
    for name in graph.order:
        regions[-1].append(name)
        if name in cuts:
            regions.append([])
    if not regions[-1]:
        regions.pop()
    blocks: list[list[str]] = []
    stride, pooled = 1, False
    for region in regions:
        first, last = region[0], region[-1]
        before = stride
        stride = graph.strides.get(last) or stride
        branches = len(region) > 1
        starts = branches or pooled or (stride > before and "Pooling" not in kinds.get(first, ""))
        if not blocks or (starts and _has_weights(graph, blocks[-1])):
            blocks.append([])
        blocks[-1].extend(region)
        pooled = "Pooling" in kinds.get(last, "") and graph.strides.get(last, 0) > 0
    block_of = {name: i for i, block in enumerate(blocks) for name in block}
    return block_of, tuple(f"block_{i}" for i in range(len(blocks)))


def _has_weights(graph: Rewired, names: Sequence[str]) -> bool:
    inside = set(names)
    return any(layer.name in inside and layer.count_params() for layer in graph.layers)
