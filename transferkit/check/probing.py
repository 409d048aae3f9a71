"""The probe: the same linear head on a network's features and on those of random networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.check.redrawing import lost_by, missed
from transferkit.check.verdict import TransferCheck, checked
from transferkit.data import Split
from transferkit.ranking.extracting import Embedder, embedded, labels_of
from transferkit.running import Engine
from transferkit.transferability import Statistics, ridge_probe
from transferkit.transferability.probe import PENALTIES
from transferkit.transferability.taking import features_of, targets_of

__all__ = ["Probe"]

Array = np.ndarray[Any, Any]
PIXELS = 8
"""The side that pictures are shrunk to where they are features themselves."""
DRAWS = 20
"""How often training pictures are drawn."""
DRAWN = 4000
"""How many are drawn in all: of many pictures one draw says what another one would."""


@dataclass(frozen=True)
class Probe:
    """A ridge regression that is trained alike on the features of many networks.

    With few pictures it matters which ones they are: how far networks lie apart on ten pictures
    says more of those ten than of the networks. If a network knows neither training nor validation
    pictures, each can be either, so that training pictures are drawn from all of them several
    times, as many of each class, the same for every network. What is not drawn is measured, and
    what is drawn too, by the head of all others that were. Each network has the penalty that is
    best on what was not drawn: leave-one-out takes one far too large where a class has two
    pictures, as it has one then. Pictures in groups stay in their splits.

    Attributes:
        train: What it is trained on, at the networks' size.
        others: What it is measured on besides.
        unseen: Whether the networks have never seen `train`, so that others may take its place.
        engine: How features are computed.
        verbose: 0 silent, 1 or 2 shows how far it is.
    """

    train: Split
    others: Sequence[Split]
    unseen: bool
    engine: Engine
    verbose: int

    def compared(self, body: Embedder, randoms: Iterable[Embedder], **about: Any) -> TransferCheck:
        """The verdict on a network, beside random ones.

        Args:
            body: With what the source taught it.
            randoms: Two or more without.
            **about: ``margin``, ``backbone`` and ``weights`` of the check.
        """
        pixels = self._losses([_shrunk(each) for each in self._splits])
        return checked(
            self._of(body),
            np.array([self._of(each) for each in randoms]),
            risk_of_pixels=float(pixels.mean()),
            **about,
        )

    @property
    def _splits(self) -> tuple[Split, ...]:
        return (self.train, *self.others)

    def _of(self, body: Embedder) -> Array:
        """The loss of each image by the probe on one network's features."""
        found = embedded(body, *self._splits, engine=self.engine, verbose=self.verbose)
        return self._losses([each.vectors for each in found])

    def _losses(self, features: Sequence[Array]) -> Array:
        """Of each image a share of wrong answers, or one of the training targets' variance."""
        labels = [labels_of(each) for each in self._splits]
        lose = self._once if self._draw_count == 1 else self._drawing
        lost = lose(features, labels)
        if labels[0].dtype.kind != "f":
            return lost
        spread = float(np.var(labels[0], axis=0).sum())
        return lost / spread if spread > 0 else np.zeros(len(lost))

    def _once(self, features: Sequence[Array], labels: Sequence[Array]) -> Array:
        """By one head, its penalty chosen by leave-one-out."""
        known = labels[0]
        probe = ridge_probe(Statistics(features[0], known))
        classes = known.dtype.kind != "f"
        seen = [1.0 - probe.right if classes else probe.right] if self.unseen else []
        for vectors, others in zip(features[1:], labels[1:], strict=True):
            outputs = vectors @ probe.weights + probe.bias
            seen.append(missed(outputs, _columns(others, known), classes=classes))
        return np.concatenate(seen)

    def _drawing(self, features: Sequence[Array], labels: Sequence[Array]) -> Array:
        """The mean over drawings, under the penalty that is best on what was not drawn."""
        vectors = features_of("check_transfer", np.concatenate(features))
        targets_of("check_transfer", labels[0], len(labels[0]))
        targets = np.concatenate(labels)
        penalties = np.sort(PENALTIES)[::-1]  # of equally good ones the largest
        how: dict[str, Any] = {"penalties": penalties, "classes": targets.dtype.kind != "f"}
        columns = _columns(targets, labels[0])
        lost, held_out = np.zeros((len(penalties), len(targets))), np.zeros(len(penalties))
        for drawn in self._draws(targets):
            now = lost_by(drawn, vectors, columns, **how)
            lost += now
            held_out += np.delete(now, drawn, axis=1).sum(axis=1)
        best: Array = lost[held_out.argmin()] / self._draw_count
        return best

    @property
    def _draw_count(self) -> int:
        """How often training pictures are drawn."""
        grouped = any(each.groups is not None for each in self._splits)
        if grouped or not self.unseen or not self.others:
            return 1
        return max(1, min(DRAWS, DRAWN // len(self.train)))

    def _draws(self, labels: Array) -> Iterator[Array]:
        """The places of training pictures among all: first those of the split, then drawn ones."""
        first = np.arange(len(self.train))
        yield first
        rng = np.random.default_rng(0)  # the source's risk does not hang on the check's seed
        for _ in range(self._draw_count - 1):
            yield _drawn(labels, labels[first], rng)


def _drawn(labels: Array, like: Array, rng: np.random.Generator) -> Array:
    """The places of as many pictures, and as many of each class, as `like` has."""
    if like.dtype.kind == "f":
        return rng.permutation(len(labels))[: len(like)]
    classes, counts = np.unique(like, return_counts=True)
    places = [
        rng.permutation(np.flatnonzero(labels == each))[:count]
        for each, count in zip(classes, counts, strict=True)
    ]
    return np.concatenate(places)


def _columns(labels: Array, known: Array) -> Array:
    """One for each class that is known, or the numbers themselves (images, outputs)."""
    if known.dtype.kind == "f":
        return labels.reshape(len(labels), -1)
    return np.asarray(labels[:, None] == np.unique(known), np.float64)


def _shrunk(split: Split) -> Array:
    """Mean colours of 8 x 8 places (images, channels)."""
    pixels, rows = split.pixels(), []
    for start in range(0, len(split), 32):
        block: Array = np.asarray(pixels[np.arange(start, min(start + 32, len(split)))], float)
        for axis in (1, 2):
            side = block.shape[axis]
            edges = np.unique(np.linspace(0, side, PIXELS, endpoint=False).astype(int))
            sums = np.add.reduceat(block, edges, axis=axis)
            widths = np.diff(np.append(edges, side))
            block = sums / widths.reshape([-1 if i == axis else 1 for i in range(4)])
        rows.append(block.reshape(len(block), -1))
    return np.concatenate(rows)
