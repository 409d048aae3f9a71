"""Ridge heads of one drawing, under every penalty, against `ridge_probe` under one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit.check import redrawing
from transferkit.check.redrawing import lost_by, missed
from transferkit.transferability import ridge_probe
from transferkit.transferability.probe import PENALTIES

Array = np.ndarray[Any, Any]


def features(kind: str) -> Array:
    """Of 60 pictures, of which 24 will be drawn."""
    rng = np.random.default_rng(0)
    channels = 90 if kind == "wide" else 5
    found = rng.normal(size=(60, channels)) + 100 * (kind == "far from zero")
    if kind == "constant":
        found[:] = 0.3
    if kind == "twins":
        found[1::2] = found[::2]
    if kind == "not all there":
        found = np.maximum(found, 0.0)
        found[:, 2:] = 0.0
    return found


KINDS = ["wide", "tall", "far from zero", "constant", "twins", "not all there"]


def expected(
    drawn: Array, vectors: Array, columns: Array, labels: Array, *, classes: bool
) -> Array:
    """One head after the other."""
    rest = np.setdiff1d(np.arange(len(vectors)), drawn)
    lost = np.empty((len(PENALTIES), len(vectors)))
    for row, penalty in enumerate(PENALTIES):
        probe = ridge_probe(vectors[drawn], labels[drawn], penalties=(penalty,))
        lost[row, drawn] = 1.0 - probe.right if classes else probe.right
        outputs = vectors[rest] @ probe.weights + probe.bias
        for image, place in enumerate(rest):
            if classes:
                best = np.isclose(outputs[image], outputs[image].max(), rtol=0, atol=1e-9)
                lost[row, place] = 1.0 - (best * columns[place]).sum() / best.sum()
            else:
                lost[row, place] = np.square(outputs[image] - columns[place]).sum()
    return lost


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_lost_as_by_one_probe_after_another(kind: str) -> None:
    vectors, rng = features(kind), np.random.default_rng(1)
    labels = rng.integers(0, 3, 60)
    drawn = rng.permutation(60)[:24]
    columns = (labels[:, None] == np.arange(3)).astype(float)
    seen = lost_by(drawn, vectors, columns, penalties=PENALTIES, classes=True)
    wanted = expected(drawn, vectors, columns, labels, classes=True)
    np.testing.assert_allclose(seen, wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outputs", [1, 2])
def test_numbers_are_lost_as_by_one_probe_after_another(kind: str, outputs: int) -> None:
    vectors, rng = features(kind), np.random.default_rng(2)
    targets = vectors[:, :outputs] + rng.normal(size=(60, outputs))
    drawn = rng.permutation(60)[:24]
    seen = lost_by(drawn, vectors, targets, penalties=PENALTIES, classes=False)
    wanted = expected(drawn, vectors, targets, targets, classes=False)
    # Under 1e-8 of the variance, heads go through every drawn picture: what is left to divide by is
    # some 1e-10 of the whole, and rounding 1e-6 of that.
    np.testing.assert_allclose(seen, wanted, rtol=1e-4)
    np.testing.assert_allclose(seen[2:], wanted[2:], rtol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(7, 1024), (1024, 5), (1024, 1), (7, 5)])
def test_pictures_and_penalties_pass_in_blocks(
    rows: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, rng = features("wide"), np.random.default_rng(3)
    targets, drawn = rng.normal(size=(60, 2)), rng.permutation(60)[:24]
    at_once = lost_by(drawn, vectors, targets, penalties=PENALTIES, classes=False)
    monkeypatch.setattr(redrawing, "ROWS", rows)
    monkeypatch.setattr(redrawing, "COLUMNS", columns)
    in_blocks = lost_by(drawn, vectors, targets, penalties=PENALTIES, classes=False)
    np.testing.assert_allclose(in_blocks, at_once, rtol=1e-6)


def test_a_class_of_one_drawn_picture_is_wrong_there_and_may_be_right_elsewhere() -> None:
    vectors = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [0.15]])
    columns = np.eye(2)[[0, 0, 0, 1, 1, 0]]
    lost = lost_by(np.arange(4), vectors, columns, penalties=np.array([0.01]), classes=True)
    np.testing.assert_array_equal(lost, [[0, 0, 0, 1, 0, 0]])


def test_a_picture_of_no_class_that_was_drawn_is_wrong() -> None:
    rng = np.random.default_rng(4)
    vectors, columns = rng.normal(size=(9, 3)), np.eye(2)[[0, 1] * 4 + [0]]
    columns[8] = 0.0
    lost = lost_by(np.arange(8), vectors, columns, penalties=PENALTIES, classes=True)
    np.testing.assert_array_equal(lost[:, 8], 1.0)


def test_a_picture_whose_outputs_tie_counts_in_part() -> None:
    outputs = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]])
    wanted = np.array([[1.0, 0, 0], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(missed(outputs, wanted, classes=True), [0.5, 0.0, 1.0])
    numbers = missed(outputs[:, :1], np.array([[0.0], [0.1], [1.1]]), classes=False)
    np.testing.assert_allclose(numbers, [0.25, 0.0, 1.0])
