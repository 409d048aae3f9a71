"""Which picture goes where: seeded, stratified, a partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit._types import real
from transferkit.errors import DataError, explain

__all__ = ["check_fractions", "shuffled", "stratified"]

Indices = np.ndarray[Any, np.dtype[np.int64]]


def stratified(labels: Any, fractions: Sequence[float], seed: int) -> tuple[Indices, ...]:
    """Divide indices so that every class has its share in every part.

    Part i gets ``fraction_i * n_c`` pictures of each class c of n_c pictures, rounded, at least one
    where the fraction is above 0; the first part gets the rest. Where that would leave it nothing
    of a class, the parts that were rounded up most give one back: no part is off by more than one.

    Args:
        labels: One class per picture ``(n,)``.
        fractions: Shares of the parts behind the first.
        seed: Decides which.

    Returns:
        Sorted indices, first part first; they are disjoint and cover everything.
    """
    labels = np.asarray(labels)
    parts: list[list[Indices]] = [[] for _ in range(len(fractions) + 1)]
    generator = np.random.default_rng(seed)
    # Classes in order of first appearance, so that renaming them changes nothing.
    _, first = np.unique(labels, return_index=True)
    for label in labels[np.sort(first)]:
        members = generator.permutation(np.flatnonzero(labels == label))
        start = 0
        for number, taken in enumerate(_wanted(len(members), fractions), start=1):
            parts[number].append(members[start : start + taken])
            start += taken
        parts[0].append(members[start:])
    none = np.empty(0, np.int64)
    return tuple(np.sort(np.concatenate([none, *part])).astype(np.int64) for part in parts)


def _wanted(count: int, fractions: Sequence[float]) -> list[int]:
    wanted = [max(round(share * count), 1) if share > 0 else 0 for share in fractions]
    while sum(wanted) > max(count - 1, 0):
        surplus = [n - s * count if n else -1.0 for n, s in zip(wanted, fractions, strict=True)]
        wanted[int(np.argmax(surplus))] -= 1
    return wanted


def shuffled(count: int, fractions: Sequence[float], seed: int) -> tuple[Indices, ...]:
    """Divide ``range(count)`` at random, for labels that have no classes."""
    return stratified(np.zeros(count, np.int64), fractions, seed)


def check_fractions(verb: str, val: float, test: float) -> None:
    """Refuse shares that leave no training pictures.

    Raises:
        DataError: Saying what is possible.
    """
    shares = [real(share) for share in (val, test)]
    if (
        None in shares
        or not all(0 <= share < 1 for share in shares if share is not None)
        or (sum(share for share in shares if share is not None) >= 1)
    ):
        raise DataError(
            explain(
                verb,
                "the shares of the splits leave no training pictures",
                expected="0 <= val, 0 <= test, val + test < 1; 0 for no such split",
                received={"val": val, "test": test},
                mend=f"{verb}(..., val=0.2, test=0.0)",
            )
        )
