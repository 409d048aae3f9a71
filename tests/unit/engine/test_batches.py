"""Order and augmentation of training batches: a function of seed and epoch, and of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import Pipeline
from transferkit.engine.batches import bounds, training_batches, validation_batches

COUNT = 11
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
TARGETS = np.arange(COUNT, dtype=np.float32)[:, None]  # each picture's target is its number
TURNED = Pipeline((tk.augment.rotate(90),))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((10, 4), [(0, 4), (4, 8), (8, 10)]),
        ((8, 4), [(0, 4), (4, 8)]),
        ((3, 4), [(0, 3)]),
        ((33, 8, 2), [(0, 8), (8, 16), (16, 24), (24, 33)]),  # a single one cannot be shared
        ((34, 8, 2), [(0, 8), (8, 16), (16, 24), (24, 32), (32, 34)]),
        ((1, 8, 2), [(0, 1)]),
    ],
)
def test_the_last_batch_is_smaller_and_leaves_no_replica_without_a_picture(
    given: Any, expected: Any
) -> None:
    assert bounds(*given) == expected


def epochs(pipeline: Pipeline, **more: Any) -> list[dict[int, Any]]:
    """For each epoch, every picture's pixels by its number, in the order in which they came."""
    views = more.pop("views", "fresh")
    given = {"seed": 3, "first_epoch": 0, "epochs": 4, **more}
    phase = tk.Phase(given["epochs"], batch_size=4, views=views)
    batches = list(training_batches(PIXELS, TARGETS, phase, pipeline, **given))
    found: list[dict[int, Any]] = []
    for start in range(0, len(batches), 3):
        rows = [
            (int(target[0]), np.asarray(image))
            for images, targets in batches[start : start + 3]
            for image, target in zip(images, np.asarray(targets), strict=True)
        ]
        found.append(dict(rows))
        assert len(rows) == COUNT
    return found


def test_every_epoch_has_every_picture_in_an_order_of_its_own() -> None:
    made = epochs(Pipeline(()))
    assert [sorted(epoch) for epoch in made] == [list(range(COUNT))] * 4
    assert len({tuple(epoch) for epoch in made}) == 4
    for epoch in made:
        for number, image in epoch.items():
            np.testing.assert_array_equal(image, PIXELS[number])
    assert [tuple(e) for e in epochs(Pipeline(()))] == [tuple(e) for e in made]
    assert tuple(epochs(Pipeline(()), seed=4)[0]) != tuple(made[0])


def test_a_run_that_goes_on_sees_what_the_unbroken_one_would_have() -> None:
    whole, rest = epochs(TURNED), epochs(TURNED, first_epoch=2, epochs=2)
    for mine, theirs in zip(rest, whole[2:], strict=True):
        assert tuple(mine) == tuple(theirs)
        for number in range(COUNT):
            np.testing.assert_array_equal(mine[number], theirs[number])


@pytest.mark.parametrize(("views", "repeats"), [("fresh", None), (1, 1), (2, 2), (3, 3)])
def test_views_come_round_again_after_as_many_epochs(views: Any, repeats: int | None) -> None:
    made = epochs(TURNED, views=views)
    for later in range(1, 4):
        same = all(np.array_equal(made[0][number], made[later][number]) for number in range(COUNT))
        assert same == (repeats is not None and later % repeats == 0)


def test_validation_is_every_picture_once_and_in_order() -> None:
    batches = list(validation_batches(PIXELS, TARGETS, 4))
    assert [len(images) for images, _ in batches] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), PIXELS)
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in batches]), TARGETS)
