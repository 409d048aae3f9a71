"""How many labelled pictures does it take? ``python examples/few_shot.py``.

The same classes are learned from 1, 2, 5 and 10 pictures each, several times with other pictures,
by a network that knows something of shapes (own_backbone.py) and by the same network from random
weights. ``photos.few(k, seed=draw)`` takes the pictures.

On photos, where training from scratch is left out, as 20 pictures teach it nothing:

    python examples/few_shot.py --data hymenoptera/ --weights mobilenet_v2.weights.h5

Transfer is a linear probe, whose head is solved; from scratch all of the network trains. Expected,
in some minutes: with one picture of each an accuracy of about 0.67 for transfer and 0.2 from
scratch, with ten 0.93 and 0.3. On the ants and bees (``--shots 1 5 20``) the mean accuracy is 0.60,
0.87 and 0.88. Writes few-shot-out/few-shot.png.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import drawn
import numpy as np
import own_backbone
from matplotlib.figure import Figure

import transferkit as tk
from transferkit import TransferModel

OUT = Path("few-shot-out")
Scores = dict[str, dict[int, list[float]]]  # way, pictures of each class, one score for each draw


def main(arguments: Sequence[str] | None = None) -> Scores:
    """Run the example; returns every accuracy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    drawn.add_photo_options(parser)
    parser.add_argument(
        "--shots",
        type=int,
        nargs="+",
        default=[1, 2, 5, 10],
        help="how many labelled pictures of each class to learn from, one or several numbers "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=3,
        help="how often other pictures are drawn for each number of them (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        default=30,
        help="how many epochs the network from scratch trains for (default: %(default)s)",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=1200,
        help="how many pictures of each shape the small network of own_backbone.py learns from "
        "before it is transferred (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    OUT.mkdir(exist_ok=True)
    models, photos = subject(options)
    scratch = tk.Phase(options.epochs, learning_rate=1e-2, batch_size=8)
    plans = {"transfer": tk.plans.linear_probe(), "from scratch": tk.Plan((scratch,))}
    scores: Scores = {way: {} for way in models}
    print("of each class  " + "".join(f"{way:>22}" for way in models), flush=True)
    for k in options.shots:
        for way, model in models.items():
            scores[way][k] = [
                accuracy(model, photos.few(k, seed=draw), plans[way], draw)
                for draw in range(options.draws)
            ]
        means = (f"{np.mean(each[k]):14.3f} +- {np.std(each[k]):.3f}" for each in scores.values())
        print(f"{k:13}  " + "".join(f"{mean:>22}" for mean in means), flush=True)
    draw_curves(scores).savefig(OUT / "few-shot.png", dpi=110)
    return scores


def subject(options: argparse.Namespace) -> tuple[dict[str, TransferModel], tk.data.Data]:
    """The photos and MobileNetV2, or the drawn shapes and their network."""
    if options.data is not None:
        photos = tk.data.from_directory(options.data, image_size=160, seed=0)
        model = TransferModel("keras:MobileNetV2", weights=options.weights)
        return {"transfer": model.freeze(tk.freeze.backbone())}, photos
    own_backbone.register(own_backbone.taught(pictures=options.pictures))
    head = own_backbone.HEAD
    models = {
        "transfer": TransferModel("user:shapes").head(head).freeze(tk.freeze.backbone()),
        "from scratch": TransferModel("user:shapes", weights=None).head(head),
    }
    return models, own_backbone.striped(labelled=max(options.shots) * 2)


def accuracy(model: TransferModel, few: tk.data.Data, plan: tk.Plan, seed: int) -> float:
    """What is learned from a few pictures, on those of the validation split."""
    trained = model.fit(replace(few, val=None), plan, seed=seed, verbose=0)  # quicker unwatched
    assert few.val is not None
    return trained.evaluate(few.val).metrics["accuracy"]


def draw_curves(scores: Scores) -> Figure:
    """Accuracy over the number of pictures, with the spread of the draws."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for way, each in scores.items():
        means = [float(np.mean(values)) for values in each.values()]
        spread = [float(np.std(values)) for values in each.values()]
        axes.errorbar(list(each), means, spread, marker="o", capsize=3, label=way)
    axes.set_xscale("log")
    axes.set_xticks(list(next(iter(scores.values()))), labels=map(str, next(iter(scores.values()))))
    axes.set_xlabel("labelled pictures of each class")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
