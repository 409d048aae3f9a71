"""Folds of the training pictures, and a few pictures of each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from transferkit._text import counted
from transferkit._types import whole
from transferkit.data.division import check_classes, check_groups, check_names
from transferkit.data.pictures import Split
from transferkit.data.split import Indices, hashes, ranks_of, spread
from transferkit.errors import DataError, explain

__all__ = ["Folds", "fold_numbers", "k_shot", "strangers"]


Made = TypeVar("Made")


@dataclass(frozen=True)
class Folds(Generic[Made]):
    """What `Data.folds` returns: as many as `count`, each made when its turn comes.

    Attributes:
        count: How many.
        made: Makes the one of a number.
    """

    count: int
    made: Callable[[int], Made] = field(repr=False)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Made]:
        return map(self.made, range(self.count))


def fold_numbers(pictures: Split, k: int, seed: int) -> Indices:
    """The fold of each picture, from 0 to k - 1: stratified, and grouped if there are groups.

    Raises:
        DataError: If `k` is no number of folds, or a fold would be left without a class.
    """
    count = whole(k)
    if count is None or count < 2:
        raise DataError(
            explain(
                "folds",
                "that is no number of folds",
                expected="a whole number of 2 or more",
                received={"k": k},
                mend="photos.folds(5)",
            )
        )
    check_names("folds", pictures)
    check_groups("folds", pictures, count, "folds", "Ask for fewer folds.")
    _check_smallest(pictures, count)
    numbers = _fold_numbers(pictures, count, seed)
    for number in range(count):
        fold = np.flatnonzero(numbers == number)
        if not len(fold):
            raise _too_many_folds(pictures, count, "a fold would be empty")
        check_classes("folds", pictures, np.flatnonzero(numbers != number), "a fold's training")
    return numbers


def _fold_numbers(pictures: Split, k: int, seed: int) -> Indices:
    labels, task = pictures.labels, pictures.target.task
    keys, groups = pictures.keys, pictures.groups
    if pictures.stable:
        ranks = hashes(keys or () if groups is None else groups, seed, "folds")
        return (ranks % np.uint64(k)).astype(np.int64)
    if groups is not None or task == "labels":
        shares = (1 / k,) * k
        return spread(labels, task, shares, seed, keys=keys, groups=groups, purpose="folds")
    ranks = ranks_of(len(labels), keys, seed, "folds")
    # Dealt like cards, class after class: no two folds differ by more than one, in all or in a
    # class.
    order = np.lexsort((ranks, labels if task == "classes" else np.zeros(len(labels))))
    numbers = np.empty(len(labels), np.int64)
    numbers[order] = np.arange(len(labels)) % k
    return numbers


def _check_smallest(pictures: Split, k: int) -> None:
    """Where pictures are dealt one by one, no fold need lack a class; groups and hashes may."""
    target = pictures.target
    if pictures.groups is not None or pictures.stable or target.task != "classes":
        return
    for name, count in zip(target.class_names, target.counts or (), strict=True):
        if 0 < count < k:
            happened = f"{name!r} has {counted(count, 'picture')} and cannot be in every fold"
            raise _too_many_folds(pictures, k, happened)


def _too_many_folds(pictures: Split, k: int, happened: str) -> DataError:
    least = min(n for n in pictures.target.counts or (len(pictures),) if n)
    fewer = "Add pictures to it, or leave the class out."
    return DataError(
        explain(
            "folds",
            happened,
            expected="no more folds than the smallest class has pictures",
            received={"k": k, "smallest": least},
            mend=f"photos.folds({least}), or more pictures." if least > 1 else fewer,
        )
    )


def k_shot(pictures: Split, k: int, seed: int) -> Indices:
    """Indices of `k` pictures of each class, or of at least `k` for each label.

    Raises:
        DataError: If `k` is no number of pictures, a class has fewer, or there are no classes.
    """
    count, target = whole(k), pictures.target
    if count is None or count < 1:
        raise DataError(
            explain(
                "few",
                "that is no number of pictures",
                expected="a whole number of 1 or more",
                received={"k": k},
                mend="photos.few(5)",
            )
        )
    if target.task == "values":
        raise DataError(
            explain(
                "few",
                "numbers have no classes to take pictures of",
                expected="data with classes or labels",
                received={"task": target.task},
                mend="photos.hold_out(0.9).train holds a tenth of the pictures.",
            )
        )
    counts = dict(zip(target.class_names, target.counts or (), strict=True))
    lacking = {name: n for name, n in counts.items() if n < count}
    if lacking:
        name, n = min(lacking.items(), key=lambda pair: pair[1])
        raise DataError(
            explain(
                "few",
                f"{name!r} has {counted(n, 'training picture')}, fewer than {count}",
                expected="k pictures of every class",
                received={"k": k, "too few": lacking},
                mend=f"photos.few({n})" if n else "Leave the class out.",
            )
        )
    order = np.argsort(ranks_of(len(pictures), pictures.keys, seed, "few"), kind="stable")
    return np.sort(_first_of_each(pictures, order, count))


def _first_of_each(pictures: Split, order: Indices, k: int) -> Indices:
    """The first `k` of every class; of labels the rarest first, counting what was taken already."""
    labels, chosen = pictures.labels, np.zeros(len(pictures), bool)
    rows = labels if labels.ndim > 1 else None
    counts = np.asarray(pictures.target.counts)
    for label in np.argsort(counts, kind="stable"):
        has = rows[:, label] > 0 if rows is not None else labels == label
        members = order[has[order] & ~chosen[order]]
        chosen[members[: max(0, k - int((has & chosen).sum()))]] = True
    return np.flatnonzero(chosen)


def strangers(verb: str, pictures: Split, chosen: Indices) -> Indices:
    """The pictures that were not chosen and share no group with one that was.

    Raises:
        DataError: If there are none.
    """
    rest = np.setdiff1d(np.arange(len(pictures)), chosen)
    groups: Any = pictures.groups
    if groups is not None:
        rest = rest[~np.isin(groups[rest], groups[chosen])]
    if not len(rest):
        raise DataError(
            explain(
                verb,
                "no other training pictures are left to make a split of",
                expected="more pictures, or groups of which none was taken",
                received={"taken": len(chosen), "pictures": len(pictures)},
                mend="photos.few(5, rest='drop')",
            )
        )
    return rest
