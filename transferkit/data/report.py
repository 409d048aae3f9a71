"""What was found in the files, before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transferkit._text import counted, printable, shortened, text_table

__all__ = ["Report", "left_out"]

_SHOWN = 20  # classes


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        counts: Pictures per class, per split.
        sizes: Smallest, median and largest (height, width), where pictures came from files.
        ignored: Files that were left out, by reason.
        bad: Files that cannot be decoded, with the reason.
        duplicates: Groups of files with the same bytes.
        leaks: Those of the groups that lie in more than one split.
    """

    counts: Mapping[str, Mapping[str, int]]
    sizes: tuple[tuple[int, int], ...] = ()
    ignored: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    bad: tuple[tuple[Path, str], ...] = ()
    duplicates: tuple[tuple[Path, ...], ...] = ()
    leaks: tuple[tuple[Path, ...], ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be looked at before training."""
        return tuple(map(printable, self._warnings()))

    def _warnings(self) -> Iterator[str]:
        train = self.counts.get("train", {})
        if train and max(train.values()) > 10 * max(min(train.values()), 1):
            yield (
                f"the largest class has {counted(max(train.values()), 'training picture')}, the "
                f"smallest {min(train.values())}: tk.heads.classification(class_weight='balanced')"
            )
        if self.leaks:
            both = " and ".join(map(str, self.leaks[0][:2]))
            number = len(self.leaks)
            yield (
                f"{counted(number, 'picture')} {'is' if number == 1 else 'are'} in more than one "
                f"split, as {both}: scores will be too good"
            )
        if self.bad:
            yield left_out(len(self.bad))

    def __str__(self) -> str:
        return "\n".join((*self._count_lines(), *map(printable, self._file_lines())))

    def _count_lines(self) -> list[str]:
        names = list(dict.fromkeys(name for split in self.counts.values() for name in split))
        rows = [
            [shortened(name, 40), *(str(split.get(name, 0)) for split in self.counts.values())]
            for name in names[:_SHOWN]
        ]
        rows.append(["all", *(str(sum(split.values())) for split in self.counts.values())])
        lines = text_table(["", *self.counts], rows).splitlines()
        if len(names) > _SHOWN:
            lines.insert(-1, f"... and {len(names) - _SHOWN} more classes")
        return lines

    def _file_lines(self) -> Iterator[str]:
        if self.sizes:
            low, middle, high = (f"{height} x {width}" for height, width in self.sizes)
            yield f"sizes: {low} smallest, {middle} median, {high} largest"
        for reason, paths in self.ignored.items():
            yield f"ignored: {len(paths)} ({reason}), as {paths[0]}"
        for path, reason in self.bad[:10]:
            yield f"bad: {path}: {reason}"
        if self.duplicates:
            groups = counted(len(self.duplicates), "group")
            yield f"duplicates: {groups} of files with the same bytes"
        yield from (f"warning: {text}" for text in self._warnings())


def left_out(files: int) -> str:
    """What is said of files that cannot be decoded and were skipped."""
    be = "is" if files == 1 else "are"
    return f"{counted(files, 'file')} cannot be decoded and {be} left out"
