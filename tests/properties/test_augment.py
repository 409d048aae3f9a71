"""Laws of augmentation: pixels are a pure function of (seed, view, index)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import transferkit as tk
from transferkit.augment import Pipeline

FILLS = st.sampled_from(["nearest", "reflect", "constant"])
AMOUNTS = st.floats(0, 1)
OPERATIONS = st.one_of(
    st.builds(tk.augment.flip, st.booleans(), st.booleans()),
    st.builds(tk.augment.rotate, st.floats(0, 180), fill=FILLS),
    st.builds(tk.augment.shift, AMOUNTS, AMOUNTS, fill=FILLS),
    st.builds(tk.augment.zoom, st.floats(0, 0.9), fill=FILLS),
    st.builds(tk.augment.shear, st.floats(0, 80), st.floats(0, 80), fill=FILLS),
    st.builds(tk.augment.crop, st.tuples(st.floats(0.001, 0.5), st.floats(0.5, 1))),
    st.builds(tk.augment.saturation, AMOUNTS),
    st.builds(tk.augment.hue, st.floats(0, 0.5)),
    st.builds(tk.augment.grayscale, AMOUNTS),
    st.builds(tk.augment.noise, AMOUNTS),
    st.builds(tk.augment.blur, st.floats(0, 5), probability=AMOUNTS),
    st.builds(tk.augment.erase, AMOUNTS, value=st.sampled_from([0, 99.5, "noise"])),
    st.builds(tk.augment.rand_augment, st.integers(1, 3), st.floats(0, 30), fill=FILLS),
    st.builds(tk.augment.brightness, AMOUNTS),
    st.builds(tk.augment.contrast, AMOUNTS),
)
MIXES = st.one_of(
    st.builds(tk.augment.mixup, st.floats(0.01, 10), probability=AMOUNTS),
    st.builds(tk.augment.cutmix, st.floats(0.01, 10), probability=AMOUNTS),
)
PIPELINES = st.lists(OPERATIONS, max_size=5).map(
    lambda operations: tk.augment.pipeline(*operations)
)
SEEDS = st.integers(0, 2**64 - 1)
PICTURES = np.random.default_rng(0).uniform(0, 255, (13, 6, 9, 3)).astype(np.float32)


def views(augment: Pipeline, places: list[int], seed: int, view: int) -> np.ndarray[Any, Any]:
    made = augment(PICTURES[places], seed=seed, view=view, indices=places)
    return np.asarray(made)


@settings(deadline=None, max_examples=12)
@given(PIPELINES, SEEDS, st.integers(0, 1000), st.permutations(range(13)), st.integers(1, 12))
def test_a_picture_looks_the_same_whatever_batch_it_is_in(
    augment: Pipeline, seed: int, view: int, order: list[int], cut: int
) -> None:
    together = views(augment, list(range(13)), seed, view)
    for place in order[:2]:
        np.testing.assert_array_equal(together[[place]], views(augment, [place], seed, view))
    parts = [views(augment, part, seed, view) for part in (order[:cut], order[cut:])]
    np.testing.assert_array_equal(together[order], np.concatenate(parts))


@settings(deadline=None, max_examples=8)
@given(st.lists(st.one_of(MIXES, OPERATIONS), max_size=4), MIXES, SEEDS, st.permutations(range(13)))
def test_mixed_pictures_and_labels_hang_on_no_batch_and_labels_stay_shares(
    operations: list[Any], last: Any, seed: int, order: list[int]
) -> None:
    augment, rows = tk.augment.pipeline(*operations, last), np.eye(13, dtype=np.float32)

    def mixed(places: list[int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        given = PICTURES[places], rows[places]
        made = augment(*given, seed=seed, view=2, indices=places, data=(PICTURES, rows))
        return np.asarray(made[0]), np.asarray(made[1])

    pixels, labels = mixed(list(range(13)))
    for places in (order[:1], order[1:6]):
        some, theirs = mixed(places)
        np.testing.assert_array_equal(some, pixels[places])
        np.testing.assert_array_equal(theirs, labels[places])
    assert labels.min() >= 0.0
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, rtol=1e-5)
    assert 0.0 <= pixels.min() <= pixels.max() <= 255.001


@settings(deadline=None, max_examples=20)
@given(PIPELINES, SEEDS)
def test_pixels_stay_in_their_range_and_keep_their_shape(augment: Pipeline, seed: int) -> None:
    made = views(augment, list(range(13)), seed, 0)
    assert made.shape == PICTURES.shape
    assert made.min() >= 0.0
    assert made.max() <= 255.001


@settings(deadline=None, max_examples=100)
@given(PIPELINES, PIPELINES, PIPELINES)
def test_pipelines_are_a_monoid_and_survive_their_configs(
    a: Pipeline, b: Pipeline, c: Pipeline
) -> None:
    join = tk.augment.pipeline
    assert join(join(a, b), c) == join(a, join(b, c)) == join(a, b, c)
    assert join(a, join()) == a == join(join(), a)
    assert tk.augment.from_config(json.loads(json.dumps(a.to_config()))) == a
    assert eval(repr(a), vars(tk.augment)) == a


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_another_seed_or_view_is_another_picture(seed: int) -> None:
    augment = tk.augment.pipeline(tk.augment.rotate(90), tk.augment.brightness(0.5))
    first = views(augment, [0], seed, 0)
    assert not np.array_equal(first, views(augment, [0], seed, 1))
    assert not np.array_equal(first, views(augment, [0], seed ^ (1 << 33), 0))
