"""The same weights from Keras, as a SavedModel of TensorFlow Hub's and as PyTorch's state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mobile_net_twins import as_hub_module, as_timm_folder

import transferkit as tk
from transferkit import TransferModel, _keras

pytestmark = pytest.mark.slow

keras = _keras.keras()
SIDE = 97
"""32 k + 1, so that Keras and PyTorch pad alike; see `mobile_net_twins`."""
ENGINE = tk.Engine(precision="float32", prefix="tensorflow")
PLAN = tk.plans.feature_extraction(epochs=20, learning_rate=1e-3).then(
    tk.plans.fine_tune(epochs=1, freeze=tk.freeze.nothing(), learning_rate=1e-5, batch_size=16)
)


@pytest.fixture(scope="module")
def models(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TransferModel]:
    file = assets / "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"
    network = keras.applications.MobileNetV2(
        input_shape=(SIDE, SIDE, 3), include_top=False, weights=None
    )
    network.load_weights(file)
    place = tmp_path_factory.mktemp("published")
    hub, timm = as_hub_module(network, place / "hub"), as_timm_folder(network, place / "timm")
    return {
        "keras": TransferModel("keras:MobileNetV2", weights=file),
        "tfhub": TransferModel(f"tfhub:{hub}", trust=True),
        "torch": TransferModel(f"torch:{timm}"),
    }


@pytest.fixture(scope="module")
def photos(assets: Path) -> tk.data.Data:
    whole = tk.data.from_directory(assets / "hymenoptera", image_size=(SIDE, SIDE), seed=0)
    return whole.few(20, seed=0)


def embedding(model: TransferModel, pixels: Any) -> Any:
    """The vectors that a head is put on (pictures, channels)."""
    network = model.build(classes=2, image_size=SIDE)
    pooled = network.get_layer("head_logits").input
    return keras.Model(network.input, pooled)(pixels.astype(np.float32)).numpy()


def test_the_same_photos_have_the_same_features(
    models: dict[str, TransferModel], photos: tk.data.Data
) -> None:
    pixels = photos.train.pixels()[np.arange(16)]
    mine = embedding(models["keras"], pixels)
    assert mine.shape == (16, 1280)
    assert mine.std() > 0.3, "features that tell pictures apart"
    for source in ("tfhub", "torch"):
        np.testing.assert_allclose(embedding(models[source], pixels), mine, atol=1e-4)


def test_the_same_plan_gives_the_same_accuracy(
    models: dict[str, TransferModel], photos: tk.data.Data
) -> None:
    assert photos.val is not None
    found = {}
    for source, model in models.items():
        trained = model.fit(photos, PLAN, seed=0, engine=ENGINE, verbose=0)
        found[source] = trained.evaluate(photos.val).metrics
    accuracy = found["keras"]["accuracy"]
    assert accuracy > 0.7, "what the network knows has to come through; a coin gives 0.5"
    one_picture = 1.001 / len(photos.val)  # which may stand on the edge
    for source in ("tfhub", "torch"):
        assert found[source]["accuracy"] == pytest.approx(accuracy, abs=one_picture)
        assert found[source]["loss"] == pytest.approx(found["keras"]["loss"], rel=1e-3)
