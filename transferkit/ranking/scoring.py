"""The scores by name, and how far chance alone may have moved them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import transferability
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.transferability import Statistics

__all__ = ["DRAWS", "FOR_CLASSES", "FOR_NUMBERS", "Scored", "checked", "parts", "scored"]

Array = np.ndarray[Any, Any]
DRAWS = 100
MOST = 400
"""Images of a part: decomposing more of them a hundred times would take minutes."""


def _knn(seen: Statistics) -> float:
    """Five neighbours, or one where a class has not enough images to win such a vote."""
    k = 5 if seen.counts.min() > 5 else 1
    return transferability.knn(seen, k=k, ties="share")


SCORES: Mapping[str, Callable[[Statistics], float]] = {
    "gbc": lambda seen: transferability.gbc(seen, log=True),
    "h_score": transferability.h_score,
    "knn": _knn,
    "logme": transferability.logme,
    "parc": transferability.parc,
    "regularized_h_score": transferability.regularized_h_score,
    "ridge": lambda seen: transferability.ridge_probe(seen).score,
    "transrate": lambda seen: transferability.transrate(seen, normalize=True),
}
FOR_CLASSES = ("knn", "ridge", "logme", "h_score")
FOR_NUMBERS = ("ridge", "logme")


@dataclass(frozen=True, eq=False)
class Scored:
    """One score of one table of features.

    Attributes:
        value: Of all images.
        off: How far chance moved it in each draw, (draws,): `value` + `off` are its likely values.
    """

    value: float
    off: Array

    @property
    def interval(self) -> tuple[float, float]:
        """Where 95 of 100 draws lie."""
        low, high = np.quantile(self.off, [0.025, 0.975])
        return self.value + float(low), self.value + float(high)


def checked(scores: Sequence[str] | None, *, verb: str, classes: bool) -> tuple[str, ...]:
    """The names of scores that fit the labels; None for the usual ones.

    Raises:
        UnknownNameError: If there is no such score.
        SpecError: If there is none at all, or one that is for classes and the labels are numbers.
    """
    if scores is None:
        return FOR_CLASSES if classes else FOR_NUMBERS
    chosen = (scores,) if isinstance(scores, str) else tuple(scores)
    for name in chosen:
        if name not in SCORES:
            raise UnknownNameError(
                explain(
                    verb,
                    f"there is no score called {name!r}",
                    expected=did_you_mean(str(name), SCORES),
                    received={"scores": chosen},
                )
            )
    wrong = [name for name in chosen if not classes and name not in FOR_NUMBERS]
    if wrong or not chosen:
        raise SpecError(
            explain(
                verb,
                f"{wrong[0]} is a score for classes" if wrong else "no score was asked for",
                expected=f"of {FOR_NUMBERS}, as each picture has numbers or several labels"
                if wrong
                else "one or more names",
                received={"scores": chosen},
                mend=f"{verb}(..., scores={FOR_NUMBERS if wrong else FOR_CLASSES})",
            )
        )
    return chosen


def parts(ids: Array, count: int, *, seed: int, draws: int = DRAWS) -> list[Array]:
    """Random halves of the images, or so many of them, each class with its share.

    Args:
        ids: The class of each image; empty for numbers.
        count: How many images there are.
        seed: Decides which.
        draws: How many halves.
    """
    share = min(count // 2, MOST) / count
    generator = np.random.default_rng(seed)
    groups = [np.flatnonzero(ids == each) for each in np.unique(ids)] or [np.arange(count)]
    taken = [max(min(2, len(group)), round(share * len(group))) for group in groups]
    return [
        np.sort(
            np.concatenate(
                [
                    generator.choice(group, size, replace=False)
                    for group, size in zip(groups, taken, strict=True)
                ]
            )
        )
        for _ in range(draws)
    ]


def scored(
    features: Array, labels: Array, names: Sequence[str], drawn: Sequence[Array]
) -> dict[str, Scored]:
    """Each score of the features, and how far it moves by chance.

    A picture that is drawn twice, as a bootstrap does, would be its own nearest neighbour. So parts
    are drawn without replacement. A mean of m of n images, drawn so, varies by sigma^2 (1/m - 1/n)
    around that of all; what is asked for is sigma^2 / n: deviations are scaled by sqrt(m / (n -
    m)), which for halves is 1.

    Args:
        features: (images, channels).
        labels: As `Statistics` takes them.
        names: Of the scores.
        drawn: Parts of the images; the same ones for features that are compared.

    References:
        Dimitris Politis, Joseph Romano and Michael Wolf, Subsampling, 1999, chapter 2.
    """
    whole = Statistics(features, labels)
    off: dict[str, list[float]] = {name: [] for name in names}
    for rows in drawn:
        seen = Statistics(np.asarray(features[rows], np.float64), labels[rows])
        for name in names:
            off[name].append(SCORES[name](seen))
    rest = len(features) - np.array([len(rows) for rows in drawn])
    scale = np.sqrt(np.array([len(rows) for rows in drawn]) / np.maximum(rest, 1))
    return {
        name: Scored(SCORES[name](whole), scale * (values - np.mean(values)))
        for name, values in ((name, np.array(each)) for name, each in off.items())
    }
