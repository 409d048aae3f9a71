"""Makes the folder that the examples of the documentation run in.

    python docs/make_workplace.py FOLDER

``flowers/<class>/*.jpg`` and ``unknown.jpg`` are drawn, and ``flowers.csv`` lists the flowers with
a class, several tags, a number and the garden they stand in. ``.keras`` is a ``KERAS_HOME`` with a
MobileNetV2 weight file under the name by which Keras keeps the downloaded one; its numbers are
random. So no example needs a network, none has to be changed, and no accuracy that one prints means
anything.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"daisy": (250, 250, 240), "rose": (200, 20, 60), "sunflower": (250, 190, 0)}
PETALS = {"daisy": 9, "rose": 5, "sunflower": 7}
TAGS = {"daisy": "white small", "rose": "red small", "sunflower": "yellow tall"}
PICTURES_PER_CLASS = 12
GARDENS = 6
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def make_workplace(folder: Path) -> None:
    """Fill a new folder with pictures, and with weights where Keras looks for them."""
    make_pictures(folder)
    make_table(folder)
    make_weights(folder / ".keras" / "models" / WEIGHTS)


def make_pictures(folder: Path) -> None:
    """Draw ``flowers/<class>/*.jpg`` and ``unknown.jpg``; each class has its colour and petals."""
    rng = np.random.default_rng(0)
    for name in COLOURS:
        (folder / "flowers" / name).mkdir(parents=True)
        for number in range(PICTURES_PER_CLASS):
            draw(name, rng).save(folder / "flowers" / name / f"{number:02}.jpg", quality=90)
    draw("sunflower", rng).save(folder / "unknown.jpg", quality=90)


def make_table(folder: Path) -> None:
    """Write ``flowers.csv``, a row for each drawn flower."""
    rng = np.random.default_rng(0)
    with (folder / "flowers.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "tags", "height_cm", "garden"])
        for number, path in enumerate(sorted((folder / "flowers").rglob("*.jpg"))):
            name = path.parent.name
            tags = TAGS[name] + " wet" * int(rng.integers(2))
            height = f"{rng.uniform(5, 40):.1f}"
            garden = f"garden {number % GARDENS}"
            rows.writerow([path.relative_to(folder).as_posix(), name, tags, height, garden])


def draw(name: str, rng: np.random.Generator) -> Image.Image:
    """Draw one flower on a meadow, somewhere near the middle."""
    width, height = (int(side) for side in rng.integers(240, 320, size=2))
    meadow = rng.normal((60, 130, 50), 25, size=(height, width, 3)).clip(0, 255)
    picture = Image.fromarray(meadow.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    x, y = rng.uniform(0.4, 0.6, size=2) * (width, height)
    radius = rng.uniform(25, 40)
    turn = rng.uniform(0, 2 * np.pi)
    for petal in range(PETALS[name]):
        angle = turn + 2 * np.pi * petal / PETALS[name]
        _disc(pen, x + 2 * radius * np.cos(angle), y + 2 * radius * np.sin(angle), radius, name)
    _disc(pen, x, y, radius, None)
    return picture


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, name: str | None) -> None:
    colour = COLOURS[name] if name else (110, 70, 20)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def make_weights(path: Path) -> None:
    """Write random MobileNetV2 weights in the old HDF5 layout of the file that Keras downloads."""
    import keras

    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(224, 224, 3)
    )
    # A random network's features shrink to 1e-12, and no head could learn from them: one pass that
    # sets the BatchNorm statistics brings them to the scale of trained ones.
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    pixels = np.random.default_rng(0).uniform(-1, 1, size=(8, 224, 224, 3)).astype("float32")
    network(pixels, training=True)
    path.parent.mkdir(parents=True)
    network.save(path)


if __name__ == "__main__":
    make_workplace(Path(sys.argv[1]))
