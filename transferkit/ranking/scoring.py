"""The scores by name, and how far chance alone may have moved them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import transferability
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.transferability import Statistics
from transferkit.transferability.neighbours import knn_right

__all__ = ["DRAWS", "FOR_CLASSES", "FOR_NUMBERS", "Scored", "checked", "parts", "scored"]

Array = np.ndarray[Any, Any]
DRAWS = 200
MOST = 400
"""Images of a part: decomposing more of them in every draw would take minutes."""


def _knn(seen: Statistics) -> Array:
    """Five neighbours, or one where a class has not enough images to win such a vote."""
    k = 5 if seen.counts.min() > 5 else 1
    return knn_right(seen, k=k, ties="share")


def _ridge(seen: Statistics) -> Array:
    """Of classes what was right; of numbers such shares of the variance that their mean is R2."""
    right = transferability.ridge_probe(seen).right
    if seen.class_names is not None:
        return right
    count, numbers = seen.count, seen.numbers
    alone = np.square((numbers - numbers.mean(axis=0)) * count / (count - 1)).sum()
    return 1.0 - right * count / alone if alone > 0 else np.zeros(count)


BY_IMAGE: Mapping[str, Callable[[Statistics], Array]] = {"knn": _knn, "ridge": _ridge}
"""Scores that are means over images."""
OF_ALL: Mapping[str, Callable[[Statistics], float]] = {
    "gbc": lambda seen: transferability.gbc(seen, log=True),
    "h_score": transferability.h_score,
    "logme": transferability.logme,
    "parc": transferability.parc,
    "regularized_h_score": transferability.regularized_h_score,
    "transrate": lambda seen: transferability.transrate(seen, normalize=True),
}
"""Scores of all images together."""
OF_THE_SOURCE = ("leep", "nce")
"""Scores that read what the source's own head says, which a backbone is without."""
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
        SpecError: If there is none at all, one that needs the source's head, or one that is for
            classes where the labels are numbers.
    """
    if scores is None:
        return FOR_CLASSES if classes else FOR_NUMBERS
    chosen = (scores,) if isinstance(scores, str) else tuple(scores)
    known = {**BY_IMAGE, **OF_ALL}
    for name in chosen:
        if name in OF_THE_SOURCE:
            raise SpecError(_needs_a_head(verb, name, chosen))
        if name not in known:
            raise UnknownNameError(
                explain(
                    verb,
                    f"there is no score called {name!r}",
                    expected=did_you_mean(str(name), known),
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


def _needs_a_head(verb: str, name: str, chosen: Sequence[str]) -> str:
    given = "probabilities" if name == "leep" else "probabilities.argmax(axis=1)"
    return explain(
        verb,
        f"{name} reads the outputs of the source's own head, and backbones have none",
        expected=f"of {tuple(sorted({**BY_IMAGE, **OF_ALL}))}",
        received={"scores": tuple(chosen)},
        mend=f"transferability.{name}({given}, labels), with probabilities = "
        'tk.backbones.classifier("keras:MobileNetV2").predict(pixels)',
    )


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
    taken = [max(1, round(share * len(group))) for group in groups]
    drawn = []
    for _ in range(draws):
        chosen = [
            generator.choice(group, size, replace=False)
            for group, size in zip(groups, taken, strict=True)
        ]
        drawn.append(np.sort(np.concatenate(chosen)))
    return drawn


def scored(
    features: Array, labels: Array, names: Sequence[str], *, seed: int = 0, draws: int = DRAWS
) -> dict[str, Scored]:
    """Each score of the features, and how far it moves by chance.

    A score that is a mean over images is drawn again by the bootstrap of these. The others cannot
    be: a picture that is drawn twice would be its own nearest neighbour, or a class of no spread.
    They are computed of parts that are drawn without replacement. A mean of m of n images varies
    around that of all by sigma^2 (1/m - 1/n) then, and what is asked for is sigma^2 / n: their
    deviations are scaled by sqrt(m / (n - m)), which for halves is 1.

    Args:
        features: (images, channels).
        labels: As `Statistics` takes them.
        names: Of the scores.
        seed: Decides the draws; with one seed they are the same for all features.
        draws: How many.

    References:
        Dimitris Politis, Joseph Romano and Michael Wolf, Subsampling, 1999, chapter 2.
    """
    whole = Statistics(features, labels)
    found = {
        name: _bootstrapped(BY_IMAGE[name](whole), seed, draws)
        for name in names
        if name in BY_IMAGE
    }
    others = [name for name in names if name not in BY_IMAGE]
    if others:
        drawn = parts(whole.ids, whole.count, seed=seed, draws=draws)
        found |= _of_parts(whole, labels, others, drawn)
    return {name: found[name] for name in names}


def _bootstrapped(values: Array, seed: int, draws: int) -> Scored:
    count = len(values)
    generator = np.random.default_rng(seed)
    means = [values[generator.integers(0, count, count)].mean() for _ in range(draws)]
    value = float(values.mean())
    return Scored(value, np.array(means) - value)


def _of_parts(
    whole: Statistics, labels: Array, names: Sequence[str], drawn: Sequence[Array]
) -> dict[str, Scored]:
    off: dict[str, list[float]] = {name: [] for name in names}
    for rows in drawn:
        seen = Statistics(np.asarray(whole.features[rows], np.float64), labels[rows])
        for name in names:
            off[name].append(OF_ALL[name](seen))
    sizes = np.array([len(rows) for rows in drawn])
    scale = np.sqrt(sizes / np.maximum(whole.count - sizes, 1))
    found = {}
    for name, each in off.items():
        values = np.array(each)
        found[name] = Scored(OF_ALL[name](whole), scale * (values - values.mean()))
    return found
