"""What is special about single families, and what Keras' own source says of all of them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structure import structure

import transferkit as tk
from transferkit import _keras
from transferkit.backbones import graph
from transferkit.backbones.blocks import by_ends
from transferkit.backbones.families import NETWORKS
from transferkit.backbones.families.base import WeightFile
from transferkit.backbones.from_keras import OURS
from transferkit.backbones.info import MODES
from transferkit.errors import WeightsError, WeightsNotFoundError
from transferkit.testing.subjects import draw_weights

keras = _keras.keras()
SHAPE = (32, 32, 3)
SMALL = [
    *("VGG16", "ResNet50", "ResNet50V2", "InceptionV3", "Xception", "DenseNet121", "NASNetMobile"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0"),
    *("EfficientNetV2S", "ConvNeXtTiny"),
]
USUAL = ("VGG16", "ResNet50", "Xception", "MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny")
"""Those of `SMALL` whose structure is looked at in the usual run: blocks, shortcuts and scaling of
each kind."""
OURS_HERE = ("pixels", "preprocessing")
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def usual_and_others() -> list[Any]:
    """The names of `SMALL`, most of them for the exhaustive run."""
    return [n if n in USUAL else pytest.param(n, marks=pytest.mark.exhaustive) for n in SMALL]


def pictures(*shape: int) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).integers(0, 256, (2, *(shape or SHAPE)))
    return values.astype(np.float32)


class AskedError(Exception):
    """Which file Keras wants."""


@pytest.fixture
def _keras_tells_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(name: str, *args: Any, **kwargs: Any) -> None:
        raise AskedError(name)

    monkeypatch.setattr(importlib.import_module("keras.src.utils.file_utils"), "get_file", tell)


@pytest.mark.usefixtures("_keras_tells_the_file")
@pytest.mark.filterwarnings("ignore:.*input_shape.* is undefined:UserWarning")
@pytest.mark.parametrize("size", [(96, 96), (128, 128), (50, 50), (128, 160)])
@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2", "MobileNetV3Small"])
def test_the_weight_file_for_other_sizes_is_the_one_that_keras_looks_for(
    name: str, size: tuple[int, int]
) -> None:
    make = getattr(keras.applications, name)
    with structure(), pytest.raises(AskedError) as caught:
        make(include_top=False, weights="imagenet", input_shape=(*size, 3))
    assert NETWORKS[name].file.name((*size, 3), top=False) == str(caught.value)


def test_a_file_name_without_sizes_does_not_depend_on_the_size() -> None:
    file = WeightFile("net_{side}", "_no_top", (64, 96))
    assert file.name((64, 64, 3), top=False) == "net_64_no_top.h5"
    assert file.name((64, 96, 3), top=True) == "net_96.h5"
    assert WeightFile("net").name((64, 64, 3), top=False) == "net_notop.h5"


@pytest.mark.usefixtures("_offline")
@pytest.mark.parametrize("name", ["EfficientNetB0", "ConvNeXtTiny", "NASNetMobile"])
def test_the_offline_error_names_that_file(name: str, keras_home: Path) -> None:
    with structure(), pytest.raises(WeightsNotFoundError) as caught:
        tk.backbones.load(name, input_shape=SHAPE, weights="imagenet")
    file = keras_home / "models" / NETWORKS[name].file.name(SHAPE, top=False)
    assert f"the file {file}" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("MobileNetV3Small", "Xception"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("InceptionV3", "ConvNeXtTiny")),
    ],
)
def test_names_do_not_depend_on_what_was_built_before(name: str) -> None:
    side = NETWORKS[name].family.min_size

    def built() -> tuple[Any, ...]:
        with structure():
            loaded = tk.backbones.load(name, input_shape=(side, side, 3), weights=None)
        config = json.dumps(loaded.network.get_config(), default=repr, sort_keys=True)
        paths = [weight.path for weight in loaded.network.weights]
        return loaded.table, paths, config.split('"name": "')

    first = built()
    with structure():
        tk.backbones.load("MobileNetV3Large", input_shape=SHAPE, weights=None)
    for _ in range(3):
        keras.layers.Conv2D(1, 1)
        keras.layers.ReLU()
        keras.layers.Activation("relu")
    second = built()
    assert first[0] == second[0]
    assert first[1] == second[1]
    assert [row.split('"')[0] for row in first[2]] == [row.split('"')[0] for row in second[2]]
    assert first[0].names[0] == "input_layer"


@pytest.fixture
def file_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that Keras asks for; it gets them, and does not look into them."""
    asked: list[str] = []

    def get(name: str, *args: Any, **kwargs: Any) -> str:
        asked.append(name)
        return name

    monkeypatch.setattr(importlib.import_module("keras.src.utils.file_utils"), "get_file", get)
    monkeypatch.setattr(keras.Model, "load_weights", lambda self, path: None)
    return asked


@pytest.mark.parametrize(
    "name",
    [
        *usual_and_others(),
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in NETWORKS if n not in SMALL),
    ],
)
def test_a_classifier_has_its_own_weight_file_and_1000_probabilities(
    name: str, file_of: list[str]
) -> None:
    with structure():
        network = tk.backbones.classifier(name)
    size = NETWORKS[name].size
    assert file_of == [NETWORKS[name].file.name((size, size, 3), top=True)]
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, 1000)
    assert network.layers[0].name == "pixels"
    assert network.get_layer("preprocessing").weights == []
    names = [layer.name for layer in network.layers if layer.name not in OURS_HERE]
    assert not [each for each in names if OURS.fullmatch(each)]
    assert not [layer for layer in network.layers if type(layer).__name__ == "Normalization"]


@pytest.mark.parametrize("name", usual_and_others())
def test_four_channels_and_odd_sides_are_built_for_every_family(name: str) -> None:
    side = NETWORKS[name].family.min_size
    shape = (side + 3, side + 16, 4)
    with structure():
        loaded = tk.backbones.load(name, input_shape=shape, weights=None)
    assert loaded.network.input_shape == (None, *shape)
    assert tuple(loaded.taps) == NETWORKS[name].family.strides
    assert loaded.table.block_names == NETWORKS[name].blocks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "ConvNeXtTiny"])
def test_a_grey_picture_and_four_channels_take_weights_of_three(name: str, tmp_path: Path) -> None:
    bare = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=SHAPE)
    path = str(tmp_path / "net.weights.h5")
    bare.save_weights(path)
    grey, rgb, four = (
        tk.backbones.load(name, input_shape=(32, 32, channels), weights=path)
        for channels in (1, 3, 4)
    )
    one = pictures(32, 32, 1)
    given, wanted = grey.network(one), rgb.network(np.repeat(one, 3, axis=-1))
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    old, new = (next(w for w in x.network.weights if len(w.shape) == 4) for x in (rgb, four))
    np.testing.assert_allclose(new[:, :, 3], np.asarray(old)[:, :, 0] * 3 / 4, rtol=1e-6)


# EfficientNet's own Normalization.


@pytest.fixture(scope="module")
def drawn() -> Any:
    network = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=SHAPE)
    draw_weights(network, seed=1)
    return network


def adapted(network: Any, mean: Any = None, variance: Any = None) -> Any:
    layer = next(each for each in network.layers if type(each).__name__ == "Normalization")
    layer.adapt_mean.assign(np.zeros(3) if mean is None else mean)
    layer.adapt_variance.assign(np.ones(3) if variance is None else variance)
    layer.finalize_state()
    return network


def saved(network: Any, path: Path) -> str:
    network.save_weights(path)
    return str(path)


def loaded_from(path: str) -> Any:
    return tk.backbones.load("EfficientNetB0", input_shape=SHAPE, weights=path)


def same(given: Any, wanted: Any) -> None:
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_a_network_that_was_never_adapted_gets_pixels_from_0_to_1(
    drawn: Any, tmp_path: Path
) -> None:
    network = adapted(drawn)
    loaded = loaded_from(saved(network, tmp_path / "net.weights.h5"))
    assert loaded.preprocessing == MODES["unit"]
    same(loaded.network(pictures()), network(pictures()))


def test_a_network_with_statistics_of_its_own_keeps_them(drawn: Any, tmp_path: Path) -> None:
    network = adapted(drawn, [0.2, 0.3, 0.4], [0.04, 0.09, 0.16])
    loaded = loaded_from(saved(network, tmp_path / "net.weights.h5"))
    np.testing.assert_allclose(loaded.preprocessing.scale, 1 / 255 / np.array([0.2, 0.3, 0.4]))
    np.testing.assert_allclose(loaded.preprocessing.offset, [-1, -1, -1], rtol=1e-6)
    same(loaded.network(pictures()), network(pictures()))
    assert loaded.info.preprocessing == str(loaded.preprocessing)


def test_the_published_statistics_mean_what_the_published_weights_mean(
    drawn: Any, tmp_path: Path
) -> None:
    loaded = loaded_from(saved(adapted(drawn, MEAN, DEVIATION), tmp_path / "net.weights.h5"))
    assert loaded.preprocessing == MODES["torch"]
    with structure():
        random: Any = tk.backbones.load("EfficientNetB0", input_shape=SHAPE, weights=None)
    assert random.preprocessing == MODES["torch"]
    assert not [x for x in random.network.layers if type(x).__name__ == "Normalization"]
    assert random.table.names[:3] == ("input_layer", "stem_conv_pad", "stem_conv")


@pytest.mark.parametrize(
    "name", ["EfficientNetB0", pytest.param("ConvNeXtTiny", marks=pytest.mark.slow)]
)
def test_a_file_that_fits_neither_layout_is_told_with_the_networks_name(
    name: str, tmp_path: Path
) -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = saved(other, tmp_path / "other.weights.h5")
    with pytest.raises(WeightsError, match=r"other\.weights\.h5 does not fit (efficient|convnext)"):
        tk.backbones.load(name, input_shape=SHAPE, weights=path)


# Blocks by their ends.


def test_blocks_by_their_ends_take_all_up_to_them_and_the_last_takes_the_rest() -> None:
    pixels = keras.Input(SHAPE, name="picture")
    x = keras.layers.ReLU(name="a")(pixels)
    x = x + keras.layers.ReLU(name="b")(x)
    total = x._keras_history.operation.name
    x = keras.layers.ReLU(name="d")(keras.layers.ReLU(name="c")(x))
    wired = graph.rewire(keras.Model(pixels, x), keras.Input(SHAPE))
    block_of, names = by_ends({"one": "a", "two": total, "three": "c"})(wired)
    assert names == ("one", "two", "three")
    assert block_of == {"picture": 0, "a": 0, "b": 1, total: 1, "c": 2, "d": 2}


def test_layers_that_are_left_out_pass_what_comes_in() -> None:
    pixels = keras.Input(SHAPE, name="picture")
    x = keras.layers.Rescaling(2.0, name="double")(pixels)
    x = keras.layers.Rescaling(1.0, offset=3.0, name="add")(x)
    flat = graph.flattened(keras.Model(pixels, x, name="net"), without={"double"})
    assert [layer.name for layer in flat.layers] == ["picture", "add"]
    assert flat.name == "net"
    np.testing.assert_allclose(flat(pictures()), pictures() + 3)
