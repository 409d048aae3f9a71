"""How much should be frozen? Tried, and drawn: ``python examples/freeze_ablation.py``.

A model is a value and a policy is a value, so that trying five policies is a loop. A head is
trained first on the frozen backbone; each policy then goes on from there with the same data, seed
and number of epochs.

Without arguments it is the drawn shapes of own_backbone.py, on striped ground. On photos:

    python examples/freeze_ablation.py --data hymenoptera/ --weights mobilenet_v2.weights.h5

Expected: a table with a row for each policy, in which more trainable parameters are not always
better. Writes freeze-ablation-out/freeze-ablation.png.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import drawn
import own_backbone
from matplotlib.figure import Figure

import transferkit as tk
from transferkit import TrainedModel, TransferModel

OUT = Path("freeze-ablation-out")
POLICIES = (
    tk.freeze.backbone(),
    tk.freeze.all_but(tk.select.top_blocks(1)),
    tk.freeze.all_but(tk.select.top_blocks(2)),
    tk.freeze.nothing(),
    tk.freeze.nothing(batch_norm="train"),
)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the example; returns the accuracy of each policy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    drawn.add_photo_options(parser)
    parser.add_argument(
        "--epochs",
        type=int,
        default=10,
        help="how many epochs the head trains for, and then each policy (default: %(default)s)",
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
    model, data = subject(options)
    assert data.val is not None

    first = model.fit(data, tk.plans.feature_extraction(options.epochs), verbose=0)
    print(f"{'policy':34}{'trainable':>12}{'accuracy':>10}{'seconds':>9}")
    scores = {}
    for policy in POLICIES:
        plan = tk.plans.fine_tune(options.epochs, freeze=policy, learning_rate=1e-4)
        trained = first.fit(data, plan, verbose=0)  # `first` keeps its weights
        scores[repr(policy)] = trained.evaluate(data.val).metrics["accuracy"]
        seconds = trained.history.seconds - first.history.seconds
        moving = trainable(trained)
        print(f"{policy!r:34}{moving:12,}{scores[repr(policy)]:10.3f}{seconds:9.1f}", flush=True)
    draw(scores).savefig(OUT / "freeze-ablation.png", dpi=110)
    return scores


def subject(options: argparse.Namespace) -> tuple[TransferModel, tk.data.Data]:
    """The photos and MobileNetV2, or the drawn shapes and their network."""
    if options.data is not None:
        data = tk.data.from_directory(options.data, image_size=160, seed=0)
        return TransferModel("keras:MobileNetV2", weights=options.weights), data
    own_backbone.register(own_backbone.taught(pictures=options.pictures))
    model = TransferModel("user:shapes").head(own_backbone.HEAD)
    return model, own_backbone.striped(labelled=20)


def trainable(trained: TrainedModel) -> int:
    """Parameters that the last phase could move."""
    return sum(int(variable.shape.num_elements()) for variable in trained.network.trainable_weights)


def draw(scores: dict[str, float]) -> Figure:
    """A bar for each policy."""
    figure = Figure(figsize=(7, 0.6 + 0.45 * len(scores)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(list(scores), list(scores.values()), color="steelblue")
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("accuracy on pictures that were not trained on")
    return figure


if __name__ == "__main__":
    main()
