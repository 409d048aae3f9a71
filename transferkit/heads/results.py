"""What predictions come out as: small values of plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transferkit._text import html_table

__all__ = ["Labels", "Prediction", "Value"]

_SHOWN = 10  # labels in a notebook


@dataclass(frozen=True)
class Prediction:
    """One class for a picture.

    Attributes:
        label: The most probable class.
        confidence: Its probability.
        scores: The probability of every class.
    """

    label: str
    confidence: float
    scores: dict[str, float] = field(repr=False, hash=False)

    def top(self, k: int = 5) -> tuple[tuple[str, float], ...]:
        """The most probable classes.

        Args:
            k: How many at most; all of them, if there are fewer.

        Returns:
            Pairs of class and probability, best first; of equal ones the first in class order.
        """
        return _best(self.scores)[:k]

    def _repr_html_(self) -> str:
        rows = [[name, f"{score:.4f}"] for name, score in self.top()]
        return html_table(f"{self.label} {self.confidence:.1%}", ["class", "probability"], rows)


@dataclass(frozen=True)
class Labels:
    """Any number of labels for a picture.

    Attributes:
        labels: Those with a probability above their threshold, in class order.
        scores: The probability of every label.
    """

    labels: tuple[str, ...]
    scores: dict[str, float] = field(repr=False, hash=False)

    def _repr_html_(self) -> str:
        given = set(self.labels)
        rows = [
            [name, "given" if name in given else "", f"{score:.4f}"]
            for name, score in _best(self.scores)[:_SHOWN]
        ]
        caption = ", ".join(self.labels) or "no label"
        return html_table(caption, ["label", "", "probability"], rows, left=2)


@dataclass(frozen=True)
class Value:
    """Numbers for a picture.

    Attributes:
        values: One for each output.
    """

    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The only one, or the first."""
        return self.values[0]

    def _repr_html_(self) -> str:
        rows = [[str(number), f"{value:.6g}"] for number, value in enumerate(self.values)]
        return html_table("values", ["output", "value"], rows)


def _best(scores: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Names and scores, the best first; of equal ones the first in order."""
    return tuple(sorted(scores.items(), key=lambda pair: -pair[1]))
