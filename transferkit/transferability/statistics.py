"""What the scores need of one set of features and labels, each computed once, in blocks.

Features are looked at in rows of float64 a few thousand at a time, whatever they lie in, so that a
large table is not copied as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from transferkit.errors import SpecError, explain
from transferkit.transferability.spectrum import Rows, Spectrum, decomposed, gram
from transferkit.transferability.taking import features_of, targets_of

__all__ = ["Features", "Statistics", "of_classes", "taken"]

Array: TypeAlias = np.ndarray[Any, Any]
Features: TypeAlias = Any
"""An array (images, channels) of real numbers, or `Statistics`."""


class Statistics:
    """Features and labels, and what scores share of them: moments and two decompositions.

    Hand one to several scores in place of the features, and each of these is computed once.

        >>> import numpy as np
        >>> from transferkit import transferability
        >>> features = np.array([[0.0, 1.0], [0.2, 0.9], [1.0, 0.1], [0.9, 0.0]])
        >>> seen = transferability.Statistics(features, ["ant", "ant", "bee", "bee"])
        >>> seen.class_names, seen.counts.tolist()
        (('ant', 'bee'), [2, 2])
        >>> transferability.knn(seen), round(transferability.h_score(seen), 2)
        (1.0, 0.99)

    Args:
        features: Real numbers (images, channels), in any layout that NumPy can slice by rows.
        labels: One for each image. Whole numbers, truth values and names are classes; floating
            point numbers (images,) or (images, outputs) are targets of a regression.

    Attributes:
        features: They, as they were given.
        class_names: The classes, sorted; None for a regression.
        ids: For each image the place of its class among them, int64 (images,).
        numbers: A regression's targets, float64 (images, outputs).

    Raises:
        DataError: If there are fewer than two images or classes, a number that is not finite, or
            another count of labels than of images.
    """

    def __init__(self, features: Any, labels: Any) -> None:
        self.features = features_of("Statistics", features)
        targets = targets_of("Statistics", labels, len(self.features))
        self.class_names = targets.class_names
        self.ids = targets.ids
        self.numbers = targets.numbers

    def __repr__(self) -> str:
        images, channels = self.features.shape
        names = self.class_names
        what = "numbers" if names is None else f"{len(names)} classes"
        return f"Statistics({images} images, {channels} channels, {what})"

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.features)

    @property
    def channels(self) -> int:
        """How long a vector of features is."""
        return int(self.features.shape[1])

    @cached_property
    def mean(self) -> Array:
        """The mean vector (channels,)."""
        total = np.zeros(self.channels)
        for _, block in Rows(self.features):
            total += block.sum(axis=0)
        return np.asarray(total / self.count)

    @cached_property
    def centred(self) -> Spectrum:
        """The decomposition of the features less their mean."""
        floor = self.count * float(self.mean @ self.mean)
        return decomposed(Rows(self.features, self.mean), self._gram, floor=floor)

    @cached_property
    def raw(self) -> Spectrum:
        """The decomposition of the features as they are."""
        return decomposed(Rows(self.features), self._gram_of_raw)

    @cached_property
    def _centred_gram(self) -> Array:
        return gram(Rows(self.features, self.mean))

    def _gram(self) -> Array:
        return self._centred_gram

    def _gram_of_raw(self) -> Array:
        """The same of the features as they are, from that of the centred ones where it is tall."""
        if self.channels > self.count:
            return gram(Rows(self.features))
        return np.asarray(self._centred_gram + self.count * np.outer(self.mean, self.mean))

    @cached_property
    def counts(self) -> Array:
        """The images of each class (classes,)."""
        return np.bincount(self.ids, minlength=len(self.class_names or ()))

    @cached_property
    def columns(self) -> Array:
        """The targets as columns: 0 and 1 for classes, float64 (images, outputs)."""
        return self.numbers if self.class_names is None else np.eye(len(self.counts))[self.ids]

    @cached_property
    def class_means(self) -> Array:
        """The mean vector of each class, less that of all (classes, channels)."""
        total = np.zeros((len(self.counts), self.channels))
        for place, block in Rows(self.features, self.mean):
            total += self.columns[place].T @ block
        return np.asarray(total / self.counts[:, None])

    @cached_property
    def class_variances(self) -> Array:
        """The variance of each channel within each class, over its count (classes, channels)."""
        total = np.zeros((len(self.counts), self.channels))
        for place, block in Rows(self.features, self.mean):
            block -= self.class_means[self.ids[place]]
            total += self.columns[place].T @ np.square(block, out=block)
        return np.asarray(total / self.counts[:, None])

    @cached_property
    def fourth_moment(self) -> float:
        """The sum of the fourth powers of the distances from the mean."""
        rows = Rows(self.features, self.mean)
        return float(sum(np.square(np.square(block).sum(axis=1)).sum() for _, block in rows))

    def by_class(self) -> Iterator[Array]:
        """The features of each class, less the mean of all, one class after another."""
        for number in range(len(self.counts)):
            yield Rows(self.features, self.mean).at(np.flatnonzero(self.ids == number))


def taken(features: Features, labels: Any) -> Statistics:
    """`Statistics` as they are, or those of features and labels."""
    if not isinstance(features, Statistics):
        return Statistics(features, labels)
    if labels is not None:
        raise SpecError(
            explain(
                "transferability",
                "labels were given beside Statistics, which have labels of their own",
                expected="Statistics alone, or features and labels",
                mend="logme(Statistics(features, labels))",
            )
        )
    return features


def of_classes(score: str, features: Features, labels: Any) -> Statistics:
    """The same, for a score that is defined for classes only.

    Raises:
        SpecError: If the labels are numbers.
    """
    seen = taken(features, labels)
    if seen.class_names is None:
        raise SpecError(
            explain(
                score,
                "the labels are the numbers of a regression",
                expected="whole numbers or names, one class for each image",
                received={"dtype": seen.numbers.dtype},
                mend="logme(features, labels) or ridge_probe(features, labels), which take numbers",
            )
        )
    return seen
