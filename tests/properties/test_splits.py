"""Laws of the division into splits."""

from __future__ import annotations

import hashlib
import unicodedata
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transferkit.data import Data, Split, from_arrays
from transferkit.data.folds import k_shot
from transferkit.data.split import (
    balanced,
    check_fractions,
    divide,
    hashes,
    shuffled,
    stratified,
    thresholds,
)
from transferkit.errors import DataError


def composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


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


# ------------------------------------------------------------------ names, groups and folds

NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=60, unique_by=composed)
KEYED = NAMES.flatmap(
    lambda names: st.tuples(
        st.just(names),
        st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)),
    )
)


def sides(keys: list[str], labels: list[int], seed: int, **way: Any) -> dict[str, int]:
    """The part of each name."""
    parts = divide(np.asarray(labels), "classes", (0.3,), seed, keys=keys, **way)
    return {keys[i]: part for part, indices in enumerate(parts) for i in indices}


def test_a_hash_is_blake2b_of_seed_purpose_and_name() -> None:
    for name in ("a/1.jpg", "caf\u00e9", "\udcff"):
        data = f"7\0split\0{name}".encode("utf-8", "surrogatepass")
        expected = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
        assert hashes([name], 7, "split").tolist() == [expected]
    assert hashes(["cafe\u0301"], 7, "split") == hashes(["caf\u00e9"], 7, "split")


@given(KEYED, SEEDS, st.data(), st.booleans())
def test_the_order_of_a_listing_changes_nothing(
    keyed: tuple[list[str], list[int]], seed: int, data: st.DataObject, stable: bool
) -> None:
    keys, labels = keyed
    order = data.draw(st.permutations(range(len(keys))))
    again = sides([keys[i] for i in order], [labels[i] for i in order], seed, stable=stable)
    assert sides(keys, labels, seed, stable=stable) == again


@given(KEYED, SEEDS, st.integers(0, 3))
def test_an_added_picture_moves_one_other_at_most(
    keyed: tuple[list[str], list[int]], seed: int, label: int
) -> None:
    keys, labels = keyed
    before = sides(keys[1:], labels[1:], seed)
    after = sides(keys, [label, *labels[1:]], seed)
    assert sum(after[key] != side for key, side in before.items()) <= 1


@given(KEYED, SEEDS, st.data())
def test_a_stable_picture_never_changes_sides(
    keyed: tuple[list[str], list[int]], seed: int, data: st.DataObject
) -> None:
    keys, labels = keyed
    some = data.draw(st.lists(st.integers(0, len(keys) - 1), unique=True))
    whole = sides(keys, labels, seed, stable=True)
    part = sides([keys[i] for i in some], [0] * len(some), seed, stable=True)
    assert part == {keys[i]: whole[keys[i]] for i in some}


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), FRACTIONS)
def test_a_larger_share_keeps_what_a_smaller_one_had(
    ranks: list[int], fractions: tuple[float, float]
) -> None:
    small, large = sorted(fractions)
    drawn = np.asarray(ranks, np.uint64)
    inside, still = (thresholds(drawn, (share,)) == 1 for share in (small, large))
    assert (still | ~inside).all()


def test_stable_shares_hold_on_average() -> None:
    for seed in range(3):
        parts = thresholds(hashes(range(10_000), seed, "split"), (0.2, 0.1))
        assert np.bincount(parts) / 10_000 == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


GROUPED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 14)), min_size=1, max_size=80)


@given(GROUPED, FRACTIONS, SEEDS, st.booleans())
def test_no_group_is_on_two_sides(
    pictures: list[tuple[int, int]], fractions: tuple[float, ...], seed: int, stable: bool
) -> None:
    labels, groups = (np.asarray(column) for column in zip(*pictures, strict=True))
    parts = divide(labels, "classes", fractions, seed, groups=groups.astype(str), stable=stable)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    owners = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, owners)) == len(set(groups.tolist()))


@given(GROUPED, st.floats(0.05, 0.5), SEEDS)
def test_no_part_is_empty_while_there_are_groups_enough(
    pictures: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    labels, groups = (np.asarray(column) for column in zip(*pictures, strict=True))
    assume(len(set(groups.tolist())) >= 3)
    parts = divide(labels, "classes", (fraction, 0.1), seed, groups=groups.astype(str))
    assert all(len(part) for part in parts)


@given(st.integers(20, 60), st.integers(2, 4), SEEDS)
def test_groups_of_one_size_keep_the_share_of_every_class(
    count: int, classes: int, seed: int
) -> None:
    """Each group has two pictures of one class: then the shares can be met, to within a group."""
    groups = np.repeat(np.arange(count), 2)
    labels = groups % classes
    _, val = divide(labels, "classes", (0.25,), seed, groups=groups.astype(str))
    for label in range(classes):
        share = (labels[val] == label).sum() / (labels == label).sum()
        assert abs(share - 0.25) <= 2 / (labels == label).sum() + 1e-9


def test_groups_are_balanced_as_chance_does_once_in_a_hundred_times() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 6, (40, 3)).astype(float)
    total, shares = rows.sum(axis=0), np.asarray([0.8, 0.2])

    def cost(parts: Any) -> float:
        have = np.stack([rows[parts == part].sum(axis=0) for part in (0, 1)])
        return float((((have - shares[:, None] * total) / total) ** 2).sum())

    chance = [cost((rng.random(40) < 0.2).astype(int)) for _ in range(1000)]
    found = [cost(balanced(rows, tuple(shares), hashes(range(40), s, ""))) for s in range(20)]
    assert np.median(found) <= np.quantile(chance, 0.01)


def test_no_part_gets_all_the_heavy_units() -> None:
    """Large groups, and pictures with many labels, are spread as the others are."""
    rng = np.random.default_rng(0)
    sizes = rng.pareto(1.5, 300) + 1
    groups = rng.choice(300, 3000, p=sizes / sizes.sum())
    parts = divide(groups % 3, "classes", (0.2, 0.1), 0, groups=groups.astype(str))
    owners = [len(np.unique(groups[part])) for part in parts]
    assert np.asarray(owners) / 300 == pytest.approx([0.7, 0.2, 0.1], abs=0.08)
    rows = (rng.random((2000, 10)) < rng.random(10) * 0.3).astype(np.float32)
    for part, share in zip(divide(rows, "labels", (0.2, 0.1), 0), (0.7, 0.2, 0.1), strict=True):
        assert len(part) == pytest.approx(2000 * share, abs=3)
        assert rows[part].sum(axis=1).mean() == pytest.approx(rows.sum(axis=1).mean(), abs=0.05)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=12, max_size=60), SEEDS
)
def test_labels_of_a_picture_keep_their_shares(rows: list[list[int]], seed: int) -> None:
    array = np.asarray(rows, np.float32)
    parts = divide(array, "labels", (0.25,), seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    for column in range(3):
        count = array[:, column].sum()
        if count >= 2:
            assert array[parts[0], column].sum() >= 1, "a label is lost to training"
        assert abs(array[parts[1], column].sum() - 0.25 * count) <= 2 + 0.1 * count


def arrays(labels: list[int], **more: Any) -> Data:
    """Pictures that are told apart by their first pixel."""
    pixels = np.zeros((len(labels), 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(len(labels))
    return from_arrays(pixels, labels, class_names=list("abcd"), val=0, **more)


def numbers(split: Any) -> list[int]:
    found: list[int] = split.pixels()[:, 0, 0, 0].tolist()
    return found


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), st.integers(2, 5), SEEDS)
def test_folds_cover_every_picture_once(labels: list[int], k: int, seed: int) -> None:
    counts = np.bincount(labels, minlength=4)
    assume(counts.min() >= k)
    folds = list(arrays(labels).folds(k, seed=seed))
    assert len(folds) == k
    assert sorted(i for fold in folds for i in numbers(fold.val)) == list(range(len(labels)))
    for fold in folds:
        assert sorted(numbers(fold.train) + numbers(fold.val)) == list(range(len(labels)))
        assert fold.val is not None
        for name, there in zip("abcd", counts, strict=True):
            assert abs(fold.counts()["val"][name] - there / k) < 1
        assert abs(len(fold.val) - len(labels) / k) < 1


@given(st.integers(2, 5), SEEDS)
def test_folds_divide_no_group(k: int, seed: int) -> None:
    labels, groups = [i % 4 for i in range(60)], [i // 4 for i in range(60)]
    for fold in arrays(labels, groups=groups).folds(k, seed=seed):
        inside, outside = {i // 4 for i in numbers(fold.val)}, {i // 4 for i in numbers(fold.train)}
        assert not inside & outside
        assert abs(len(inside) - 15 / k) < 1


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), SEEDS)
def test_few_has_k_of_each_class_and_grows(labels: list[int], seed: int) -> None:
    least = int(np.bincount(labels, minlength=4).min())
    assume(least >= 1)
    seen: set[int] = set()
    for k in range(1, least + 1):
        few = arrays(labels).few(k, seed=seed)
        assert few.counts()["train"] == dict.fromkeys("abcd", k)
        assert seen <= set(numbers(few.train))
        seen = set(numbers(few.train))


@given(st.lists(st.integers(0, 3), min_size=20, max_size=40), SEEDS, st.randoms())
def test_few_goes_by_seed_and_names_whatever_the_listing(
    labels: list[int], seed: int, random: Random
) -> None:
    k = int(np.bincount(labels, minlength=4).min())
    assume(k >= 1)
    keys = [f"{i}.jpg" for i in range(len(labels))]
    order = random.sample(range(len(labels)), len(labels))

    def taken(places: Any) -> set[str]:
        ids, names = np.asarray([labels[i] for i in places]), tuple(keys[i] for i in places)
        split = Split("train", ids, tuple("abcd"), names, keys=names)
        return {names[i] for i in k_shot(split, k, seed)}

    everything = taken(range(len(keys)))
    assert taken(order) == everything
    rest = [i for i in range(len(keys)) if labels[i] or keys[i] in everything]
    assert taken(rest) == everything, "pictures that were not taken decide nothing"


def test_seeds_matter_everywhere() -> None:
    keys, groups = [f"{i}.jpg" for i in range(60)], np.asarray([str(i // 3) for i in range(60)])
    labels = np.asarray([0, 1, 2, 3] * 15)
    ways: list[dict[str, Any]] = [
        {"keys": keys},
        {"keys": keys, "stable": True},
        {"groups": groups},
        {"groups": groups, "stable": True},
    ]
    for way in ways:
        found = {tuple(divide(labels, "classes", (0.2,), s, **way)[1].tolist()) for s in range(5)}
        assert len(found) == 5
    data = arrays(labels.tolist())
    assert len({tuple(numbers(next(iter(data.folds(4, seed=s))).val)) for s in range(5)}) == 5
    assert len({tuple(numbers(data.few(2, seed=s).train)) for s in range(5)}) == 5
