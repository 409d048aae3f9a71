"""Difference hashes of pictures, and which of many hashes are near each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["BYTES", "Hashes", "difference_hash", "grouped"]

BYTES = 16
"""Of a hash: 64 bits along the rows, 64 along the columns."""

_ONES = np.asarray([bin(byte).count("1") for byte in range(256)], np.uint8)

Hashes = np.ndarray[Any, np.dtype[np.uint8]]
Indices = np.ndarray[Any, np.dtype[np.int64]]


def difference_hash(pixels: np.ndarray[Any, Any]) -> Hashes:
    """The 16 bytes of one picture ``(height, width, channels)``; see `near_duplicates`."""
    levels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    coloured = levels.shape[-1] >= 3
    grey = Image.fromarray(levels[..., :3] if coloured else levels[..., 0]).convert("L")
    along = np.asarray(grey.resize((9, 8), Image.Resampling.BILINEAR))
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BILINEAR))
    bits = np.concatenate([(along[:, 1:] > along[:, :-1]).ravel(), (down[1:] > down[:-1]).ravel()])
    return np.packbits(bits)


def grouped(hashes: Hashes, most: int) -> list[list[int]]:
    """Indices of rows that differ in `most` bits or less, joined where they share a neighbour."""
    distinct, which = np.unique(hashes, axis=0, return_inverse=True)
    parent = np.arange(len(distinct))
    for key in _bands(distinct, most):
        for first, second in _pairs(key):
            different = _ONES[distinct[first] ^ distinct[second]].sum(axis=1)
            _join(parent, first[different <= most], second[different <= most])
    roots = _roots(parent, which.reshape(-1))
    order = np.argsort(roots, kind="stable")
    starts = np.flatnonzero(np.append(True, roots[order][1:] != roots[order][:-1]))
    parts = np.split(order, starts[1:]) if len(starts) < len(order) else []
    return sorted([int(i) for i in part] for part in parts if len(part) > 1)


def _bands(hashes: Hashes, most: int) -> Iterator[Indices]:
    """The bits in one part more than may differ: near hashes have one of the parts in common."""
    if not most:
        return
    bits = np.unpackbits(hashes, axis=1).astype(np.int64)
    for part in np.array_split(bits, most + 1, axis=1):
        # A part has 64 bits at most, and the 64th may well be the sign.
        yield part @ (np.int64(1) << np.arange(part.shape[1]))


def _pairs(keys: Indices) -> Iterator[tuple[Indices, Indices]]:
    """All pairs of places with one key, as many at a time as there are keys at most."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    left, step = np.arange(len(keys)), 0
    while len(left):
        step += 1
        left = left[left + step < len(keys)]
        left = left[sorted_keys[left] == sorted_keys[left + step]]
        if len(left):
            yield order[left], order[left + step]


def _join(parent: Indices, first: Indices, second: Indices) -> None:
    """Put each pair under one root: that of the smaller number."""
    while True:
        first, second = _roots(parent, first), _roots(parent, second)
        apart = first != second
        if not apart.any():
            return
        first, second = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
        np.minimum.at(parent, second, first)


def _roots(parent: Indices, places: Indices) -> Indices:
    while True:
        above = parent[places]
        if np.array_equal(above, places):
            return places
        places = parent[above]
