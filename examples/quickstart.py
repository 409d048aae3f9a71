"""Transfer learning in a minute, without a download: ``python examples/quickstart.py``.

A small network learns the handwritten digits 0 to 4 that come with scikit-learn. What it knows is
then transferred to the digits 5 to 9, of which only two examples each have a label. The same
network trained from scratch on those ten pictures stands beside it for comparison. Writes
quickstart-out/.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits

import transferkit as tk
from transferkit import TrainedModel, TransferModel
from transferkit.evaluate import Classification

OUT = Path("quickstart-out")
OLD = ("zero", "one", "two", "three", "four")
NEW = ("five", "six", "seven", "eight", "nine")
LABELLED = 2
DRAWS = 5
EPOCHS = 30


def main() -> None:
    OUT.mkdir(exist_ok=True)
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)

    print(f"1. A network learns the digits 0 to 4 from {np.sum(digits < 5)} pictures", flush=True)
    network = pretrained(images[digits < 5], digits[digits < 5])
    tk.backbones.register("digits", tk.backbones.from_keras(network, preprocessing="unit"))

    print(f"2. It is transferred to the digits 5 to 9 with {LABELLED} pictures each", flush=True)
    print("   draw   transfer   from scratch", flush=True)
    new, labels = images[digits >= 5], digits[digits >= 5] - 5
    scores = []
    for seed in range(DRAWS):
        data = few(new, labels, seed)
        trained = transferred(data, seed)
        scores.append((accuracy(trained, data), accuracy(from_scratch(data, seed), data)))
        print("   {:4}   {:8.1%}   {:12.1%}".format(seed, *scores[-1]), flush=True)
    print("   mean   {:8.1%}   {:12.1%}".format(*np.mean(scores, axis=0)))
    better = sum(transfer > scratch for transfer, scratch in scores)
    print(f"   (of the {len(data.val or ())} pictures that had no label; ", end="")
    print(f"transfer is better in {better} of {DRAWS} draws)", flush=True)

    print("3. The last of them, saved and loaded", flush=True)
    trained.save(OUT / "digits.tkm")
    again = tk.load(OUT / "digits.tkm")
    assert data.val is not None
    picture = data.val.pixels()[0]
    print(f"   saved : {trained.predict(picture)}")
    print(f"   loaded: {again.predict(picture)}", flush=True)

    draw(again, data)
    print(f"4. Learning curves, confusion matrix and predictions: {OUT / 'quickstart.png'}")


def pretrained(images: Any, labels: Any) -> Any:
    """A small convolutional network, trained in plain Keras and cut before its top."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = keras.Input((8, 8, 1))
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(pixels)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    features = layers.Flatten()(x)  # where a stroke lies tells digits apart: the map is kept
    network = keras.Model(pixels, features, name="digits")

    seen = keras.Input((8, 8, 1))
    moved = layers.RandomTranslation(0.13, 0.13, fill_mode="constant")(seen)
    moved = layers.RandomRotation(0.04, fill_mode="constant")(moved)
    top = layers.Dense(len(OLD), activation="softmax")(network(moved))
    classifier = keras.Model(seen, top)
    classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = classifier.fit(images[..., None] / 16, labels, epochs=20, verbose=0)
    print(f"   training accuracy {history.history['accuracy'][-1]:.1%}", flush=True)
    return network


def few(images: Any, labels: Any, seed: int) -> tk.data.Data:
    """Some labelled pictures of each class to train on; all others to measure with."""
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == k][:LABELLED] for k in range(len(NEW))])
    rest = np.setdiff1d(order, chosen)
    return tk.data.from_arrays(
        images[chosen],
        labels[chosen],
        class_names=NEW,
        validation=(images[rest], labels[rest]),
        pixel_range=(0, 16),
    )


def transferred(data: tk.data.Data, seed: int) -> TrainedModel:
    """What the network knows stays as it is; a new head learns to read it."""
    model = TransferModel("user:digits").freeze(tk.freeze.backbone())
    return model.fit(data, tk.plans.feature_extraction(epochs=EPOCHS), seed=seed, verbose=0)


def from_scratch(data: tk.data.Data, seed: int) -> TrainedModel:
    """The same network with random weights, all of them trained."""
    model = TransferModel("user:digits", weights=None)
    return model.fit(data, tk.Phase(epochs=EPOCHS), seed=seed, verbose=0)


def accuracy(trained: TrainedModel, data: tk.data.Data) -> float:
    assert data.val is not None
    return trained.evaluate(data.val).metrics["accuracy"]


def draw(trained: TrainedModel, data: tk.data.Data) -> None:
    """One picture of three figures."""
    assert data.val is not None
    evaluation = trained.evaluate(data.val)
    assert isinstance(evaluation, Classification)
    shown = [trained.history.plot(), evaluation.plot_confusion(), predictions(trained, data.val)]
    parts = [rendered(figure) for figure in shown]
    page = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), "white")
    top = 0
    for part in parts:
        page.paste(part, ((page.width - part.width) // 2, top))
        top += part.height
    page.save(OUT / "quickstart.png")


def predictions(trained: TrainedModel, split: tk.data.Split) -> Figure:
    """The first pictures, with what they are taken for."""
    figure = Figure(figsize=(8.8, 3.4), layout="constrained")
    pixels = split.pixels()[:10]
    cells = figure.subplots(2, 5).flat
    for axes, picture, label, found in zip(
        cells, pixels, split.labels, trained.predict(pixels), strict=False
    ):
        true = trained.class_names[int(label)]
        right = found.label == true
        axes.imshow(picture[..., 0], cmap="gray_r")
        axes.set_axis_off()
        axes.set_title(
            f"{found.label} {found.confidence:.0%}" + ("" if right else f"\nis {true}"),
            color="black" if right else "crimson",
            fontsize=9,
        )
    return figure


def rendered(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer).convert("RGB")


if __name__ == "__main__":
    main()
