"""Laws of the division into splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.data.split import check_fractions, shuffled, stratified
from transferkit.errors import DataError

LABELS = st.lists(st.integers(0, 5), max_size=80)
SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.tuples(st.floats(0, 0.98), st.floats(0, 0.98)).filter(lambda f: sum(f) < 0.99)


@given(LABELS, FRACTIONS, SEEDS)
def test_the_parts_are_a_sorted_partition(
    labels: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    parts = stratified(labels, fractions, seed)
    assert len(parts) == len(fractions) + 1
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() and part.dtype == np.int64 for part in parts)


@given(LABELS, FRACTIONS, SEEDS)
def test_each_class_has_its_share_within_one(
    labels: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    first, *parts = stratified(labels, fractions, seed)
    ids = np.asarray(labels, int)
    for label in set(labels):
        count = labels.count(label)
        assert (ids[first] == label).any(), "nothing of the class is left to train on"
        for part, fraction in zip(parts, fractions, strict=True):
            assert abs((ids[part] == label).sum() - fraction * count) <= 1 + 1e-9


@given(st.integers(2, 40), st.floats(0.001, 0.98), SEEDS)
def test_a_share_above_nothing_gets_a_picture_of_every_class(
    count: int, fraction: float, seed: int
) -> None:
    train, val = stratified([0] * count, (fraction,), seed)
    assert len(train) >= 1
    assert len(val) >= 1


@given(LABELS, FRACTIONS, SEEDS)
def test_the_same_seed_gives_the_same_parts(
    labels: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    once, again = (stratified(labels, fractions, seed) for _ in range(2))
    assert [part.tolist() for part in once] == [part.tolist() for part in again]


@given(LABELS, FRACTIONS, SEEDS, st.permutations("uvwxyz"))
def test_renaming_the_classes_changes_nothing(
    labels: list[int], fractions: tuple[float, ...], seed: int, names: list[str]
) -> None:
    ids = stratified(labels, fractions, seed)
    named = stratified([names[label] for label in labels], fractions, seed)
    assert [part.tolist() for part in ids] == [part.tolist() for part in named]


def test_another_seed_gives_another_division() -> None:
    parts = {tuple(stratified([0, 1] * 50, (0.2,), seed)[1].tolist()) for seed in range(5)}
    assert len(parts) == 5


def test_two_large_shares_of_a_small_class_both_stay_near() -> None:
    assert [len(part) for part in stratified([0] * 3, (0.5, 0.49), 0)] == [1, 1, 1]


@given(st.integers(0, 60), SEEDS)
def test_shuffled_divides_what_has_no_classes(count: int, seed: int) -> None:
    parts = shuffled(count, (0.25, 0.25), seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))


@pytest.mark.parametrize(("val", "test"), [(1.0, 0.0), (-0.1, 0.0), (0.5, 0.5), (float("nan"), 0)])
def test_shares_that_leave_nothing_are_refused(val: float, test: float) -> None:
    with pytest.raises(DataError, match="leave no training pictures"):
        check_fractions("from_arrays", val, test)
    check_fractions("from_arrays", 0.3, 0.3)
