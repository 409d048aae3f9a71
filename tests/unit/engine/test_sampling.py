"""Which pictures an epoch has: shuffled, or of every class equally many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transferkit as tk
from transferkit.engine import sampling

Array = np.ndarray[Any, Any]
CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=40).map(np.asarray)


def epochs(classes: Array, count: int, seed: int = 0) -> list[Array]:
    return [sampling.balanced(classes, seed=seed, epoch=epoch) for epoch in range(count)]


@settings(deadline=None, max_examples=60)
@given(CLASSES, st.integers(0, 2**63 - 1), st.integers(0, 1000))
def test_every_class_is_there_equally_often_to_within_one(
    classes: Array, seed: int, epoch: int
) -> None:
    order = sampling.balanced(classes, seed=seed, epoch=epoch)
    assert order.shape == classes.shape
    counts = np.bincount(classes[order])[np.unique(classes)]
    assert np.ptp(counts) <= 1
    np.testing.assert_array_equal(order, sampling.balanced(classes, seed=seed, epoch=epoch))


@settings(deadline=None, max_examples=60)
@given(CLASSES, st.integers(0, 2**63 - 1))
def test_over_many_epochs_no_picture_is_a_round_ahead_of_another_of_its_class(
    classes: Array, seed: int
) -> None:
    seen = np.zeros(len(classes), int)
    for order in epochs(classes, 7, seed):
        np.add.at(seen, order, 1)
        for each in np.unique(classes):
            assert np.ptp(seen[classes == each]) <= 1
    shares = [seen[classes == each].sum() for each in np.unique(classes)]
    assert np.ptp(shares) <= 1  # over all epochs too


def test_an_epoch_is_in_no_order_and_differs_from_others_and_from_other_seeds() -> None:
    classes = np.repeat([0, 1], [30, 10])
    first, second = epochs(classes, 2)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, epochs(classes, 1, seed=1)[0])
    runs = np.count_nonzero(np.diff(classes[first]))
    assert 10 < runs < 30  # classes neither one behind the other (1) nor in turn (39)


def test_rare_pictures_come_in_rounds_of_their_own_order() -> None:
    classes = np.repeat([0, 1], [36, 4])
    order = epochs(classes, 1)[0]
    counts = np.bincount(order, minlength=40)
    np.testing.assert_array_equal(counts[36:], 5)
    assert set(counts[:36]) == {0, 1}
    assert counts[:36].sum() == 20


def test_each_round_through_a_class_is_in_a_new_order() -> None:
    classes = np.repeat([0, 1], [30, 10])  # three epochs are two rounds through the common class
    common = [frozenset(order[order < 30]) for order in epochs(classes, 12)]
    assert len(set(common)) == 12
    alone = np.repeat([0, 1], [2, 40])
    starts = {tuple(order[order < 2][:2]) for order in epochs(alone, 12)}
    assert len(starts) > 2


def test_shuffled_is_every_picture_once_as_it_always_was() -> None:
    expected = np.random.default_rng((7, 3)).permutation(9)
    np.testing.assert_array_equal(sampling.shuffled(9, seed=7, epoch=3), expected)
    phase = tk.Phase(1)
    drawn = sampling.drawn(phase, 9, np.arange(9) % 2, seed=7, epoch=3)
    np.testing.assert_array_equal(drawn, expected)


def test_repetitions_are_counted_in_the_order_in_which_they_come() -> None:
    row = np.array([3, 1, 3, 3, 2, 1])
    np.testing.assert_array_equal(sampling.repetitions(row), [0, 0, 1, 2, 0, 1])


@pytest.mark.parametrize(
    ("views", "expected"),
    [("fresh", [5, 5, 5 + 2**32, 5 + 2**33]), (3, [2, 2, 0, 1]), (1, [0, 0, 0, 0])],
)
def test_what_comes_again_is_seen_in_another_view_of_those_there_are(
    views: Any, expected: list[int]
) -> None:
    phase = tk.Phase(1, views=views, sampling="balanced")
    np.testing.assert_array_equal(sampling.views(phase, np.array([4, 6, 4, 4]), 5), expected)
