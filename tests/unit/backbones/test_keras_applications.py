from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import (
    BackboneError,
    SpecError,
    UnknownNameError,
    WeightsError,
    WeightsNotFoundError,
)

NAMES = ("VGG16", "ResNet50", "MobileNetV2")

RESNET_BLOCKS = (
    "conv1",
    "conv2_block1",
    "conv2_block2",
    "conv2_block3",
    "conv3_block1",
    "conv3_block2",
    "conv3_block3",
    "conv3_block4",
    "conv4_block1",
    "conv4_block2",
    "conv4_block3",
    "conv4_block4",
    "conv4_block5",
    "conv4_block6",
    "conv5_block1",
    "conv5_block2",
    "conv5_block3",
)
MOBILENET_BLOCKS = ("Conv1", "expanded_conv", *(f"block_{n}" for n in range(1, 17)))
# By hand, from the papers: blocks, how many, strides of the taps, width of the embedding.
TABLE: dict[str, tuple[tuple[str, ...], int, tuple[int, ...], int]] = {
    "VGG16": (("block1", "block2", "block3", "block4", "block5"), 5, (1, 2, 4, 8, 16, 32), 512),
    "ResNet50": (RESNET_BLOCKS, 17, (2, 4, 8, 16, 32), 2048),
    "MobileNetV2": (MOBILENET_BLOCKS, 18, (2, 4, 8, 16, 32), 1280),
}
PREPROCESSING = {"VGG16": "vgg16", "ResNet50": "resnet50", "MobileNetV2": "mobilenet_v2"}


def pictures(channels: int = 3, *, side: int = 32, seed: int = 0) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(seed).integers(0, 256, (2, side, side, channels))
    return values.astype(np.float32)


def outputs(network: Any, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Without tracing, which takes ten times as long as to run it at 32 pixels."""
    return np.asarray(network(pixels, training=False))


@pytest.fixture(scope="module", params=NAMES)
def loaded(request: pytest.FixtureRequest) -> tuple[str, Any]:
    name = str(request.param)
    return name, tk.backbones.load(f"keras:{name}", input_shape=(32, 32, 3), weights=None)


def test_the_parameter_count_is_that_of_keras(loaded: tuple[str, Any]) -> None:
    name, backbone = loaded
    bare = getattr(_keras.keras().applications, name)(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    assert backbone.info.params == bare.count_params() == backbone.network.count_params()
    assert [row.name for row in backbone.table][1:] == [layer.name for layer in bare.layers[1:]]


def test_every_block_ends_in_one_tensor(loaded: tuple[str, Any]) -> None:
    name, backbone = loaded
    assert len(backbone.block_ends) == TABLE[name][1]
    sides = [tensor.shape[1] for tensor in backbone.block_ends]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 1


def test_preprocessing_is_that_of_keras(loaded: tuple[str, Any]) -> None:
    name, backbone = loaded
    network = backbone.network
    layer = _keras.keras().Model(network.inputs, network.get_layer("preprocessing").output)
    module = importlib.import_module(f"keras.applications.{PREPROCESSING[name]}")
    pixels = pictures()
    expected = module.preprocess_input(pixels.copy())
    np.testing.assert_allclose(layer.predict_on_batch(pixels), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(backbone.preprocessing(pixels), expected, rtol=1e-5, atol=1e-5)


def test_no_layer_of_the_preprocessing_owns_a_weight_or_stands_in_the_table(
    loaded: tuple[str, Any],
) -> None:
    _, backbone = loaded
    assert backbone.network.get_layer("preprocessing").weights == []
    assert "preprocessing" not in [row.name for row in backbone.table]


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2"])
def test_a_grey_picture_gives_the_logits_of_its_repetition(name: str, tmp_path: Path) -> None:
    bare = getattr(_keras.keras().applications, name)(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    path = str(tmp_path / "net.weights.h5")
    bare.save_weights(path)
    grey = tk.backbones.load(name, input_shape=(32, 32, 1), weights=path)
    rgb = tk.backbones.load(name, input_shape=(32, 32, 3), weights=path)
    pixels = pictures(1)
    given, wanted = outputs(grey.network, pixels), outputs(rgb.network, pixels.repeat(3, axis=-1))
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
def test_another_number_of_channels_takes_the_kernel_in_a_circle(
    channels: int, tmp_path: Path
) -> None:
    bare = _keras.keras().applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    path = str(tmp_path / "net.weights.h5")
    bare.save_weights(path)
    kernel = np.asarray(bare.get_layer("conv1").kernel)
    loaded = tk.backbones.load("MobileNet", input_shape=(32, 32, channels), weights=path)
    got = np.asarray(loaded.network.get_layer("conv1").kernel)
    assert got.shape == (3, 3, channels, 32)
    for channel in range(channels):
        expected = kernel[:, :, (0, 1, 2, 0)[channel]] * 3 / channels
        np.testing.assert_allclose(got[:, :, channel], expected, rtol=1e-6)
    other = [w for w in loaded.network.weights if w.shape != got.shape]
    twin = [w for w in bare.weights if w.shape != kernel.shape]
    assert all(np.array_equal(a, b) for a, b in zip(other, twin, strict=True))


@pytest.mark.parametrize(("name", "channels"), [("MobileNet", 4), ("VGG16", 1)])
def test_a_file_of_just_that_many_channels_is_loaded_as_it_is(
    name: str, channels: int, tmp_path: Path
) -> None:
    shape = (32, 32, channels)
    first = tk.backbones.load(name, input_shape=shape, weights=None).network
    first.save_weights(tmp_path / "own.weights.h5")
    path = tmp_path / "own.weights.h5"
    again = tk.backbones.load(name, input_shape=shape, weights=path).network
    pixels = pictures(channels)
    np.testing.assert_array_equal(outputs(again, pixels), outputs(first, pixels))


MOBILENET_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


@pytest.mark.usefixtures("_offline")
def test_one_file_gives_the_same_outputs_by_path_and_by_name(keras_home: Path) -> None:
    bare = _keras.keras().applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    rng = np.random.default_rng(1)
    bare.set_weights([w + rng.uniform(0, 0.01, w.shape) for w in bare.get_weights()])
    file = keras_home / "models" / MOBILENET_FILE
    bare.save(file)
    shape = (32, 32, 3)
    pixels = pictures()
    by_name = tk.backbones.load("MobileNetV2", input_shape=shape, weights="imagenet")
    expected = outputs(by_name.network, pixels)
    for weights in ("pretrained", str(file)):
        again = tk.backbones.load("MobileNetV2", input_shape=shape, weights=weights)
        assert np.array_equal(outputs(again.network, pixels), expected)
    np.testing.assert_allclose(expected, outputs(bare, pixels / 127.5 - 1), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_offline")
def test_without_a_network_the_error_names_the_file_and_its_place(keras_home: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="cannot be downloaded") as caught:
        tk.backbones.load("MobileNetV2", input_shape=(32, 32, 3))
    text = str(caught.value)
    assert str(keras_home / "models" / MOBILENET_FILE) in text
    assert "weights=None" in text


@pytest.mark.usefixtures("_offline")
def test_a_damaged_file_in_kerass_folder_is_named(keras_home: Path) -> None:
    (keras_home / "models" / MOBILENET_FILE).write_bytes(b"this is no HDF5 file")
    with pytest.raises(WeightsError, match=r"does not fit keras:MobileNetV2.*Delete .* try again"):
        tk.backbones.load("MobileNetV2", input_shape=(32, 32, 3))


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "other.weights.h5").touch()
    with pytest.raises(WeightsNotFoundError, match=r"In that folder: other\.weights\.h5"):
        tk.backbones.load(
            "VGG16", input_shape=(32, 32, 3), weights=str(tmp_path / "mine.weights.h5")
        )
    with pytest.raises(WeightsNotFoundError, match="There is no folder"):
        tk.backbones.load("VGG16", input_shape=(32, 32, 3), weights="/nowhere/mine.weights.h5")


def test_an_h5_file_with_a_top_is_told_where_it_fits(tmp_path: Path) -> None:
    whole = _keras.keras().applications.MobileNet(weights=None, classes=2, input_shape=(32, 32, 3))
    whole.save(tmp_path / "whole.h5")
    with pytest.raises(
        WeightsError,
        match=r"A \.h5 file with a top fits tk\.backbones\.classifier only; save it as",
    ):
        tk.backbones.load("MobileNet", input_shape=(32, 32, 3), weights=tmp_path / "whole.h5")
    whole.save_weights(tmp_path / "whole.weights.h5")
    tk.backbones.load("MobileNet", input_shape=(32, 32, 3), weights=tmp_path / "whole.weights.h5")


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    keras = _keras.keras()
    tiny = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = str(tmp_path / "tiny.weights.h5")
    tiny.save_weights(path)
    with pytest.raises(WeightsError, match=r"tiny\.weights\.h5 does not fit"):
        tk.backbones.load("VGG16", input_shape=(32, 32, 3), weights=path)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_too_small_is_refused_with_the_smallest(name: str) -> None:
    with pytest.raises(BackboneError, match=r"cannot take pictures of 16 x 40.*at least 32"):
        tk.backbones.load(name, input_shape=(16, 40, 3), weights=None)


def test_no_channels_are_refused() -> None:
    with pytest.raises(BackboneError, match=r"pictures of 0 channels.*1 \(grey\), 3 \(RGB\)"):
        tk.backbones.load("VGG16", input_shape=(32, 32, 0), weights=None)


@pytest.mark.parametrize("name", ["ResNet5", "keras:ResNet5", "keras:resnet50"])
def test_a_mistyped_name_gets_the_nearest(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'ResNet50'"):
        tk.backbones.load(name)


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match=r"keras"):
        tk.backbones.info("kears:ResNet50")


def test_unknown_weights_name_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"no weights called 'imagenett'.*'imagenet'"):
        tk.backbones.load("VGG16", input_shape=(32, 32, 3), weights="imagenett")


def test_names_are_full_and_sorted() -> None:
    names = tk.backbones.names("keras:*")
    assert len(names) == 40
    assert names == tuple(sorted(names))
    assert tk.backbones.names("keras:VGG*") == ("keras:VGG16", "keras:VGG19")


def test_a_classifier_takes_raw_pixels_and_gives_1000_probabilities() -> None:
    network = tk.backbones.classifier("MobileNet", weights=None)
    given = outputs(network, pictures(side=224)[:1])
    assert given.shape == (1, 1000)
    np.testing.assert_allclose(given.sum(), 1, rtol=1e-4)


def test_registering_refuses_a_colon_and_what_is_no_backbone() -> None:
    with pytest.raises(SpecError, match="must not be empty or hold a colon"):
        tk.backbones.register("my:net", object())  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="neither a backbone nor a source"):
        tk.backbones.register("mynet", object())  # type: ignore[arg-type]
