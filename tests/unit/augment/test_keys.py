from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit.augment import keys
from transferkit.errors import SpecError

MANY = 100_000
PINNED = [[434795311, 3483278954], [3251347241, 3849796117]]  # saved seeds hang on these


def mix(x: int) -> int:
    x = (x ^ (x >> 16)) * 0x85EBCA6B % 2**32
    x = (x ^ (x >> 13)) * 0xC2B2AE35 % 2**32
    return x ^ (x >> 16)


def by_hand(seed: int, view: int, index: int, *more: int) -> tuple[int, int]:
    """The hash in Python's own whole numbers, one key at a time."""
    a, b = 0x243F6A88, 0x85A308D3
    words = [part for number in (seed, view, index) for part in (number % 2**32, number >> 32)]
    for word in (*words, *more):
        a = mix(a ^ word)
        b = mix((b + (a + 1) * 0x9E3779B9) % 2**32)
    return a, b


def many(seed: int = 0, view: int = 0) -> Any:
    return keys.image_keys(seed, view, np.arange(MANY))


def chi2(numbers: np.ndarray[Any, Any], bins: int) -> float:
    counts = np.bincount((numbers * bins).astype(int), minlength=bins)
    expected = len(numbers) / bins
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("view", [0, 7])
def test_keys_are_those_of_a_hash_written_by_hand(seed: int, view: int) -> None:
    indices = [0, 1, 2, 1_000_003, 2**32, 2**40 + 5, 2**63 - 1]
    made = keys.image_keys(seed, view, indices).numpy()
    assert made.dtype == np.uint32
    assert [tuple(map(int, key)) for key in made] == [by_hand(seed, view, i) for i in indices]
    folded = keys.fold(keys.image_keys(seed, view, indices), 3).numpy()
    assert [tuple(map(int, key)) for key in folded] == [by_hand(seed, view, i, 3) for i in indices]


def test_numbers_are_those_of_the_hash_by_hand() -> None:
    made = keys.uniform(keys.image_keys(5, 2, [9]), -10.0, 30.0, draw=1).numpy()
    a, b = by_hand(5, 2, 9, 0x7F4A7C15 ^ 1)
    assert made == np.float32(-10.0 + 40.0 * ((a ^ b) >> 8) / 2**24)


def test_several_draws_are_those_that_come_alone() -> None:
    made = keys.image_keys(5, 2, range(7))
    rows = keys.uniform(made, -1.0, 3.0, [4, 0, 9]).numpy()
    assert rows.shape == (7, 3)
    for column, draw in enumerate((4, 0, 9)):
        np.testing.assert_array_equal(rows[:, column], keys.uniform(made, -1.0, 3.0, draw))


def test_whole_numbers_are_those_of_the_hash_by_hand_and_even() -> None:
    a, b = by_hand(5, 2, 9, 0x7F4A7C15 ^ 3)
    made = keys.image_keys(5, 2, [9])
    for count in (1, 7, 1000, 2**40 + 1):
        assert int(keys.below(made, count, 3)[0]) == (a % 2**31 * 2**32 + b) % count
    drawn = keys.below(many(), 256).numpy()
    assert drawn.dtype == np.int64
    assert chi2(drawn / 256, 256) < 350
    own = keys.below(many(), np.arange(1, MANY + 1)).numpy()
    assert (own < np.arange(1, MANY + 1)).all()


def test_chance_is_never_at_nought_and_always_at_one() -> None:
    shares = [keys.chance(many(), share).numpy().mean() for share in (0.0, 0.3, 1.0)]
    assert shares[0] == 0
    assert shares[2] == 1
    assert abs(shares[1] - 0.3) < 0.008


def test_a_quantile_is_drawn_as_often_as_any_other() -> None:
    drawn = keys.quantile(many(), np.arange(keys.QUANTILES), 2).numpy()
    assert chi2(drawn / keys.QUANTILES, 256) < 350
    assert drawn.max() < keys.QUANTILES


def test_many_words_of_a_key_are_those_of_the_hash_by_hand() -> None:
    made = keys.words(keys.image_keys(5, 2, [9]), 50).numpy()[0]
    a, b = by_hand(5, 2, 9, 0x1B873593)
    assert made.tolist() == [mix(b ^ mix(a ^ place * 0x9E3779B9 % 2**32)) for place in range(50)]


def test_many_words_of_a_key_are_even_and_independent() -> None:
    made = keys.image_keys(0, 0, range(4))
    words = keys.words(made, MANY).numpy()
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words[:, :9], keys.words(made, 9))
    for row in words:
        for bits in (row >> 16, row & 0xFFFF):
            assert chi2(bits / 2**16, 256) < 350
    numbers = words.astype(np.float64)
    for one, other in ((numbers[:, 1:], numbers[:, :-1]), (numbers[1:], numbers[:-1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(MANY)


def test_keys_never_change_from_one_version_to_the_next() -> None:
    made = keys.image_keys(0, 0, [0, 1]).numpy()
    assert made.tolist() == PINNED


def test_a_view_may_be_given_for_each_picture() -> None:
    together = keys.image_keys(0, [4, 5, 6], [1, 1, 2]).numpy()
    alone = [keys.image_keys(0, v, [i]).numpy()[0] for v, i in ((4, 1), (5, 1), (6, 2))]
    np.testing.assert_array_equal(together, alone)


def test_no_two_of_many_pictures_share_a_key() -> None:
    everything = np.concatenate([many().numpy(), many(view=1).numpy(), many(seed=1).numpy()])
    assert len(np.unique(everything, axis=0)) == 3 * MANY


@pytest.mark.parametrize("draw", [0, 1])
def test_numbers_are_spread_evenly(draw: int) -> None:
    numbers = keys.uniform(many(), 0.0, 1.0, draw).numpy().astype(np.float64)
    assert numbers.dtype == np.float64
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert abs(numbers.mean() - 1 / 2) < 4 / np.sqrt(12 * MANY)
    assert abs(numbers.var() - 1 / 12) < 4 / np.sqrt(180 * MANY)
    assert chi2(numbers, 256) < 350  # 255 degrees of freedom: above 350 once in 30,000 good hashes
    fraction = numbers * 2**16 % 1  # the low bits are as good as the high ones
    assert chi2(fraction, 256) < 350


def test_consecutive_pictures_views_seeds_operations_and_draws_are_independent() -> None:
    def numbers(made: Any, draw: int = 0) -> Any:
        return keys.uniform(made, -1.0, 1.0, draw).numpy().astype(np.float64)

    base = many()
    first = numbers(base)
    others = {
        "index": np.roll(first, 1),
        "two indices": np.roll(first, 2),
        "view": numbers(many(view=1)),
        "seed": numbers(many(seed=1)),
        "draw": numbers(base, 1),
        "operation": numbers(keys.fold(base, 0)),
    }
    others["two operations"] = numbers(keys.fold(base, 1))
    for name, other in others.items():
        assert abs(np.corrcoef(first, other)[0, 1]) < 5 / np.sqrt(MANY), name
        pairs = (first + 1) * 8 // 1 * 16 + (other + 1) * 8 // 1  # a 16 by 16 table
        assert chi2(pairs / 256, 256) < 350, name
    operations = np.corrcoef(others["operation"], others["two operations"])[0, 1]
    assert abs(operations) < 5 / np.sqrt(MANY)


def test_the_hash_is_the_same_inside_a_graph() -> None:
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def graph(view: Any, indices: Any) -> Any:
        return keys.fold(keys.image_keys(3, view, indices), 2)

    inside = graph(tf.constant(1), tf.range(5))
    outside = keys.fold(keys.image_keys(3, 1, range(5)), 2)
    np.testing.assert_array_equal(inside, outside)


def test_a_graph_knows_the_shapes_of_what_is_drawn() -> None:
    import tensorflow as tf

    shapes: list[Any] = []

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)])  # type: ignore[untyped-decorator]
    def graph(indices: Any) -> Any:
        made = keys.fold(keys.image_keys(3, 1, indices), 2)
        drawn = [made, keys.uniform(made, 0.0, 1.0), keys.uniform(made, 0.0, 1.0, [4, 0, 9])]
        shapes.extend(each.shape.as_list() for each in drawn)
        return drawn

    graph(tf.range(5, dtype=tf.int64))
    assert shapes == [[None, 2], [None], [None, 3]]


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "a", None, True])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(SpecError, match=r"augment: that is no seed\. Expected a whole number"):
        keys.image_keys(seed, 0, [0])
