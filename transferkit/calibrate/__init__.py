"""What is chosen on validation pictures after training: temperature, thresholds, views.

    >>> from transferkit import calibrate

`TrainedModel.calibrate`, `TrainedModel.choose_thresholds` and `TrainedModel.with_views` do this for
a model, which keeps the choice as its `Inference`. The functions here are theirs: arrays in,
numbers out.

    >>> logits, classes = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]], [0, 0, 1, 1]
    >>> round(calibrate.temperature(logits, classes), 3)  # sure of 0.98, and right in 3 of 4
    3.641
    >>> calibrate.thresholds([[0.2], [0.3], [0.1]], [[1], [1], [0]])
    (0.15000000000000002,)
"""

from __future__ import annotations

from transferkit.calibrate.inference import Inference
from transferkit.calibrate.temperature import HIGHEST, LOWEST, temperature
from transferkit.calibrate.thresholds import thresholds
from transferkit.evaluate.reliability import Reliability, expected_calibration_error, reliability

__all__ = [
    "HIGHEST",
    "LOWEST",
    "Inference",
    "Reliability",
    "expected_calibration_error",
    "reliability",
    "temperature",
    "thresholds",
]
