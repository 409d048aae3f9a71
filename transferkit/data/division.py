"""A split becomes several, and what has to hold for that."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transferkit._text import counted
from transferkit.data.pictures import Split
from transferkit.data.split import Indices, divide
from transferkit.errors import DataError, explain

__all__ = ["check_classes", "check_groups", "check_names", "check_sides", "divided", "shares_of"]


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
    check_names(verb, pictures)
    asked = {name: share for name, share in shares.items() if share > 0}
    if not asked:
        return {"train": pictures}
    check_groups(verb, pictures, 1 + len(asked), "splits", f"{verb}(..., {next(iter(asked))}=0)")
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
    check_classes(verb, pictures, parts[0], "training")
    return {name: pictures.taken(indices, name) for name, indices in named.items()}


def shares_of(
    splits: Mapping[str, Split], asked: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """The share asked for of each split that was divided off, and the one that it has."""
    found = {name: len(split) for name, split in splits.items() if asked.get(name, 0) > 0}
    total = len(splits["train"]) + sum(found.values())
    return {name: (asked[name], count / total) for name, count in found.items()}


def _empty(verb: str, pictures: Split, name: str, asked: Mapping[str, float]) -> DataError:
    be = "is" if len(pictures) == 1 else "are"
    few, mend = "at least two pictures in a class", f"{verb}(..., {name}=0)"
    if pictures.stable:
        few = "more of them, as stable=True keeps to the shares on average only"
        mend = f"{verb}(..., stable=False), a larger share, or another seed"
    return DataError(
        explain(
            verb,
            f"the {name} split would be empty: {counted(len(pictures), 'picture')} {be} too few",
            expected=few,
            received={**asked, "pictures": len(pictures)},
            mend=mend,
        )
    )


def check_names(verb: str, pictures: Split) -> None:
    """Refuse a stable division of pictures that have no names.

    Raises:
        DataError: Saying what gives them some.
    """
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


def check_groups(verb: str, pictures: Split, parts: int, what: str, mend: str) -> None:
    """Refuse more parts than there are groups.

    Args:
        verb: The function that the user called, for the error.
        pictures: The split.
        parts: How many parts.
        what: What they are called.
        mend: What to do.

    Raises:
        DataError: Naming the groups.
    """
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


def check_classes(verb: str, pictures: Split, left: Indices, where: str) -> None:
    """Refuse a division that takes a class away from training altogether.

    Args:
        verb: The function that the user called, for the error.
        pictures: The split that is divided.
        left: Indices of what is left to train on.
        where: What that is called.

    Raises:
        DataError: Naming the classes.
    """
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
