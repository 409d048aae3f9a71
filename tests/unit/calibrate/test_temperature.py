"""Temperature scaling: known answers, the minimum that others find, and what has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit import calibrate
from transferkit.errors import DataError, TrainingError

Array = np.ndarray[Any, Any]


def loss(logits: Any, classes: Any, temperature: float = 1.0) -> float:
    """The negative log likelihood, picture by picture."""
    rows = np.asarray(logits, np.float64) / temperature
    each = [np.logaddexp.reduce(row) - row[true] for row, true in zip(rows, classes, strict=True)]
    return float(np.mean(each))


def sigmoid_loss(logits: Any, labels: Any, temperature: float = 1.0) -> float:
    scaled = np.asarray(logits, np.float64) / temperature
    return float(np.mean(np.where(labels, np.logaddexp(0, -scaled), np.logaddexp(0, scaled))))


def drawn(scale: float, pictures: int = 400, classes: int = 4) -> tuple[Array, Array]:
    """Logits, and classes drawn as a softmax of the logits over `scale` says."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (pictures, classes))
    powers = np.exp(logits / scale)
    shares = powers / powers.sum(axis=1, keepdims=True)
    return logits, np.array([rng.choice(classes, p=row) for row in shares])


@pytest.mark.parametrize(("right", "margin"), [(3, 4.0), (3, 0.1), (9, 1.0), (99, 30.0)])
def test_two_classes_with_one_margin_get_the_confidence_that_they_have(
    right: int, margin: float
) -> None:
    logits = [[margin, 0.0]] * (right + 1)
    found = calibrate.temperature(logits, [0] * right + [1])
    # sigmoid(margin / T) = right / (right + 1) where margin / T = log(right)
    assert found == pytest.approx(margin / np.log(right), rel=1e-9)


def test_one_logit_is_two_classes() -> None:
    found = calibrate.temperature([[4.0]] * 4, [[1], [1], [1], [0]])
    assert found == pytest.approx(4 / np.log(3), rel=1e-9)


@pytest.mark.parametrize("scale", [0.4, 1.0, 6.0])
def test_classes_have_the_minimum_that_scipy_finds(scale: float) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    logits, classes = drawn(scale)
    found = calibrate.temperature(logits, classes)
    options: dict[str, Any] = {"bounds": (-5, 5), "method": "bounded", "options": {"xatol": 1e-9}}
    other = optimize.minimize_scalar(lambda t: loss(logits, classes, np.exp(t)), **options)
    assert found == pytest.approx(np.exp(other.x), rel=1e-5)
    assert found == pytest.approx(scale, rel=0.25)
    assert loss(logits, classes, found) <= other.fun + 1e-14
    assert loss(logits, classes, found) <= loss(logits, classes)


def test_labels_have_the_minimum_that_scipy_finds() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 6, (200, 3))
    labels = (rng.random((200, 3)) < 1 / (1 + np.exp(-logits / 3))).astype(int)
    found = calibrate.temperature(logits, labels)
    other = optimize.minimize_scalar(
        lambda t: sigmoid_loss(logits, labels, np.exp(t)), bounds=(-5, 5), method="bounded"
    )
    assert found == pytest.approx(np.exp(other.x), rel=1e-4)
    assert sigmoid_loss(logits, labels, found) < sigmoid_loss(logits, labels)


@pytest.mark.parametrize("magnitude", [100.0, 1e4])
def test_saturated_logits_have_their_temperature(magnitude: float) -> None:
    logits = np.array([[magnitude, -magnitude]] * 8, np.float32)
    classes = [0] * 7 + [1]
    expected = 2 * magnitude / np.log(7)
    assert calibrate.temperature(logits, classes) == pytest.approx(min(expected, 1e3), rel=1e-6)


@pytest.mark.parametrize(("pictures", "margin"), [(8, 0.5), (40, 2.0), (40, 0.01)])
def test_pictures_that_are_all_right_show_a_confidence_of_their_number(
    pictures: int, margin: float
) -> None:
    logits = np.random.default_rng(0).normal(0, 0.01, (pictures, 3))
    classes = np.arange(pictures) % 3
    logits[np.arange(pictures), classes] = logits.max() + margin
    found = calibrate.temperature(logits, classes)
    powers = np.exp(logits / found)
    confidences = powers.max(axis=1) / powers.sum(axis=1)
    assert confidences.mean() == pytest.approx((pictures + 1) / (pictures + 2))
    assert loss(logits, classes, found) < loss(logits, classes)


def test_pictures_that_are_all_right_and_sure_of_it_stay() -> None:
    assert calibrate.temperature([[100.0, -100.0]] * 3, [0, 0, 0]) == 1.0


@pytest.mark.parametrize("classes", [[0, 1, 1], [1, 1, 1]])
def test_logits_that_are_all_the_same_stay(classes: list[int]) -> None:
    assert calibrate.temperature(np.zeros((3, 2)), classes) == 1.0


def test_logits_that_say_the_contrary_have_the_highest() -> None:
    assert calibrate.temperature([[5.0, 0.0]] * 4, [1, 1, 1, 0]) == calibrate.HIGHEST


def test_logits_that_hardly_differ_have_the_lowest() -> None:
    logits = [[1e-6, 0.0]] * 4
    assert calibrate.temperature(logits, [0, 0, 0, 1]) == calibrate.LOWEST


def test_what_is_added_to_all_logits_of_a_picture_changes_nothing() -> None:
    logits, classes = drawn(2.0, 50)
    shifts = np.random.default_rng(2).normal(0, 50, (50, 1))
    found = calibrate.temperature(logits + shifts, classes)
    assert found == pytest.approx(calibrate.temperature(logits, classes), rel=1e-9)


@pytest.mark.parametrize(
    ("logits", "targets", "text"),
    [
        (np.zeros((0, 2)), [], "temperature: there is nothing to evaluate"),
        (np.zeros(3), [0, 0, 0], r"temperature: the outputs have the wrong shape"),
        (np.zeros((2, 2)), [0], "temperature: the labels are no classes"),
        (np.zeros((2, 2)), [0, 2], "temperature: a label is no class"),
        (np.zeros((2, 2)), [[0, 1]], "temperature: the labels are not multi-hot"),
    ],
)
def test_what_does_not_fit_is_refused(logits: Any, targets: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        calibrate.temperature(logits, targets)


def test_logits_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"temperature: .*are not finite"):
        calibrate.temperature([[np.inf, 0.0]], [0])
