"""The design's program on real photos and real weights, smaller and shorter than it is meant."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import transferkit as tk
from transferkit import TransferModel

SIDE = 96
CLASSES = {"ants": "ant, emmet, pismire", "bees": "bee"}
"""As ImageNet calls them."""


@pytest.fixture(scope="module")
def photos(assets: Path) -> tk.data.Data:
    return tk.data.from_directory(assets / "hymenoptera", image_size=(SIDE, SIDE), seed=0)


@pytest.mark.slow
def test_ants_and_bees_from_the_folder_to_a_file_that_predicts(
    assets: Path, photos: tk.data.Data, tmp_path: Path
) -> None:
    model = (
        TransferModel(
            "keras:MobileNetV2",
            weights=assets / "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5",
        )
        .augment(tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2))
        .head(tk.heads.classification(dropout=0.2))
        .freeze(tk.freeze.backbone())
    )
    plan = tk.plans.feature_extraction(epochs=3).then(
        tk.plans.fine_tune(epochs=1, unfreeze=tk.select.top_blocks(2), learning_rate=1e-4)
    )
    trained = model.fit(photos, plan, seed=0, verbose=0)
    assert photos.val is not None
    evaluation = trained.evaluate(photos.val)
    accuracy = evaluation.metrics["accuracy"]
    assert accuracy > 0.8, "what the network knows has to come through; a coin gives 0.5"
    assert accuracy == pytest.approx(trained.history.epochs[-1].metrics["val_accuracy"])
    assert "ants" in str(evaluation)

    trained.save(tmp_path / "insects.tkm")
    again = tk.load(tmp_path / "insects.tkm")
    folder = assets / "hymenoptera" / "val" / "bees"
    mine, theirs = trained.predict(folder), again.predict(folder)
    assert mine == theirs
    assert np.mean([prediction.label == "bees" for prediction in mine]) > 0.7
    one = sorted(folder.iterdir())[0]
    assert again.predict(one).label == mine[0].label
    assert again.predict(one).confidence == pytest.approx(mine[0].confidence, abs=1e-5)

    network = model.build(classes=photos.class_names, image_size=SIDE)
    assert network.output_shape == (None, 2)


def test_the_dirt_in_the_real_folder_stands_in_the_report(photos: tk.data.Data) -> None:
    assert photos.report.ignored == {}
    # imageNotFound.gif, a placeholder among the ants: the only palette.
    assert dict(photos.report.kinds) == {"RGB": 397, "palette": 1}
    assert photos.counts() == {
        "train": {"ants": 124, "bees": 121},
        "val": {"ants": 70, "bees": 83},
    }
    assert photos.report.sizes[-1][0] > 400


def test_the_network_with_its_own_top_names_the_cat(assets: Path) -> None:
    names = (assets / "imagenet_class_names.txt").read_text(encoding="utf-8").splitlines()
    weights = assets / "weights/mobilenet_v2_1.0_224_imagenet.weights.h5"
    network = tk.backbones.classifier("keras:MobileNetV2", weights=str(weights))
    pixels = tk.data.decode(assets / "egyptian_cat.jpg", image_size=224)
    assert names[int(np.argmax(network(pixels[None].astype(np.float32))))] == "Egyptian cat"


@pytest.mark.slow
def test_co_tuning_knows_what_imagenet_calls_ants_and_bees(
    assets: Path, photos: tk.data.Data
) -> None:
    model = TransferModel(
        "keras:MobileNetV2", weights=assets / "weights/mobilenet_v2_1.0_224_imagenet.weights.h5"
    )
    plan = tk.plans.fine_tune(
        1, unfreeze=tk.select.top_blocks(1), objectives=tk.objectives.co_tuning()
    )
    trained = model.fit(photos, plan, seed=0, verbose=0)
    (note,) = (each for each in trained.engine_report.phases[0].notes if "co_tuning" in each)
    names = (assets / "imagenet_class_names.txt").read_text().splitlines()
    found = re.findall(r"(\w+) for its class (\d+)", note)
    assert {name: names[int(place)] for name, place in found} == CLASSES
