"""Features from the cache: the same numbers as without it, computed once, never stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.cache import Store
from transferkit.engine import features
from transferkit.engine.cut import Cut, candidates
from transferkit.engine.features import Prefix
from transferkit.engine.identity import Identity, versions
from transferkit.engine.pictures import Pictures
from transferkit.engine.program import Program, read
from transferkit.engine.sections import section
from transferkit.errors import TrainingError
from transferkit.spec import ModelSpec, Target

keras, tf = _keras.keras(), _keras.tf()
SHAPE, COUNT = (12, 12, 3), 37
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
TARGETS = np.eye(2, dtype=np.float32)[np.arange(COUNT) % 2]


def network(scale: float = 1.0, filters: int = 5) -> Any:
    keras.utils.set_random_seed(0)
    pixels = keras.Input(SHAPE)
    x = keras.layers.Conv2D(filters, 3, name="one")(pixels)
    left = keras.layers.Conv2D(4, 3, padding="same", name="left")(x)
    x = keras.layers.Concatenate(name="both")([left, x])
    x = keras.layers.Conv2D(6, 3, name="two", activation="relu")(x)
    backbone = tk.backbones.from_keras(keras.Model(pixels, x), preprocessing="unit")
    made = build.assemble(
        ModelSpec(backbone, "pretrained"),
        Target("classes", ("a", "b")),
        input_shape=SHAPE,
        seed=0,
    )
    made.network.get_layer("one").kernel.assign(made.network.get_layer("one").kernel * scale)
    return made.network


class Counted:
    """Compiles nothing, and counts the rows that went through."""

    def __init__(self, program: Program) -> None:
        self.program, self.rows = program, 0

    def __call__(self, starts: tuple[int, ...], ends: tuple[int, ...]) -> Any:
        model = section(self.program, starts, ends)

        def run(*inputs: Any) -> Any:
            self.rows += len(inputs[0])
            given = [tf.cast(each, tf.float32) for each in inputs]
            return keras.tree.flatten(model(given if len(given) > 1 else given[0]))

        return run


def prefix(net: Any = None, precision: str = "float32") -> Prefix:
    program = read(build.logits_of(net or network()))
    return Prefix(program, Identity(program), Counted(program), precision, {"versions": versions()})


def cut_behind(made: Prefix, *names: str) -> Cut:
    return next(cut for cut in candidates(made.program) if cut.names == names)


def expected(net: Any, layer: str, pixels: Any) -> np.ndarray[Any, Any]:
    model = keras.Model(net.input, net.get_layer(layer).output)
    return np.asarray(model(np.asarray(pixels, np.float32), training=False))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def rows(made: Prefix) -> int:
    return made.compiled.rows  # type: ignore[attr-defined, no-any-return]


def clean(pixels: Any = PIXELS) -> Pictures:
    return Pictures(pixels, TARGETS, Pipeline(()))


def test_features_are_those_of_the_layer_and_come_from_the_cache_the_second_time(
    store: Store,
) -> None:
    net = network()
    made, again = prefix(net), prefix(net)
    cut = cut_behind(made, "two")
    first = features.make(store, made, cut, clean())
    np.testing.assert_allclose(first.arrays[0], expected(net, "two", PIXELS), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(first.targets, TARGETS)
    assert (first.extracted, rows(made)) == (COUNT, COUNT)
    second = features.find(store, again, cut_behind(again, "two"), clean())
    assert second is not None
    np.testing.assert_array_equal(second.arrays[0], first.arrays[0])
    assert (second.extracted, rows(again)) == (0, 0)


def test_several_tensors_across_a_cut_are_kept_each(store: Store) -> None:
    net = network()
    made = prefix(net)
    cut = next(cut for cut in candidates(made.program) if set(cut.names) == {"one", "left"})
    found = features.make(store, made, cut, clean())
    for name, array in zip(cut.names, found.arrays, strict=True):
        np.testing.assert_allclose(array, expected(net, name, PIXELS), rtol=1e-5, atol=1e-4)


def test_a_higher_cut_is_computed_from_a_lower_one(store: Store) -> None:
    net = network()
    made = prefix(net)
    features.make(store, made, cut_behind(made, "one"), clean())
    lower = rows(made)
    upper = features.make(store, made, cut_behind(made, "two"), clean())
    assert upper.extracted == 0
    assert rows(made) == 2 * lower
    np.testing.assert_allclose(upper.arrays[0], expected(net, "two", PIXELS), rtol=1e-5, atol=1e-5)


def test_one_pass_serves_the_cuts_of_later_phases(store: Store) -> None:
    net = network()
    made = prefix(net)
    low, high = cut_behind(made, "one"), cut_behind(made, "two")
    features.make(store, made, high, clean(), also=[low])
    assert rows(made) == COUNT
    found = features.find(store, made, low, clean())
    assert found is not None
    np.testing.assert_allclose(found.arrays[0], expected(net, "one", PIXELS), rtol=1e-5, atol=1e-4)


def test_views_are_augmented_as_in_training_and_stand_one_behind_the_other(store: Store) -> None:
    net, pipeline = network(), Pipeline((tk.augment.flip(), tk.augment.rotate(30)))
    made = prefix(net)
    pictures = Pictures(PIXELS, TARGETS, pipeline, seed=3, views=2)
    found = features.make(store, made, cut_behind(made, "two"), pictures)
    assert len(found.arrays[0]) == len(found.targets) == 2 * COUNT == found.extracted
    indices = np.arange(COUNT)
    for view in range(2):
        keys = image_keys(3, tf.constant(view, tf.int64), indices)
        images, _ = pipeline.apply(tf.cast(PIXELS, tf.float32), TARGETS, keys)
        part = slice(view * COUNT, (view + 1) * COUNT)
        wanted = expected(net, "two", images)
        np.testing.assert_allclose(found.arrays[0][part], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(found.targets[part], TARGETS)


def test_mixed_labels_are_kept_with_their_views(store: Store) -> None:
    made = prefix()
    pictures = Pictures(PIXELS, TARGETS, Pipeline((tk.augment.mixup(0.4),)), seed=1, views=2)
    cut = cut_behind(made, "two")
    first = features.make(store, made, cut, pictures)
    assert ((first.targets > 0) & (first.targets < 1)).any()
    np.testing.assert_allclose(first.targets.sum(axis=1), 1, rtol=1e-6)
    again = features.find(store, made, cut, pictures)
    assert again is not None
    np.testing.assert_array_equal(again.targets, first.targets)


def test_bfloat16_is_kept_in_two_bytes(store: Store) -> None:
    net = network()
    made = prefix(net, "bfloat16")
    found = features.make(store, made, cut_behind(made, "two"), clean()).arrays[0]
    assert found.dtype == np.uint16
    values = tf.cast(tf.bitcast(np.asarray(found), tf.bfloat16), tf.float32)
    wanted = expected(net, "two", PIXELS)
    np.testing.assert_allclose(values, wanted, rtol=2**-8, atol=1e-6)


def test_whatever_changes_the_numbers_changes_the_key() -> None:
    made = prefix()
    cut = cut_behind(made, "two")
    turned = Pictures(PIXELS, TARGETS, Pipeline((tk.augment.rotate(30),)), seed=1, views=2)
    mixed = replace(turned, pipeline=Pipeline((tk.augment.mixup(0.4),)))
    other_pixels = PIXELS.copy()
    other_pixels[-1, -1, -1, -1] ^= 1
    scaled, wider = prefix(network(scale=1.001)), prefix(network(filters=6))
    found = [
        made.key(cut, clean()),
        made.key(cut_behind(made, "one"), clean()),
        made.key(cut, clean(other_pixels)),
        made.key(cut, turned),
        made.key(cut, replace(turned, seed=2)),
        made.key(cut, replace(turned, views=3)),
        made.key(cut, replace(turned, pipeline=Pipeline((tk.augment.rotate(31),)))),
        made.key(cut, mixed),
        made.key(cut, replace(mixed, targets=np.roll(TARGETS, 1, axis=0))),
        replace(made, precision="bfloat16").key(cut, clean()),
        replace(made, about={"versions": {**versions(), "keras": "0"}}).key(cut, clean()),
        scaled.key(cut_behind(scaled, "two"), clean()),
        wider.key(cut_behind(wider, "two"), clean()),
    ]
    assert len(set(found)) == len(found)


def test_what_changes_no_number_leaves_the_key() -> None:
    net, other = network(), network()
    other.get_layer("one").trainable = False
    other.get_layer("head_logits").kernel.assign_add(np.ones((6, 2)))
    mine, theirs = prefix(net), prefix(other)
    keys = {each.key(cut_behind(each, "two"), clean()) for each in (mine, theirs)}
    relabelled = Pictures(PIXELS, TARGETS[::-1], Pipeline(()), seed=9)
    keys.add(mine.key(cut_behind(mine, "two"), relabelled))
    assert len(keys) == 1


def test_nan_in_features_is_an_error_and_leaves_nothing(store: Store) -> None:
    net = network()
    kernel = net.get_layer("two").kernel
    values = np.asarray(kernel).copy()
    values[0, 0, 0, 0] = np.nan
    kernel.assign(values)
    made = prefix(net)
    with pytest.raises(TrainingError, match="fit: the frozen layers give NaN or infinite"):
        features.make(store, made, cut_behind(made, "two"), clean())
    assert features.find(store, made, cut_behind(made, "two"), clean()) is None
