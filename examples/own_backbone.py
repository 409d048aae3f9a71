"""A Keras network of your own as the backbone: ``python examples/own_backbone.py``.

A small network with BatchNormalization learns, in plain Keras, to tell five drawn shapes apart. Cut
before its top and given a name, it is a backbone like any other: its blocks can be selected, its
weights are copied at every use, and what is trained on it is saved whole. Here it is transferred to
shapes on striped ground, which it has never seen, with four labelled pictures of each.

Expected, in a minute or two: the table of its four blocks; an accuracy of about 0.9 on 300 new
pictures with the backbone frozen, beside about 0.3 for the same network from random weights; and
the saved file, opened by a process that knows nothing of the network, predicts the same. Writes
own-backbone-out/.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import drawn
import keras

import transferkit as tk
from transferkit import TrainedModel, TransferModel

OUT = Path("own-backbone-out")
SIDE = 32
LABELLED = 4
HEAD = tk.heads.classification(pooling="max")  # as the network was trained


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the example; returns the two accuracies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--pictures",
        type=int,
        default=1200,
        help="how many pictures of each shape, on rough ground, the network learns from "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=40,
        help="how many epochs it then trains for on striped ground (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    OUT.mkdir(exist_ok=True)

    print("1. Plain Keras learns shapes on rough ground", flush=True)
    register(taught(pictures=options.pictures))

    print("2. Without its top it is a backbone called user:shapes", flush=True)
    print(tk.backbones.load("user:shapes").table)

    print(f"3. Striped ground, {LABELLED} pictures of each shape", flush=True)
    data = striped(LABELLED)
    model = TransferModel("user:shapes").head(HEAD).freeze(tk.freeze.backbone())
    trained = model.fit(data, tk.Phase(options.epochs, learning_rate=1e-2, batch_size=8), verbose=0)
    scratch = TransferModel("user:shapes", weights=None).head(HEAD)
    untaught = scratch.fit(data, tk.Phase(options.epochs, batch_size=8), verbose=0)
    scores = {"transfer": accuracy(trained, data), "from scratch": accuracy(untaught, data)}
    for name, score in scores.items():
        print(f"   {name:14}{score:.3f}", flush=True)

    print("4. Saved, and loaded where nobody has registered anything", flush=True)
    trained.save(OUT / "shapes.tkm")
    picture = drawn.folder(OUT / "pictures", ["star"], 1, seed=9, side=SIDE) / "star" / "000.png"
    print(f"   here      {trained.predict(picture)}")
    print(f"   elsewhere {predicted_elsewhere(OUT / 'shapes.tkm', picture)}")
    return scores


def taught(*, pictures: int, epochs: int = 6) -> Any:
    """A classifier of shapes at 32 x 32, trained with nothing but Keras."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    pixels = x = keras.Input((SIDE, SIDE, 3), name="pixels_0_to_1")
    for block, width in enumerate((16, 32, 48, 64)):
        stride = 1 if block == 0 else 2
        x = layers.Conv2D(width, 3, strides=stride, padding="same", name=f"unit{block}_conv")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"unit{block}_norm")(x)
        x = layers.ReLU(name=f"unit{block}_relu")(x)
    features = layers.GlobalMaxPooling2D(name="pool")(x)
    outputs = layers.Dense(len(drawn.KINDS), activation="softmax", name="top")(features)
    classifier = keras.Model(pixels, outputs, name="shapes")
    images, labels = drawn.batch(drawn.KINDS, pictures, seed=1, side=SIDE)
    classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = classifier.fit(images / 255.0, labels, epochs=epochs, verbose=0)
    print(f"   training accuracy {history.history['accuracy'][-1]:.3f}", flush=True)
    return classifier


def register(classifier: Any) -> None:
    """Give the part before the top a name; `blocks` says which layers belong together."""
    body = keras.Model(classifier.input, classifier.get_layer("unit3_relu").output, name="shapes")
    network = tk.backbones.from_keras(body, preprocessing="unit", blocks=r"(unit\d)_")
    tk.backbones.register("shapes", network, replace=True)


def striped(labelled: int, seed: int = 2) -> tk.data.Data:
    """A few pictures of each shape on striped ground to learn from, and 300 to measure with."""
    images, labels = drawn.batch(drawn.KINDS, labelled, seed, SIDE, striped=True)
    return tk.data.from_arrays(
        images,
        labels,
        class_names=drawn.KINDS,
        validation=drawn.batch(drawn.KINDS, 60, 1000, SIDE, striped=True),
    )


def accuracy(trained: TrainedModel, data: tk.data.Data) -> float:
    """On the pictures that had no label."""
    assert data.val is not None
    return trained.evaluate(data.val).metrics["accuracy"]


def predicted_elsewhere(bundle: Path, picture: Path) -> str:
    """What another process makes of the saved file."""
    program = f"import transferkit as tk; print(tk.load({str(bundle)!r}).predict({str(picture)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


if __name__ == "__main__":
    main()
