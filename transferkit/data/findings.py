"""What decoding found in each file: a row of numbers for each, and the sums for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.data.decode import Found
from transferkit.data.formats import ENDINGS, FORMATS
from transferkit.data.modes import KINDS

__all__ = ["Findings", "Summary"]

_FORMATS = tuple(FORMATS)
_ROW = np.dtype(
    [("height", "i4"), ("width", "i4"), ("kind", "u1"), ("format", "u1"), ("digest", "S16")]
)


class Findings:
    """One row of 26 bytes for each file; rows are written by many threads, each its own.

    Args:
        files: The files, in the order of the rows.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.rows = np.zeros(len(files), _ROW)
        self.bad: dict[int, str] = {}

    def note(self, index: int, found: Found) -> None:
        """Write down what a file turned out to be."""
        kind, form = KINDS.index(found.kind), _FORMATS.index(found.format)
        self.rows[index] = (found.height, found.width, kind, form, found.digest)

    @property
    def good(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The rows of the files that could be decoded."""
        return np.asarray([i for i in range(len(self.files)) if i not in self.bad], np.int64)

    def bad_files(self) -> Iterator[tuple[Path, str]]:
        """The others, with the reason."""
        return ((self.files[i], self.bad[i]) for i in sorted(self.bad))


class Summary:
    """What the report says of all files of all splits together.

    Args:
        findings: Those of each split.
    """

    def __init__(self, findings: Sequence[Findings]) -> None:
        self.files = [found.files[i] for found in findings for i in found.good]
        self.rows = np.concatenate([found.rows[found.good] for found in findings])

    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Smallest, median and largest (height, width), by area."""
        if not len(self.rows):
            return ()
        height, width = self.rows["height"], self.rows["width"]
        order = np.argsort(height.astype(np.int64) * width, kind="stable")
        chosen = order[[0, len(order) // 2, -1]]
        return tuple((int(height[i]), int(width[i])) for i in chosen)

    def kinds(self) -> Mapping[str, int]:
        """How many files hold their colours in which way, the most frequent first."""
        counts = np.bincount(self.rows["kind"], minlength=len(KINDS))
        order = np.argsort(-counts, kind="stable")
        return {KINDS[i]: int(counts[i]) for i in order if counts[i]}

    def mismatched(self) -> tuple[tuple[Path, str], ...]:
        """Files that are of another format than their ending says, with that format."""
        found = zip(self.files, self.rows["format"].tolist(), strict=True)
        named = ((file, _FORMATS[form]) for file, form in found)
        return tuple((f, form) for f, form in named if ENDINGS.get(f.suffix.lower(), form) != form)

    def duplicates(self) -> tuple[tuple[Path, ...], ...]:
        """Groups of files with the same bytes."""
        if not len(self.rows):
            return ()
        order = np.argsort(self.rows["digest"], kind="stable")
        digests = self.rows["digest"][order]
        starts = np.flatnonzero(np.append(True, digests[1:] != digests[:-1]))
        lengths = np.diff(np.append(starts, len(order)))
        spans = zip(starts[lengths > 1], lengths[lengths > 1], strict=True)
        groups = sorted((order[start : start + n] for start, n in spans), key=lambda g: int(g[0]))
        return tuple(tuple(self.files[i] for i in group) for group in groups)
