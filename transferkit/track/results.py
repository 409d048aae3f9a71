"""What is written down of a trained model: how good it is, where it errs, and its file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit._text import printable
from transferkit.errors import MissingExtraError
from transferkit.evaluate import Classification, Evaluation
from transferkit.plots import MANY_CLASSES
from transferkit.spec import Tracker
from transferkit.track.session import Piece, numbers, text
from transferkit.trained import TrainedModel

__all__ = ["evaluated", "known", "sampled", "saved"]

Array = np.ndarray[Any, Any]
FILE = "model.tkm"


def evaluated(evaluation: Evaluation, samples: int) -> Iterator[Piece]:
    """Scores, confusion matrix and sample predictions.

    Args:
        evaluation: What was measured.
        samples: How many predictions are shown.
    """
    yield "the final scores", partial(_log_scores, evaluation)
    if isinstance(evaluation, Classification):
        yield "the confusion matrix", partial(_log_confusion, evaluation)
        yield "the picture of the confusion matrix", partial(_log_drawn, evaluation)
    if samples:
        yield "the sample predictions", partial(_log_samples, evaluation, samples)


def known(trained: TrainedModel) -> Iterator[Piece]:
    """What the model carries along: how it was run, and whether the transfer helped."""
    if trained.engine_report.phases:
        yield text("engine_report", repr(trained.engine_report))
    check = trained.transfer
    if check is not None:
        gap = {"gap": check.gap, "low": check.low, "high": check.high}
        yield numbers("the transfer gap", {f"transfer/{name}": gap[name] for name in gap})
        yield text("transfer_verdict", repr(check))


def saved(trained: TrainedModel) -> Piece:
    """The model as one file."""

    def log(tracker: Tracker, step: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, FILE)
            trained.save(path)
            tracker.log_file(path, step)

    return "the saved model", log


def sampled(evaluation: Evaluation, count: int) -> list[tuple[Array, str]]:
    """Some pictures with what they are and were predicted as, the same ones for every model.

    Args:
        evaluation: One that knows its pictures.
        count: How many, if there are as many.
    """
    assert evaluation.images is not None
    places = np.sort(np.random.default_rng(0).permutation(evaluation.count)[:count])
    return [
        (_rgb(evaluation.images(int(place))), _caption(*evaluation.told(int(place))))
        for place in places
    ]


def _log_scores(evaluation: Evaluation, tracker: Tracker, step: int) -> None:
    split = evaluation.split
    scores = {f"final/{split}_{name}": value for name, value in evaluation.metrics.items()}
    tracker.log_numbers(scores, step)
    tracker.log_text(f"evaluation_{split}", str(evaluation), step)


def _log_samples(evaluation: Evaluation, count: int, tracker: Tracker, step: int) -> None:
    tracker.log_pictures("predictions", sampled(evaluation, count), step)


def _log_confusion(evaluation: Classification, tracker: Tracker, step: int) -> None:
    """The matrix; of many classes the pairs that are taken for each other."""
    header: list[str]
    rows: list[list[Any]]
    if len(evaluation.names) > MANY_CLASSES:
        header = ["is", "predicted", "pictures"]
        rows = [[pair.true, pair.predicted, pair.count] for pair in evaluation.most_confused()]
    else:
        header = ["is / predicted", *evaluation.names]
        counts = zip(evaluation.names, evaluation.confusion.tolist(), strict=True)
        rows = [[name, *row] for name, row in counts]
    tracker.log_table("confusion", header, rows, step)


def _log_drawn(evaluation: Classification, tracker: Tracker, step: int) -> None:
    """The matrix as a picture, where matplotlib is installed."""
    try:
        figure = evaluation.plot_confusion()
    except MissingExtraError:
        return
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    drawn = np.asarray(Image.open(buffer).convert("RGB"))
    tracker.log_pictures("confusion_matrix", [(drawn, "what pictures are, by rows")], step)


def _rgb(pixels: Any) -> Array:
    """uint8 (height, width, 3) of a picture with any number of channels."""
    array = np.clip(np.rint(np.asarray(pixels)), 0, 255).astype(np.uint8)
    return array[..., :3] if array.shape[-1] >= 3 else np.repeat(array[..., :1], 3, axis=-1)


def _caption(true: str, predicted: str, confidence: float) -> str:
    sure = "" if np.isnan(confidence) else f" ({confidence:.0%})"
    return printable(f"is {true}, predicted {predicted}{sure}")
