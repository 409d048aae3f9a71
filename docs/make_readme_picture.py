"""Draws the picture of the README: what its program gives on the ants and bees.

    python docs/make_readme_picture.py ASSETS

`ASSETS` is the folder with ``hymenoptera/`` and ``weights/``. Writes docs/images/readme.png, which
has the learning curves of both phases and the confusion matrix, and none of the photos.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from matplotlib.figure import Figure
from PIL import Image

import transferkit as tk
from transferkit import TransferModel
from transferkit.evaluate import Classification

OUT = Path(__file__).parent / "images" / "readme.png"
WEIGHTS = "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"
HEIGHT = 300


def main(assets: Path) -> None:
    """Run the program of the README on the photos and draw what came of it."""
    photos = tk.data.from_directory(assets / "hymenoptera", image_size=(224, 224), seed=0)
    model = (
        TransferModel("keras:MobileNetV2", weights=str(assets / WEIGHTS))
        .augment(tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2))
        .head(tk.heads.classification(dropout=0.2))
        .freeze(tk.freeze.backbone())
    )
    plan = tk.plans.feature_extraction(epochs=10).then(
        tk.plans.fine_tune(epochs=10, unfreeze=tk.select.top_blocks(2), learning_rate=1e-4)
    )
    trained = model.fit(photos, plan, seed=0, verbose=2)
    assert photos.val is not None
    evaluation = trained.evaluate(photos.val)
    assert isinstance(evaluation, Classification)
    print(evaluation)
    page = beside(rendered(trained.history.plot()), rendered(evaluation.plot_confusion()))
    OUT.parent.mkdir(exist_ok=True)
    page.quantize(64).save(OUT, optimize=True)
    print(f"{OUT.name}: {page.size}, {OUT.stat().st_size:,} bytes")


def rendered(figure: Figure) -> Image.Image:
    """A figure as a picture of one height."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    picture = Image.open(buffer).convert("RGB")
    return picture.resize(
        (picture.width * HEIGHT // picture.height, HEIGHT), Image.Resampling.LANCZOS
    )


def beside(*parts: Image.Image) -> Image.Image:
    """Pictures from left to right."""
    page = Image.new("RGB", (sum(part.width for part in parts), HEIGHT), "white")
    left = 0
    for part in parts:
        page.paste(part, (left, 0))
        left += part.width
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]))
