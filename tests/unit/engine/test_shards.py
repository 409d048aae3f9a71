"""Which pictures each step has: shards that partition, steps of one size, and no empty part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transferkit as tk
from transferkit.engine import sampling
from transferkit.engine.shards import Shards, bounds, in_order, joined, members, steps, views

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize(
    ("arguments", "replicas", "expected"),
    [
        ((10, 4), 1, [(0, 4), (4, 8), (8, 10)]),
        ((8, 4), 1, [(0, 4), (4, 8)]),
        ((3, 4), 1, [(0, 3)]),
        ((33, 8), 2, [(0, 8), (8, 16), (16, 24), (24, 33)]),  # a single one cannot be shared
        ((34, 8), 2, [(0, 8), (8, 16), (16, 24), (24, 32), (32, 34)]),
    ],
)
def test_the_last_step_is_smaller_and_leaves_no_device_without_a_picture(
    arguments: tuple[int, int], replicas: int, expected: Any
) -> None:
    count, batch_size = arguments
    assert bounds(count, batch_size, Shards(1, replicas)) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (16, [(0, 4), (4, 8)]),
        (17, [(0, 4), (4, 9)]),  # the second shard has nothing for a third step
        (18, [(0, 4), (4, 8), (8, 9)]),
        (19, [(0, 4), (4, 8), (8, 10)]),
    ],
)
def test_all_shards_have_a_part_of_every_step(count: int, expected: Any) -> None:
    assert bounds(count, 8, Shards(2, 2)) == expected


@st.composite
def epochs(draw: Any, most_replicas: int = 6) -> dict[str, Any]:
    """An epoch that can be shared: at least one picture and one row of a batch for each device."""
    shards = Shards(draw(st.integers(1, 4)), draw(st.integers(1, most_replicas)))
    size = draw(st.integers(shards.least, shards.least + 4)) * shards.number
    count = draw(st.integers(shards.least * shards.number, 60))
    classes = np.asarray(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    return {
        "phase": tk.Phase(1, batch_size=size, sampling=draw(st.sampled_from(SAMPLING))),
        "count": count,
        "classes": classes,
        "seed": draw(st.integers(0, 2**63 - 1)),
        "epoch": draw(st.integers(0, 50)),
        "shards": shards,
    }


SAMPLING: tuple[Any, ...] = ("shuffled", "balanced")


@given(epochs())
def test_every_step_has_a_part_for_each_shard_of_its_own_pictures(epoch: dict[str, Any]) -> None:
    made, shards = steps(**epoch), epoch["shards"]
    for step in made:
        sizes = [len(part) for part in step]
        assert len(sizes) == shards.number
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= shards.least
        assert sum(sizes) >= shards.replicas
        for shard, part in enumerate(step):
            assert set(part % shards.number) <= {shard}
    for step in made[:-1]:
        assert sum(map(len, step)) == epoch["phase"].batch_size
    assert sum(len(joined(step, range(shards.number))) for step in made) == epoch["count"]
    assert len(made[-1][0]) < 2 * epoch["phase"].batch_size
    again = steps(**epoch)
    for step, twin in zip(made, again, strict=True):
        for part, other in zip(step, twin, strict=True):
            np.testing.assert_array_equal(part, other)


@given(epochs())
def test_shuffled_and_validation_have_every_picture_once(epoch: dict[str, Any]) -> None:
    shards = epoch["shards"]
    phase = tk.Phase(1, batch_size=epoch["phase"].batch_size)
    trained = steps(**{**epoch, "phase": phase})
    checked = in_order(epoch["count"], phase.batch_size, shards)
    assert [list(map(len, step)) for step in trained] == [list(map(len, s)) for s in checked]
    for made in (trained, checked):
        rows = np.concatenate([part for step in made for part in step])
        np.testing.assert_array_equal(np.sort(rows), np.arange(epoch["count"]))
    for shard in range(shards.number):
        own = np.concatenate([step[shard] for step in checked])
        np.testing.assert_array_equal(own, members(epoch["count"], shard, shards.number))


@given(epochs())
def test_balanced_shards_have_each_of_their_classes_equally_often(epoch: dict[str, Any]) -> None:
    shards, classes = epoch["shards"], epoch["classes"]
    phase = tk.Phase(1, batch_size=epoch["phase"].batch_size, sampling="balanced")
    made = steps(**{**epoch, "phase": phase})
    for shard in range(shards.number):
        own = np.concatenate([step[shard] for step in made])
        there = np.unique(classes[members(epoch["count"], shard, shards.number)])
        assert np.ptp([np.count_nonzero(classes[own] == each) for each in there]) <= 1


@given(epochs())
def test_one_shard_is_the_plain_order_cut_into_batches(epoch: dict[str, Any]) -> None:
    given = {name: epoch[name] for name in ("seed", "epoch")}
    made = steps(**{**epoch, "shards": Shards()})
    order = sampling.drawn(epoch["phase"], epoch["count"], epoch["classes"], **given)
    size = epoch["phase"].batch_size
    for number, (part,) in enumerate(made):
        np.testing.assert_array_equal(part, order[size * number : size * (number + 1)])


def test_shards_epochs_and_seeds_have_orders_of_their_own() -> None:
    phase = tk.Phase(1, batch_size=20)

    def places(seed: int, epoch: int, shard: int) -> tuple[int, ...]:
        ((*parts,),) = steps(phase, 20, seed=seed, epoch=epoch, shards=Shards(2, 2))
        return tuple(parts[shard] // 2)

    orders = [places(*each) for each in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1))]
    assert len(set(orders)) == len(orders)


@given(epochs(), st.sampled_from(["fresh", 1, 3]))
def test_views_are_those_of_each_shard_for_itself(epoch: dict[str, Any], kind: Any) -> None:
    phase = tk.Phase(1, batch_size=epoch["phase"].batch_size, views=kind, sampling="balanced")
    made = steps(**{**epoch, "phase": phase})
    seen = views(phase, made, epoch["epoch"])
    assert [list(map(len, step)) for step in seen] == [list(map(len, step)) for step in made]
    for shard in range(epoch["shards"].number):
        own, cut = (np.concatenate([step[shard] for step in each]) for each in (made, seen))
        np.testing.assert_array_equal(cut, sampling.views(phase, own, epoch["epoch"]))


def test_joined_parts_stand_one_behind_the_other() -> None:
    (step,) = in_order(6, 6, Shards(3, 1))
    np.testing.assert_array_equal(joined(step, (0, 2)), [0, 3, 2, 5])
