"""The same layers and weights on pictures of another size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, resizing
from transferkit.calibrate import Inference
from transferkit.errors import BackboneError, SpecError

EXACT: Any = {"engine": tk.Engine(precision="float32", prefix="tensorflow"), "verbose": 0}
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
PIXELS[::2] //= 3
PHOTOS = tk.data.from_arrays(PIXELS, np.arange(24) % 2, val=0.25)


def tiny(padding: str = "same", *more: Any) -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding=padding, name="first_conv")(pixels)
    x = keras.layers.BatchNormalization(name="first_norm")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding=padding, name="second_conv")(x)
    for layer in more:
        x = layer(x)
    network = keras.Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit")


def fitted(backbone: Any) -> tk.TrainedModel:
    model = tk.TransferModel(backbone).freeze(tk.freeze.backbone())
    return model.fit(PHOTOS.resized(16), tk.Phase(1, batch_size=8, learning_rate=0.1), **EXACT)


@pytest.fixture(scope="module")
def trained() -> tk.TrainedModel:
    return fitted(tiny())


@pytest.mark.parametrize("size", [(32, 32), (11, 40)])
def test_it_computes_what_a_network_of_that_size_computes(
    trained: tk.TrainedModel, size: tuple[int, int]
) -> None:
    before = trained.network.get_weights()
    large = trained.resized(size)
    built = tk.TransferModel(tiny()).build(classes=2, image_size=size)
    built.set_weights(before)
    pixels = np.random.default_rng(1).uniform(0, 255, (4, *size, 3)).astype("float32")
    expected = built.predict_on_batch(pixels)
    assert np.ptp(expected, axis=0).min() > 1e-4
    np.testing.assert_allclose(large.network.predict_on_batch(pixels), expected, rtol=1e-5)
    assert large.network.input_shape == (None, *size, 3)
    assert (large.image_size, trained.image_size) == (size, (16, 16))
    assert (large.history, large.plan) == (trained.history, trained.plan)
    large.network.set_weights([0 * each for each in before])
    assert all(map(np.array_equal, before, trained.network.get_weights()))


@pytest.mark.slow
def test_a_network_of_keras_is_the_one_that_keras_builds_at_that_size() -> None:
    model = tk.TransferModel("keras:MobileNetV2", weights=None)
    small, large = (model.build(classes=2, image_size=side, seed=1) for side in (32, 64))
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype("float32")
    twin = resizing.resized(small, (64, 64))
    large.set_weights(small.get_weights())
    np.testing.assert_allclose(
        twin.predict_on_batch(pixels), large.predict_on_batch(pixels), rtol=1e-5
    )


def test_training_goes_on_at_the_new_size_from_pictures_as_they_were_read(
    trained: tk.TrainedModel, tmp_path: Path
) -> None:
    phase = tk.Phase(2, tk.freeze.backbone(), batch_size=8, learning_rate=0.1)
    further = trained.resized(32).fit(PHOTOS, phase, **EXACT)
    assert [(each.epoch, each.phase) for each in further.history] == [(0, 0), (1, 1), (2, 1)]
    assert PHOTOS.val is not None
    pixels, labels = PHOTOS.val.pixels(), PHOTOS.val.labels  # 32 x 32, never 16 x 16
    outputs = further.network.predict_on_batch(pixels)
    loss = -np.log(outputs[np.arange(len(labels)), labels]).mean()
    assert further.history[-1].metrics["val_loss"] == pytest.approx(loss, rel=1e-4)
    assert further.evaluate(PHOTOS.val).loss == pytest.approx(loss, rel=1e-4)
    further.save(tmp_path / "large.tkm")
    loaded = tk.load(tmp_path / "large.tkm")
    assert loaded.image_size == (32, 32)
    np.testing.assert_allclose(loaded.network.predict_on_batch(pixels), outputs, rtol=1e-5)
    small = loaded.resized(16)
    assert small.network.input_shape == (None, 16, 16, 3)


def test_frozen_layers_stay_frozen_and_in_inference_mode(trained: tk.TrainedModel) -> None:
    large = trained.resized(24)
    names = [weight.path for weight in large.network.trainable_weights]
    assert names == [weight.path for weight in trained.network.trainable_weights] != []
    pixels = np.random.default_rng(1).uniform(0, 255, (4, 24, 24, 3)).astype("float32")
    calls = [np.asarray(large.network(pixels, training=mode)) for mode in (True, False)]
    np.testing.assert_array_equal(calls[0], calls[1])


def test_its_own_size_is_the_model_itself(trained: tk.TrainedModel) -> None:
    assert trained.resized(16) is trained


def test_what_was_found_at_the_old_size_is_left_behind(trained: tk.TrainedModel) -> None:
    viewed = trained.with_views(tk.augment.flip(), views=2)
    warm = viewed.calibrate(PHOTOS.resized(16).train)
    assert warm.inference.temperature != 1
    assert warm.resized(32).inference == viewed.inference != Inference()


def test_a_size_that_no_layer_can_take_is_refused() -> None:
    model = fitted(tiny("valid"))
    with pytest.raises(BackboneError, match=r"resized: .*4 x 4 pixels \(.*\)\. .*image_size=\(16"):
        model.resized(4)


def test_layers_whose_weights_belong_to_a_size_are_named() -> None:
    layers = _keras.keras().layers
    model = fitted(tiny("same", layers.Flatten(name="flat"), layers.Dense(4, name="dense")))
    with pytest.raises(BackboneError, match=r"\(dense/kernel would have another shape\)"):
        model.resized(32)


@pytest.mark.parametrize("size", [0, "large", (3, 3, 3), None])
def test_what_is_no_size_is_refused(trained: tk.TrainedModel, size: Any) -> None:
    with pytest.raises(SpecError, match=r"resized: the image size is not a size"):
        trained.resized(size)
