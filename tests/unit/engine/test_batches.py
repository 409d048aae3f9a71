"""Order and augmentation of training batches: a function of seed and epoch, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.augment import Pipeline
from transferkit.engine.batches import training_batches, validation_batches, view_batches
from transferkit.engine.shards import Shards

tf = _keras.tf()

COUNT = 11
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
TARGETS = np.arange(COUNT, dtype=np.float32)[:, None]  # each picture's target is its number
TURNED = Pipeline((tk.augment.rotate(90),))


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


MIXING = Pipeline((tk.augment.flip(), tk.augment.mixup(1.0), tk.augment.rotate(30)))
ROWS = np.eye(COUNT, dtype=np.float32)


def steps(**more: Any) -> list[tuple[Any, Any]]:
    given = {"seed": 3, "first_epoch": 0, "epochs": 3, **more}
    phase = tk.Phase(given["epochs"], batch_size=given.pop("batch_size", 4))
    made = training_batches(PIXELS, ROWS, phase, MIXING, **given)
    return [(np.asarray(images), np.asarray(rows)) for images, rows in made]


def test_mixed_batches_are_what_the_pipeline_gives_for_the_same_seed_view_and_index() -> None:
    made = steps()
    for epoch in range(3):
        order = np.random.default_rng((3, epoch)).permutation(COUNT)
        data = (PIXELS, ROWS)
        images, rows = MIXING(
            PIXELS[order], ROWS[order], seed=3, view=epoch, indices=order, data=data
        )
        mine = made[3 * epoch : 3 * epoch + 3]
        np.testing.assert_allclose(np.concatenate([x for x, _ in mine]), images, atol=1e-3)
        np.testing.assert_allclose(np.concatenate([y for _, y in mine]), rows, atol=1e-6)
        assert ((rows > 0.05) & (rows < 0.95)).numpy().any()


def test_mixed_batches_of_a_resumed_run_and_of_other_sizes_are_the_same() -> None:
    whole, rest = steps(), steps(first_epoch=1, epochs=2)
    for (x, y), (its_x, its_y) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(x, its_x)
        np.testing.assert_array_equal(y, its_y)
    for replicas, size in ((2, 4), (1, 5)):
        other = steps(shards=Shards(1, replicas), batch_size=size)
        for place in (0, 1):
            mine = np.concatenate([step[place] for step in whole])
            theirs = np.concatenate([step[place] for step in other])
            np.testing.assert_array_equal(mine, theirs)


def test_a_picture_that_comes_again_in_an_epoch_is_seen_in_another_view() -> None:
    classes = np.array([0] * 10 + [1])  # the last picture makes up half of each epoch
    phase = tk.Phase(2, batch_size=4, sampling="balanced")
    given: dict[str, Any] = {"seed": 3, "first_epoch": 0, "epochs": 2, "classes": classes}
    made = list(training_batches(PIXELS, TARGETS, phase, TURNED, **given))
    numbers = np.concatenate([np.asarray(rows)[:, 0] for _, rows in made])
    images = np.concatenate([np.asarray(images) for images, _ in made])
    rare = images[numbers == 10]
    assert len(rare) in (10, 11, 12)
    assert len({image.tobytes() for image in rare}) == len(rare)
    again = list(training_batches(PIXELS, TARGETS, phase, TURNED, **given))
    np.testing.assert_array_equal(np.concatenate([np.asarray(x) for x, _ in again]), images)


def test_balanced_epochs_are_taken_up_again_where_they_were() -> None:
    classes = np.arange(COUNT) % 3
    phase = tk.Phase(4, batch_size=4, sampling="balanced", views=2)
    whole, rest = (
        list(
            training_batches(
                PIXELS,
                TARGETS,
                phase,
                TURNED,
                seed=3,
                first_epoch=first,
                epochs=4 - first,
                classes=classes,
            )
        )
        for first in (0, 2)
    )
    assert len(whole) == 12
    for (x, y), (its_x, its_y) in zip(whole[6:], rest, strict=True):
        np.testing.assert_array_equal(x, its_x)
        np.testing.assert_array_equal(y, its_y)


def made_with(xla: bool, pipeline: Pipeline, **more: Any) -> list[tuple[Any, Any]]:
    given = {"seed": 3, "first_epoch": 0, "epochs": 2, **more}
    phase = tk.Phase(2, batch_size=given.pop("batch_size", 4))
    made = training_batches(PIXELS, ROWS, phase, pipeline, xla=xla, **given)
    return [(np.asarray(images), np.asarray(rows)) for images, rows in made]


@pytest.mark.parametrize("pipeline", [TURNED, MIXING, Pipeline((tk.augment.brightness(0.3),))])
def test_compiled_batches_are_the_same_but_for_rounding(pipeline: Pipeline) -> None:
    plain, compiled = (made_with(xla, pipeline) for xla in (False, True))
    assert [len(images) for images, _ in compiled] == [4, 4, 3, 4, 4, 3]
    for (x, y), (its_x, its_y) in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(its_x, x, atol=2e-3)
        np.testing.assert_array_equal(its_y, y)
        assert its_x.dtype == np.float32


def test_compiled_batches_hang_on_no_batch_size_and_no_interruption() -> None:
    whole = np.concatenate([images for images, _ in made_with(True, TURNED)])
    other = np.concatenate([images for images, _ in made_with(True, TURNED, batch_size=5)])
    rest = made_with(True, TURNED, first_epoch=1, epochs=1)
    np.testing.assert_array_equal(other, whole)
    np.testing.assert_array_equal(np.concatenate([images for images, _ in rest]), whole[COUNT:])


@pytest.mark.parametrize(
    ("xla", "pipeline", "epochs", "compiled"),
    [
        ("auto", TURNED, 1, False),
        ("auto", TURNED, 10**5, True),  # 11 pictures of 8 x 8 x 3, so often
        ("auto", Pipeline((tk.augment.brightness(0.3),)), 10**5, False),
        (True, TURNED, 1, True),
        (False, TURNED, 10**5, False),
    ],
)
def test_xla_is_asked_where_much_is_resampled(
    monkeypatch: pytest.MonkeyPatch, xla: Any, pipeline: Pipeline, epochs: int, compiled: bool
) -> None:
    asked = []
    apply = Pipeline.apply

    def noted(self: Pipeline, *given: Any, **more: Any) -> Any:
        asked.append(more["compiled"])
        return apply(self, *given, **more)

    monkeypatch.setattr(Pipeline, "apply", noted)
    phase = tk.Phase(epochs, batch_size=4)
    training_batches(PIXELS, ROWS, phase, pipeline, seed=0, first_epoch=5, epochs=1, xla=xla)
    assert asked == [compiled]


@pytest.mark.parametrize("xla", [False, True])
def test_views_to_be_cached_are_those_that_phases_see(xla: bool) -> None:
    views = 3
    made = list(view_batches(PIXELS, ROWS, MIXING, seed=3, views=views, batch_size=7, xla=xla))
    assert [len(images) for images, _ in made] == [7, 7, 7, 7, 5]
    pixels, rows = (
        np.concatenate([np.asarray(x) for x in each]) for each in zip(*made, strict=True)
    )
    phase = tk.Phase(views, batch_size=4, views=views)
    seen = list(
        training_batches(PIXELS, ROWS, phase, MIXING, seed=3, first_epoch=0, epochs=views, xla=xla)
    )
    for epoch in range(views):
        order = np.random.default_rng((3, epoch)).permutation(COUNT)
        mine = seen[3 * epoch : 3 * epoch + 3]
        places = epoch * COUNT + order
        np.testing.assert_array_equal(np.concatenate([x for x, _ in mine]), pixels[places])
        np.testing.assert_array_equal(np.concatenate([y for _, y in mine]), rows[places])


def test_views_of_nothing_are_the_pictures_themselves() -> None:
    made = list(view_batches(PIXELS, TARGETS, Pipeline(()), seed=0, views=1, batch_size=4))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in made]), PIXELS)


class Foreign:
    """An operation of someone who lets autograph see to branches."""

    def apply(self, images: Any, labels: Any, keys: Any) -> Any:
        if tf.reduce_max(images) > 0.0:  # noqa: SIM108
            images = 255.0 - images
        else:
            images = images * 0.0
        return images, labels


def test_autograph_sees_to_the_branches_of_others() -> None:
    pipeline = Pipeline((Foreign(),))
    made = made_with(False, pipeline, epochs=1)
    order = np.random.default_rng((3, 0)).permutation(COUNT)
    expected = 255.0 - PIXELS[order].astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in made]), expected)


def test_pictures_that_are_read_lazily_are_asked_for_by_batches() -> None:
    class Lazy:
        shape, dtype = PIXELS.shape, PIXELS.dtype

        def __getitem__(self, indices: Any) -> Any:
            return PIXELS[indices]

    phase = tk.Phase(2, batch_size=4)
    given: dict[str, Any] = {"seed": 3, "first_epoch": 0, "epochs": 2}
    lazy = training_batches(Lazy(), ROWS, phase, MIXING, **given)
    for (x, y), (its_x, its_y) in zip(steps(epochs=2), lazy, strict=True):
        np.testing.assert_array_equal(its_x, x)
        np.testing.assert_array_equal(its_y, y)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory")
def test_no_pipeline_copies_the_pictures(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(2000, 224, 224, 3))
    rows = np.zeros((2000, 1), np.float32)
    before = anonymous_memory()
    given: dict[str, Any] = {"seed": 0, "first_epoch": 0, "epochs": 1}
    phase = tk.Phase(1, batch_size=4)
    made = (
        training_batches(mapped, rows, phase, Pipeline((tk.augment.flip(),)), **given),
        training_batches(mapped, rows, phase, Pipeline(()), **given),
        validation_batches(mapped, rows, 4),
    )
    for dataset in made:
        next(iter(dataset))
    assert anonymous_memory() - before < mapped.nbytes / 2


def anonymous_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
