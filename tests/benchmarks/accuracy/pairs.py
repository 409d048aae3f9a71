"""Two rows on the same images and seeds: how far apart they are, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from accuracy.trials import Trial

__all__ = ["Gap", "gap", "level", "matrix", "shift"]

Array = np.ndarray[Any, Any]
DRAWS = 10_000


@dataclass(frozen=True)
class Gap:
    """The mean difference of two rows' accuracies, and where 95 of 100 draws of it lie."""

    value: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether the first row is clearly below the second."""
        return self.high < 0

    @property
    def better(self) -> bool:
        """Whether the first row is clearly above the second."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def matrix(trials: Mapping[int, Trial], seeds: list[int]) -> Array:
    """What was right, as 0 and 1 (seeds, images)."""
    return np.stack([trials[seed].bits() for seed in seeds])


def gap(one: Mapping[int, Trial], other: Mapping[int, Trial]) -> Gap | None:
    """The accuracy of one row less that of another, over the seeds that both have.

    The interval is a bootstrap over seeds and images at once: with d the difference of seed s on
    image i, both are drawn with replacement 10,000 times.

    Returns:
        None if they share no seed.
    """
    seeds = sorted(set(one) & set(other))
    if not seeds:
        return None
    return _of(matrix(one, seeds) - matrix(other, seeds))


def shift(one: Mapping[int, Trial], other: Mapping[int, Trial], name: str) -> Gap | None:
    """How far a number of one row lies from that of another, by Student's t over shared seeds.

    Returns:
        None if they share fewer than two seeds.
    """
    seeds = sorted(set(one) & set(other))
    if len(seeds) < 2:
        return None
    apart = np.array([one[seed].numbers[name] - other[seed].numbers[name] for seed in seeds])
    error = float(apart.std(ddof=1)) / np.sqrt(len(seeds))
    reach = float(special.stdtrit(len(seeds) - 1, 0.975)) * error
    mean = float(apart.mean())
    return Gap(mean, mean - reach, mean + reach)


def level(trials: Mapping[int, Trial]) -> Gap:
    """The accuracy of one row, with the same interval."""
    return _of(matrix(trials, list(trials)))


def _of(values: Array) -> Gap:
    low, high = np.quantile(_draws(values), [0.025, 0.975])
    return Gap(float(values.mean()), float(low), float(high))


def _draws(values: Array) -> Array:
    """Means of drawn seeds and images (draws,)."""
    rng = np.random.default_rng(0)
    seeds, images = values.shape
    by_seed = rng.multinomial(seeds, [1 / seeds] * seeds, DRAWS)
    by_image = rng.multinomial(images, [1 / images] * images, DRAWS)
    drawn: Array = ((by_seed @ values) * by_image).sum(axis=1) / (seeds * images)
    return drawn
