"""Thresholds: by hand, against every threshold there is, and where nothing can be chosen."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from transferkit import calibrate
from transferkit.errors import DataError, SpecError


def of(probabilities: Any, truths: Any, **more: Any) -> float:
    """The threshold of a single label."""
    (found,) = calibrate.thresholds(
        np.reshape(probabilities, (-1, 1)), np.reshape(truths, (-1, 1)), **more
    )
    return found


def f1(truths: Any, probabilities: Any, threshold: float) -> float:
    given = [p > threshold for p in probabilities]
    hits = sum(g and t for g, t in zip(given, truths, strict=True))
    return float(2 * hits / max(sum(given) + sum(truths), 1))


def test_known_answers() -> None:
    assert of([0.2, 0.3, 0.1], [1, 1, 0]) == pytest.approx(0.15)
    assert of([0.9, 0.7, 0.6], [1, 0, 0]) == pytest.approx(0.8)
    assert of([0.2, 0.3], [1, 1]) == pytest.approx(0.1)  # all are given
    assert of([0.9, 0.1], [1, 0]) == 0.5  # as good as any


def test_of_equally_good_ones_the_nearest_to_the_default_is_taken() -> None:
    # F1 is 2/3 above 0.15 (all of four are given, two hits) and above 0.75 (one given, one hit)
    probabilities, truths = [0.2, 0.6, 0.7, 0.8], [1, 0, 0, 1]
    tied = [f1(truths, probabilities, t) for t in (0.1, 0.75)]
    assert tied[0] == tied[1] == max(f1(truths, probabilities, t / 100) for t in range(100))
    assert of(probabilities, truths) == pytest.approx(0.75)
    assert of(probabilities, truths, default=0.3) == pytest.approx(0.1)


def test_no_threshold_is_better_in_all_small_cases() -> None:
    values = (0.0, 0.25, 0.5, 0.75, 1.0)
    for probabilities in itertools.product(values, repeat=3):
        for truths in itertools.product((0, 1), repeat=3):
            best = max(f1(truths, probabilities, t) for t in (0, 0.1, 0.3, 0.5, 0.6, 0.8))
            assert f1(truths, probabilities, of(probabilities, truths)) == best


def test_the_f1_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities, truths = rng.random(80), rng.integers(0, 2, 80)
    threshold = of(probabilities, truths)
    found = metrics.f1_score(truths, probabilities > threshold)
    assert found == max(metrics.f1_score(truths, probabilities >= each) for each in probabilities)
    assert found > metrics.f1_score(truths, probabilities > 0.5)


def test_each_label_has_its_own() -> None:
    probabilities = np.array([[0.2, 0.9], [0.3, 0.7], [0.1, 0.6]])
    truths = np.array([[1, 1], [1, 0], [0, 0]])
    assert calibrate.thresholds(probabilities, truths) == pytest.approx((0.15, 0.8))
    found = calibrate.thresholds(probabilities, np.zeros((3, 2), int), default=(0.3, 0.4))
    assert found == (0.3, 0.4)


def test_a_label_that_no_picture_has_keeps_the_default() -> None:
    assert of([0.9, 0.1], [0, 0]) == 0.5
    assert of([0.9, 0.1], [0, 0], default=0.4) == 0.4


def test_neighbouring_float32_probabilities_are_told_apart() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    found = of(np.array([low, high]), [0, 1])
    assert float(low) <= found < float(high)


@pytest.mark.parametrize("default", [-0.1, 1.1, "half", None, (0.5,) * 3])
def test_a_default_that_is_no_probability_is_refused(default: Any) -> None:
    with pytest.raises(SpecError, match=r"thresholds: the threshold is no.*\(\.\.\., default=0\.5"):
        calibrate.thresholds([[0.1, 0.2]], [[0, 1]], default=default)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="thresholds: the labels are not multi-hot"):
        calibrate.thresholds([[0.1, 0.2]], [1])
    with pytest.raises(DataError, match="thresholds: the outputs are no probabilities"):
        calibrate.thresholds([[3.0]], [[1]])
