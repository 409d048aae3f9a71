"""What is chosen after training: a temperature, and a threshold for each label."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import transferkit as tk
from accuracy import recipes
from accuracy.material import Drawn, Source
from accuracy.trials import Trial
from transferkit.data import Data, Split

__all__ = ["CALIBRATED", "LABELS", "THRESHOLDS", "in_labels", "unlikelihood"]

Way = Callable[[Drawn, int], Trial]
LABELS: Mapping[str, str] = {"a loop": "689", "even": "68", "a seven": "7"}
"""What a digit of 5 to 9 is besides: several labels for each, one of them rare."""


def confident(
    drawn: Drawn, seed: int, *, calibrated: bool = False, label_smoothing: float = 0.0
) -> Trial:
    """A solved head, then ten epochs of all layers: how far its confidences can be believed.

    Args:
        drawn: The pictures.
        seed: Of the training.
        calibrated: Whether it has the temperature that is best on the validation pictures.
        label_smoothing: Of the training loss.
    """
    recipe = recipes.Recipe(recipes.tuned(), label_smoothing=label_smoothing)
    model = recipe.model(drawn.source.model)
    trained = model.fit(drawn.data, recipe.plan, seed=seed, verbose=0)
    found: Any = (trained.calibrate(_val(drawn)) if calibrated else trained).evaluate(drawn.test)
    numbers = {
        "expected calibration error": found.expected_calibration_error,
        "negative log likelihood": unlikelihood(found.outputs, found.truths),
    }
    return Trial.of(found.predicted == found.truths, numbers=numbers)


def unlikelihood(outputs: Any, truths: Any) -> float:
    """The mean negative log likelihood; the loss of an evaluation has label smoothing in it.

    Args:
        outputs: Probabilities (images, classes).
        truths: The classes (images,).
    """
    own = np.asarray(outputs, np.float64)[np.arange(len(truths)), truths]
    return float(-np.log(np.maximum(own, 1e-7)).mean())


def _val(drawn: Drawn) -> Split:
    assert drawn.data.val is not None
    return drawn.data.val


SMOOTHED = functools.partial(confident, label_smoothing=0.1)
CALIBRATED: Mapping[str, Way] = {
    "as it was trained": confident,
    "with calibrate()": functools.partial(confident, calibrated=True),
    "with label smoothing 0.1": SMOOTHED,
    "with label smoothing 0.1 and calibrate()": functools.partial(SMOOTHED, calibrated=True),
}
"""How honest the confidences are."""


def labelled(drawn: Drawn, seed: int, *, chosen: bool = False) -> Trial:
    """Several labels for each picture: which were right, and the mean of the labels' F1.

    Args:
        drawn: The pictures.
        seed: Of the training.
        chosen: Whether each label has the threshold that is best on the validation pictures.
    """
    model = drawn.source.model
    trained = model.fit(drawn.data, recipes.tuned(), seed=seed, verbose=0)
    trained = trained.choose_thresholds(_val(drawn)) if chosen else trained
    found: Any = trained.evaluate(drawn.test)
    return Trial.of(found.predicted.ravel() == found.truths.ravel(), numbers={"F1": found.macro.f1})


THRESHOLDS: Mapping[str, Way] = {
    "at a threshold of 0.5": labelled,
    "with choose_thresholds()": functools.partial(labelled, chosen=True),
}
"""What a threshold for each label gains."""


def in_labels(data: Data, test: Split, source: Source, *, few: int, seed: int) -> Drawn:
    """Digits with the labels of `LABELS`: twice as many of each digit as `few`, half held out.

    Args:
        data: Digits to draw from.
        test: What is measured.
        source: Where training starts.
        few: About how many of each digit are trained on, and how many thresholds are chosen on.
        seed: Of the draw.
    """
    drawn = data.few(2 * few, seed=seed)
    found = _rows(drawn.train, data.class_names, val=0.5, seed=seed)
    return Drawn(found, _rows(test, data.class_names, val=0).train, source)


def _rows(split: Split, names: tuple[str, ...], **how: Any) -> Data:
    rows = [[names[number] in digits for digits in LABELS.values()] for number in split.labels]
    pixels = np.asarray(split.pixels())
    return tk.data.from_arrays(pixels, np.array(rows, int), class_names=list(LABELS), **how)
