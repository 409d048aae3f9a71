"""What was found in the files, before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Report"]


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
        found = []
        train = self.counts.get("train", {})
        if train and max(train.values()) > 10 * max(min(train.values()), 1):
            found.append(
                f"the largest class has {max(train.values())} training pictures, the smallest "
                f"{min(train.values())}: tk.heads.classification(class_weight='balanced')"
            )
        if self.leaks:
            found.append(
                f"{len(self.leaks)} pictures are in more than one split, as "
                f"{' and '.join(map(str, self.leaks[0][:2]))}: scores will be too good"
            )
        if self.bad:
            found.append(f"{len(self.bad)} files cannot be decoded and are left out")
        return tuple(found)

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for split in self.counts.values() for name in split))
        width = max([len(name) for name in names] + [7])
        lines = [" " * width + "".join(f"{split:>8}" for split in self.counts)]
        for name in names[:20]:
            row = "".join(f"{split.get(name, 0):>8}" for split in self.counts.values())
            lines.append(f"{name:<{width}}{row}")
        if len(names) > 20:
            lines.append(f"... and {len(names) - 20} more classes")
        totals = "".join(f"{sum(split.values()):>8}" for split in self.counts.values())
        lines.append(f"{'all':<{width}}{totals}")
        if self.sizes:
            low, middle, high = (f"{h} x {w}" for h, w in self.sizes)
            lines.append(f"sizes: {low} smallest, {middle} median, {high} largest")
        for reason, paths in self.ignored.items():
            lines.append(f"ignored: {len(paths)} ({reason}), as {paths[0]}")
        for path, reason in self.bad[:10]:
            lines.append(f"bad: {path}: {reason}")
        if self.duplicates:
            lines.append(f"duplicates: {len(self.duplicates)} groups of files with the same bytes")
        lines.extend(f"warning: {text}" for text in self.warnings)
        return "\n".join(lines)
