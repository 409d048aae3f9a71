"""The file of trials: what each training came to, image by image, so that pairs can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Store", "Trial"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trial:
    """One run with one seed.

    Attributes:
        images: How many answers were measured: one an image, or for several trainings or labels one
            each.
        right: Which of them were right, as hexadecimal bits.
        numbers: What else was seen, by name.
        told: What happened, in words.
    """

    images: int
    right: str
    numbers: Mapping[str, float]
    told: str = ""

    @classmethod
    def of(cls, right: Array, told: str = "", numbers: Mapping[str, float] | None = None) -> Trial:
        """From one boolean per answer."""
        bits = np.packbits(np.asarray(right, bool))
        return cls(len(right), bits.tobytes().hex(), numbers or {}, told)

    def bits(self) -> Array:
        """Whether each answer was right, as 0 and 1 (images,)."""
        packed = np.frombuffer(bytes.fromhex(self.right), np.uint8)
        return np.unpackbits(packed, count=self.images).astype(np.float64)


class Store:
    """Trials by table, row and seed; written behind each of them, so that a run can be cut off."""

    def __init__(self, path: Path) -> None:
        """Open it; a file that is not there is an empty one.

        Args:
            path: Where it lies.
        """
        self.path = path
        text = path.read_text(encoding="utf-8") if path.exists() else "{}"
        self.tables: dict[str, dict[str, dict[str, Any]]] = json.loads(text)

    def has(self, table: str, row: str, seed: int) -> bool:
        """Whether that trial has been run."""
        return str(seed) in self.tables.get(table, {}).get(row, {})

    def add(self, table: str, row: str, seed: int, trial: Trial) -> None:
        """Keep a trial, and write the file."""
        self.tables.setdefault(table, {}).setdefault(row, {})[str(seed)] = asdict(trial)
        beside = self.path.with_suffix(".part")
        beside.write_text(_text(self.tables), encoding="utf-8")
        beside.replace(self.path)

    def trials(self, table: str, row: str) -> dict[int, Trial]:
        """The trials of a row by their seeds, in order."""
        found = self.tables.get(table, {}).get(row, {})
        return {seed: Trial(**found[str(seed)]) for seed in sorted(map(int, found))}


def _text(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Sorted, and one trial in a line: a new one changes one line of the file."""
    lines = []
    for table, rows in sorted(tables.items()):
        inner = []
        for row, trials in sorted(rows.items()):
            told = [
                f"   {json.dumps(seed)}: {json.dumps(trials[seed])}"
                for seed in sorted(trials, key=int)
            ]
            inner.append(f"  {json.dumps(row)}: {{\n" + ",\n".join(told) + "\n  }")
        lines.append(f" {json.dumps(table)}: {{\n" + ",\n".join(inner) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"
