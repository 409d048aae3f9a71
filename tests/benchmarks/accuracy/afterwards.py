"""What is chosen after training: a temperature, and a threshold for each label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import transferkit as tk
from accuracy import recipes
from accuracy.material import Drawn, Source
from accuracy.trials import Trial
from transferkit.data import Data, Split

__all__ = [
    "AS_TRAINED",
    "AT_ONE_HALF",
    "CALIBRATED",
    "LABELS",
    "THRESHOLDS",
    "in_labels",
    "unlikelihood",
]

Trained = tk.TrainedModel
Way = Callable[[Drawn, int], Trial]
AS_TRAINED, AT_ONE_HALF = "as it was trained", "at a threshold of 0.5"
LABELS: Mapping[str, str] = {"a loop": "689", "even": "68", "a seven": "7"}
"""What a digit of 5 to 9 is besides: several labels for each, one of them rare."""


def _trained(drawn: Drawn, seed: int, **head: Any) -> Trained:
    recipe = recipes.Recipe(recipes.tuned(), **head)
    return recipe.model(drawn.source.model).fit(drawn.data, recipe.plan, seed=seed, verbose=0)


def _confident(trained: Trained, test: Split) -> Trial:
    found: Any = trained.evaluate(test)
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


def _calibrated(trained: Trained, drawn: Drawn) -> Trained:
    assert drawn.data.val is not None
    return trained.calibrate(drawn.data.val)


def as_trained(drawn: Drawn, seed: int) -> Trial:
    """A solved head, then ten epochs of all layers."""
    return _confident(_trained(drawn, seed), drawn.test)


def calibrated(drawn: Drawn, seed: int) -> Trial:
    """The same, with the temperature that is best on the validation pictures."""
    return _confident(_calibrated(_trained(drawn, seed), drawn), drawn.test)


def smoothed(drawn: Drawn, seed: int) -> Trial:
    """The same, trained with label smoothing."""
    return _confident(_trained(drawn, seed, label_smoothing=0.1), drawn.test)


def smoothed_and_calibrated(drawn: Drawn, seed: int) -> Trial:
    """Both."""
    trained = _trained(drawn, seed, label_smoothing=0.1)
    return _confident(_calibrated(trained, drawn), drawn.test)


CALIBRATED: Mapping[str, Way] = {
    AS_TRAINED: as_trained,
    "with calibrate()": calibrated,
    "with label smoothing 0.1": smoothed,
    "with label smoothing 0.1 and calibrate()": smoothed_and_calibrated,
}
"""How honest the confidences are."""


def at_one_half(drawn: Drawn, seed: int) -> Trial:
    """Labels are given where their probability reaches 0.5."""
    return _labelled(_of_labels(drawn, seed), drawn.test)


def at_thresholds(drawn: Drawn, seed: int) -> Trial:
    """Where it reaches what was best on the validation pictures."""
    assert drawn.data.val is not None
    return _labelled(_of_labels(drawn, seed).choose_thresholds(drawn.data.val), drawn.test)


def _of_labels(drawn: Drawn, seed: int) -> Trained:
    return drawn.source.model.fit(drawn.data, recipes.tuned(), seed=seed, verbose=0)


def _labelled(trained: Trained, test: Split) -> Trial:
    found: Any = trained.evaluate(test)
    return Trial.of(found.predicted.ravel() == found.truths.ravel(), numbers={"F1": found.macro.f1})


THRESHOLDS: Mapping[str, Way] = {
    AT_ONE_HALF: at_one_half,
    "with choose_thresholds()": at_thresholds,
}
"""What a threshold for each label gains, in the mean of the labels' F1."""


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
