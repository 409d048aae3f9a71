"""Where presets lie, and what is said of one that does not: nothing here needs KerasHub."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import transferkit as tk
from transferkit.backbones.keras_hub import making, places, presets
from transferkit.backbones.keras_hub.network import KerasHubNetwork
from transferkit.backbones.keras_hub.places import place_at
from transferkit.errors import (
    BackboneError,
    MissingExtraError,
    UnknownNameError,
    WeightsError,
    WeightsNotFoundError,
)

HANDLE = "kaggle://keras/resnetv1/keras/resnet_50_imagenet/3"
LISTED = {"resnet_50_imagenet": presets.Preset("ResNetBackbone", HANDLE)}


def refuse(*args: Any, **kwargs: Any) -> str:
    raise ConnectionError("no network")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where KerasHub is, and no network."""
    monkeypatch.setattr(places, "is_installed", lambda: True)
    monkeypatch.setattr(places, "listed", lambda: LISTED)
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=refuse))
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=refuse))


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no KerasHub is."""
    monkeypatch.setattr(places, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "keras_hub", None)


@pytest.mark.usefixtures("absent")
def test_without_keras_hub_a_name_is_answered_with_the_line_that_installs_it() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'transferkit\[hub\]'") as caught:
        tk.TransferModel("hub:resnet_50_imagenet")
    assert "hub:resnet_50_imagenet" in str(caught.value)


@pytest.mark.usefixtures("absent")
def test_without_keras_hub_a_folder_is_answered_so_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    place = place_at(str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"pip install 'transferkit\[hub\]'"):
        KerasHubNetwork(place).load(input_shape=(32, 32, 3), weights=None)


@pytest.mark.usefixtures("installed")
def test_a_name_that_is_none_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="is no preset of KerasHub's") as caught:
        tk.TransferModel("hub:resnet_50_imagnet")
    assert "did you mean 'resnet_50_imagenet'" in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_a_folder_without_a_config_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"holds no config\.json"):
        place_at(str(tmp_path))


@pytest.mark.usefixtures("installed")
def test_a_preset_that_cannot_be_downloaded_says_where_its_files_are_and_belong() -> None:
    with pytest.raises(WeightsNotFoundError, match="cannot be downloaded") as caught:
        place_at("resnet_50_imagenet").config()
    assert "https://www.kaggle.com/models/keras/resnetv1/keras/resnet_50_imagenet/3" in str(
        caught.value
    )
    assert "TransferModel('hub:FOLDER')" in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_the_same_holds_for_hugging_face_and_for_a_handle_of_kaggles() -> None:
    with pytest.raises(WeightsNotFoundError, match=r"huggingface\.co/timm/resnet18\.a1_in1k"):
        place_at("hf://timm/resnet18.a1_in1k").config()
    with pytest.raises(WeightsNotFoundError, match=r"kaggle\.com/models/me/net/keras/x"):
        place_at("kaggle://me/net/keras/x").config()


@pytest.mark.usefixtures("installed")
def test_what_lies_in_a_cache_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def cached(handle: str, path: str) -> str:
        asked.append((handle, path))
        return str(tmp_path / path)

    (tmp_path / "config.json").write_text('{"architecture": "x"}')
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=cached))
    assert place_at("resnet_50_imagenet").config() == {"architecture": "x"}
    assert asked == [("keras/resnetv1/keras/resnet_50_imagenet/3", "config.json")]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError, match="cannot be read"):
        place_at(str(tmp_path)).config()


def test_a_config_that_names_foreign_classes_is_refused_before_keras_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = SimpleNamespace(models=SimpleNamespace(Backbone=SimpleNamespace(from_preset=refuse)))
    monkeypatch.setitem(sys.modules, "keras_hub", seen)
    monkeypatch.setattr(making, "listed", dict)
    foreign = {"module": "os", "class_name": "system", "config": "id", "registered_name": None}
    top = {"class_name": "ResNetBackbone", "registered_name": "keras_hub>ResNetBackbone"}
    lambda_layer = {"module": "keras", "class_name": "Lambda", "config": {}}
    for config in (foreign | {"registered_name": "os>system"}, top | {"config": {"x": [foreign]}}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(BackboneError, match="is a system, which is no network of pictures"):
            KerasHubNetwork(place_at(str(tmp_path))).load(input_shape=(32, 32, 3), weights=None)
    (tmp_path / "config.json").write_text(json.dumps(top | {"config": {"x": lambda_layer}}))
    with pytest.raises(BackboneError, match="is a Lambda"):
        KerasHubNetwork(place_at(str(tmp_path))).load(input_shape=(32, 32, 3), weights=None)


def test_names_are_read_from_the_tables_of_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "src" / "models" / "vit" / "vit_presets.py"
    table.parent.mkdir(parents=True)
    table.write_text(
        'raises_if_run = 1 / 0\nbackbone_presets = {"vit_x": {"metadata": {"x": ("a" "b")}, '
        '"kaggle_handle": "kaggle://k/v/keras/vit_x/1"}}\n'
    )
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    assert presets.listed() == {
        "vit_x": presets.Preset("ViTBackbone", "kaggle://k/v/keras/vit_x/1")
    }
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert presets.listed() == {}
    assert not presets.is_installed()
