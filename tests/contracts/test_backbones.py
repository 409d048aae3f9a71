"""What holds for every backbone of ``keras:``; one that is registered needs a case here."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras

keras = _keras.keras()
Array = np.ndarray[Any, Any]
SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Case:
    """What the papers and Keras' own documentation say of a network.

    Attributes:
        blocks: How many layers each block has, the input layer counted with the first.
        strides: The strides of its taps.
        width: Length of the pooled vector.
        module: Where Keras has its `preprocess_input`.
    """

    blocks: dict[str, int]
    strides: tuple[int, ...]
    width: int
    module: str


def resnet_blocks(*units: int) -> dict[str, int]:
    """Seven layers in the stem; ten in a bottleneck, two more where it has a projection."""
    blocks = {"conv1": 7}
    for stage, count in enumerate(units, start=2):
        for unit in range(1, count + 1):
            blocks[f"conv{stage}_block{unit}"] = 12 if unit == 1 else 10
    return blocks


MOBILENET_V2_BLOCKS = {
    "Conv1": 4,
    "expanded_conv": 5,
    "block_1": 9,  # padded, for its stride of 2
    "block_2": 9,  # added to what came in
    "block_3": 9,
    "block_4": 9,
    "block_5": 9,
    "block_6": 9,
    "block_7": 9,
    "block_8": 9,
    "block_9": 9,
    "block_10": 8,  # neither
    "block_11": 9,
    "block_12": 9,
    "block_13": 9,
    "block_14": 9,
    "block_15": 9,
    "block_16": 11,  # with the last convolution, its norm and its activation
}

CASES = {
    "keras:VGG16": Case(
        blocks={"block1": 4, "block2": 3, "block3": 4, "block4": 4, "block5": 4},
        strides=(1, 2, 4, 8, 16, 32),
        width=512,
        module="vgg16",
    ),
    "keras:ResNet50": Case(
        blocks=resnet_blocks(3, 4, 6, 3), strides=(2, 4, 8, 16, 32), width=2048, module="resnet50"
    ),
    "keras:MobileNetV2": Case(
        blocks=MOBILENET_V2_BLOCKS, strides=(2, 4, 8, 16, 32), width=1280, module="mobilenet_v2"
    ),
}


@dataclass(frozen=True)
class Subject:
    """A backbone under test, and Keras' own network with the weights it was loaded with."""

    name: str
    case: Case
    bare: Any
    weights: str
    backbone: Any

    def preprocessed(self, pixels: Array) -> Array:
        module = importlib.import_module(f"keras.applications.{self.case.module}")
        return np.asarray(module.preprocess_input(pixels.copy()))


def pictures(count: int = 2) -> Array:
    values = np.random.default_rng(0).integers(0, 256, (count, *SHAPE))
    return values.astype(np.float32)


def draw_weights(network: Any) -> None:
    """Weights that a picture gets through: fresh ones leave deep features all but constant."""
    rng = np.random.default_rng(1)
    for weight in network.weights:
        shape = weight.shape
        if len(shape) > 1:
            inputs = shape[:2] if "depthwise" in weight.path else shape[:-1]
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(inputs)), shape))
        elif weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(rng.uniform(0.8, 1.2, shape))
        else:
            weight.assign(rng.uniform(-0.1, 0.1, shape))


@pytest.fixture(scope="module", params=tk.backbones.names("keras:*"))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    name = str(request.param)
    if name not in CASES:
        pytest.fail(f"{name} is registered and has no case in this file")
    make = getattr(keras.applications, name.removeprefix("keras:"))
    bare = make(include_top=False, weights=None, input_shape=SHAPE)
    draw_weights(bare)
    weights = str(tmp_path_factory.mktemp("weights") / "bare.weights.h5")
    bare.save_weights(weights)
    backbone = tk.backbones.load(name, input_shape=SHAPE, weights=weights)
    return Subject(name, CASES[name], bare, weights, backbone)


def run(network: Any, inputs: Any) -> Any:
    return network(inputs, training=False)


def assert_same(given: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Equal to a share of the largest value."""
    wanted = np.asarray(expected)
    np.testing.assert_allclose(given, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_every_registered_backbone_has_a_case() -> None:
    assert set(tk.backbones.names("keras:*")) == set(CASES)


def test_the_drawn_weights_let_the_picture_through(subject: Subject) -> None:
    given = np.asarray(run(subject.backbone.network, pictures()))
    assert np.isfinite(given).all()
    first, second = given
    assert np.abs(first - second).max() > 0.1 * np.abs(given).max() > 0


def test_blocks_strides_and_width_are_those_of_the_hand_table(subject: Subject) -> None:
    table = subject.backbone.table
    counted = Counter(table.block_names[row.block] for row in table)
    assert table.block_names == tuple(subject.case.blocks)
    assert counted == subject.case.blocks
    assert tuple(subject.backbone.taps) == subject.case.strides
    assert subject.backbone.embedding.shape == (None, subject.case.width)
    known = tk.backbones.info(subject.name)
    assert known.strides == subject.case.strides
    assert known.block_names == tuple(subject.case.blocks)
    assert known.embedding == subject.case.width
    assert known.params == subject.bare.count_params()
    assert known.name == subject.name
    assert subject.backbone.info == known


def test_raw_pixels_give_what_keras_gives_for_preprocessed_ones(subject: Subject) -> None:
    pixels = pictures()
    expected = subject.preprocessed(pixels)
    np.testing.assert_allclose(
        subject.backbone.preprocessing(pixels), expected, rtol=1e-5, atol=1e-5
    )
    assert_same(run(subject.backbone.network, pixels), run(subject.bare, expected))


def test_weights_saved_from_it_and_loaded_by_path_give_the_same(
    subject: Subject, tmp_path: Path
) -> None:
    path = tmp_path / "own.weights.h5"
    subject.backbone.network.save_weights(path)
    again = tk.backbones.load(subject.name, input_shape=SHAPE, weights=str(path))
    expected = np.asarray(run(subject.backbone.network, pictures()))
    assert np.array_equal(run(again.network, pictures()), expected)


def test_behind_each_block_the_rest_follows_from_one_tensor(subject: Subject) -> None:
    backbone = subject.backbone
    ends = backbone.block_ends
    assert len(ends) == len(subject.case.blocks)
    entry = backbone.network.input
    values = run(keras.Model(entry, list(ends)), pictures())
    expected = np.asarray(run(backbone.network, pictures()))
    for block, (end, value) in enumerate(zip(ends, values, strict=True)):
        before = {row.name for row in backbone.table if row.block <= block}
        after = {row.name for row in backbone.table if row.block > block}
        assert before & names_of(keras.Model(entry, end)) == before - {backbone.table.names[0]}
        if end is backbone.taps.features:
            assert after == set()
            continue
        rest = keras.Model(end, backbone.taps.features)
        assert after == names_of(rest)
        assert_same(run(rest, value), expected)


def names_of(network: Any) -> set[str]:
    return {layer.name for layer in network.layers if type(layer).__name__ != "InputLayer"}


def test_the_taps_are_on_the_way_to_the_features(subject: Subject) -> None:
    backbone = subject.backbone
    strides = list(backbone.taps)
    taps = [backbone.taps[stride] for stride in strides]
    values = run(keras.Model(backbone.network.input, taps), pictures())
    expected = np.asarray(run(backbone.network, pictures()))
    for stride, tap, value in zip(strides, taps, values, strict=True):
        assert value.shape[1:3] == (32 // stride, 32 // stride)
        if tap is not backbone.taps.features:
            assert_same(run(keras.Model(tap, backbone.taps.features), value), expected)


@dataclass(frozen=True)
class Run:
    """A model, and what one epoch on four pictures made of it."""

    model: Any
    learning_rate: float
    trained: Any


@pytest.fixture(scope="module")
def one_epoch(subject: Subject) -> Run:
    backbone = subject.backbone
    embedding = run(keras.Model(backbone.network.input, backbone.embedding), pictures(4))
    rate = 1 / float(np.abs(embedding).sum(axis=-1).max())  # logits of about 1
    photos = tk.data.from_arrays(pictures(4).astype(np.uint8), np.array([0, 1, 1, 1]), val=0)
    model = tk.TransferModel(subject.name, weights=subject.weights)
    # Two steps: the head starts at zero, so the first gives the backbone no gradient in any case.
    plan = tk.plans.feature_extraction(epochs=1, learning_rate=rate, batch_size=2)
    return Run(model, rate, model.fit(photos, plan, seed=3, verbose=0))


def test_one_epoch_moves_the_head_and_nothing_else(subject: Subject, one_epoch: Run) -> None:
    before = one_epoch.model.build(classes=2, image_size=32, seed=3)
    moved = {}
    for old, new in zip(before.weights, one_epoch.trained.network.weights, strict=True):
        assert old.path == new.path
        moved[old.path] = float(np.abs(np.asarray(new) - np.asarray(old)).max())
    head = {path: change for path, change in moved.items() if path.startswith("head")}
    assert {path.split("/")[-1] for path in head} == {"kernel", "bias"}
    for change in head.values():  # Adam moves a weight by the learning rate at most
        assert 0.1 < change / one_epoch.learning_rate < 2.01
    assert {change for path, change in moved.items() if path not in head} == {0.0}
    assert len(moved) - len(head) == len(subject.bare.weights)


def test_a_saved_model_predicts_the_same(one_epoch: Run, tmp_path: Path) -> None:
    model = one_epoch.trained
    model.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    expected = model.predict(pictures(4))
    certain = [result.confidence for result in expected]
    assert np.ptp(certain) > 0.001, "the pictures are told apart"
    assert max(certain) < 0.999, "nothing is at its limit"
    for have, want in zip(again.predict(pictures(4)), expected, strict=True):
        assert have.label == want.label
        assert have.scores == pytest.approx(want.scores, abs=1e-6)
    assert again.class_names == model.class_names
    assert again.about["backbone"] == model.about["backbone"]
