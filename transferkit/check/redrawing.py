"""A drawing of training pictures: ridge heads under every penalty, and what each picture loses."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.transferability.probe import share_right

__all__ = ["lost_by", "missed"]

Array = np.ndarray[Any, Any]
ROWS, COLUMNS = 1024, 1024
"""Pictures, and outputs of heads, that are computed together."""


def lost_by(
    drawn: Array, vectors: Array, columns: Array, *, penalties: Array, classes: bool
) -> Array:
    """What each picture loses by heads that are trained on some of them (penalties, images).

    A drawn picture is measured by the head of all others that were drawn, exactly. The numbers are
    those of `ridge_probe`, to some 1e-12 over the penalty. That one decomposes features to the
    last digit and gives one head; this one serves a few pictures, drawn many times: it decomposes
    their products, once for all penalties, and has many heads in one product.

    Args:
        drawn: The places of those that heads are trained on, two or more.
        vectors: The features of all, finite (images, channels).
        columns: A column for each class, 1 where a picture is of it and 0 elsewhere, or the targets
            of a regression (images, outputs).
        penalties: In units of the features' variance times the drawn images.
        classes: Whether columns are classes: a loss is a share of wrong answers, else a squared
            error.
    """
    known, wanted = np.asarray(vectors[drawn], np.float64), columns[drawn]
    mean, middle, count = known.mean(axis=0), wanted.mean(axis=0), len(drawn)
    known, apart = known - mean, wanted - middle
    squares, basis = _directions(known, floor=count * float(mean @ mean))
    penalties = penalties * (float(squares.sum()) / known.shape[1] or 1.0)
    toward, inner = known.T @ basis, basis.T @ apart
    own_share = apart / (count - 1) if classes else np.zeros_like(apart)
    rest = np.delete(np.arange(len(vectors)), drawn)

    lost = np.empty((len(penalties), len(vectors)))
    outputs_of = columns.shape[1]
    many = max(1, COLUMNS // outputs_of)
    for part in np.split(np.arange(len(penalties)), range(many, len(penalties), many)):
        shape = (-1, len(part), outputs_of)
        shrinking = 1.0 / (squares[:, None] + penalties[part])
        heads = shrinking[:, :, None] * inner[:, None]
        heads = heads.reshape(len(squares), len(part) * outputs_of)
        weights = toward @ heads
        for start in range(0, len(rest), ROWS):
            place = rest[start : start + ROWS]
            outputs = ((vectors[place] - mean) @ weights).reshape(shape) + middle
            lost[np.ix_(part, place)] = missed(outputs, columns[place, None], classes=classes).T
        fitted = (basis @ (squares[:, None] * heads)).reshape(shape)
        free = 1.0 - 1.0 / count - np.square(basis) @ (squares[:, None] * shrinking)
        off = (apart[:, None] - fitted) / np.maximum(free, 1e-12)[:, :, None]
        outputs = (wanted + own_share)[:, None] - off
        lost[np.ix_(part, drawn)] = missed(outputs, wanted[:, None], classes=classes).T
    return lost


def _directions(known: Array, *, floor: float) -> tuple[Array, Array]:
    """The squares of the singular values above rounding (rank,), and U (images, rank).

    Args:
        known: Centred features.
        floor: The square of what was taken from them, beside which what is left may be rounding.
    """
    count, channels = known.shape
    tall = channels < count
    squares, vectors = np.linalg.eigh(known.T @ known if tall else known @ known.T)
    least = max(count, channels) * float(np.finfo(np.float64).eps)
    seen = squares > least * max(float(squares.max()), floor)
    squares, vectors = squares[seen], vectors[:, seen]
    return squares, known @ (vectors / np.sqrt(squares)) if tall else vectors


def missed(outputs: Array, wanted: Array, *, classes: bool) -> Array:
    """What each image loses by its outputs (..., outputs): (...).

    Of classes what `share_right` leaves of 1; of numbers the squared error.
    """
    if not classes:
        return np.asarray(np.square(outputs - wanted).sum(axis=-1))
    return np.asarray(1.0 - share_right(outputs, wanted))
