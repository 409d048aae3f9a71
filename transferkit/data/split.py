"""Which picture goes where: seeded, stratified, grouped, stable, a partition.

Chance comes from one of two places. Pictures with names (files) and groups are ranked by a hash of
the seed and the name: neither the order of a listing nor the machine nor where the folder lies
changes it. Arrays have no names; theirs is a permutation.

Two wishes contradict each other: that every class has its exact share in every part, and that no
picture changes sides when others are added. `divide` keeps to the shares, and a picture that is
added moves one other at most across each line, unless groups or pictures with several labels have
to be balanced anew; with ``stable=True`` it keeps the sides, and the shares hold on average.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from transferkit._types import real
from transferkit.data.composed import composed
from transferkit.errors import DataError, explain
from transferkit.spec import Task

__all__ = [
    "SPLIT_NAMES",
    "balanced",
    "check_fractions",
    "divide",
    "hashes",
    "ranks_of",
    "shuffled",
    "spread",
    "stratified",
    "thresholds",
]

SPLIT_NAMES = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""What folders and cells call a split, in small letters, and what it is called here."""

Indices = np.ndarray[Any, np.dtype[np.int64]]
Ranks = np.ndarray[Any, np.dtype[np.uint64]]


def divide(
    labels: np.ndarray[Any, Any],
    task: Task,
    fractions: Sequence[float],
    seed: int,
    *,
    keys: Sequence[str] | None = None,
    groups: np.ndarray[Any, Any] | None = None,
    stable: bool = False,
    purpose: str = "split",
) -> tuple[Indices, ...]:
    """Divide pictures by whatever is known of them.

    Args:
        labels: One class per picture ``(n,)``, multi-hot rows, or numbers.
        task: What they are.
        fractions: Shares of the parts behind the first.
        seed: Decides which.
        keys: A name for each picture, or None.
        groups: A name for each picture's group, or None; a group is never divided.
        stable: Whether a hash of the group's or picture's name alone decides.
        purpose: Divisions for different purposes are independent.

    Returns:
        Sorted indices, first part first; they are disjoint and cover everything.
    """
    if stable:
        names = keys if groups is None else groups
        parts = thresholds(hashes(names if names is not None else (), seed, purpose), fractions)
        return _indices(parts, len(fractions) + 1)
    if groups is not None or task == "labels":
        shares = (1 - sum(fractions), *fractions)
        parts = spread(labels, task, shares, seed, keys=keys, groups=groups, purpose=purpose)
        return _indices(parts, len(shares))
    classes = labels if task == "classes" else np.zeros(len(labels), np.int64)
    ranks = None if keys is None else hashes(keys, seed, purpose)
    return stratified(classes, fractions, seed, ranks)


def spread(
    labels: np.ndarray[Any, Any],
    task: Task,
    shares: Sequence[float],
    seed: int,
    *,
    keys: Sequence[str] | None,
    groups: np.ndarray[Any, Any] | None,
    purpose: str,
) -> Indices:
    """The part of each picture, where groups or pictures with several labels are `balanced`."""
    if groups is None:
        units, ranks = np.arange(len(labels)), ranks_of(len(labels), keys, seed, purpose)
    else:
        names, units = np.unique(groups, return_inverse=True)
        ranks = hashes(names, seed, purpose)
    return balanced(_unit_rows(labels, task, units, len(ranks)), shares, ranks)[units]


def stratified(
    labels: Any, fractions: Sequence[float], seed: int, ranks: Ranks | None = None
) -> tuple[Indices, ...]:
    """Divide indices so that every class has its share in every part.

    Part i gets ``fraction_i * n_c`` pictures of each class c of n_c pictures, rounded, at least one
    where the fraction is above 0; the first part gets the rest. Where that would leave it nothing
    of a class, the parts that were rounded up most give one back: no part is off by more than one.

    Args:
        labels: One class per picture ``(n,)``.
        fractions: Shares of the parts behind the first.
        seed: Decides which, where there are no ranks.
        ranks: The pictures of a class are taken in the order of these.

    Returns:
        Sorted indices, first part first; they are disjoint and cover everything.
    """
    labels = np.asarray(labels)
    parts: list[list[Indices]] = [[] for _ in range(len(fractions) + 1)]
    generator = np.random.default_rng(seed)
    # Classes in order of first appearance, so that renaming them changes nothing.
    _, first = np.unique(labels, return_index=True)
    for label in labels[np.sort(first)]:
        members = np.flatnonzero(labels == label)
        if ranks is None:
            members = generator.permutation(members)
        else:
            members = members[np.argsort(ranks[members], kind="stable")]
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


def balanced(rows: np.ndarray[Any, Any], shares: Sequence[float], ranks: Ranks) -> Indices:
    """Give whole units (groups, or pictures with several labels) to parts, greedily.

    The units come one by one, those that carry most of any column first, and each goes where it
    makes ``sum_pc (have_pc - share_p n_c)**2 / (share_p n_c**2)`` smallest: n_c is the sum of
    column c, and have_pc what part p has of it so far. The division by share_p lets all parts fill
    at one pace; without it the first part gets all heavy units. Units of about one weight (within a
    factor of two) come in the order of their ranks, so that the seed decides. No part stays empty
    while there are units.

    Args:
        rows: What each unit has of each class ``(units, columns)``.
        shares: The share of each part; together 1.
        ranks: A number for each unit.

    Returns:
        The part of each unit ``(units,)``.

    References:
        Sechidis et al., On the Stratification of Multi-Label Data, ECML PKDD 2011.
    """
    parts = np.zeros(len(rows), np.int64)
    carried = rows / np.maximum(rows.sum(axis=0), 1e-12)
    share = np.asarray(shares, np.float64)
    over = -np.outer(share, np.ones(rows.shape[1]))  # what each part has beyond its share
    taken = np.zeros(len(share), np.int64)
    wanted = share > 0
    weight = (carried**2).sum(axis=1)
    order = np.lexsort((ranks, -np.frexp(weight)[1]))
    for left, unit in zip(range(len(order), 0, -1), order, strict=True):
        # Rounded, so that sums made in another order by another machine find the same ties.
        cost = (2 * (over * carried[unit]).sum(axis=1) + weight[unit]) / np.maximum(share, 1e-12)
        cost = np.round(cost, 12)
        empty = wanted & (taken == 0)
        cost[~(empty if empty.sum() >= left else wanted)] = np.inf
        part = int(np.argmin(cost))
        parts[unit] = part
        taken[part] += 1
        over[part] += carried[unit]
    return parts


def thresholds(ranks: Ranks, fractions: Sequence[float]) -> Indices:
    """The part of each picture by its hash alone, whatever other pictures there are."""
    ends = np.cumsum(fractions)
    parts = np.searchsorted(ends, ranks / 2.0**64, side="right") + 1
    return np.asarray(np.where(parts > len(ends), 0, parts), np.int64)


def hashes(names: Iterable[Any], seed: int, purpose: str) -> Ranks:
    """64 bits for each name: BLAKE2b of the seed, the purpose and the name, zero bytes between.

    Names are taken in Unicode's composed form, since macOS hands them out decomposed.
    """
    return np.asarray([_hash(f"{seed}\0{purpose}\0", str(name)) for name in names], np.uint64)


def _hash(prefix: str, name: str) -> int:
    text = prefix + composed(name)
    data = text.encode("utf-8", "surrogatepass")  # names of files may hold bytes that are no text
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def ranks_of(count: int, keys: Sequence[str] | None, seed: int, purpose: str) -> Ranks:
    """The order of chance: by hash for pictures with names, else a permutation."""
    if keys is not None:
        return hashes(keys, seed, purpose)
    return np.random.default_rng(seed).permutation(count).astype(np.uint64)


def _unit_rows(
    labels: np.ndarray[Any, Any], task: Task, units: Indices, count: int
) -> np.ndarray[Any, Any]:
    """What each unit has: how many pictures, then how many of each class."""
    width = {"values": 0, "classes": int(labels.max(initial=-1)) + 1}.get(task, labels.shape[-1])
    rows = np.zeros((count, 1 + width))
    np.add.at(rows[:, 0], units, 1)
    if task == "classes":
        np.add.at(rows, (units, 1 + labels), 1)
    elif task == "labels":
        np.add.at(rows[:, 1:], units, labels)
    return rows


def _indices(parts: Indices, count: int) -> tuple[Indices, ...]:
    return tuple(np.flatnonzero(parts == part).astype(np.int64) for part in range(count))


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
