"""The rows of the benchmark: each module measures one thing against another.

A row is registered by ``@row(...)`` on a function from a `Setting` to a `Result`. The order of
`MODULES` is the order of the table.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measuring import Result

__all__ = ["MODULES", "Row", "Setting", "SkippedError", "Target", "all_rows", "at_least", "row"]

MODULES = (
    "tutorial",
    "insects",
    "forward",
    "step",
    "converted",
    "head",
    "xla",
    "pictures",
    "sweep",
    "search",
    "memory",
    "growth",
    "first_step",
)
ROWS: dict[str, Row] = {}


class SkippedError(Exception):
    """This row cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Setting:
    """How a row is to be measured.

    Attributes:
        folder: An empty folder for whatever it writes.
        assets: Where real pictures and weights lie, if anywhere.
        small: Whether tiny pictures and few repetitions will do: it tests the harness, and the
            figures mean nothing.
        rounds: How many rounds, if not the row's own number.
    """

    folder: Path
    assets: Path | None = None
    small: bool = False
    rounds: int | None = None

    def many(self, usual: int, least: int = 2) -> int:
        """The rounds to run: `usual`, or what the command line says, or `least` if small."""
        return self.rounds or (least if self.small else usual)

    @contextmanager
    def empty_cache(self) -> Iterator[Path]:
        """A cache folder that nothing was left in, and that leaves nothing behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="cache-", dir=self.folder) as made:
            yield Path(made)

    def asset(self, path: str) -> Path:
        """A file or folder of the assets.

        Raises:
            SkippedError: If it is not there.
        """
        found = None if self.assets is None else self.assets / path
        if found is None or not found.exists():
            raise SkippedError(f"no {path} in the assets; TRANSFERKIT_ASSETS names their folder")
        return found


@dataclass(frozen=True)
class Target:
    """What a figure is to reach.

    Attributes:
        bound: The number.
        most: Whether figures above it miss, instead of those below it.
        unit: What both are counted in.
    """

    bound: float
    most: bool = False
    unit: str = "x"

    def met(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value <= self.bound if self.most else value >= self.bound


def at_least(bound: float) -> Target:
    """A ratio of that much or more."""
    return Target(bound)


Measure = Callable[[Setting], Result]


@dataclass(frozen=True)
class Row:
    """One line of work that is measured.

    Attributes:
        name: What it is called on the command line.
        compares: One sentence: what is compared with what.
        minutes: About how long it takes on two cores.
        measure: The measurement.
        targets: What its figures are to reach, by their labels.
        reasons: Why a target was missed and what was tried, by label.
        in_bfloat16: Labels of the targets that were set with bfloat16.
    """

    name: str
    compares: str
    minutes: float
    measure: Measure
    targets: Mapping[str, Target] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    in_bfloat16: Collection[str] = ()


def row(
    name: str,
    compares: str,
    *,
    minutes: float,
    targets: Mapping[str, Target] | None = None,
    reasons: Mapping[str, str] | None = None,
    in_bfloat16: Collection[str] = (),
) -> Callable[[Measure], Measure]:
    """Register a measurement; see `Row` for the arguments."""

    def register(measure: Measure) -> Measure:
        if name in ROWS:
            raise ValueError(f"two rows are called {name!r}")
        given = (targets or {}, reasons or {}, in_bfloat16)
        ROWS[name] = Row(name, compares, minutes, measure, *given)
        return measure

    return register


def all_rows() -> dict[str, Row]:
    """Every row by its name, in the order of the table."""
    for module in MODULES:
        importlib.import_module(f"rows.{module}")
    return dict(ROWS)
