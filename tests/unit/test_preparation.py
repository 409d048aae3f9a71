"""Pictures are prepared as a checkpoint was tested, where nobody chose otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit import _keras
from transferkit.data import Crop, decode
from transferkit.data.fitting import fit_of
from transferkit.errors import SpecError
from transferkit.ranking.extracting import Source, loaded
from transferkit.spec import Backbone, BackboneInfo, BackboneNetwork

SIDE = 12
OFF = tk.Engine(precision="float32", prefix="tensorflow", cache=False)
CROP = Crop(0.5, "bicubic")


@dataclass(frozen=True)
class Checkpoint:
    """A network that says how its pictures were cut."""

    inner: BackboneNetwork
    interpolation: Any = "bicubic"

    @property
    def info(self) -> BackboneInfo:
        return replace(
            self.inner.info,
            crop=0.5,
            interpolation=self.interpolation,
            weights=("pretrained", "newer"),
            editions={"newer": {"crop": 0.8}},
        )

    def load(self, *, input_shape: tuple[int, int, int], weights: str | None) -> Backbone:
        known = None if weights is None else "pretrained"
        return self.inner.load(input_shape=input_shape, weights=known)


@pytest.fixture(scope="module")
def network() -> BackboneNetwork:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(pixels)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return tk.backbones.from_keras(keras.Model(pixels, x, name="tiny"), preprocessing="unit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (place / label).mkdir()
        for number in range(10):
            pixels = rng.integers(0, 256 if label == "a" else 253, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / label / f"{number}.png")
    return place


def read(folder: Path, **how: Any) -> tk.data.Data:
    return tk.data.from_directory(folder, val=0.4, verbose=0, **how)


@pytest.mark.parametrize(
    ("how", "weights", "fit"),
    [
        ({}, "pretrained", {"share": 0.5, "interpolation": "bicubic"}),
        ({}, None, {"share": 0.5, "interpolation": "bicubic"}),
        ({}, "newer", {"share": 0.8, "interpolation": "bicubic"}),
        ({"fit": "crop"}, "pretrained", "crop"),
        ({"fit": Crop(0.7)}, "pretrained", {"share": 0.7, "interpolation": "bilinear"}),
        ({"image_size": 14}, "pretrained", "crop"),
        ({"image_size": 14, "fit": "pad"}, "pretrained", "pad"),
    ],
)
def test_who_decides_on_the_fit(
    how: dict[str, Any], weights: Any, fit: Any, folder: Path, network: BackboneNetwork
) -> None:
    model = tk.TransferModel(Checkpoint(network), weights).freeze(tk.freeze.backbone())
    data = read(folder, **how)
    trained = model.fit(data, tk.Phase(1), engine=OFF, verbose=0)
    assert trained.about["fit"] == fit
    assert trained.image_size == ((14, 14) if "image_size" in how else (SIDE, SIDE))


def test_a_model_predicts_and_scores_what_it_was_trained_on(
    folder: Path, network: BackboneNetwork
) -> None:
    data = read(folder)
    model = tk.TransferModel(Checkpoint(network)).freeze(tk.freeze.backbone())
    trained = model.fit(data, tk.Phase(2, learning_rate=0.1), engine=OFF, verbose=0)
    assert data.val is not None
    files: Any = list(data.val.paths)
    pixels = np.stack([decode(file, image_size=SIDE, fit=CROP) for file in files])
    wanted = trained.network.predict_on_batch(pixels)
    whole = np.stack([decode(file, image_size=SIDE) for file in files])
    assert np.abs(wanted - trained.network.predict_on_batch(whole)).max() > 1e-3
    found = [list(each.scores.values()) for each in trained.predict(files)]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trained.evaluate(data.val).outputs, wanted, rtol=1e-4, atol=1e-6)
    prepared = data.prepared_for(model.spec.backbone.info).val  # type: ignore[union-attr]
    assert prepared is not None
    np.testing.assert_array_equal(prepared.pixels(), pixels)
    as_arrays = [list(each.scores.values()) for each in trained.predict(prepared.pixels())]
    np.testing.assert_allclose(as_arrays, wanted, rtol=1e-4, atol=1e-6)


def test_rankings_and_checks_look_at_the_same_pictures(
    folder: Path, network: BackboneNetwork
) -> None:
    data, checkpoint = read(folder), Checkpoint(network)
    assert loaded(Source(checkpoint, "newer"), data.train, seed=0, verb="rank")[1].fit == Crop(
        0.8, "bicubic"
    )
    given = {fit: read(folder, image_size=SIDE, fit=fit) for fit in ("crop", CROP)}
    found = tk.check_transfer(checkpoint, data, engine=OFF, inits=2, verbose=0)
    same, other = (
        tk.check_transfer(checkpoint, each, engine=OFF, inits=2, verbose=0)
        for each in (given[CROP], given["crop"])
    )
    assert found.risk_with == pytest.approx(same.risk_with, rel=1e-6)
    assert found.risk_with != pytest.approx(other.risk_with, rel=1e-3)
    ranked, wanted = (
        tk.rank([checkpoint], each, scores=("ridge",), engine=OFF, verbose=0)["tiny"]
        for each in (data, given[CROP])
    )
    assert ranked.scores["ridge"].value == pytest.approx(wanted.scores["ridge"].value)


def test_a_size_that_was_chosen_keeps_the_whole_picture(folder: Path) -> None:
    info = BackboneInfo("tested", (SIDE, SIDE), crop=0.5, interpolation="bicubic")
    free = read(folder)
    assert (free.fit, free.prepared_for(info).fit) == (None, CROP)
    assert free.resized(8).fit == "crop"
    sized = read(folder, image_size=8)
    assert sized.fit == "crop"
    assert sized.train.prepared_for(info) is sized.train


def test_what_says_nothing_of_a_crop_is_prepared_as_before() -> None:
    infos = [tk.backbones.info(name) for name in tk.backbones.names("keras:*")]
    assert {fit_of(info.with_weights("imagenet")) for info in infos} == {"crop"}


def test_a_backbone_that_says_what_cannot_be_is_refused(
    folder: Path, network: BackboneNetwork
) -> None:
    model = tk.TransferModel(Checkpoint(network, "cubic"))
    with pytest.raises(SpecError, match="Crop: the interpolation is unknown"):
        model.fit(read(folder), tk.Phase(1), verbose=0)
