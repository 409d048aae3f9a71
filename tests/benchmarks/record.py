"""The one file of figures: a row that was run replaces its entry of this machine, others stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measuring import Figure, Result

__all__ = ["Entries", "Entry", "failed", "measured", "merge", "read", "write"]


@dataclass(frozen=True)
class Entry:
    """What is known of one row on one machine.

    Attributes:
        figures: What was seen; () if it never succeeded.
        remarks: How the run went.
        date: The day it was measured on, as ``2026-01-31``.
        seconds: How long the row took.
        machine: What it was measured on.
        failure: Why the latest attempt has no figures, with its date; "" if it has.
    """

    figures: tuple[Figure, ...] = ()
    remarks: tuple[str, ...] = ()
    date: str = ""
    seconds: float = 0.0
    machine: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Entry:
        """The inverse of ``asdict``."""
        figures = tuple(Figure(**each) for each in config["figures"])
        return cls(**{**config, "figures": figures, "remarks": tuple(config["remarks"])})


Entries = Mapping[str, tuple[Entry, ...]]
"""For each row an entry for each machine that it was measured on, the latest last."""


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def measured(result: Result, seconds: float, machine: Mapping[str, Any]) -> Entry:
    """The entry of a row that gave a result."""
    return Entry(result.figures, result.remarks, today(), round(seconds, 1), machine)


def failed(reason: str) -> Entry:
    """The entry of a row that gave none; the reason is kept in one line, and not at any length."""
    return Entry(failure=f"{today()}: {' '.join(reason.split())[:300]}")


def merge(old: Entries, name: str, new: Entry) -> dict[str, tuple[Entry, ...]]:
    """With this row's new entry in place of the one of the same machine.

    One that failed leaves its reason beside the latest figures, if there are any.
    """
    before = old.get(name, ())
    if new.failure:
        *earlier, last = before or (new,)
        after = (*earlier, replace(last, failure=new.failure))
    else:
        kept = (each for each in before if each.figures and not _one_machine(each, new))
        after = (*(replace(each, failure="") for each in kept), new)
    return {**old, name: after}


def _one_machine(one: Entry, other: Entry) -> bool:
    """Whether two entries come from the same kind of machine, whatever versions it had."""
    names = ("processor", "cores", "bfloat16", "accelerators")
    return all(one.machine.get(name) == other.machine.get(name) for name in names)


def read(path: Path) -> dict[str, tuple[Entry, ...]]:
    """All entries of a file; none if there is no file."""
    if not path.exists():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {name: tuple(map(Entry.from_config, configs)) for name, configs in rows.items()}


def write(path: Path, entries: Entries) -> None:
    """Write all entries, sorted by row; the old file is whole until the new one is."""
    rows = {name: [asdict(each) for each in entries[name]] for name in sorted(entries)}
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)
