"""What holds for every backbone of ``keras:``; one that is registered needs a row in the tables.

The smallest of each family is checked in full, with numbers; the others by their structure, without
drawing weights for them. Three of the former are checked in the usual run, more of them in the
slow one, all in the exhaustive one. `tests/unit/backbones` has what is special about single ones.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_tables import CASES, Case, Mode
from structure import structure

import transferkit as tk
from transferkit import _keras, testing
from transferkit.backbones.families import NETWORKS
from transferkit.testing.subjects import draw_weights

keras = _keras.keras()
Array = np.ndarray[Any, Any]

IN_FULL = [name for name, case in CASES.items() if case.in_full]
BY_STRUCTURE = [name for name, case in CASES.items() if not case.in_full]
USUAL = ("VGG16", "MobileNetV2", "EfficientNetB0")
"""Compared with Keras' own in the usual run: three ways to scale pixels, with norms and without."""
LARGE = ("DenseNet121", "InceptionResNetV2", "InceptionV3", "NASNetMobile")
"""Hundreds of layers: all that needs numbers is left to the exhaustive run."""
TRIED = ("MobileNetV2",)
"""Trained, saved and opened again in the usual run."""
TRIED_SLOWLY = ("MobileNetV3Small", "VGG16")
"""The same in the slow run; the others of `IN_FULL` in the exhaustive one."""
RELATIVES = ("MobileNetV3Large", "ResNet101", "VGG19")
"""Checked by their structure in the usual run."""
RELATIVES_SLOWLY = ("ConvNeXtSmall", "DenseNet169", "EfficientNetB1", "ResNet101V2")
"""The same in the slow run; the exhaustive one has all of them."""
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@dataclass(frozen=True)
class Subject:
    """A backbone under test, twice from one weight file, and Keras' own network with it.

    Attributes:
        name: The constructor's name.
        reference: What Keras makes with ``weights="imagenet"``, preprocessing inside where Keras
            has it there.
        by_name: The backbone, loaded as ``"imagenet"``.
        by_path: The backbone, loaded from the file itself.
    """

    name: str
    reference: Any
    by_name: Any
    by_path: Any

    @property
    def case(self) -> Case:
        return CASES[self.name]

    def pictures(self) -> Array:
        """Two pictures of large patches: small ones would be averaged away."""
        side = self.case.smallest
        patches = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3))
        tall = patches.repeat(-(-side // 3), axis=1).repeat(-(-side // 3), axis=2)
        return tall[:, :side, :side].astype(np.float32)

    def expected(self) -> Any:
        """Keras' outputs, on pixels that Keras preprocessed."""
        module = importlib.import_module(f"keras.applications.{self.case.module}")
        return run(self.reference, module.preprocess_input(self.pictures()))


def run(network: Any, inputs: Any) -> Array:
    return np.asarray(network(inputs, training=False))


def by_hand(mode: Mode, pixels: Array) -> Array:
    if mode == "caffe":
        return np.asarray(pixels[..., ::-1] - np.array([103.939, 116.779, 123.68]))
    if mode == "torch":
        return np.asarray((pixels / 255 - MEAN) / DEVIATION)
    return pixels / (127.5 if mode == "tf" else 128) - 1


def written_as_keras_does(name: str, home: Path) -> tuple[Path, Any]:
    """A weight file of Keras' own format where Keras looks for it, and what Keras makes of it."""
    shape = (CASES[name].smallest, CASES[name].smallest, 3)
    make = getattr(keras.applications, name)
    author = make(include_top=False, weights=None, input_shape=shape)
    draw_weights(author, seed=1)
    if CASES[name].module in ("efficientnet", "mobilenet_v3"):
        settle_norms(author)
    file = home / "models" / NETWORKS[name].file.name(shape, top=False)
    if CASES[name].module != "efficientnet":
        author.save(file)
        return file, author
    # The published files have these statistics, and Keras has one layer more for "imagenet".
    layer = next(each for each in author.layers if type(each).__name__ == "Normalization")
    layer.adapt_mean.assign(MEAN)
    layer.adapt_variance.assign(DEVIATION)
    author.save(file)
    return file, make(include_top=False, weights="imagenet", input_shape=shape)


def settle_norms(network: Any) -> None:
    """Statistics from a batch: what excitation gates off would leave pictures all but equal."""
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.5
    side = network.input_shape[1]
    network(np.random.default_rng(2).uniform(0, 255, (8, side, side, 3)), training=True)


@pytest.fixture(scope="module", autouse=True)
def _initial_weights_cost_nothing() -> Iterator[None]:
    """Every weight is drawn by the tests or read from a file; Keras' own draws are left out."""
    initializers = importlib.import_module("keras.src.initializers.random_initializers")
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("VarianceScaling", "RandomUniform", "TruncatedNormal"):
            patch.setattr(getattr(initializers, kind), "__call__", zeros)
        yield


def zeros(self: Any, shape: Any, dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype)


def marked(names: Iterable[str], usual: Collection[str], slow: Collection[str] = ()) -> list[Any]:
    """The networks as parameters, each with the mark of the run that it belongs to."""
    mark = pytest.mark
    marks = {
        name: () if name in usual else mark.slow if name in slow else mark.exhaustive
        for name in names
    }
    return [pytest.param(name, marks=marks[name]) for name in names]


@pytest.fixture(scope="module", params=marked(IN_FULL, USUAL, {*IN_FULL} - {*LARGE}))
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    name = str(request.param)
    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        patch.setattr(importlib.import_module("keras.src.backend.config"), "_KERAS_DIR", str(home))
        file_utils = importlib.import_module("keras.src.utils.file_utils")
        patch.setattr(file_utils, "validate_file", lambda *args, **kwargs: True)
        patch.delattr(file_utils, "urlretrieve")  # nothing is downloaded
        file, reference = written_as_keras_does(name, home)
        shape = reference.input_shape[1:]
        yield Subject(
            name,
            reference,
            tk.backbones.load(f"keras:{name}", input_shape=shape, weights="imagenet"),
            tk.backbones.load(f"keras:{name}", input_shape=shape, weights=str(file)),
        )


def test_every_registered_backbone_has_a_row() -> None:
    assert {f"keras:{name}" for name in CASES} == set(tk.backbones.names("keras:*"))


def test_every_constructor_of_keras_is_registered() -> None:
    made = [name for name in dir(keras.applications) if name[0].isupper()]
    assert sorted(made) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_known_without_building_is_what_the_table_says(name: str) -> None:
    case, known = CASES[name], tk.backbones.info(name)
    assert known.name == f"keras:{name}"
    assert known.image_size == (case.size, case.size)
    assert known.min_size == case.smallest
    assert known.channels == 3
    assert known.block_names == tuple(case.blocks)
    assert known.strides == case.strides
    assert known.embedding == case.width
    assert known.weights == ("imagenet",)
    assert known.licence in ("Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "MIT")
    assert "Keras Applications" in known.origin
    assert known.paper[-4:].isdigit()


@pytest.mark.parametrize("name", marked(IN_FULL, TRIED, TRIED_SLOWLY))
def test_the_whole_contract_holds(name: str) -> None:
    testing.check_backbone(f"keras:{name}", image_size=CASES[name].smallest)


def test_raw_pixels_give_what_keras_gives_for_preprocessed_ones(subject: Subject) -> None:
    given, wanted = run(subject.by_name.network, subject.pictures()), subject.expected()
    assert np.isfinite(wanted).all()
    first, second = wanted
    assert np.abs(first - second).max() > 0.005 * np.abs(wanted).max() > 0, (
        "the picture gets through"
    )
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_one_file_gives_the_same_by_path_and_by_name(subject: Subject) -> None:
    assert subject.by_name.preprocessing == subject.by_path.preprocessing
    given = run(subject.by_path.network, subject.pictures())
    assert np.array_equal(given, run(subject.by_name.network, subject.pictures()))


def test_preprocessing_is_that_of_the_table(subject: Subject) -> None:
    network, pixels = subject.by_name.network, subject.pictures()
    layer = keras.Model(network.inputs[0], network.get_layer("preprocessing").output)
    wanted = by_hand(subject.case.mode, pixels)
    np.testing.assert_allclose(run(layer, pixels), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(subject.by_name.preprocessing(pixels), wanted, rtol=1e-5, atol=1e-5)


def test_each_block_has_as_many_layers_as_the_table_says(subject: Subject) -> None:
    table = subject.by_name.table
    counted = Counter(table.block_names[row.block] for row in table)
    assert counted == subject.case.blocks
    assert subject.by_name.info == tk.backbones.info(subject.name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The weight files that Keras asks for; all it gets are EfficientNet's statistics."""
    names: list[str] = []

    def get(name: str, *args: Any, **kwargs: Any) -> str:
        names.append(name)
        return name

    def fill(network: Any, path: str) -> None:
        if "normalization" in (layer.name for layer in network.layers) and "v2" not in path:
            layer = network.get_layer("normalization")
            layer.adapt_mean.assign(MEAN)
            layer.adapt_variance.assign(DEVIATION)

    monkeypatch.setattr(importlib.import_module("keras.src.utils.file_utils"), "get_file", get)
    monkeypatch.setattr(keras.Model, "load_weights", fill)
    return names


@pytest.mark.parametrize("name", marked(BY_STRUCTURE, RELATIVES, RELATIVES_SLOWLY))
def test_the_larger_ones_are_built_as_the_table_says(name: str, asked: list[str]) -> None:
    case = CASES[name]
    shape = (case.smallest, case.smallest, 3)
    with structure():
        backbone: Any = tk.backbones.load(f"keras:{name}", input_shape=shape, weights="imagenet")
    assert asked == [NETWORKS[name].file.name(shape, top=False)], "the offline error names it"
    assert backbone.info == tk.backbones.info(name)
    assert backbone.table.block_names == tuple(case.blocks)
    assert len(backbone.block_ends) == len(case.blocks)
    assert tuple(backbone.taps) == case.strides
    for stride, tap in backbone.taps.items():
        assert tap.shape[1] in (case.smallest // stride, -(-case.smallest // stride) - 1)
    assert backbone.embedding.shape == (None, case.width)
    assert backbone.network.count_params() == backbone.info.params
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 3)).astype(np.float32)
    wanted = by_hand(case.mode, pixels)
    np.testing.assert_allclose(backbone.preprocessing(pixels), wanted, rtol=1e-5, atol=1e-5)
    layer = backbone.network.get_layer("preprocessing")
    np.testing.assert_allclose(layer(ordered(case.mode, pixels)), wanted, rtol=1e-5, atol=1e-4)


def ordered(mode: Mode, pixels: Array) -> Array:
    return pixels[..., ::-1] if mode == "caffe" else pixels
