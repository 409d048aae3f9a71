"""Every registered operation keeps the rules of `check_augmentation`, and what is ours besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.augment.keys import image_keys
from transferkit.augment.operation import registry
from transferkit.errors import SpecError
from transferkit.spec import Augmentation
from transferkit.testing import check_augmentation, check_mix

Array = np.ndarray[Any, Any]

SIDE = 16
CASES: Mapping[str, Any] = {
    "blur": tk.augment.blur((1.0, 2.0)),
    "brightness": tk.augment.brightness(0.4),
    "contrast": tk.augment.contrast(0.6),
    "crop": tk.augment.crop((0.2, 0.8)),
    "erase": tk.augment.erase(1.0, value="noise"),
    "flip": tk.augment.flip(horizontal=True, vertical=True),
    "grayscale": tk.augment.grayscale(0.5),
    "hue": tk.augment.hue(0.3),
    "noise": tk.augment.noise(0.2),
    "pipeline": tk.augment.pipeline(tk.augment.zoom(0.3), tk.augment.contrast(0.2)),
    "rand_augment": tk.augment.rand_augment(2, 20, fill="nearest"),
    "rotate": tk.augment.rotate(70, fill="nearest"),
    "saturation": tk.augment.saturation(0.8),
    "shear": tk.augment.shear(30, 10, fill="constant"),
    "shift": tk.augment.shift(0.3, 0.1, fill="constant"),
    "zoom": tk.augment.zoom((0.6, 1.5), fill="constant"),
}

MIXES: Mapping[str, Any] = {  # these change labels, and need partners
    "cutmix": tk.augment.cutmix(1.0),
    "mixup": tk.augment.mixup(1.0),
}


@pytest.fixture(params=tuple(MIXES))
def mix(request: pytest.FixtureRequest) -> Any:
    return MIXES[request.param]


@pytest.fixture(params=tuple(CASES))
def operation(request: pytest.FixtureRequest) -> Any:
    return CASES[request.param]


def pictures() -> Array:
    """Eight pictures that are no mirror image of themselves; two of them touch both ends."""
    drawn = np.random.default_rng(0).uniform(0, 255, (8, 12, SIDE, 3))
    drawn[0], drawn[1] = np.where(drawn[0] < 128, 0, 255), np.where(drawn[1] < 200, 0, 255)
    return np.asarray(drawn, np.float32)


def keys(places: Any, view: int = 0) -> Any:
    return image_keys(7, view, np.asarray(places, np.int64))


def applied(operation: Augmentation, images: Array, made: Any) -> Array:
    return np.asarray(operation.apply(_keras.tf().constant(images), None, made)[0])


def test_every_registered_operation_has_a_case() -> None:
    tested_here = {name for name in registry.names() if not name.startswith("test_")}
    cases = {**CASES, **MIXES}
    assert tested_here == set(cases)
    assert {name: case.name for name, case in cases.items()} == {name: name for name in cases}


def test_an_operation_keeps_every_rule_of_the_contract(operation: Any) -> None:
    check_augmentation(operation)


def test_pictures_change_and_each_key_changes_them_in_its_own_way(operation: Any) -> None:
    images = np.repeat(pictures()[2:3], 8, axis=0)
    made = applied(operation, images, keys(range(8)))
    assert not np.allclose(made, images, atol=1)
    assert len({each.tobytes() for each in made}) >= 2  # grayscale only says yes or no
    assert not np.allclose(made, applied(operation, images, keys(range(8), view=1)), atol=1)


def test_labels_are_handed_on_as_they_are(operation: Any) -> None:
    images = _keras.tf().constant(pictures())
    forms: tuple[Any, ...] = (None, np.arange(8), np.eye(8, dtype=np.float32), np.linspace(0, 1, 8))
    for labels in forms:
        before = np.copy(labels)
        _, given = operation.apply(images, labels, keys(range(8)))
        assert given is labels
        np.testing.assert_array_equal(given, before)


def test_an_empty_batch_stays_empty(operation: Any) -> None:
    tf = _keras.tf()
    assert applied(operation, pictures()[:0], keys([])).shape == (0, 12, SIDE, 3)
    within = tf.function(lambda images: operation.apply(images, None, keys([]))[0])
    unknown = within.get_concrete_function(tf.TensorSpec((None, 12, SIDE, 3)))
    assert unknown(tf.constant(pictures()[:0])).shape == (0, 12, SIDE, 3)


def tiny() -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, name="only_conv")(pixels)
    return tk.backbones.from_keras(keras.Model(pixels, x, name="tiny"), preprocessing="unit")


def test_it_becomes_a_layer_that_acts_in_training_only(operation: Any) -> None:
    model = tk.TransferModel(tiny()).augment(operation)
    plain, network = (model.build(classes=2, augment=augment) for augment in (False, True))
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(4, 2)), np.zeros(2)]
    for each in (plain, network):
        each.get_layer("head_logits").set_weights(weights)
    images = rng.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    clean = np.asarray(network(images, training=False))
    np.testing.assert_array_equal(clean, plain(images, training=False))
    layer = network.get_layer("augmentation")
    assert layer.pipeline == tk.augment.pipeline(operation)
    made = image_keys(layer.seed, 0, np.arange(6))
    moved, _ = layer.pipeline.apply(_keras.tf().constant(images, "float32"), None, made)
    wanted = np.asarray(plain(moved, training=False))
    np.testing.assert_allclose(network(images, training=True), wanted, rtol=1e-3)
    assert not np.allclose(clean, wanted, rtol=1e-2)
    assert int(layer.calls) == 1


def test_a_saved_model_remembers_all_of_them(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(images, np.arange(8) % 2, val=0)
    everything = (*MIXES.values(), *CASES.values())  # partners are ready at once
    model = tk.TransferModel(tiny()).augment(*everything)
    trained = model.fit(photos, tk.Phase(1, batch_size=4), verbose=0)
    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    assert again.pipeline == trained.pipeline == tk.augment.pipeline(*everything)


def mixed(mix: Any, places: Any, view: int = 0) -> tuple[Array, Array]:
    """Some of the pictures, their places as labels, mixed with partners from all of them."""
    tf = _keras.tf()
    everything, labels = pictures(), np.eye(8, dtype=np.float32)
    made = keys(places, view)
    theirs = mix.partners(made, 8).numpy()
    given = (everything[places], labels[places], everything[theirs], labels[theirs])
    pixels, rows = mix.mix(*map(tf.constant, given), made)
    return np.asarray(pixels), np.asarray(rows)


def test_a_mix_keeps_every_rule_of_its_contract(mix: Any) -> None:
    check_mix(mix)


def test_a_mix_is_no_function_of_who_shares_the_batch(mix: Any) -> None:
    pixels, rows = mixed(mix, list(range(8)))
    order = [5, 0, 7, 2, 2]
    for places in (order, [3], [6, 1]):
        some, labels = mixed(mix, places)
        np.testing.assert_array_equal(some, pixels[places])
        np.testing.assert_array_equal(labels, rows[places])


def test_partners_are_places_in_the_data_and_every_place_is_drawn(mix: Any) -> None:
    made = keys(range(1000))
    drawn = mix.partners(made, 20)
    assert drawn.dtype == "int64"
    assert sorted(set(drawn.numpy())) == list(range(20))
    np.testing.assert_array_equal(mix.partners(keys([7]), 20), drawn[7:8])
    assert set(mix.partners(made, 1).numpy()) == {0}


def test_mixed_labels_are_weighted_means_of_the_two(mix: Any) -> None:
    _, rows = mixed(mix, list(range(8)))
    theirs = mix.partners(keys(range(8)), 8).numpy()
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-6)
    assert rows.min() >= 0.0
    for place, row in enumerate(rows):
        assert set(np.flatnonzero(row)) <= {place, theirs[place]}
    assert ((rows > 0.01) & (rows < 0.99)).any()


def test_each_key_mixes_in_its_own_way_and_keeps_shape_type_and_range(mix: Any) -> None:
    pixels, rows = mixed(mix, [2] * 8)
    np.testing.assert_array_equal(rows, np.repeat(rows[:1], 8, axis=0))
    others, labels = mixed(mix, list(range(8)), view=1)
    assert not np.allclose(labels, mixed(mix, list(range(8)))[1])
    assert pixels.shape == others.shape == pictures().shape
    assert pixels.dtype == rows.dtype == np.float32
    assert 0 <= others.min() <= others.max() <= 255.001


def test_a_mix_without_labels_leaves_them_none(mix: Any) -> None:
    images = _keras.tf().constant(pictures())
    assert mix.mix(images, None, images, None, keys(range(8)))[1] is None


def test_the_registry_reads_what_a_mix_wrote(mix: Any) -> None:
    written = json.loads(json.dumps(mix.to_config()))
    again: Any = registry.get(written["op"], verb="test").from_config(written)
    assert again == mix
    assert hash(again) == hash(mix)


def test_a_graph_mixes_as_eager_calls_do(mix: Any) -> None:
    tf = _keras.tf()
    images, labels, made = pictures(), np.eye(8, dtype=np.float32), keys(range(8))
    given = [tf.constant(each) for each in (images, labels, images[::-1], labels[::-1])]
    pixels, rows = mix.mix(*given, made)
    inside = tf.function(lambda *parts: mix.mix(*parts))(*given, made)
    np.testing.assert_allclose(inside[0], pixels, atol=1e-3)
    np.testing.assert_allclose(inside[1], rows, atol=1e-6)


def test_a_mix_cannot_become_a_layer(mix: Any) -> None:
    with pytest.raises(
        SpecError, match=r"build: (mixup|cutmix).*cannot be a layer.*model\.fit\(photos\)"
    ):
        tk.TransferModel(tiny()).augment(mix).build(classes=2, augment=True)


def test_a_mix_that_is_called_alone_says_what_it_needs(mix: Any) -> None:
    with pytest.raises(SpecError, match=r"joins pictures with others.*model\.augment"):
        mix.apply(_keras.tf().constant(pictures()), None, keys(range(8)))
