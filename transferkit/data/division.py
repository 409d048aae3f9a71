"""A split becomes several: shares of it, folds, or a few pictures of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit._types import whole
from transferkit.data.pictures import Split
from transferkit.data.split import Indices, divide, hashes, ranks_of, spread
from transferkit.errors import DataError, explain

__all__ = ["check_sides", "divided", "fold_numbers", "k_shot", "strangers"]


def divided(
    verb: str, pictures: Split, shares: Mapping[str, float], seed: int, purpose: str = "split"
) -> dict[str, Split]:
    """Take shares out of a split; what is left is ``"train"``.

    Args:
        verb: The function that the user called, for the errors.
        pictures: The split.
        shares: The shares by the names of the new splits; those of 0 are left out.
        seed: Decides which.
        purpose: Divisions for different purposes are independent.

    Raises:
        DataError: If a part would be empty, or training would be left without a class.
    """
    asked = {name: share for name, share in shares.items() if share > 0}
    if not asked:
        return {"train": pictures}
    _check_names(verb, pictures)
    _check_groups(verb, pictures, 1 + len(asked), "splits", f"{verb}(..., {next(iter(asked))}=0)")
    parts = divide(
        pictures.labels,
        pictures.target.task,
        tuple(asked.values()),
        seed,
        keys=pictures.keys,
        groups=pictures.groups,
        stable=pictures.stable,
        purpose=purpose,
    )
    named = dict(zip(("train", *asked), parts, strict=True))
    for name in (*asked, "train"):
        if not len(named[name]):
            raise _empty(verb, pictures, name, asked)
    _check_classes(verb, pictures, parts[0], "training")
    return {name: pictures.taken(indices, name) for name, indices in named.items()}


def _empty(verb: str, pictures: Split, name: str, asked: Mapping[str, float]) -> DataError:
    few, mend = "at least two pictures in a class", f"{verb}(..., {name}=0)"
    if pictures.stable:
        few = "more of them, as stable=True keeps to the shares on average only"
        mend = f"{verb}(..., stable=False), a larger share, or another seed"
    return DataError(
        explain(
            verb,
            f"the {name} split would be empty: {len(pictures)} pictures are too few",
            expected=few,
            received={**asked, "pictures": len(pictures)},
            mend=mend,
        )
    )


def _check_names(verb: str, pictures: Split) -> None:
    if pictures.stable and pictures.keys is None and pictures.groups is None:
        raise DataError(
            explain(
                verb,
                "arrays have no names that a stable division could go by",
                expected="stable=False, or groups that name each picture's subject",
                received={"stable": True},
                mend=f"{verb}(..., groups=subjects, stable=True)",
            )
        )


def _check_groups(verb: str, pictures: Split, parts: int, what: str, mend: str) -> None:
    if pictures.groups is None:
        return
    names = np.unique(pictures.groups).tolist()
    if len(names) < parts:
        raise DataError(
            explain(
                verb,
                f"there are fewer groups ({len(names)}) than {what} ({parts})",
                expected="at least one group for each, as a group is never divided",
                received={"groups": names},
                mend=mend,
            )
        )


def _check_classes(verb: str, pictures: Split, left: Indices, where: str) -> None:
    """Refuse a division that takes a class away from training altogether."""
    target = pictures.target
    if target.counts is None:
        return
    kept = pictures.counts(left)
    lost = [
        name
        for name, before, after in zip(target.class_names, target.counts, kept, strict=True)
        if before and not after
    ]
    if lost:
        way = "its few groups" if pictures.groups is not None else "its few pictures"
        raise DataError(
            explain(
                verb,
                f"{where} would be left without {lost[0]!r}: {way} went to the other side",
                expected="every class on the training side",
                received={"without": lost},
                mend="Take another seed or a smaller share, add pictures, or leave the class out.",
            )
        )


def check_sides(verb: str, splits: Mapping[str, Split]) -> None:
    """Refuse given splits that divide a group.

    Raises:
        DataError: Naming the groups.
    """
    homes: dict[str, set[str]] = {}
    for name, split in splits.items():
        for group in np.unique(split.groups).tolist() if split.groups is not None else ():
            homes.setdefault(group, set()).add(name)
    torn = {group: sorted(names) for group, names in homes.items() if len(names) > 1}
    if torn:
        group, names = next(iter(torn.items()))
        raise DataError(
            explain(
                verb,
                f"the group {group!r} is in {' and in '.join(names)}",
                expected="every group in one split",
                received={"groups": list(torn)},
                mend="Mend the splits, or leave the groups out.",
            )
        )


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
    _check_names("folds", pictures)
    _check_groups("folds", pictures, count, "folds", "Ask for fewer folds.")
    _check_smallest(pictures, count)
    numbers = _fold_numbers(pictures, count, seed)
    for number in range(count):
        fold = np.flatnonzero(numbers == number)
        if not len(fold):
            raise _too_many_folds(pictures, count, "a fold would be empty")
        _check_classes("folds", pictures, np.flatnonzero(numbers != number), "a fold's training")
    return numbers


def _fold_numbers(pictures: Split, k: int, seed: int) -> Indices:
    labels, task, keys, groups = (
        pictures.labels,
        pictures.target.task,
        pictures.keys,
        pictures.groups,
    )
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
            happened = f"{name!r} has {count} pictures and cannot be in every fold"
            raise _too_many_folds(pictures, k, happened)


def _too_many_folds(pictures: Split, k: int, happened: str) -> DataError:
    counts = [n for n in pictures.target.counts or (len(pictures),) if n]
    return DataError(
        explain(
            "folds",
            happened,
            expected="no more folds than the smallest class has pictures",
            received={"k": k, "smallest": min(counts)},
            mend=f"photos.folds({max(2, min(counts))}), or more pictures.",
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
                f"{name!r} has {n} training pictures, fewer than {count}",
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
