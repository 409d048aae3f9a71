"""Every registered operation keeps the rules of `check_augmentation`, and what is ours besides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.augment.keys import image_keys
from transferkit.augment.operation import registry
from transferkit.spec import Augmentation
from transferkit.testing import check_augmentation

Array = np.ndarray[Any, Any]

SIDE = 16
CASES: Mapping[str, Any] = {
    "brightness": tk.augment.brightness(0.4),
    "contrast": tk.augment.contrast(0.6),
    "flip": tk.augment.flip(horizontal=True, vertical=True),
    "pipeline": tk.augment.pipeline(tk.augment.zoom(0.3), tk.augment.contrast(0.2)),
    "rotate": tk.augment.rotate(70, fill="nearest"),
    "shift": tk.augment.shift(0.3, 0.1, fill="constant"),
    "zoom": tk.augment.zoom((0.6, 1.5), fill="constant"),
}


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
    assert tested_here == set(CASES)
    assert {name: case.name for name, case in CASES.items()} == {name: name for name in CASES}


def test_an_operation_keeps_every_rule_of_the_contract(operation: Any) -> None:
    check_augmentation(operation)


def test_pictures_change_and_each_key_changes_them_in_its_own_way(operation: Any) -> None:
    images = np.repeat(pictures()[2:3], 8, axis=0)
    made = applied(operation, images, keys(range(8)))
    assert not np.allclose(made, images, atol=1)
    assert len({each.tobytes() for each in made}) > 2
    assert not np.allclose(made, applied(operation, images, keys(range(8), view=1)), atol=1)


def test_labels_are_handed_on_as_they_are(operation: Any) -> None:
    images = _keras.tf().constant(pictures())
    forms: tuple[Any, ...] = (None, np.arange(8), np.eye(8, dtype=np.float32), np.linspace(0, 1, 8))
    for labels in forms:
        before = np.copy(labels)
        _, given = operation.apply(images, labels, keys(range(8)))
        assert given is labels
        np.testing.assert_array_equal(given, before)


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
    clean = network.predict_on_batch(images)
    np.testing.assert_array_equal(clean, plain.predict_on_batch(images))
    layer = network.get_layer("augmentation")
    assert layer.pipeline == tk.augment.pipeline(operation)
    made = image_keys(layer.seed, 0, np.arange(6))
    moved, _ = layer.pipeline.apply(_keras.tf().constant(images, "float32"), None, made)
    np.testing.assert_allclose(
        network(images, training=True), plain.predict_on_batch(moved), rtol=1e-3
    )
    assert not np.allclose(clean, plain.predict_on_batch(moved), rtol=1e-2)
    network.fit(images, np.arange(6) % 2, batch_size=3, verbose=0)
    assert int(layer.calls) == 3  # two steps here, and the call above


def test_a_saved_model_remembers_all_of_them(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(images, np.arange(8) % 2, val=0)
    model = tk.TransferModel(tiny()).augment(*CASES.values())
    trained = model.fit(photos, tk.Phase(1, batch_size=4), verbose=0)
    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    assert again.pipeline == trained.pipeline == tk.augment.pipeline(*CASES.values())
