"""Journeys that begin with a CSV file: many labels, a number, one label of several subjects."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit import _keras
from transferkit.evaluate import classes, labels, values

SIDE, COUNT = 16, 60
RED = np.arange(COUNT) % 2
BLUE = np.arange(COUNT) // 2 % 2
LEVEL = np.arange(COUNT) % 8 / 8 + 0.0625


@pytest.fixture(scope="module")
def model() -> tk.TransferModel:
    """A convolution that lets each channel through: means of colours are its features."""
    keras = _keras.keras()
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(3, 1, name="stem_conv", use_bias=False)(pixels)
    network = keras.Model(pixels, x, name="colours")
    network.get_layer("stem_conv").set_weights([np.eye(3)[None, None]])
    return tk.TransferModel(tk.backbones.from_keras(network, preprocessing="unit"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures: red or not, blue or not, of some level of green."""
    root = tmp_path_factory.mktemp("scenes")
    (root / "pictures").mkdir()
    for i in range(COUNT):
        colour = (200 * int(RED[i]) + i % 50, int(255 * LEVEL[i]), 200 * int(BLUE[i]))
        Image.new("RGB", (SIDE, SIDE + i % 3), colour).save(root / "pictures" / f"{i}.png")
    return root


def table(folder: Path, name: str, header: str, rows: Sequence[Sequence[Any]]) -> Path:
    """A CSV file beside the pictures, a row for each."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *header.split()])
        writer.writerows([f"pictures/{i}.png", *row] for i, row in enumerate(rows))
    return path


def plan(epochs: int, rate: float) -> tk.Phase:
    return tk.Phase(epochs, learning_rate=rate, batch_size=16)


def again(trained: Any, path: Path) -> Any:
    trained.save(path)
    return tk.load(path)


def number(path: str | Path) -> int:
    return int(Path(path).stem)


def test_a_csv_of_many_labels_becomes_a_model(
    model: tk.TransferModel, folder: Path, tmp_path: Path
) -> None:
    rows = [
        [" ".join(n for n, on in (("red", RED[i]), ("blue", BLUE[i])) if on)] for i in range(COUNT)
    ]
    path = table(folder, "labels.csv", "tags", rows)
    scenes = tk.data.from_dataframe(
        path, image="file", label="tags", label_separator=" ", empty="none", val=0.25, test=0.2
    )
    assert (scenes.task, scenes.class_names) == ("labels", ("blue", "red"))
    assert {name: len(split) for name, split in scenes.splits.items()} == {
        "train": 33,
        "val": 15,
        "test": 12,
    }
    trained = model.fit(scenes, plan(30, 0.1), verbose=0)
    assert scenes.test is not None
    result = trained.evaluate(scenes.test)
    assert isinstance(result, labels.Multilabel)
    assert result.accuracy == 1
    assert result.worst() == ()
    assert "blue" in str(result)
    found = trained.predict(folder / "pictures" / "3.png")
    assert found.labels == ("blue", "red")
    assert trained.predict(folder / "pictures" / "4.png").labels == ()
    loaded = again(trained, tmp_path / "labels.tkm")
    assert loaded.class_names == scenes.class_names
    assert loaded.predict(folder / "pictures") == trained.predict(folder / "pictures")
    for split in (scenes.test, scenes.resized(8).test):
        assert loaded.evaluate(split).metrics == result.metrics


def test_a_csv_of_a_number_becomes_a_model(
    model: tk.TransferModel, folder: Path, tmp_path: Path
) -> None:
    path = table(folder, "numbers.csv", "green other", [[LEVEL[i], 2] for i in range(COUNT)])
    levels = tk.data.from_dataframe(path, image="file", label="green", val=0.25)
    assert (levels.task, levels.class_names) == ("values", ())
    trained = model.fit(levels, plan(60, 0.1), verbose=0)
    assert levels.val is not None
    result = trained.evaluate(levels.val)
    assert isinstance(result, values.Regression)
    truths = np.asarray([LEVEL[number(p)] for p in levels.val.paths if p])
    np.testing.assert_allclose(result.truths[:, 0], truths)
    assert result.metrics["mae"] < 0.1
    guess = trained.predict(folder / "pictures" / "7.png").value
    assert guess == pytest.approx(LEVEL[7], abs=0.25)
    loaded = again(trained, tmp_path / "numbers.tkm")
    assert loaded.predict(folder / "pictures") == trained.predict(folder / "pictures")
    assert loaded.evaluate(levels.val).metrics == result.metrics
    both = tk.data.from_dataframe(path, image="file", label=["green", "other"])
    pair = model.fit(both, plan(1, 0.1), verbose=0).predict(folder / "pictures" / "7.png")
    assert len(pair.values) == 2


def test_a_csv_of_subjects_is_trained_on_in_folds(model: tk.TransferModel, folder: Path) -> None:
    rows = [["red" if RED[i] else "plain", f"subject {i // 6}"] for i in range(COUNT)]
    path = table(folder, "classes.csv", "kind who", rows)
    photos = tk.data.from_dataframe(
        path, image="file", label="kind", group="who", val=0, test=0.2, seed=1
    )
    assert photos.test is not None
    held = {number(p) // 6 for p in photos.test.paths if p}
    assert len(held) == 2
    seen: list[int] = []
    for fold in photos.folds(2):
        assert fold.val is not None
        trained = model.fit(fold, plan(10, 0.1), verbose=0)
        result = trained.evaluate(fold.val)
        assert isinstance(result, classes.Classification)
        assert result.accuracy > 0.9
        owners = [{number(p) // 6 for p in split.paths if p} for split in fold.splits.values()]
        assert sum(map(len, owners)) == 10, "a subject is on two sides"
        seen += [number(p) for p in fold.val.paths if p]
    assert sorted(seen) == [i for i in range(COUNT) if i // 6 not in held]
    few = photos.few(5)
    assert few.counts()["train"] == {"plain": 5, "red": 5}
    assert model.fit(few, plan(20, 0.1), verbose=0).evaluate(photos.test).metrics["accuracy"] > 0.7
