from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import transferkit as tk
from transferkit.augment.layer import AugmentationLayer
from transferkit.errors import SpecError

AUGMENT = tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20), tk.augment.contrast(0.2))


def pictures(count: int = 4) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).uniform(0, 255, (count, 8, 10, 3)).astype(np.float32)


def network(layer: Any) -> Any:
    inputs = keras.Input((8, 10, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(layer(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(pooled))


def test_it_acts_in_training_only() -> None:
    layer = AugmentationLayer(AUGMENT)
    np.testing.assert_array_equal(layer(pictures()), pictures())
    np.testing.assert_array_equal(layer(pictures(), training=False), pictures())
    assert int(layer.calls) == 0
    assert not np.allclose(layer(pictures(), training=True), pictures())


def test_each_training_call_is_the_next_view() -> None:
    layer = AugmentationLayer(AUGMENT, seed=3)
    for view in range(3):
        expected = AUGMENT(pictures(), seed=3, view=view, indices=range(4))
        np.testing.assert_array_equal(layer(pictures(), training=True), expected)
    assert int(layer.calls) == 3


def test_bytes_come_out_as_float32_even_under_mixed_precision() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = AugmentationLayer(AUGMENT)
        inputs = keras.Input((8, 10, 3), dtype="uint8")
        assert layer(inputs).dtype == "float32"
        assert keras.ops.dtype(layer(pictures().astype(np.uint8), training=True)) == "float32"
    finally:
        keras.config.set_dtype_policy(before)


def test_the_variable_is_no_trainable_one_and_trainable_does_not_switch_it_off() -> None:
    layer = AugmentationLayer(AUGMENT)
    layer.trainable = False
    assert not np.allclose(layer(pictures(), training=True), pictures())
    assert layer.trainable_variables == []


def test_it_survives_its_config() -> None:
    layer = AugmentationLayer(AUGMENT, seed=7, name="views")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, AugmentationLayer)
    assert (again.pipeline, again.seed, again.name) == (AUGMENT, 7, "views")


def test_fit_counts_its_steps_and_a_saved_network_goes_on_counting(tmp_path: Path) -> None:
    model = network(AugmentationLayer(AUGMENT, name="views"))
    model.compile("sgd", "mse")
    model.fit(pictures(), np.zeros((4, 1)), batch_size=2, epochs=3, verbose=0)
    assert int(model.get_layer("views").calls) == 6
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert int(again.get_layer("views").calls) == 6
    np.testing.assert_allclose(
        again.predict(pictures(), verbose=0), model.predict(pictures(), verbose=0)
    )


def test_keras_leaves_xla_off_for_a_network_that_holds_it() -> None:
    model = network(AugmentationLayer(AUGMENT))
    model.compile("sgd", "mse", jit_compile="auto")
    assert not model.jit_compile


def test_a_bad_seed_is_told_at_once() -> None:
    with pytest.raises(SpecError, match="that is no seed"):
        AugmentationLayer(AUGMENT, seed=-1)


def test_what_is_no_augmentation_is_refused() -> None:
    with pytest.raises(SpecError, match="that is no augmentation"):
        AugmentationLayer("flip")  # type: ignore[arg-type]
