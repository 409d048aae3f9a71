"""`Ranking`: candidates beside each other, with what chance may have done and what each costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from transferkit._figures import new_figure, text_style
from transferkit._optional import require
from transferkit._text import html_table, printable, shortened, text_table
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.ranking.scoring import Scored

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Candidate", "Cost", "Difference", "Ranking"]

Cost = Literal["seconds", "multiply_adds", "parameters"]
"""What a score is drawn over."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One row.

    Attributes:
        name: The backbone and its weights, or the layer.
        scores: By name; empty if there is a `problem`.
        parameters: Of the backbone.
        channels: How long a vector of its features is.
        multiply_adds: Of a picture's way through it.
        seconds: How long that took when it was computed; None if nobody measured it.
        problem: Why there are no scores.
        place: Of a layer: which it is from the bottom of the network, from 0.
    """

    name: str
    scores: Mapping[str, Scored]
    parameters: int = 0
    channels: int = 0
    multiply_adds: int = 0
    seconds: float | None = None
    problem: str | None = None
    place: int | None = None

    def __repr__(self) -> str:
        told = self.problem or ", ".join(f"{n} {s.value:.4g}" for n, s in self.scores.items())
        return printable(f"Candidate({self.name}: {told})")


@dataclass(frozen=True)
class Difference:
    """How much higher one candidate's score is than another's.

    Attributes:
        value: Of all images.
        low: Where 95 of 100 draws begin.
        high: Where they end.
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Candidates, the best by the first score first; those that failed are last.

    Attributes:
        candidates: The rows.
        scores: The names of the scores; the first one decides the order.
        images: How many images they were scored on.
    """

    candidates: tuple[Candidate, ...]
    scores: tuple[str, ...]
    images: int

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, which: int | str) -> Candidate:
        if not isinstance(which, str):
            return self.candidates[which]
        for candidate in self.candidates:
            if candidate.name == which:
                return candidate
        raise UnknownNameError(
            explain(
                "Ranking",
                f"there is no candidate called {which!r}",
                expected=did_you_mean(which, self.names),
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates' names, in order."""
        return tuple(candidate.name for candidate in self.candidates)

    @property
    def best(self) -> Candidate:
        """The first one.

        Raises:
            SpecError: If all of them failed.
        """
        first = self.candidates[0]
        if first.problem is None:
            return first
        raise SpecError(
            explain(
                "Ranking",
                "no candidate could be scored",
                expected="one that can",
                received={first.name: first.problem},
            )
        )

    def by(self, score: str) -> Ranking:
        """The same, ordered by another of its scores.

        Raises:
            UnknownNameError: If it has no such score.
        """
        rest = [name for name in self.scores if name != self._known(score)]
        return ranking(self.candidates, (score, *rest), self.images)

    def difference(self, one: str, other: str, score: str | None = None) -> Difference:
        """How much higher one candidate's score is than another's, on the same draws of images.

        Args:
            one: A candidate's name.
            other: Another's.
            score: Which score; the first one by default.

        Raises:
            UnknownNameError: If there is no such candidate or score.
            SpecError: If one of them has no scores.
        """
        chosen = self.scores[0] if score is None else self._known(score)
        mine, theirs = (self._scored(self[name], chosen) for name in (one, other))
        value = mine.value - theirs.value
        low, high = np.quantile(mine.off - theirs.off, [0.025, 0.975])
        return Difference(value, value + float(low), value + float(high))

    def plot(self, score: str | None = None, cost: Cost = "multiply_adds") -> Figure:
        """A score with its interval over what it costs.

        Args:
            score: Which score; the first one by default.
            cost: ``"multiply_adds"`` of a picture, its ``"seconds"``, or ``"parameters"``.

        Raises:
            SpecError: If there is nothing to draw.
            MissingExtraError: If matplotlib is not installed.
        """
        chosen = self.scores[0] if score is None else self._known(score)
        if cost not in _COSTS:
            raise SpecError(
                explain(
                    "plot",
                    "there is no such cost",
                    expected=" or ".join(map(repr, _COSTS)),
                    received={"cost": cost},
                )
            )
        points = [each for each in self if each.problem is None and getattr(each, cost)]
        if not points:
            raise SpecError(
                explain(
                    "plot",
                    f"no candidate has a score and {cost}",
                    expected="one that has",
                    mend='ranking.plot(cost="parameters")',
                )
            )
        return _drawn(points, chosen, cost)

    def to_frame(self) -> pd.DataFrame:
        """A table for pandas, one line for each candidate and column for each figure.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        pandas = require("pandas", extra="pandas", needed_for="ranking.to_frame()")
        lines = []
        for place, each in enumerate(self, start=1):
            line: dict[str, Any] = {"name": each.name, "rank": place}
            for name in self.scores:
                found = each.scores.get(name)
                low, high = found.interval if found else (math.nan, math.nan)
                line |= {name: found.value if found else math.nan}
                line |= {f"{name}_low": low, f"{name}_high": high}
            for name in ("parameters", "channels", "multiply_adds", "seconds", "problem"):
                line[name] = getattr(each, name)
            lines.append(line)
        frame: pd.DataFrame = pandas.DataFrame(lines)
        return frame

    def __repr__(self) -> str:
        words = [[printable(cell) for cell in row] for row in self._rows()]
        lines = [self._caption(), text_table(self._header(), words, left=2)]
        lines += [printable(f"{each.name}: {each.problem}") for each in self if each.problem]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(self._caption(), self._header(), self._rows(), left=2)

    def _caption(self) -> str:
        return f"Ranking by {self.scores[0]} on {self.images} images, with 95 % intervals"

    def _header(self) -> list[str]:
        return ["", "candidate", *self.scores, "parameters", "by size", "ms an image"]

    def _rows(self) -> list[list[str]]:
        sizes = sorted(-each.parameters for each in self)
        rows = []
        for place, each in enumerate(self, start=1):
            cells = [_told(each.scores[n]) if n in each.scores else "-" for n in self.scores]
            size = str(1 + sizes.index(-each.parameters))
            time = "-" if each.seconds is None else f"{1000 * each.seconds:.3g}"
            name = shortened(each.name, 60)
            first = "-" if each.problem else str(place)
            rows.append([first, name, *cells, f"{each.parameters:,}", size, time])
        return rows

    def _known(self, score: str) -> str:
        if score in self.scores:
            return score
        raise UnknownNameError(
            explain(
                "Ranking",
                f"it has no score called {score!r}",
                expected=did_you_mean(str(score), self.scores),
                mend=f"tk.rank(..., scores=({score!r},))",
            )
        )

    def _scored(self, candidate: Candidate, score: str) -> Scored:
        if candidate.problem is None:
            return candidate.scores[score]
        raise SpecError(
            explain(
                "difference",
                f"{candidate.name} has no scores",
                expected="candidates that could be scored",
                received={"problem": candidate.problem},
            )
        )


def ranking(candidates: Sequence[Candidate], scores: Sequence[str], images: int) -> Ranking:
    """Candidates in order: by the first score, and by their names where it is the same."""

    def key(each: Candidate) -> tuple[bool, float, str]:
        value = each.scores[scores[0]].value if each.problem is None else 0.0
        return each.problem is not None, -value, each.name

    return Ranking(tuple(sorted(candidates, key=key)), tuple(scores), images)


_COSTS = {
    "multiply_adds": "multiply-adds of a picture",
    "seconds": "seconds of a picture",
    "parameters": "parameters",
}


def _told(found: Scored) -> str:
    low, high = found.interval
    digits = max(0, min(4, 2 - math.floor(math.log10(max(high - low, 1e-4)))))
    return f"{found.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _drawn(points: Sequence[Candidate], score: str, cost: str) -> Figure:
    needed = "ranking.plot()"
    figure = new_figure(6.4, 4.4, needed_for=needed)
    style = text_style(needed_for=needed)
    axes = figure.subplots()
    for place, each in enumerate(points):
        found = each.scores[score]
        low, high = found.interval
        across = float(getattr(each, cost))
        bars = [[max(0.0, found.value - low)], [max(0.0, high - found.value)]]
        colour = f"C{place % 10}"
        axes.errorbar([across], [found.value], yerr=bars, fmt="o", capsize=3, color=colour)
        axes.annotate(
            shortened(each.name, 40),
            (across, found.value),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=8,
            **style,
        )
    axes.set_xscale("log")
    axes.margins(x=0.6)
    axes.set_xlabel(_COSTS[cost])
    axes.set_ylabel(score)
    axes.grid(alpha=0.3)
    return figure
