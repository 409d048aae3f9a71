"""Figures on real pictures: ants and bees, MobileNetV2, on the machine that runs them.

``nox -s accuracy`` prints them. Timings are printed and never asserted.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import TrainedModel, TransferModel, _keras

pytestmark = pytest.mark.accuracy

SEEDS = (0, 1, 2)
EPOCHS = 10
AT_LEAST = 0.935
BACKBONE = "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"


def weights(assets: Path) -> Path:
    return found(assets / BACKBONE)


def found(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no {path.name} in the assets")
    return path


def design_model(assets: Path) -> TransferModel:
    return (
        TransferModel("keras:MobileNetV2", weights=weights(assets))
        .augment(tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2))
        .head(tk.heads.classification(dropout=0.2))
        .freeze(tk.freeze.backbone())
    )


def val_accuracy(trained: TrainedModel, phase: str) -> float:
    """After the last epoch of a phase, as the history has it."""
    records = [record for record in trained.history if record.phase_name == phase]
    return records[-1].metrics["val_accuracy"]


def test_the_design_program_reaches_its_accuracy_after_each_phase(assets: Path) -> None:
    model = design_model(assets)
    plan = tk.plans.feature_extraction(epochs=EPOCHS).then(
        tk.plans.fine_tune(epochs=EPOCHS, unfreeze=tk.select.top_blocks(2), learning_rate=1e-4)
    )
    scores: dict[str, list[float]] = {phase.name: [] for phase in plan}
    for seed in SEEDS:
        photos = tk.data.from_directory(
            found(assets / "hymenoptera"), image_size=(224, 224), seed=seed
        )
        began = time.perf_counter()
        trained = model.fit(photos, plan, seed=seed, verbose=0)
        seconds = time.perf_counter() - began
        for name, values in scores.items():
            values.append(val_accuracy(trained, name))
        shown = ", ".join(f"{name} {values[-1]:.4f}" for name, values in scores.items())
        print(f"\nseed {seed}: {shown} ({seconds:.0f} s)", flush=True)
    for name, values in scores.items():
        print(f"{name}: mean {statistics.mean(values):.4f}, of {[round(v, 4) for v in values]}")
    for name, values in scores.items():
        assert statistics.mean(values) >= AT_LEAST, (name, values)


def test_the_short_way_without_a_plan(assets: Path) -> None:
    """Alpha is chosen on a fifth of the training pictures: the test pictures choose nothing."""
    folder = found(assets / "hymenoptera")
    test = tk.data.from_directory(folder, image_size=(224, 224), seed=0).splits["val"]
    photos = tk.data.from_directory(folder / "train", image_size=(224, 224), val=0.2, seed=0)
    began = time.perf_counter()
    trained = TransferModel("keras:MobileNetV2", weights=weights(assets)).fit(photos, verbose=0)
    seconds = time.perf_counter() - began
    evaluation: Any = trained.evaluate(test)
    print(f"\nfit(photos): {evaluation.accuracy:.4f} in {seconds:.0f} s")
    for phase in trained.engine_report.phases:
        print(f"{phase.phase}: {'; '.join(phase.notes)}")
    assert evaluation.accuracy >= AT_LEAST


def test_an_epoch_beside_one_of_keras_fit(assets: Path) -> None:
    photos = tk.data.from_directory(found(assets / "hymenoptera"), image_size=96, seed=0)
    model = TransferModel("keras:MobileNetV2", weights=weights(assets)).freeze(tk.freeze.backbone())

    ours = model.fit(photos, tk.plans.feature_extraction(epochs=5), seed=0, verbose=0)
    our_seconds = [record.seconds for record in ours.history]

    network = keras_twin(model, photos)
    clock = epoch_clock()
    network.fit(
        *material(photos.train),
        validation_data=material(photos.val),
        batch_size=32,
        epochs=5,
        verbose=0,
        callbacks=[clock],
    )
    # The first epoch of either compiles the step.
    mine, theirs = statistics.median(our_seconds[1:]), statistics.median(clock.seconds[1:])
    print(f"\nfirst epoch: transferkit {our_seconds[0]:.2f} s, Keras fit {clock.seconds[0]:.2f} s")
    print(f"later epochs: transferkit {mine:.2f} s, Keras fit {theirs:.2f} s")
    print(f"Keras fit / transferkit: {theirs / mine:.2f}")
    assert len(our_seconds) == len(clock.seconds) == 5


def keras_twin(model: TransferModel, photos: tk.data.Data) -> Any:
    """The same network, frozen the same way, compiled by Keras' own means."""
    network = model.build(classes=photos.class_names, image_size=96)
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    head = 1280 * len(photos.class_names) + len(photos.class_names)
    assert trainable == head, "both must train the head alone"
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def material(split: tk.data.Split | None) -> tuple[Any, Any]:
    assert split is not None
    return np.asarray(split.pixels()), split.labels


def epoch_clock() -> Any:
    """A callback that keeps how long each epoch took, validation included."""

    class EpochClock(_keras.keras().callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    return EpochClock()


def test_the_network_with_its_own_top_names_the_cat(assets: Path) -> None:
    names = found(assets / "imagenet_class_names.txt").read_text(encoding="utf-8").splitlines()
    top = found(assets / "weights/mobilenet_v2_1.0_224_imagenet.weights.h5")
    network = tk.backbones.classifier("keras:MobileNetV2", weights=str(top))
    pixels = tk.data.decode(found(assets / "egyptian_cat.jpg"), image_size=(224, 224))
    scores = network.predict(pixels[None], verbose=0)[0]
    best = np.argsort(-scores)[:5]
    print("\n" + ", ".join(f"{names[place]} {scores[place]:.3f}" for place in best))
    assert len(names) == len(scores) == 1000
    assert names[best[0]] == "Egyptian cat"


def test_the_loaded_model_predicts_what_the_saved_one_did(assets: Path, tmp_path: Path) -> None:
    folder = found(assets / "hymenoptera")
    photos = tk.data.from_directory(folder, image_size=(224, 224), seed=0)
    trained = design_model(assets).fit(
        photos, tk.plans.feature_extraction(epochs=1), seed=0, verbose=0
    )
    trained.save(tmp_path / "insects.tkm")
    again = tk.load(tmp_path / "insects.tkm")
    pixels = np.asarray(photos.val.pixels()) if photos.val is not None else np.empty(0)
    before = trained.network.predict(pixels, verbose=0)
    after = again.network.predict(pixels, verbose=0)
    print(f"\nlargest difference over {len(pixels)} pictures: {np.abs(before - after).max():.1e}")
    assert len(before) == len(pixels) > 0
    np.testing.assert_array_equal(before, after)
    bees = sorted((folder / "val" / "bees").glob("*.jpg"))[:8]
    assert trained.predict(bees) == again.predict(bees)
