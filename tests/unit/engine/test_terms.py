"""Terms beside the head's loss: what they see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras

keras, tf = _keras.keras(), _keras.tf()
SIDE, COUNT = 16, 16
PLAIN = tk.Engine(precision="float32", prefix="tensorflow")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Size:
    """The mean square of the embedding."""

    weight: float

    def __call__(self, seen: Any) -> Any:
        assert seen.logits.shape[1] == 2
        assert seen.targets.shape[1] == 2
        return self.weight * tf.reduce_mean(tf.square(seen.embedding))

    def to_config(self) -> dict[str, Any]:
        return {"objective": "size", "weight": self.weight}


@pytest.fixture(scope="module")
def backbone() -> Any:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(24, 3, activation="relu", name="first_conv")(pixels)
    x = keras.layers.Conv2D(24, 3, activation="relu", name="first_other")(x)
    x = keras.layers.MaxPooling2D(4, name="first_pool")(x)
    x = keras.layers.Conv2D(6, 3, name="second_conv")(x)
    network = keras.Model(pixels, x)
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    pixels = np.random.default_rng(0).integers(0, 255, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    return tk.data.from_arrays(pixels, np.arange(COUNT) % 2, val=0)


def kernel_behind(backbone: Any, photos: Any, freeze: Any, **more: Any) -> tuple[Array, Any]:
    """The last convolution behind one whole-batch step of SGD."""
    phase = tk.Phase(1, freeze, "sgd", 0.1, batch_size=COUNT, **more)
    model = tk.TransferModel(backbone).head(tk.heads.classification(dropout=0.3))
    trained = model.fit(photos, phase, engine=PLAIN, verbose=0)
    return trained.network.get_layer("second_conv").kernel.numpy(), trained


def by_hand(backbone: Any, photos: Any, weight: float) -> Array:
    """A step of the term alone: the head is zero, so that its loss pulls at nothing."""
    network = tk.TransferModel(backbone).build(classes=2, image_size=SIDE)
    conv, read = network.get_layer("second_conv"), network.get_layer("head_logits").input
    embed = keras.Model(network.input, read)
    with tf.GradientTape() as tape:
        vectors = embed(photos.train.pixels()[np.arange(COUNT)].astype(np.float32))
        value = weight * tf.reduce_mean(tf.square(vectors))
    return np.asarray(conv.kernel.numpy() - 0.1 * tape.gradient(value, conv.kernel.value).numpy())


@pytest.mark.parametrize(
    "freeze", [tk.freeze.nothing(), tk.freeze.all_but(tk.select.top_blocks(1))], ids=repr
)
def test_a_term_of_ones_own_sees_the_embedding_before_dropout(
    backbone: Any, photos: tk.data.Data, freeze: Any
) -> None:
    plain, _ = kernel_behind(backbone, photos, freeze)
    found, _ = kernel_behind(backbone, photos, freeze, objectives=Size(0.7))
    expected = by_hand(backbone, photos, 0.7)
    assert np.abs(found - plain).max() > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_cached_embedding_is_seen_too(backbone: Any, photos: tk.data.Data) -> None:
    frozen = tk.freeze.backbone()
    plain, _ = kernel_behind(backbone, photos, frozen)
    found, trained = kernel_behind(backbone, photos, frozen, objectives=Size(0.7))
    assert trained.engine_report.phases[0].cut == ("head_average",)
    np.testing.assert_array_equal(plain, found)


def test_l2_sp_and_bss_train_together(backbone: Any, photos: tk.data.Data) -> None:
    thawed = tk.freeze.nothing()
    start = tk.TransferModel(backbone).build(classes=2, image_size=SIDE)
    begun = start.get_layer("second_conv").kernel.numpy()
    shrunk, _ = kernel_behind(backbone, photos, thawed, objectives=tk.objectives.bss(50.0, k=4))
    both = [tk.objectives.bss(50.0, k=4), tk.objectives.l2_sp(8.0)]
    drawn, trained = kernel_behind(backbone, photos, thawed, objectives=both)
    # One step, then the pull: 1 - rate * alpha of the way is left.
    np.testing.assert_allclose(drawn - begun, 0.2 * (shrunk - begun), atol=1e-6)
    assert np.abs(shrunk - begun).max() > 1e-4
    assert trained.plan.phases[0].objectives == tuple(both)
