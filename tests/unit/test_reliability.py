"""Reliability: bins by hand, and as a loop over the predictions finds them."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import numpy as np
import pytest

from transferkit import evaluate
from transferkit.errors import DataError, MissingExtraError, SpecError

Array = np.ndarray[Any, Any]
NAMES = ("ant", "bee", "$fly")


def classes(pictures: int = 300) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.dirichlet((0.5, 0.5, 0.5), pictures), rng.integers(0, 3, pictures)


def labels(pictures: int = 200) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.random((pictures, 3)), rng.integers(0, 2, (pictures, 3))


def by_a_loop(sure: Any, right: Any, bins: int) -> float:
    """The expected calibration error, bin by bin."""
    total = 0.0
    for k in range(bins):
        inside = [
            (s, r)
            for s, r in zip(sure, right, strict=True)
            if k / bins < s <= (k + 1) / bins or (k == 0 and s == 0)
        ]
        if inside:
            confidence, accuracy = np.mean(inside, axis=0)
            total += len(inside) / len(sure) * abs(confidence - accuracy)
    return total


def test_a_known_answer() -> None:
    outputs = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.45, 0.55]]
    found = evaluate.reliability(outputs, [0, 0, 1, 0, 1], bins=10)
    assert found.counts == (0, 0, 0, 0, 0, 1, 0, 2, 2, 0)
    assert found.accuracies[7] == 0.5
    assert found.confidences[8] == pytest.approx(0.9)
    assert np.isnan([found.accuracies[0], found.confidences[0]]).all()
    assert found.expected_calibration_error == pytest.approx((2 * 0.1 + 2 * 0.3 + 0.45) / 5)


@pytest.mark.parametrize("bins", [1, 4, 15, 64])
def test_classes_have_the_error_of_a_loop(bins: int) -> None:
    outputs, truths = classes()
    found = evaluate.expected_calibration_error(outputs, truths, bins)
    sure, right = outputs.max(axis=1), outputs.argmax(axis=1) == truths
    assert found == pytest.approx(by_a_loop(sure, right, bins))


def test_each_label_of_each_picture_is_a_prediction() -> None:
    outputs, truths = labels()
    found = evaluate.reliability(outputs, truths)
    assert sum(found.counts) == outputs.size
    expected = by_a_loop(outputs.ravel(), truths.ravel(), 15)
    assert found.expected_calibration_error == pytest.approx(expected)


def test_the_end_of_a_bin_belongs_to_it() -> None:
    edges = np.arange(1, 11) / 10
    found = evaluate.reliability(edges[:, None], np.ones((10, 1), int), bins=10)
    assert found.counts == (1,) * 10
    assert evaluate.reliability([[0.0]], [[0]], bins=10).counts[0] == 1


def test_all_right_and_sure_is_0_and_all_wrong_and_sure_is_1() -> None:
    assert evaluate.expected_calibration_error(np.eye(3), [0, 1, 2]) == 0.0
    assert evaluate.expected_calibration_error(np.eye(3), [1, 2, 0]) == 1.0


def made(kind: str) -> Any:
    if kind == "classes":
        return evaluate.classification(*classes(), class_names=NAMES, loss=1.0, split="a" * 50)
    return evaluate.multilabel(*labels(), class_names=NAMES, loss=1.0)


@pytest.mark.parametrize(("kind", "given"), [("classes", classes), ("labels", labels)])
def test_evaluations_say_it_among_their_metrics(kind: str, given: Any) -> None:
    evaluation = made(kind)
    expected = evaluate.expected_calibration_error(*given())
    assert evaluation.expected_calibration_error == pytest.approx(expected)
    assert evaluation.metrics["expected_calibration_error"] == pytest.approx(expected)
    assert f"  calibration error {expected:.4f}\n" in str(evaluation)
    written = json.loads(json.dumps(evaluation.to_config()))
    assert written["metrics"]["expected_calibration_error"] == pytest.approx(expected)
    outputs, truths = given()
    again = evaluate.reliability(outputs, truths, 7)
    assert evaluation.reliability(7).counts == again.counts
    np.testing.assert_array_equal(evaluation.reliability(7).accuracies, again.accuracies)


def test_the_figure_holds_the_bins() -> None:
    evaluation = made("classes")
    figure = evaluation.plot_reliability(10)
    figure.savefig(io.BytesIO())
    upper, lower = figure.axes
    found = evaluation.reliability(10)
    diagonal, curve = (line.get_xydata() for line in upper.lines)
    np.testing.assert_array_equal(diagonal, [[0, 0], [1, 1]])
    bins = np.array([found.confidences, found.accuracies]).T
    np.testing.assert_array_equal(curve, bins[np.array(found.counts) > 0])
    assert [bar.get_height() for bar in lower.patches] == list(found.counts)
    assert [axes.get_ylabel() for axes in figure.axes] == ["accuracy", "pictures"]
    title = upper.get_title(loc="left")
    assert title.endswith(
        f", 300 pictures: calibration error {found.expected_calibration_error:.3f}"
    )
    assert len(title) < 60


def test_the_figure_of_labels_says_so() -> None:
    upper, lower = made("labels").plot_reliability().axes
    assert upper.get_ylabel() == "share that has the label"
    assert (lower.get_xlabel(), lower.get_ylabel()) == ("probability", "labels")
    assert upper.get_title(loc="left").startswith("val, 200 pictures: ")


def test_without_matplotlib_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"plot_reliability\(\).*transferkit\[plots\]"):
        made("labels").plot_reliability()


@pytest.mark.parametrize("bins", [0, -1, 1.5, None, True])
def test_a_number_of_bins_that_is_none_is_refused(bins: Any) -> None:
    with pytest.raises(SpecError, match=r"error: that is no number of bins.*\.\.\., bins=15\)"):
        evaluate.expected_calibration_error(np.eye(2), [0, 1], bins)
    with pytest.raises(SpecError, match=r"evaluation\.reliability: that is no number of bins"):
        made("classes").plot_reliability(bins)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="reliability: the labels are no classes"):
        evaluate.reliability(np.eye(2), [0])
    with pytest.raises(DataError, match="reliability: the labels are not multi-hot"):
        evaluate.reliability(np.eye(2), [[0, 1]])
    with pytest.raises(DataError, match="expected_calibration_error: the outputs are no prob"):
        evaluate.expected_calibration_error([[3.0, -3.0]], [0])
