"""A drawing of training pictures: ridge heads under every penalty, and what each picture loses."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["lost_by", "missed"]

Array = np.ndarray[Any, Any]
ROUNDING = 1e-9
AT_ONCE = 1024
"""Pictures that pass through the heads together."""


def lost_by(
    drawn: Array, vectors: Array, columns: Array, *, penalties: Array, classes: bool
) -> Array:
    """What each picture loses by heads that are trained on some of them (penalties, images).

    A drawn picture is measured by the head of all others that were drawn, exactly, and the numbers
    are those of `ridge_probe`. That one decomposes features to the last digit and gives one head;
    this one serves a few pictures, drawn many times: it decomposes their products, once for all
    penalties, and has all heads in one product.

    Args:
        drawn: The places of those that heads are trained on, two or more.
        vectors: The features of all (images, channels).
        columns: A column for each class, 1 where a picture is of it and 0 elsewhere, or the targets
            of a regression (images, outputs).
        penalties: In units of the features' variance times the drawn images.
        classes: Whether columns are classes: a loss is a share of wrong answers, else a squared
            error.
    """
    known, wanted = np.asarray(vectors[drawn], np.float64), columns[drawn]
    mean, middle, count = known.mean(axis=0), wanted.mean(axis=0), len(drawn)
    known, apart = known - mean, wanted - middle
    squares, basis = np.linalg.eigh(known @ known.T)
    most = max(float(squares.max()), count * float(mean @ mean))
    seen = squares > max(known.shape) * float(np.finfo(np.float64).eps) * most
    squares, basis = squares[seen], basis[:, seen]
    unit = float(squares.sum()) / known.shape[1] or 1.0
    shrinking = 1.0 / (squares[:, None] + unit * penalties)
    inner = shrinking[:, :, None] * (basis.T @ apart)[:, None]
    inner = inner.reshape(len(squares), len(penalties) * columns.shape[1])

    lost = np.empty((len(penalties), len(vectors)))
    heads = (known.T @ basis) @ inner
    for start in range(0, len(vectors), AT_ONCE):
        place = slice(start, start + AT_ONCE)
        outputs = (vectors[place] - mean) @ heads
        outputs = outputs.reshape(-1, len(penalties), columns.shape[1]) + middle
        lost[:, place] = missed(outputs, columns[place, None], classes=classes).T

    fitted = (basis @ (squares[:, None] * inner)).reshape(-1, len(penalties), columns.shape[1])
    free = 1.0 - 1.0 / count - np.square(basis) @ (squares[:, None] * shrinking)
    off = (apart[:, None] - fitted) / np.maximum(free, 1e-12)[:, :, None]
    own_share = apart / (count - 1) if classes else np.zeros_like(apart)
    outputs = (wanted + own_share)[:, None] - off
    lost[:, drawn] = missed(outputs, wanted[:, None], classes=classes).T
    return lost


def missed(outputs: Array, wanted: Array, *, classes: bool) -> Array:
    """What each image loses by its outputs (..., outputs): (...).

    Of classes 0 where its own has the highest output, a part where others share it, else 1; of
    numbers the squared error.
    """
    if not classes:
        return np.asarray(np.square(outputs - wanted).sum(axis=-1))
    leading = outputs >= outputs.max(axis=-1, keepdims=True) - ROUNDING
    own = leading & (wanted > 0)
    return np.asarray(1.0 - own.sum(axis=-1) / leading.sum(axis=-1))
