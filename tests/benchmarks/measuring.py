"""Two things run in turn in one process, and the ratio of what they took."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Figure", "Result", "in_turn", "interval", "median_ratio", "of_ratios", "total_ratio"]

Seconds = dict[str, list[float]]
"""For each of the things that ran in turn, how long each of its rounds took."""


@dataclass(frozen=True)
class Figure:
    """One number that was seen.

    Attributes:
        label: What it is the figure of; a row's targets are named by it.
        value: The median, or whatever the row says.
        low: Where the interval begins; None if there is only one pair.
        high: Where it ends.
        coverage: The share of repetitions whose interval holds the true median, 0 to 1.
        pairs: How many pairs it rests on.
        seen: The two things themselves, in words: ``"30.1 s against 290 s"``.
        detail: Whether it stands in the row's own table instead of the one of all rows.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    pairs: int = 1
    seen: str = ""
    detail: bool = False

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; ``Figure(**config)`` is the inverse."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """What a row saw.

    Attributes:
        figures: At least one.
        remarks: Sentences on how this run went, such as where the engine cut.
    """

    figures: tuple[Figure, ...]
    remarks: tuple[str, ...] = ()


def in_turn(arms: Mapping[str, Callable[[], Any]], rounds: int, *, warm: int = 1) -> Seconds:
    """Call all `arms` one behind the other, `rounds` times over.

    Args:
        arms: The things to compare.
        rounds: How often each is timed.
        warm: Rounds before them that are not timed, for what is compiled at the first call.

    Returns:
        For each arm its seconds, round by round.
    """
    seconds: Seconds = {name: [] for name in arms}
    for number in range(-warm, rounds):
        for name, call in arms.items():
            began = time.perf_counter()
            call()
            if number >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """An interval for the median from the order of `values` alone, whatever their distribution.

    The k-th smallest and the k-th largest of n values hold the median between them with probability
    1 - 2 P(B < k), B being binomial with n trials of 1/2. The largest k that reaches `level` is
    taken; with five values or fewer none does, and the interval is their whole range.

    Args:
        values: One or more.
        level: The probability wanted.

    Returns:
        Its ends and its probability.
    """
    ordered, count = sorted(values), len(values)
    place, coverage = 1, _coverage(count, 1)
    while place < count // 2 and _coverage(count, place + 1) >= level:
        place, coverage = place + 1, _coverage(count, place + 1)
    return ordered[place - 1], ordered[-place], coverage


def _coverage(count: int, place: int) -> float:
    below = sum(math.comb(count, each) for each in range(place))
    return max(0.0, 1.0 - 2.0 * below / 2.0**count)


def of_ratios(label: str, ratios: Sequence[float], seen: str, *, detail: bool = False) -> Figure:
    """The median of paired ratios, with its interval if there are several."""
    value = statistics.median(ratios)
    if len(ratios) == 1:
        return Figure(label, value, seen=seen, detail=detail)
    return Figure(label, value, *interval(ratios), len(ratios), seen, detail)


def median_ratio(
    label: str,
    mine: Sequence[float],
    theirs: Sequence[float],
    *,
    unit: str = "s",
    detail: bool = False,
) -> Figure:
    """How many times faster than `theirs` a round of `mine` is: the median of the pairs' ratios.

    Args:
        label: The figure's label.
        mine: Seconds, round by round.
        theirs: Seconds of the same rounds.
        unit: ``"s"`` or ``"ms"``, in which both are told.
        detail: Whether it stands in the row's own table.
    """
    ratios = [other / own for own, other in zip(mine, theirs, strict=True)]
    own, other = (told(statistics.median(each), unit) for each in (mine, theirs))
    return of_ratios(label, ratios, f"{own} against {other}", detail=detail)


def total_ratio(label: str, mine: Sequence[float], theirs: Sequence[float]) -> Figure:
    """How many times faster all of `mine` together are, with an interval by bootstrapping pairs."""
    pairs = np.array([mine, theirs])
    places = np.random.default_rng(0).integers(pairs.shape[1], size=(2000, pairs.shape[1]))
    sums = pairs[:, places].sum(axis=2)
    low, high = np.quantile(sums[1] / sums[0], [0.025, 0.975])
    own, other = pairs.sum(axis=1)
    seen = f"{told(own)} against {told(other)}"
    return Figure(label, other / own, float(low), float(high), 0.95, pairs.shape[1], seen)


def told(seconds: float, unit: str = "s") -> str:
    """A time with three digits."""
    return f"{seconds:.3g} s" if unit == "s" else f"{1000 * seconds:.3g} ms"
