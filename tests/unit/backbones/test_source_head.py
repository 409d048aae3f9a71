"""The source head: read from weights with a top, or from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras, backbones
from transferkit.backbones import source_head as module
from transferkit.backbones.source_head import source_head
from transferkit.errors import BackboneError, SpecError, WeightsError, WeightsNotFoundError

keras = _keras.keras()
layers = keras.layers


def dense() -> Any:
    return layers.Dense(3)


def stacked(*behind: Any) -> Any:
    """A network that is one layer behind the other."""
    pixels = x = keras.Input((4, 4, 2))
    for layer in behind:
        x = layer(x)
    return keras.Model(pixels, x)


def test_averaged_features_through_it_are_what_the_source_says(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(weights=None, input_shape=(32, 32, 3))
    file = tmp_path / "top.weights.h5"
    network.save_weights(file)  # its top is a convolution of one place
    found = source_head("keras:MobileNet", str(file), verb="co_tuning")
    body = backbones.load("keras:MobileNet", input_shape=(32, 32, 3), weights=file)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.float32)
    logits = np.asarray(body.network(pixels)).mean(axis=(1, 2)) @ found.kernel + found.bias
    expected = np.log(np.asarray(network(pixels / 127.5 - 1)))
    logits, expected = (each - each.mean(axis=1, keepdims=True) for each in (logits, expected))
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize(
    "behind",
    [
        (layers.Flatten, dense),
        (layers.GlobalMaxPooling2D, dense),
        (layers.GlobalAveragePooling2D, dense, dense),
        (layers.GlobalAveragePooling2D, layers.LayerNormalization, dense),
        (layers.Flatten,),
    ],
    ids=["map", "maxima", "hidden", "norm", "nothing"],
)
def test_what_is_more_than_one_linear_layer_is_refused(
    behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = stacked(*(make() for make in behind))
    monkeypatch.setattr(module, "classifier", lambda name, weights: network)
    text = r"co_tuning: the top of keras:MobileNet is more than one linear.*keras:ResNet50"
    with pytest.raises(BackboneError, match=text):
        source_head("keras:MobileNet", "imagenet", verb="co_tuning")


def test_dropout_and_a_softmax_around_it_are_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    top = layers.Dense(3, use_bias=False)
    rest = layers.GlobalAveragePooling2D(), layers.Dropout(0.2), top, layers.Softmax()
    network = stacked(*rest)
    monkeypatch.setattr(module, "classifier", lambda name, weights: network)
    found = source_head("keras:MobileNet", "imagenet", verb="co_tuning")
    np.testing.assert_array_equal(found.kernel, np.asarray(top.kernel))
    np.testing.assert_array_equal(found.bias, np.zeros(3))


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    for name in ("gone.weights.h5", "gone.npz"):
        with pytest.raises(WeightsNotFoundError, match=rf"there is no file .*{name}"):
            source_head("keras:MobileNet", str(tmp_path / name), verb="co_tuning")


def test_another_source_has_no_top_of_its_own() -> None:
    with pytest.raises(SpecError, match=r"user:tiny cannot be read from 'imagenet'.*np\.savez"):
        source_head("user:tiny", "imagenet", verb="co_tuning")


def test_a_table_is_read_as_it_is(tmp_path: Path) -> None:
    kernel, bias = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    np.savez(tmp_path / "head.npz", kernel=kernel, bias=bias)
    found = source_head("user:tiny", str(tmp_path / "head.npz"), verb="co_tuning")
    np.testing.assert_array_equal(found.kernel, kernel)
    np.testing.assert_array_equal(found.bias, bias)
    assert found.kernel.dtype == found.bias.dtype == np.float32


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"kernel": np.ones((2, 3))}, r"holds no kernel and bias.*bias"),
        (
            {"kernel": np.ones((2, 3)), "bias": np.ones(2)},
            r"kernel \(2, 3\) and bias \(2,\) do",
        ),
        ({"kernel": np.ones(3), "bias": np.ones(3)}, r"kernel \(3,\) and bias \(3,\) do not fit"),
        ({"kernel": np.full((2, 3), np.nan), "bias": np.ones(3)}, "not all finite"),
        ({"kernel": np.array([[{}]]), "bias": np.ones(1)}, "holds no kernel and bias"),
    ],
    ids=["no bias", "widths", "no matrix", "nan", "objects"],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, table: Any, text: str) -> None:
    np.savez(tmp_path / "head.npz", **table)
    with pytest.raises(WeightsError, match=rf"head\.npz is no source head: .*{text}.*np\.savez"):
        source_head("user:tiny", str(tmp_path / "head.npz"), verb="co_tuning")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.npz").write_bytes(b"no archive")
    with pytest.raises(WeightsError, match=r"is no source head: it holds no kernel and bias"):
        source_head("user:tiny", str(tmp_path / "head.npz"), verb="co_tuning")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        *(("ResNet50V2", 2048), ("Xception", 2048), ("InceptionV3", 2048)),
        *(("DenseNet121", 1024), ("NASNetMobile", 1056), ("EfficientNetB0", 1280)),
        *(("EfficientNetV2B0", 1280), ("MobileNetV2", 1280)),
    ],
)
def test_families_whose_top_is_one_linear_layer(
    name: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = backbones.classifier(name, weights=None)
    monkeypatch.setattr(module, "classifier", lambda name, weights: network)
    found = source_head(f"keras:{name}", "imagenet", verb="co_tuning")
    assert found.kernel.shape == (channels, 1000)
    assert found.bias.shape == (1000,)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Small", "ConvNeXtTiny"])
def test_families_whose_top_is_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = backbones.classifier(name, weights=None)
    monkeypatch.setattr(module, "classifier", lambda name, weights: network)
    with pytest.raises(BackboneError, match="more than one linear layer"):
        source_head(f"keras:{name}", "imagenet", verb="co_tuning")
