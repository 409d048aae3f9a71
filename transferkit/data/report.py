"""What was found in the files, before any training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._text import counted, html_summary, html_table, printable, shortened, text_table

__all__ = ["Balance", "Report", "contradictions", "leaks", "left_out"]

_SHOWN = 20  # classes
_NAME = 40  # columns of a class's name

Groups = tuple[tuple[Path, ...], ...]


@dataclass(frozen=True)
class Balance:
    """How evenly the training pictures lie in their classes.

    Attributes:
        largest: The largest class, and its pictures.
        smallest: The smallest class, and its pictures.
        ratio: Pictures of the largest class for one of the smallest; infinite if that has none.
        effective: ``exp(entropy of the classes' shares) / classes``: 1 where all are alike, and
            the share of the classes that are left where the others have next to nothing.
    """

    largest: tuple[str, int]
    smallest: tuple[str, int]
    ratio: float
    effective: float


@dataclass(frozen=True)
class Report:
    """What was found; ``print(report)`` says it all, a notebook shows it as tables.

    Attributes:
        counts: Pictures per class, per split.
        sizes: Smallest, median and largest (height, width), where pictures came from files, as
            they are when upright.
        ignored: Files that were left out, by reason.
        bad: Files that cannot be decoded, with the reason.
        duplicates: Groups of files with the same bytes.
        leaks: Those of the groups that lie in more than one split.
        kinds: How many files hold their colours in which way: grey, RGB, palette, CMYK, ...
        mismatched: Files that are of another format than their ending says, with that format.
        contradictions: Those of the groups of files with the same bytes whose labels differ.
        partial: Whether the splits hold fewer pictures by now than what else is said is about.
        shares: Of each split that was divided off: the share asked for, and the one it has.
    """

    counts: Mapping[str, Mapping[str, int]]
    sizes: tuple[tuple[int, int], ...] = ()
    ignored: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    bad: tuple[tuple[Path, str], ...] = ()
    duplicates: Groups = ()
    leaks: Groups = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    mismatched: tuple[tuple[Path, str], ...] = ()
    contradictions: Groups = ()
    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    partial: bool = False

    @property
    def balance(self) -> Balance | None:
        """How even the classes are; None where there are none, or no training pictures."""
        train = self.counts.get("train", {})
        total = sum(train.values())
        if len(train) < 2 or not total:
            return None
        largest, smallest = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        most, least = train[largest], train[smallest]
        shares = [count / total for count in train.values() if count]
        entropy = -sum(share * math.log(share) for share in shares)
        return Balance(
            largest=(largest, most),
            smallest=(smallest, least),
            ratio=most / least if least else math.inf,
            effective=math.exp(entropy) / len(train),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be looked at before training."""
        return tuple(map(printable, self._warnings()))

    def _warnings(self) -> Iterator[str]:
        trained = [count for count in self.counts.get("train", {}).values() if count]
        if trained and max(trained) > 10 * min(trained):
            yield (
                f"the largest class has {counted(max(trained), 'training picture')}, the "
                f"smallest {min(trained)}: a head's class_weight='balanced' weighs them "
                "alike, or tk.Phase(sampling='balanced') shows them alike"
            )
        yield from self._lacking()
        for name, (asked, got) in self.shares.items():
            if abs(got - asked) > max(0.05, asked / 2):
                yield f"{name} was to have {asked:.0%} of the pictures and has {got:.0%}"
        if self.contradictions:
            found = counted(len(self.contradictions), "picture")
            be = "is" if len(self.contradictions) == 1 else "are"
            both = " and ".join(map(str, self.contradictions[0][:2]))
            yield f"{found} {be} under several labels, as {both}"
        if self.leaks:
            both = " and ".join(map(str, self.leaks[0][:2]))
            number = len(self.leaks)
            yield (
                f"{counted(number, 'picture')} {'is' if number == 1 else 'are'} in more than one "
                f"split, as {both}: scores will be too good"
            )
        if self.bad:
            yield left_out(len(self.bad))

    def divided_anew(
        self,
        counts: Mapping[str, Mapping[str, int]],
        splits: Mapping[str, Sequence[Path | None]],
        before: int,
    ) -> Report:
        """The report of the same files, or some of them, in other splits.

        Args:
            counts: Pictures per class, per split.
            splits: The file of each picture, per split.
            before: How many pictures there were.
        """
        return replace(
            self,
            counts=counts,
            leaks=leaks(self.duplicates, splits),
            shares={},
            partial=self.partial or sum(map(len, splits.values())) < before,
        )

    def _lacking(self) -> Iterator[str]:
        """Word of classes that a split has no pictures of."""
        for split, counts in self.counts.items():
            known = {} if split == "train" else self.counts.get("train", {})
            empty = [name for name, n in counts.items() if not n and known.get(name, 1)]
            if empty:
                have = f"{len(empty):,} {'class has' if len(empty) == 1 else 'classes have'}"
                kind = "training" if split == "train" else split
                yield f"{have} no {kind} pictures, as {shortened(empty[0], _NAME)}"

    def __str__(self) -> str:
        header, rows, more = self._count_rows()
        lines = text_table(header, rows).splitlines()
        if more:
            lines.insert(-1, more)
        found = (printable(f"{name}: {value}") for name, value in self._findings())
        return "\n".join((*lines, *found))

    def _repr_html_(self) -> str:
        header, rows, more = self._count_rows()
        if more:
            rows.insert(-1, [more, *[""] * len(self.counts)])
        return html_table("Pictures", header, rows) + html_summary(list(self._findings()))

    def _count_rows(self) -> tuple[list[str], list[list[str]], str]:
        """The header, a row for each class shown and one for all, and how many are not shown."""
        names = list(dict.fromkeys(name for split in self.counts.values() for name in split))
        rows = [
            [shortened(name, _NAME), *(f"{s.get(name, 0)}" for s in self.counts.values())]
            for name in names[:_SHOWN]
        ]
        rows.append(["all", *(str(sum(split.values())) for split in self.counts.values())])
        left = len(names) - _SHOWN
        return ["", *self.counts], rows, f"... and {left} more classes" if left > 0 else ""

    def _findings(self) -> Iterator[tuple[str, str]]:
        """What is said of the files, each with the word it stands behind."""
        if (balance := self.balance) is not None:
            yield "balance", _in_words(balance)
        if self.partial and self.sizes:
            yield "files", "what follows is said of all that were read"
        if self.sizes:
            low, middle, high = (f"{height} x {width}" for height, width in self.sizes)
            yield "sizes", f"{low} smallest, {middle} median, {high} largest"
        if self.kinds:
            yield "colours", ", ".join(f"{n:,} {kind}" for kind, n in self.kinds.items())
        for reason, paths in self.ignored.items():
            yield "ignored", f"{len(paths)} ({reason}), as {paths[0]}"
        for path, reason in self.bad[:10]:
            yield "bad", f"{path}: {reason}"
        if self.mismatched:
            path, form = self.mismatched[0]
            number = counted(len(self.mismatched), "file")
            yield "endings", f"{number} of another format than the name says, as {path}: {form}"
        if self.duplicates:
            groups = counted(len(self.duplicates), "group")
            yield "duplicates", f"{groups} of files with the same bytes"
        yield from (("warning", text) for text in self._warnings())


def leaks(groups: Groups, splits: Mapping[str, Sequence[Path | None]]) -> Groups:
    """Those of `groups` that lie in more than one split.

    Args:
        groups: Files that are alike.
        splits: The files of each split.
    """
    wanted = {path for group in groups for path in group}
    homes: dict[Path, set[str]] = {path: set() for path in wanted}
    for name, paths in splits.items():
        for path in paths:
            if path is not None and path in wanted:
                homes[path].add(name)
    return tuple(g for g in groups if len(set().union(*(homes[path] for path in g))) > 1)


def contradictions(
    groups: Groups, labels: Mapping[str, tuple[Sequence[Path | None], np.ndarray[Any, Any]]]
) -> Groups:
    """Those of `groups` whose files have different labels.

    Args:
        groups: Files that are alike.
        labels: The files of each split, and their labels.
    """
    found: dict[Path, set[bytes]] = {path: set() for group in groups for path in group}
    for paths, values in labels.values():
        for path, value in zip(paths, values, strict=True):
            if path is not None and path in found:
                found[path].add(value.tobytes())
    torn = (g for g in groups if len(set().union(*(found[path] for path in g))) > 1)
    # The first two are shown: they have to be two that differ.
    return tuple(
        tuple(sorted(group, key=lambda path: found[path] == found[group[0]] and path != group[0]))
        for group in torn
    )


def left_out(files: int) -> str:
    """What is said of files that cannot be decoded and were skipped."""
    be = "is" if files == 1 else "are"
    return f"{counted(files, 'file')} cannot be decoded and {be} left out"


def _in_words(balance: Balance) -> str:
    (largest, most), (smallest, least) = balance.largest, balance.smallest
    if most == least:
        return f"all classes have {most:,} training pictures"
    ratio = f"{balance.ratio:.1f} to 1" if least else f"{most:,} to none"
    return (
        f"{shortened(largest, _NAME)} has most ({most:,}), {shortened(smallest, _NAME)} least "
        f"({least:,}): {ratio}, effective share of the classes {balance.effective:.0%}"
    )
