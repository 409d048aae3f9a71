"""The thin singular value decomposition of a table of features that may be too long to copy.

With F = U diag(s) V' all scores here need only s and products with U. A table that is small is
decomposed as it is. For a larger one the decomposition is that of its smaller Gram matrix, F'F or
FF', which is summed up over blocks in float64: this squares the condition number, so that singular
values under some millionths of the largest count as rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Rows", "Spectrum", "decomposed", "gram"]

Array = np.ndarray[Any, Any]
BLOCK = 4096
DIRECT = 2e10
"""images * channels * the smaller of both, up to which a table is decomposed itself: seconds."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A table as float64 in blocks of rows.

    Attributes:
        table: Features (images, channels).
        shift: What is taken from each row (channels,), or None.
    """

    table: Array
    shift: Array | None = None

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        for start in range(0, len(self.table), BLOCK):
            place = slice(start, min(start + BLOCK, len(self.table)))
            yield place, self.at(place)

    def at(self, place: slice | Array) -> Array:
        """Some of the rows."""
        block = np.array(self.table[place], np.float64)
        if self.shift is not None:
            block -= self.shift
        return block

    def whole(self) -> Array:
        """All of them."""
        return self.at(slice(None))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """F = U diag(s) V', of which U is kept for a short or small table and V for a long one.

    Attributes:
        rows: F.
        singular: s, the singular values above rounding (rank,), largest first.
        left: U (images, rank), or None.
        right: V (channels, rank), or None.
    """

    rows: Rows
    singular: Array
    left: Array | None = None
    right: Array | None = None

    @property
    def rank(self) -> int:
        """How many singular values there are."""
        return len(self.singular)

    def __iter__(self) -> Iterator[tuple[slice, Array]]:
        """U in blocks of rows."""
        if self.left is not None:
            for start in range(0, len(self.left), BLOCK):
                place = slice(start, min(start + BLOCK, len(self.left)))
                yield place, self.left[place]
        else:
            scaled = self._right() / self.singular
            for place, block in self.rows:
                yield place, block @ scaled

    def onto(self, columns: Array) -> Array:
        """U' times `columns` (images, outputs): (rank, outputs)."""
        if self.left is not None:
            return np.asarray(self.left.T @ columns)
        return np.asarray((self._right().T @ self._transposed(columns)) / self.singular[:, None])

    def back(self, weights: Array) -> Array:
        """V times `weights` (rank, outputs): (channels, outputs)."""
        if self.right is not None:
            return np.asarray(self.right @ weights)
        assert self.left is not None
        return self._transposed(self.left @ (weights / self.singular[:, None]))

    def _transposed(self, columns: Array) -> Array:
        """F' times `columns`."""
        total = np.zeros((self.rows.table.shape[1], columns.shape[1]))
        for place, block in self.rows:
            total += block.T @ columns[place]
        return total

    def _right(self) -> Array:
        assert self.right is not None
        return self.right


def decomposed(rows: Rows, gram: Callable[[], Array], *, floor: float = 0.0) -> Spectrum:
    """Decompose a table.

    Args:
        rows: The table.
        gram: Its smaller Gram matrix, which is asked for where the table is large.
        floor: A square beside which what is left of the table may be rounding: that of what was
            taken from its rows.
    """
    images, channels = rows.table.shape
    if float(images) * channels * min(images, channels) <= DIRECT:
        left, singular, _ = np.linalg.svd(rows.whole(), full_matrices=False)
        rank = _rank(singular**2, (max(images, channels) * _EPSILON) ** 2, floor)
        return Spectrum(rows, singular[:rank], left=left[:, :rank])
    tall = channels <= images
    values, vectors = np.linalg.eigh(gram())
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    rank = _rank(values, max(images, channels) * _EPSILON, floor)
    kept = np.ascontiguousarray(vectors[:, :rank])
    singular = np.sqrt(values[:rank])
    return Spectrum(rows, singular, right=kept) if tall else Spectrum(rows, singular, left=kept)


_EPSILON = float(np.finfo(np.float64).eps)


def _rank(squares: Array, relative: float, floor: float) -> int:
    """How many of these squared singular values are more than rounding."""
    most = max(float(squares[0]) if len(squares) else 0.0, floor)
    return int((squares > relative * most).sum()) if most > 0 else 0


def gram(rows: Rows) -> Array:
    """The smaller of F'F (channels, channels) and FF' (images, images)."""
    images, channels = rows.table.shape
    return _of_channels(rows) if channels <= images else _of_images(rows)


def _of_channels(rows: Rows) -> Array:
    """F'F (channels, channels)."""
    channels = rows.table.shape[1]
    total = np.zeros((channels, channels))
    for _, block in rows:
        total += block.T @ block
    return total


def _of_images(rows: Rows) -> Array:
    """FF' (images, images)."""
    images, channels = rows.table.shape
    total = np.zeros((images, images))
    for start in range(0, channels, BLOCK):
        part = np.asarray(rows.table[:, start : start + BLOCK], np.float64)
        if rows.shift is not None:
            part = part - rows.shift[start : start + BLOCK]
        total += part @ part.T
    return total
