"""Several labels for a picture, from a CSV file: ``python examples/multilabel_csv.py``.

Pictures with one to three shapes are drawn, and a CSV file says which ones are in each:

    path,shapes
    pictures/000.png,circle;star
    pictures/001.png,cross

``tk.data.from_dataframe`` reads it, and the head that fits such labels gives a probability for each
of them. The backbone is the network of own_backbone.py, which has only seen one shape at a time.

Expected, in a minute: the scores of each label on 120 pictures, with a macro F1 of about 0.9; a
prediction; a figure of some pictures. Writes multilabel-out/.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import drawn
import numpy as np
import own_backbone

import transferkit as tk
from transferkit import TransferModel

OUT = Path("multilabel-out")


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the example; returns the scores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--pictures",
        type=int,
        default=400,
        help="how many pictures with several labels are drawn (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=20,
        help="how many epochs each phase trains for (default: %(default)s)",
    )
    parser.add_argument(
        "--taught",
        type=int,
        default=1200,
        help="how many pictures of each shape the small network of own_backbone.py learns from "
        "before it is transferred (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    own_backbone.register(own_backbone.taught(pictures=options.taught))

    table = written(options.pictures)
    photos = tk.data.from_dataframe(
        table, image="path", label="shapes", label_separator=";", image_size=64, val=0.3, seed=0
    )
    print(photos)
    photos.show(n=12).savefig(OUT / "pictures.png", dpi=110)

    head = tk.heads.multilabel(pooling="max", threshold=0.5)
    plan = tk.plans.feature_extraction(options.epochs, learning_rate=1e-2).then(
        tk.plans.fine_tune(options.epochs, unfreeze=tk.select.top_blocks(2), learning_rate=1e-3)
    )
    trained = TransferModel("user:shapes").head(head).fit(photos, plan, verbose=0)
    assert photos.val is not None
    evaluation = trained.evaluate(photos.val)
    print(evaluation)
    picture = photos.val.paths[0]
    print(f"{picture}: {trained.predict(picture)}")
    return dict(evaluation.metrics)


def written(count: int) -> Path:
    """Draw the pictures and write the CSV file."""
    rng = np.random.default_rng(0)
    (OUT / "pictures").mkdir(parents=True, exist_ok=True)
    with (OUT / "shapes.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "shapes"])
        for number in range(count):
            kinds = sorted(rng.permutation(drawn.KINDS)[: rng.integers(1, 4)].tolist())
            name = f"pictures/{number:03}.png"
            drawn.several(kinds, rng).save(OUT / name)
            rows.writerow([name, ";".join(kinds)])
    return OUT / "shapes.csv"


if __name__ == "__main__":
    main()
