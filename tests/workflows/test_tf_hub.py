"""A SavedModel from a folder to a file that predicts without it."""

from __future__ import annotations

import gc
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_models import features_by_hand, numbers, save_hub

import transferkit as tk
from transferkit import bundle
from transferkit.errors import BackboneError, DamagedBundleError, SpecError, UnsafeBundleError

SIDE = 32
ENGINE = tk.Engine(precision="float32", prefix="tensorflow")
PLAN = tk.plans.feature_extraction(epochs=3, learning_rate=0.1).then(
    tk.plans.fine_tune(epochs=6, unfreeze=tk.select.where("^block_2"), learning_rate=0.02)
)


def photos() -> Any:
    """Dark pictures and bright ones."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    pixels = rng.integers(0, 80, (24, SIDE, SIDE, 3)) + 150 * labels[:, None, None, None]
    return tk.data.from_arrays(pixels.astype(np.uint8), labels.tolist(), val=0.25, seed=0)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The data, the model that was trained, and its file; the SavedModel is gone."""
    place = tmp_path_factory.mktemp("journey")
    save_hub(place / "hub", size=SIDE)
    data = photos()
    model = tk.TransferModel(f"tfhub:{place / 'hub'}", trust=True)
    trained = model.fit(data, PLAN, seed=0, engine=ENGINE, verbose=0)
    trained.save(place / "model.tkm")
    shutil.rmtree(place / "hub")
    return data, trained, place / "model.tkm"


def test_features_are_cached_while_it_is_frozen_and_equal_the_direct_way(journey: Any) -> None:
    data, trained, _ = journey
    first, second = trained.engine_report.phases
    assert first.cut == ("saved_model",)
    assert second.cut == ()
    pixels = data.train.pixels()[np.arange(4)].astype(np.float32)
    body = trained.network.get_layer("saved_model")
    w = {**numbers(), **dict(zip(numbers(), map(np.asarray, body.weights), strict=True))}
    np.testing.assert_allclose(
        body(pixels / 255), features_by_hand(pixels, w), rtol=1e-4, atol=1e-4
    )


def test_fine_tuning_lowers_the_loss_and_moves_what_is_thawed(journey: Any) -> None:
    _, trained, _ = journey
    losses = trained.history.metrics["loss"]
    assert losses[-1] < min(losses[0], losses[3]), "lower than at both phases' beginnings"
    after = trained.network.get_layer("saved_model").get_weights()
    moved = {
        name
        for (name, before), now in zip(numbers().items(), after, strict=True)
        if not np.array_equal(before, now)
    }
    assert moved == {"block_2/dense/kernel", "block_2/dense/bias"}


def test_the_file_is_whole_and_runs_only_if_it_is_trusted(journey: Any) -> None:
    data, trained, file = journey
    with pytest.raises(UnsafeBundleError) as caught:
        tk.load(file)
    assert str(caught.value) == (
        f"load: {str(file)!r} holds a SavedModel, which is a program, and it runs only if you say "
        "that you trust whoever made the file. Expected trust=True. Received: trust=False. "
        f"tk.load({str(file)!r}, trust=True)"
    )
    again = tk.load(file, trust=True)
    assert np.array_equal(chances(again, data), chances(trained, data))
    copied = file.with_name("again.tkm")
    again.save(copied)
    assert copied.read_bytes() == file.read_bytes()
    on = again.fit(data, tk.Phase(1, freeze=tk.freeze.backbone()), engine=ENGINE, verbose=0)
    assert len(on.history.metrics["loss"]) == len(trained.history.metrics["loss"]) + 1


def test_what_was_unpacked_goes_with_the_model(journey: Any) -> None:
    _, _, file = journey
    again = tk.load(file, trust=True)
    layer = again.network.get_layer("saved_model")
    folder = layer.program.folder
    assert (folder / "saved_model.pb").is_file()
    with zipfile.ZipFile(file) as archive:
        inside = [name for name in archive.namelist() if name.startswith("programs/")]
    assert len(inside) == len(layer.program.files)
    del again, layer
    gc.collect()
    assert not folder.exists()


def test_a_program_under_another_digest_is_damage(journey: Any, tmp_path: Path) -> None:
    _, _, file = journey
    again = tk.load(file, trust=True)
    files = again.network.get_layer("saved_model").program.paths()
    bundle.write(tmp_path / "model.tkm", again.network, {}, programs={"0" * 64: files})
    with pytest.raises(DamagedBundleError, match="a program in it is not what its digest says"):
        tk.load(tmp_path / "model.tkm", trust=True)


def test_a_model_whose_folder_is_gone_cannot_be_saved_again(journey: Any, tmp_path: Path) -> None:
    _, trained, _ = journey
    with pytest.raises(BackboneError, match="A model that was saved before holds it inside"):
        trained.save(tmp_path / "model.tkm")
    assert list(tmp_path.iterdir()) == []


def test_its_norms_cannot_be_calibrated_for_a_random_control(journey: Any) -> None:
    data, _, file = journey
    with pytest.raises(SpecError) as caught:
        tk.load(file, trust=True).check_transfer(data, verbose=0)
    assert str(caught.value) == (
        "check_transfer: the normalisation of a SavedModel cannot be calibrated for random "
        "weights, and a network that is not says nothing. Expected a backbone of keras:, or one of "
        "your own in Keras. Received: layers=['block_1.norm']. tk.rank([...], photos) compares "
        "sources with each other."
    )


def chances(model: Any, data: Any) -> Any:
    pixels = data.val.pixels()[np.arange(len(data.val))].astype(np.float32)
    return np.asarray(model.network(pixels, training=False))
