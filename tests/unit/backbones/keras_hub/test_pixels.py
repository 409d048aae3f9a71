"""Preprocessing as three formats say it, compared with arithmetic by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit._types import INTERPOLATIONS
from transferkit.backbones.keras_hub.pixels import Pixels, read_pixels
from transferkit.backbones.keras_hub.places import place_at
from transferkit.errors import WeightsError

KERAS_HUB = {"registered_name": "keras_hub>ResNetBackbone"}
HUGGING_FACE = {"model_type": "vit"}
MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.5]
PIXELS = np.array([[0.0, 100.0, 255.0]])


def read(folder: Path, config: Any, **files: Any) -> Pixels:
    (folder / "config.json").write_text(json.dumps(config))
    for name, told in files.items():
        (folder / f"{name}.json").write_text(json.dumps(told))
    return read_pixels(place_at(str(folder)))


def same(got: Pixels, wanted: Any) -> None:
    np.testing.assert_allclose(got.rule(PIXELS), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("told", "wanted", "size"),
    [
        ({"scale": 0.5, "offset": -1.0, "image_size": [32, 48]}, PIXELS * 0.5 - 1, (32, 48)),
        ({"scale": [1, 2, 3], "offset": [0, -1, 1]}, PIXELS * [1, 2, 3] + [0, -1, 1], (224, 224)),
        ({"scale": None, "offset": None, "height": 8, "width": 9}, PIXELS, (8, 9)),
        (
            {"scale": 1 / 255, "mean": MEAN, "variance": [0.04, 0.09, 0.16]},
            (PIXELS / 255 - MEAN) / np.sqrt([0.04, 0.09, 0.16]),
            (224, 224),
        ),
    ],
)
def test_an_image_converter_of_keras_hub(
    tmp_path: Path, told: Any, wanted: Any, size: tuple[int, int]
) -> None:
    got = read(tmp_path, KERAS_HUB, image_converter={"config": told})
    same(got, wanted)
    assert got.size == size


@pytest.mark.parametrize(
    ("told", "wanted", "size"),
    [
        (
            {"image_mean": MEAN, "image_std": STD, "size": {"height": 32, "width": 48}},
            (PIXELS / 255 - MEAN) / STD,
            (32, 48),
        ),
        ({"do_normalize": False, "size": 96}, PIXELS / 255, (96, 96)),
        (
            {
                "do_rescale": False,
                "image_mean": MEAN,
                "image_std": STD,
                "size": {"shortest_edge": 9},
            },
            (PIXELS - MEAN) / STD,
            (9, 9),
        ),
        (
            {"rescale_factor": 1 / 127.5, "do_normalize": False, "do_center_crop": True}
            | {"size": 256, "crop_size": {"height": 224, "width": 200}},
            PIXELS / 127.5,
            (224, 200),
        ),
    ],
)
def test_a_preprocessor_of_hugging_face(
    tmp_path: Path, told: Any, wanted: Any, size: tuple[int, int]
) -> None:
    got = read(tmp_path, HUGGING_FACE, preprocessor_config=told)
    same(got, wanted)
    assert got.size == size


def test_what_hugging_face_says_of_a_crop(tmp_path: Path) -> None:
    told = {"do_center_crop": True, "size": {"shortest_edge": 256}, "crop_size": 224, "resample": 3}
    got = read(tmp_path, HUGGING_FACE, preprocessor_config=told)
    assert (got.size, got.crop, got.interpolation) == ((224, 224), 0.875, "bicubic")
    for uncut in ({"size": 96}, {"do_center_crop": True, "size": 64, "crop_size": 96}):
        got = read(tmp_path, HUGGING_FACE, preprocessor_config=uncut)
        assert (got.size, got.crop, got.interpolation) == ((96, 96), 1.0, "bilinear")
    for name in INTERPOLATIONS:
        number = int(Image.Resampling[name.upper()])
        got = read(tmp_path, HUGGING_FACE, preprocessor_config={"resample": number})
        assert got.interpolation == name


@pytest.mark.parametrize("given", [6, -1, "bicubic", [3]])
def test_a_filter_that_pillow_does_not_have_is_refused(tmp_path: Path, given: Any) -> None:
    with pytest.raises(WeightsError, match=r"holds an unknown resample. Expected 0 \(nearest\), 1"):
        read(tmp_path, HUGGING_FACE, preprocessor_config={"resample": given})


def test_a_config_of_timm(tmp_path: Path) -> None:
    told = {"mean": MEAN, "std": STD, "input_size": [3, 32, 48], "crop_pct": 0.95}
    told |= {"interpolation": "bicubic"}
    got = read(tmp_path, {"architecture": "resnet18", "pretrained_cfg": told})
    same(got, (PIXELS / 255 - MEAN) / STD)
    assert (got.size, got.crop, got.interpolation) == ((32, 48), 0.95, "bicubic")


@pytest.mark.parametrize(
    ("config", "file"),
    [
        (KERAS_HUB, "image_converter.json"),
        (HUGGING_FACE, "preprocessor_config.json"),
        ({"architecture": "resnet18"}, "config.json"),
    ],
)
def test_a_preset_that_says_nothing_of_pixels_is_refused(
    tmp_path: Path, config: Any, file: str
) -> None:
    with pytest.raises(WeightsError, match="does not say what happens to pixels") as caught:
        read(tmp_path, config)
    assert f"a {file} that says it" in str(caught.value)
    assert "ImageConverter(scale=1 / 255).save_to_preset(FOLDER)" in str(caught.value)


@pytest.mark.parametrize("given", ["much", [1, 2], [1, None, 2], [[1], 2, 3], True])
def test_numbers_that_are_none_are_refused(tmp_path: Path, given: Any) -> None:
    with pytest.raises(WeightsError, match="holds what is not one number or three"):
        read(tmp_path, KERAS_HUB, image_converter={"config": {"scale": given}})


@pytest.mark.parametrize("given", [[0.1, 0.0, 0.1], -1.0])
def test_a_deviation_has_to_be_positive(tmp_path: Path, given: Any) -> None:
    with pytest.raises(WeightsError, match="a deviation that is not positive"):
        read(tmp_path, HUGGING_FACE, preprocessor_config={"image_std": given})
    told = {"mean": MEAN, "variance": given}
    with pytest.raises(WeightsError, match="a deviation that is not positive"):
        read(tmp_path, KERAS_HUB, image_converter={"config": told})
