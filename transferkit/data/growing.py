"""Room for pictures whose number is not known before the last one has come."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.data import store

__all__ = ["Growing"]

_AT_ONCE = 256  # pictures that are copied together


class Growing:
    """An array that doubles when it is full; on disk where memory is short.

    What is over is never written to, so that it costs addresses and no memory.
    """

    def __init__(self) -> None:
        self._room: Any = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one picture; None before the first."""
        return None if self._room is None else tuple(self._room.shape[1:])

    def add(self, picture: np.ndarray[Any, Any]) -> None:
        """Put one more behind the others; all are of the first one's shape and type."""
        if self._room is None:
            self._room = store.allocate((16, *picture.shape), picture.dtype)
        elif self._count == len(self._room):
            self._grow()
        self._room[self._count] = picture
        self._count += 1

    def _grow(self) -> None:
        larger = store.allocate((2 * len(self._room), *self._room.shape[1:]), self._room.dtype)
        for start in range(0, self._count, _AT_ONCE):
            larger[start : start + _AT_ONCE][: self._count - start] = self._room[
                start : start + _AT_ONCE
            ]
        self._room = larger

    def array(self) -> np.ndarray[Any, Any]:
        """All that came; at least one has to."""
        filled: np.ndarray[Any, Any] = self._room[: self._count]
        return filled
