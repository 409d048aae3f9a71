"""Laws of calibration: what a temperature and thresholds may change, and where errors lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transferkit import calibrate
from transferkit.calibrate.predictor import activated, pooled

Array = np.ndarray[Any, Any]
LOGITS = st.floats(-100, 100, width=32)
SHARES = st.floats(0, 1, width=32)


@st.composite
def classified(draw: st.DrawFn) -> tuple[Array, Array]:
    """Logits, and a class for each row."""
    shape = draw(st.integers(1, 8)), draw(st.integers(2, 5))
    truths = draw(arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return draw(arrays(np.float32, shape, elements=LOGITS)), truths


@st.composite
def labelled(draw: st.DrawFn, elements: Any = SHARES) -> tuple[Array, Array]:
    """Numbers, and 0 or 1 for each."""
    shape = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    truths = draw(arrays(np.int64, shape, elements=st.integers(0, 1)))
    return draw(arrays(np.float32, shape, elements=elements)), truths


def loss(logits: Array, truths: Array, temperature: float) -> float:
    """The negative log likelihood of classes or of labels."""
    scaled = logits.astype(np.float64) / temperature
    if truths.ndim > 1:
        return float(np.logaddexp(0, np.where(truths == 1, -scaled, scaled)).mean())
    whole = np.logaddexp.reduce(scaled, axis=1)
    return float((whole - scaled[np.arange(len(truths)), truths]).mean())


def f1(given: Array, truths: Array) -> Array:
    """For each label."""
    both = given.sum(axis=0) + truths.sum(axis=0)
    return np.asarray(2 * (given & (truths == 1)).sum(axis=0) / np.maximum(both, 1))


@given(st.one_of(classified(), labelled(LOGITS)))
def test_a_temperature_never_makes_the_likelihood_worse(case: tuple[Array, Array]) -> None:
    found = calibrate.temperature(*case)
    assert calibrate.LOWEST <= found <= calibrate.HIGHEST
    before = loss(*case, 1.0)
    assert loss(*case, found) <= before + 1e-9 * (1 + before)


@given(classified(), st.floats(1e-3, 1e3))
def test_a_temperature_never_changes_the_order_of_classes(
    case: tuple[Array, Array], temperature: float
) -> None:
    logits = case[0]
    cold, warm = (activated(logits, "softmax", t) for t in (1.0, temperature))
    assert np.isfinite(warm).all()
    order = np.argsort(logits, axis=1)
    for probabilities in (cold, warm):
        assert (np.diff(np.take_along_axis(probabilities, order, axis=1)) >= 0).all()
    np.testing.assert_allclose(warm.sum(axis=1), 1, rtol=1e-5)


@given(st.one_of(classified(), labelled()), st.integers(1, 30))
def test_the_calibration_error_lies_between_0_and_1(case: tuple[Array, Array], bins: int) -> None:
    numbers, truths = case
    if truths.ndim == 1:
        numbers = activated(numbers, "softmax", 1.0)
    found = calibrate.expected_calibration_error(numbers, truths, bins)
    assert 0 <= found <= 1 + 1e-6
    order = np.random.default_rng(0).permutation(len(truths))
    again = calibrate.expected_calibration_error(numbers[order], truths[order], bins)
    assert again == pytest.approx(found, abs=1e-9)


@given(labelled(), st.floats(0, 1))
def test_thresholds_never_lower_the_f1_of_the_default(
    case: tuple[Array, Array], default: float
) -> None:
    probabilities, truths = case[0].astype(np.float64), case[1]
    limits = calibrate.thresholds(probabilities, truths, default=default)
    assert all(0 <= limit <= 1 for limit in limits)
    chosen = f1(probabilities > np.array(limits), truths)
    assert (chosen >= f1(probabilities > default, truths)).all()
    for other in np.unique(probabilities):
        assert (chosen >= f1(probabilities > other, truths)).all()


@given(arrays(np.float32, (3, 2, 4), elements=st.floats(-30, 30, width=32)))
def test_views_together_have_the_mean_probability(views: Array) -> None:
    for activation in ("softmax", "sigmoid"):
        each = np.stack([activated(view, activation, 1.0) for view in views])
        together = activated(pooled(views, activation), activation, 1.0)
        np.testing.assert_allclose(together, each.mean(axis=0), rtol=1e-5, atol=1e-12)
