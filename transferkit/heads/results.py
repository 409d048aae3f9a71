"""What predictions come out as: small values of plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Labels", "Prediction", "Value"]


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
        """The `k` most probable classes with their probabilities, best first."""
        return tuple(sorted(self.scores.items(), key=lambda pair: -pair[1])[:k])


@dataclass(frozen=True)
class Labels:
    """Any number of labels for a picture.

    Attributes:
        labels: Those with a probability above the head's threshold, in class order.
        scores: The probability of every label.
    """

    labels: tuple[str, ...]
    scores: dict[str, float] = field(repr=False, hash=False)


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
