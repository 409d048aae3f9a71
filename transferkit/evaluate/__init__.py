"""How well a model predicts: one value per evaluation, made of plain arrays.

    >>> import numpy as np
    >>> from transferkit import evaluate
    >>> outputs = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> made = evaluate.classification(outputs, [0, 1, 1], class_names=("ant", "bee"), loss=0.41)
    >>> made.confusion
    array([[1, 0],
           [1, 1]])
    >>> print(made)
    val: 3 pictures, 2 classes
    loss 0.4100  accuracy 0.6667  calibration error 0.3000
    <BLANKLINE>
                   precision  recall      f1  support
    ant               0.5000  1.0000  0.6667        1
    bee               1.0000  0.5000  0.6667        2
    macro average     0.7500  0.7500  0.6667        3

A score that would divide by zero is 0.0: the precision of a class that was never predicted, the
recall of one without pictures. Macro averages are over all classes, such ones included.
"""

from __future__ import annotations

from transferkit.evaluate.classes import Classification, classification
from transferkit.evaluate.evaluation import Evaluation
from transferkit.evaluate.labels import Multilabel, multilabel
from transferkit.evaluate.outcomes import Mistake, Outcome, TopLosses
from transferkit.evaluate.reliability import (
    Probabilities,
    Reliability,
    expected_calibration_error,
    reliability,
)
from transferkit.evaluate.scores import ClassScore, Confused
from transferkit.evaluate.values import Regression, regression

__all__ = [
    "ClassScore",
    "Classification",
    "Confused",
    "Evaluation",
    "Mistake",
    "Multilabel",
    "Outcome",
    "Probabilities",
    "Regression",
    "Reliability",
    "TopLosses",
    "classification",
    "expected_calibration_error",
    "multilabel",
    "regression",
    "reliability",
]
