"""Mixes in pipelines: who is fetched, and what happens to a partner before it is mixed in."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import keys
from transferkit.augment.geometry import Rotate
from transferkit.augment.pipeline import Pipeline
from transferkit.augment.runs import Partners
from transferkit.errors import SpecError
from transferkit.spec import Augmentation, Mix

Array = np.ndarray[Any, Any]
PICTURES = np.random.default_rng(0).uniform(0, 255, (9, 8, 10, 3)).astype(np.float32)
ROWS = np.eye(9, dtype=np.float32)
A, B, C = tk.augment.rotate(40), tk.augment.brightness(0.3), tk.augment.flip()
LONG = tk.augment.pipeline(A, tk.augment.mixup(1.0), B, tk.augment.cutmix(1.0), C)


@dataclasses.dataclass(frozen=True)
class Stranger:
    """A mix of someone who only read the protocol."""

    def partners(self, keys: Any, count: int) -> Any:
        return keys[:, 0] % count

    def mix(self, images: Any, labels: Any, theirs: Any, their_labels: Any, keys: Any) -> Any:
        return (images + theirs) / 2, None if labels is None else (labels + their_labels) / 2


def run(pipeline: Pipeline, places: Any, view: int = 3) -> tuple[Array, Array]:
    made = pipeline(
        PICTURES[places], ROWS[places], seed=5, view=view, indices=places, data=(PICTURES, ROWS)
    )
    return np.asarray(made[0]), np.asarray(made[1])


def by_hand(place: int, view: int = 3) -> tuple[Array, Array]:
    """`LONG` on one picture, each operation called on its own."""

    def made(index: int, number: int) -> Any:
        return keys.fold(keys.image_keys(5, view, [index]), number)

    def done(operation: Any, image: Any, index: int, number: int) -> Any:
        return operation.apply(image, None, made(index, number))[0]

    def start(index: int) -> Any:
        return done(A, PICTURES[[index]], index, 0)

    first, second = LONG.mixes
    other = int(first.partners(made(place, 1), 9)[0])
    image, row = first.mix(start(place), ROWS[[place]], start(other), ROWS[[other]], made(place, 1))
    image = done(B, image, place, 2)
    third = int(second.partners(made(place, 3), 9)[0])
    its = done(B, start(third), third, 2)  # without the first mix
    image, row = second.mix(image, row, its, ROWS[[third]], made(place, 3))
    return np.asarray(done(C, image, place, 4))[0], np.asarray(row)[0]


def test_a_partner_goes_through_what_stands_before_the_mix_under_its_own_keys() -> None:
    pixels, rows = run(LONG, list(range(9)))
    for place in range(9):
        image, row = by_hand(place)
        np.testing.assert_allclose(pixels[place], image, atol=1e-3)
        np.testing.assert_allclose(rows[place], row, atol=1e-6)


def test_pixels_and_labels_hang_on_nothing_but_seed_view_index_and_data() -> None:
    pixels, rows = run(LONG, list(range(9)))
    for places in ([4], [8, 1, 5], [2, 2]):
        some, labels = run(LONG, places)
        np.testing.assert_array_equal(some, pixels[places])
        np.testing.assert_array_equal(labels, rows[places])
    assert not np.allclose(run(LONG, [4], view=4)[0], pixels[[4]], atol=1)


def test_a_strangers_mix_joins_a_pipeline() -> None:
    mix = Stranger()
    assert isinstance(mix, Mix)
    assert not isinstance(mix, Augmentation)
    pixels, rows = run(tk.augment.pipeline(mix), list(range(9)))
    theirs = mix.partners(keys.fold(keys.image_keys(5, 3, range(9)), 0).numpy(), 9)
    np.testing.assert_allclose(pixels, (PICTURES + PICTURES[theirs]) / 2, rtol=1e-6)
    np.testing.assert_allclose(rows, (ROWS + ROWS[theirs]) / 2)


@dataclasses.dataclass(frozen=True, repr=False)
class Dimmed(Rotate):
    """One of ours, extended."""

    def apply(self, images: Any, labels: Any, keys: Any) -> Any:
        moved, labels = super().apply(images, labels, keys)
        return moved / 2, labels


@dataclasses.dataclass(frozen=True)
class Grid:
    """A stranger whose `matrix` is a table, and no method."""

    matrix: tuple[int, ...] = (1, 2)
    fill: str = "reflect"

    def apply(self, images: Any, labels: Any, keys: Any) -> Any:
        return 255 - images, labels


@pytest.mark.parametrize("operation", [Dimmed(40), Grid()])
def test_an_operation_that_does_more_than_move_keeps_its_apply(operation: Any) -> None:
    between = tk.augment.pipeline(C, operation, A)
    made = keys.image_keys(5, 3, range(9))
    given, _ = between.apply(PICTURES, None, made)
    image = PICTURES
    for number, each in enumerate((C, operation, A)):
        image, _ = each.apply(image, None, keys.fold(made, number))
    np.testing.assert_allclose(given, image, atol=1e-3)


def test_labels_may_be_left_out() -> None:
    alone = LONG(PICTURES, seed=5, view=3, indices=range(9), data=(PICTURES, None))
    np.testing.assert_array_equal(alone, run(LONG, list(range(9)))[0])


def test_an_operation_behind_a_mix_keeps_its_number() -> None:
    assert [type(each).__name__ for each in LONG.mixes] == ["Mixup", "Cutmix"]
    drawn = LONG.partners(keys.image_keys(5, 3, range(9)), 9)
    numbers = [keys.fold(keys.image_keys(5, 3, range(9)), number) for number in (1, 3)]
    for each, mix, own in zip(drawn, LONG.mixes, numbers, strict=True):
        np.testing.assert_array_equal(each, mix.partners(own, 9))


def test_in_a_dataset_it_gives_what_eager_calls_give() -> None:
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((PICTURES, ROWS, np.arange(9))).batch(4)

    def augmented(images: Any, rows: Any, places: Any) -> Any:
        return LONG(images, rows, seed=5, view=3, indices=places, data=(PICTURES, ROWS))

    mapped = list(batches.map(augmented))
    pixels, rows = run(LONG, list(range(9)))
    np.testing.assert_allclose(np.concatenate([each for each, _ in mapped]), pixels, atol=1e-3)
    np.testing.assert_allclose(np.concatenate([each for _, each in mapped]), rows, atol=1e-6)


def test_without_partners_it_says_who_brings_them() -> None:
    message = r"pipeline: mixup\(alpha=1\.0\) joins .*fit\(photos\) brings them.*data=\(all_im"
    mixing = tk.augment.pipeline(C, tk.augment.mixup(1.0))
    with pytest.raises(SpecError, match=message):
        mixing(PICTURES, ROWS, seed=0, view=0, indices=range(9))
    with pytest.raises(SpecError, match=message):  # labels, and none for the partners
        mixing(PICTURES, ROWS, seed=0, view=0, indices=range(9), data=(PICTURES, None))
    with pytest.raises(SpecError, match=message):
        mixing.apply(PICTURES, ROWS, keys.image_keys(0, 0, range(9)))
    enough = Partners(PICTURES, ROWS, keys.image_keys(0, 0, range(9)))
    mixing.apply(PICTURES, ROWS, keys.image_keys(0, 0, range(9)), [enough])
    with pytest.raises(
        SpecError, match=r"not partners for each .* Expected 1, in the order.*partners=2"
    ):
        mixing.apply(PICTURES, ROWS, keys.image_keys(0, 0, range(9)), [enough, enough])


def test_show_draws_partners_from_the_pictures_that_it_is_given() -> None:
    mixing = tk.augment.pipeline(tk.augment.cutmix())
    figure = mixing.show(PICTURES[0], n=4, others=PICTURES)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert len(shown) == 4
    expected = mixing(
        np.repeat(PICTURES[:1], 3, axis=0),
        seed=0,
        view=np.arange(3),
        indices=np.zeros(3, np.int64),
        data=(PICTURES, None),
    )
    np.testing.assert_array_equal(shown[1:], np.rint(expected))
    assert any(not np.array_equal(each, shown[0]) for each in shown[1:])


def test_show_of_a_mix_with_nothing_to_mix_in_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"pipeline\.show: there is no picture that cutmix\(\) could.*others=photos"
    ):
        tk.augment.pipeline(C, tk.augment.cutmix()).show(PICTURES[0])
