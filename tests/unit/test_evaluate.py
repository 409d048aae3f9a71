from __future__ import annotations

import dataclasses
import io
import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as oracle

from transferkit import evaluate
from transferkit.errors import DataError, DecodeError, MissingExtraError, SpecError, TrainingError

Array = np.ndarray[Any, Any]
ANT_BEE = ("ant", "bee")
OUTPUTS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05]])
LABELS = np.array([0, 1, 1, 1])


def small(**more: Any) -> evaluate.Classification:
    return evaluate.classification(OUTPUTS, LABELS, class_names=ANT_BEE, loss=1.0, **more)


def probabilities(classes: int, pictures: int = 300, seed: int = 0) -> tuple[Array, Array]:
    """Outputs that are often right; the last class is never true, the last but one never said."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, pictures)
    outputs = rng.dirichlet(np.full(classes, 0.5), pictures)
    outputs[np.arange(pictures), labels] += 0.4
    outputs[:, classes - 2] *= 1e-6
    return outputs / outputs.sum(axis=1, keepdims=True), labels


def report_of(truths: Array, predicted: Array, names: list[str]) -> dict[str, Any]:
    report: dict[str, Any] = oracle.classification_report(
        truths,
        predicted,
        labels=range(len(names)),
        target_names=names,
        output_dict=True,
        zero_division=0,
    )
    return report


def assert_same(score: evaluate.ClassScore, row: dict[str, float]) -> None:
    own = (score.precision, score.recall, score.f1, score.support)
    theirs = tuple(row[key] for key in ("precision", "recall", "f1-score", "support"))
    assert own == pytest.approx(theirs)


@pytest.mark.parametrize("classes", [3, 8])
def test_classes_score_as_in_scikit_learn(classes: int) -> None:
    outputs, labels = probabilities(classes)
    names = [f"class {i}" for i in range(classes)]
    made = evaluate.classification(outputs, labels, class_names=names, loss=0.5)
    predicted = outputs.argmax(axis=1)
    report = report_of(labels, predicted, names)
    for score in made.per_class:
        assert_same(score, report[score.name])
    assert_same(made.macro, report["macro avg"])
    assert made.accuracy == oracle.accuracy_score(labels, predicted)
    own = oracle.confusion_matrix(labels, predicted, labels=range(classes))
    np.testing.assert_array_equal(made.confusion, own)
    assert made.per_class[-2].precision == 0.0  # never predicted
    assert made.per_class[-1].recall == 0.0  # never true


def test_top_5_is_that_of_scikit_learn_and_absent_for_few_classes() -> None:
    outputs, labels = probabilities(8)
    outputs[:, 0] += 0.5
    outputs /= outputs.sum(axis=1, keepdims=True)
    made = evaluate.classification(outputs, labels, class_names="abcdefgh", loss=0.5)
    expected = oracle.top_k_accuracy_score(labels, outputs, k=5, labels=range(8))
    assert made.top_k == {5: pytest.approx(expected)}
    assert made.metrics["top_5_accuracy"] == made.top_k[5] < 1
    assert small().top_k == {}


def test_equal_outputs_are_not_all_counted_as_right() -> None:
    same = np.full((10, 10), 0.1)
    made = evaluate.classification(same, np.arange(10), class_names="abcdefghij", loss=1.0)
    assert (made.accuracy, made.top_k) == (0.1, {5: 0.5})


def test_the_worst_mistakes_come_first_and_right_pictures_never() -> None:
    made = small(paths=[Path(f"{i}.jpg") for i in range(4)])
    first, second = made.worst()
    assert (first.index, first.path, first.true, first.predicted) == (3, "3.jpg", "bee", "ant")
    assert first.confidence == 0.95
    assert first.loss == pytest.approx(-math.log(0.05))
    assert second.index == 1
    assert made.worst(1) == (first,)
    assert small().worst()[0].path is None


def test_the_top_losses_are_those_of_a_loop_over_the_pictures() -> None:
    outputs, labels = probabilities(4, pictures=40)
    names = [f"class {i}" for i in range(4)]
    paths = [f"{i}.jpg" for i in range(40)]
    made = evaluate.classification(outputs, labels, class_names=names, loss=1.0, paths=paths)
    expected = sorted(
        (-math.log(row[label]), place, row.argmax() == label)
        for place, (row, label) in enumerate(zip(outputs, labels, strict=True))
    )[:-31:-1]
    found = made.top_losses(30)
    assert [(each.index, each.path) for each in found] == [(i, f"{i}.jpg") for _, i, _ in expected]
    assert [each.loss for each in found] == pytest.approx([loss for loss, _, _ in expected])
    right = [each.true == each.predicted for each in found]
    assert right == [was for _, _, was in expected]
    assert 0 < sum(right) < 30
    first = found[0]
    assert first.confidence == outputs[first.index].max()
    mistakes = [dataclasses.astuple(each) for each in made.worst(40)]
    told = [dataclasses.astuple(each) for each in made.top_losses(40)]
    assert [each for each in told if each[2] != each[3]] == mistakes


def test_of_equal_losses_the_first_picture_comes_first() -> None:
    same = evaluate.classification(
        np.full((5, 2), 0.5), [0, 1, 0, 1, 0], class_names=ANT_BEE, loss=0.7
    )
    assert [each.index for each in same.top_losses(3)] == [0, 1, 2]
    assert len(same.top_losses()) == 5


def test_top_losses_print_as_a_table() -> None:
    found = small(paths=[f"{i}.jpg" for i in range(4)]).top_losses(2)
    assert str(found).splitlines() == [
        "val: the 2 largest losses of 4 pictures",
        "",
        "picture  predicted  true  confidence    loss",
        "3.jpg    ant        bee       0.9500  2.9957",
        "1.jpg    ant        bee       0.6000  0.9163",
    ]
    assert str(small().top_losses(1)).startswith("val: the largest loss of 4 pictures\n")


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None])
def test_a_number_of_top_losses_below_one_is_refused(k: Any) -> None:
    with pytest.raises(SpecError, match=r"evaluation\.top_losses: k is out of range.*k=9"):
        small().top_losses(k)


def test_the_top_losses_of_labels_and_of_numbers() -> None:
    outputs = [[0.9, 0.2], [0.6, 0.3], [0.1, 0.2]]
    labels = evaluate.multilabel(outputs, [[1, 0]] * 3, class_names=["a", "b"], loss=0.2)
    wrong, right, surer = labels.top_losses(3)
    assert (wrong.index, wrong.predicted, wrong.confidence) == (2, "-", 0.9)
    # Nothing is wrong: the label that it was least sure of.
    assert (right.index, right.true, right.predicted) == (1, "a", "a")
    assert right.confidence == 0.6
    assert surer.confidence == 0.8
    assert right.loss == pytest.approx(-np.log([0.6, 0.7]).mean())
    numbers = evaluate.regression([1.0, 5.0, 2.5], [1.0, 2.0, 2.0], loss=0.0)
    assert [(each.index, each.loss) for each in numbers.top_losses()] == [
        (1, 9.0),
        (2, 0.25),
        (0, 0.0),
    ]
    assert str(numbers.top_losses(1)).splitlines()[-1].split() == ["1", "5", "2", "9.0000"]


def test_metrics_hold_the_loss_and_every_summary() -> None:
    made = small()
    averages = ["macro_precision", "macro_recall", "macro_f1"]
    assert list(made.metrics) == ["loss", "accuracy", *averages, "expected_calibration_error"]
    assert made.metrics["loss"] == 1.0
    assert made.metrics["accuracy"] == 0.5


def labelled(pictures: int = 200) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    truths = (rng.random((pictures, 4)) < (0.5, 0.2, 0.7, 0.0)).astype(int)
    outputs = np.clip(0.3 * truths + 0.7 * rng.random((pictures, 4)), 0, 1)
    outputs[:, 1] *= 0.4
    return outputs, truths


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_labels_score_as_in_scikit_learn(threshold: float) -> None:
    outputs, truths = labelled()
    names = ["sky", "sea", "sand", "nothing"]
    made = evaluate.multilabel(outputs, truths, class_names=names, loss=0.2, threshold=threshold)
    predicted = (outputs > threshold).astype(int)
    report = report_of(truths, predicted, names)
    for score in made.per_class:
        assert_same(score, report[score.name])
    assert_same(made.macro, report["macro avg"])
    assert_same(made.micro, report["micro avg"])
    assert made.accuracy == oracle.accuracy_score(truths, predicted)
    assert made.metrics["micro_f1"] == made.micro.f1


def test_the_worst_labels_are_told_with_the_surest_wrong_one() -> None:
    outputs = [[0.9, 0.2, 0.4], [0.1, 0.99, 0.2], [0.8, 0.1, 0.6]]
    truths = [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    made = evaluate.multilabel(outputs, truths, class_names=["a", "b", "c"], loss=0.2)
    first, second = made.worst()
    assert (first.index, first.true, first.predicted, first.confidence) == (1, "a", "b", 0.99)
    assert (second.true, second.predicted, second.confidence) == ("a", "a, c", 0.6)
    assert first.loss == pytest.approx(-np.log([0.1, 0.01, 0.8]).mean())


def test_a_picture_without_labels_is_told_as_such() -> None:
    made = evaluate.multilabel([[0.1, 0.2]], [[1, 0]], class_names=["a", "b"], loss=0.2)
    assert made.worst()[0].predicted == "-"


def test_numbers_score_as_in_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truths = rng.normal(size=(50, 3))
    outputs = truths + rng.normal(size=(50, 3)) * (0.1, 1.0, 2.0)
    made = evaluate.regression(outputs, truths, loss=1.0, names=["x", "y", "z"])
    assert made.mae == pytest.approx(oracle.mean_absolute_error(truths, outputs))
    assert made.rmse**2 == pytest.approx(oracle.mean_squared_error(truths, outputs))
    assert made.r2 == pytest.approx(oracle.r2_score(truths, outputs))
    each = made.to_config()["per_output"]
    theirs = oracle.r2_score(truths, outputs, multioutput="raw_values")
    assert [row["r2"] for row in each] == pytest.approx(theirs)
    roots = oracle.root_mean_squared_error(truths, outputs, multioutput="raw_values")
    assert [row["rmse"] for row in each] == pytest.approx(roots)


@pytest.mark.parametrize("outputs", [[3.0, 3.0], [3.0, 4.0]])
def test_truths_that_are_all_the_same_have_the_r2_of_scikit_learn(outputs: list[float]) -> None:
    made = evaluate.regression(outputs, [3.0, 3.0], loss=0.0)
    assert made.r2 == oracle.r2_score([3.0, 3.0], outputs)


def test_the_worst_numbers_are_those_farthest_off() -> None:
    made = evaluate.regression([1.0, 5.0, 2.5], [1.0, 2.0, 2.0], loss=0.0)
    first, second = made.worst()
    assert (first.index, first.true, first.predicted, first.loss) == (1, "2", "5", 9.0)
    assert math.isnan(first.confidence)
    assert second.index == 2


def kinds() -> list[evaluate.Evaluation]:
    return [
        small(),
        evaluate.multilabel(*labelled(), class_names="abcd", loss=0.2),
        evaluate.regression([1.0, 5.0], [1.0, 2.0], loss=math.inf),
    ]


@pytest.mark.parametrize("made", kinds(), ids=lambda made: type(made).__name__)
def test_every_evaluation_is_written_down_printed_and_pickled(made: evaluate.Evaluation) -> None:
    config = json.loads(json.dumps(made.to_config(), allow_nan=False))
    assert config["kind"] == type(made).__name__.lower()
    assert {name: float(value) for name, value in config["metrics"].items()} == made.metrics
    assert str(made).startswith(f"val: {made.count} pictures")
    assert f"loss={made.loss:.4g}" in repr(made)
    assert made._repr_html_().startswith("<table>")
    assert pickle.loads(pickle.dumps(made)).metrics == made.metrics


def test_the_report_is_aligned_and_holds_every_class() -> None:
    lines = str(small(split="test")).splitlines()
    assert lines[0] == "test: 4 pictures, 2 classes"
    assert lines[1] == "loss 1.0000  accuracy 0.5000  calibration error 0.4625"
    assert [line.split()[0] for line in lines[4:]] == ["ant", "bee", "macro"]
    assert len({len(line) for line in lines[3:]}) == 1


def test_of_very_many_classes_the_weakest_are_reported() -> None:
    outputs, labels = probabilities(100)
    made = evaluate.classification(
        outputs, labels, class_names=[f"c{i}" for i in range(100)], loss=1
    )
    lines = str(made).splitlines()
    assert "… the weakest 20 of 100 classes" in lines
    assert len(lines) == 26
    assert len(made.per_class) == 100


def test_names_in_a_report_are_never_trusted() -> None:
    names = ("<script>alert(1)</script>", "a\nb\x1b[31m")
    made = evaluate.classification(OUTPUTS, LABELS, class_names=names, loss=1.0)
    assert "<script>" not in made._repr_html_()
    assert "a\\nb\\x1b[31m" in str(made)


def test_pictures_of_mistakes_are_drawn_from_a_function() -> None:
    asked = []

    def images(index: int) -> Array:
        asked.append(index)
        return np.full((4, 4, 3), index, np.uint8)

    figure = small(images=images).show_errors()
    figure.savefig(io.BytesIO())
    assert asked == [3, 1]
    assert figure.axes[0].get_title() == "ant 95%\nis bee"


def test_pictures_of_mistakes_are_read_from_their_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    upright = Image.Exif()
    upright[0x0112] = 6  # stored lying on its side
    for path in paths:
        Image.new("RGB", (700, 300), "red").save(path, exif=upright)
    figure = small(paths=paths).show_errors(n=1)
    assert len([axes for axes in figure.axes if axes.images]) == 1
    height, width, _ = np.asarray(figure.axes[0].images[0].get_array()).shape
    assert (height, width) == (320, 137)


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    with pytest.raises(DecodeError, match=r"3\.png cannot be read"):
        small(paths=paths).show_errors()


def test_pictures_that_are_not_known_are_asked_for() -> None:
    with pytest.raises(
        SpecError, match=r"the pictures are not known.*dataclasses\.replace\(evaluatio"
    ):
        small().show_errors()
    shown = dataclasses.replace(small(), images=lambda index: np.zeros((2, 2, 3)))
    assert shown.show_errors().axes


def test_top_losses_are_drawn_with_prediction_truth_and_loss() -> None:
    asked = []

    def images(index: int) -> Array:
        asked.append(index)
        return np.full((4, 4, 3), index, np.uint8)

    figure = small(images=images).plot_top_losses(3)
    figure.savefig(io.BytesIO())
    assert asked == [3, 1, 2]
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == [
        "ant 95%\nis bee\nloss 3.00",
        "ant 60%\nis bee\nloss 0.92",
        "bee 80%\nis bee\nloss 0.22",
    ]
    number = evaluate.regression([2.5], [2.0], loss=0.0, images=images).plot_top_losses()
    assert number.axes[0].get_title() == "2.5\nis 2\nloss 0.25"
    with pytest.raises(SpecError, match=r"plot_top_losses\(\): the pictures are not known"):
        small().plot_top_losses()


def test_results_are_drawn_whether_right_or_wrong_and_the_same_each_time() -> None:
    outputs, labels = probabilities(4, pictures=30)
    made = evaluate.classification(
        outputs, labels, class_names="abcd", loss=1.0, images=lambda i: np.full((2, 2), i, np.uint8)
    )
    once, again = (made.show_results(12) for _ in range(2))
    titles = [axes.get_title() for axes in once.axes]
    assert titles == [axes.get_title() for axes in again.axes]
    places = [
        int(np.asarray(axes.images[0].get_array())[0, 0]) for axes in once.axes if axes.images
    ]
    assert len(set(places)) == 12 < max(places)
    for place, title in zip(places, titles, strict=False):
        said = int(outputs[place].argmax())
        assert title == f"{'abcd'[said]} {outputs[place, said]:.0%}\nis {'abcd'[labels[place]]}"
    right = [title[0] == title[-1] for title in titles[:12]]
    assert 0 < sum(right) < 12
    with pytest.raises(SpecError, match=r"show_results: n is out of range"):
        made.show_results(0)


def test_no_mistakes_cannot_be_shown() -> None:
    made = evaluate.classification(np.eye(2), [0, 1], class_names=ANT_BEE, loss=0.0)
    assert made.worst() == ()
    with pytest.raises(SpecError, match=r"show_errors\(\): there is no mistake to show"):
        made.show_errors()


def test_the_confusion_matrix_is_drawn() -> None:
    figure = small().plot_confusion(normalize=True)
    figure.savefig(io.BytesIO())
    assert {text.get_text() for text in figure.axes[0].texts} == {"1.00", ".67", ".33"}


def test_the_most_confused_classes_are_those_of_a_loop_over_the_pictures() -> None:
    outputs, labels = probabilities(6)
    names = [f"class {i}" for i in range(6)]
    made = evaluate.classification(outputs, labels, class_names=names, loss=1.0)
    counts: dict[tuple[str, str], int] = {}
    for row, label in zip(outputs, labels, strict=True):
        if (said := int(row.argmax())) != label:
            pair = names[label], names[said]
            counts[pair] = counts.get(pair, 0) + 1
    found = made.most_confused()
    assert {(each.true, each.predicted): each.count for each in found} == counts
    order = [(-each.count, -each.share) for each in found]
    assert order == sorted(order)
    first = found[0]
    assert first.share == first.count / (labels == names.index(first.true)).sum()
    assert made.most_confused(3) == tuple(each for each in found if each.count >= 3)
    with pytest.raises(SpecError, match=r"evaluation\.most_confused: .*min_count=0"):
        made.most_confused(0)


def test_labels_and_numbers_are_not_taken_for_each_other() -> None:
    labels = evaluate.multilabel([[0.1, 0.2]], [[1, 0]], class_names=["a", "b"], loss=0.2)
    for made in (labels, evaluate.regression([1.0], [2.0], loss=0.0)):
        with pytest.raises(SpecError, match=r"most_confused: .*Received: evaluation='[MR].*top_lo"):
            made.most_confused()


@pytest.mark.parametrize("normalize", [False, True])
def test_of_very_many_classes_the_most_confused_pairs_are_drawn(normalize: bool) -> None:
    rng = np.random.default_rng(1)
    outputs, labels = rng.dirichlet(np.ones(60), 900), rng.integers(0, 60, 900)
    made = evaluate.classification(
        outputs, labels, class_names=[f"c{i}" for i in range(60)], loss=1.0
    )
    figure = made.plot_confusion(normalize)
    figure.savefig(io.BytesIO())
    axes = figure.axes[0]
    pairs = made.most_confused()
    if normalize:
        pairs = tuple(sorted(pairs, key=lambda pair: -pair.share))
    drawn = [label.get_text() for label in axes.get_yticklabels()]
    assert drawn == [f"{pair.true} → {pair.predicted}" for pair in pairs[:20]]
    wrong = sum(pair.count for pair in made.most_confused())
    assert axes.get_title(loc="left").splitlines() == [
        "60 classes: 20 pairs confused most often",
        f"with {sum(pair.count for pair in pairs[:20])} of {wrong} mistakes in 900 pictures",
    ]


def test_sixteen_mistakes_are_shown_by_default() -> None:
    truths, outputs = np.zeros(40, int), np.tile([0.2, 0.8], (40, 1))
    made = evaluate.classification(
        outputs, truths, class_names=ANT_BEE, loss=1.0, images=lambda place: np.zeros((4, 4, 3))
    )
    titles = [axes.get_title() for axes in made.show_errors().axes]
    assert titles == ["bee 80%\nis ant"] * 16


def test_without_matplotlib_the_line_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"plot_confusion\(\).*transferkit\[plots\]"):
        small().plot_confusion()


def test_the_arrays_of_an_evaluation_are_its_own() -> None:
    outputs = OUTPUTS.copy()
    made = evaluate.classification(outputs, LABELS, class_names=ANT_BEE, loss=1.0)
    outputs[:] = 0.5
    np.testing.assert_array_equal(made.outputs, OUTPUTS)
    with pytest.raises(ValueError, match="read-only"):
        made.outputs[0] = 0


@pytest.mark.parametrize("n", [0, -3])
def test_a_number_of_mistakes_below_one_is_refused(n: int) -> None:
    with pytest.raises(SpecError, match=r"evaluation\.worst: n is out of range.*n="):
        small().worst(n)


def classified(outputs: Any = OUTPUTS, labels: Any = LABELS, **more: Any) -> Any:
    arguments: dict[str, Any] = {"class_names": ANT_BEE, "loss": 1.0, **more}
    return evaluate.classification(outputs, labels, **arguments)


def test_no_pictures_are_nothing_to_evaluate() -> None:
    with pytest.raises(DataError, match=r"evaluate\.classification: there is nothing to evaluate"):
        classified(np.zeros((0, 2)), np.zeros(0, int))


def test_outputs_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"the outputs have the wrong shape.*shape=\(4,\)"):
        classified(OUTPUTS[:, 0])


def test_outputs_that_are_not_finite_mean_that_training_diverged() -> None:
    with pytest.raises(TrainingError, match=r"outputs of 1 of 4 pictures are not finite.*diverged"):
        classified(np.where(OUTPUTS == 0.9, np.nan, OUTPUTS))


def test_logits_are_not_taken_for_probabilities() -> None:
    with pytest.raises(DataError, match=r"the outputs are no probabilities.*highest=3\.0"):
        classified(np.where(OUTPUTS == 0.9, 3.0, OUTPUTS))


def test_names_of_another_number_are_refused() -> None:
    with pytest.raises(DataError, match=r"names and outputs differ in number\. Expected 2 names"):
        classified(class_names=("ant",))


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0, 1.0, 0.0], [[1, 0]] * 4, list("abcd")])
def test_labels_that_are_no_classes_are_refused(labels: Any) -> None:
    with pytest.raises(
        DataError, match=r"the labels are no classes\. Expected whole numbers of shape"
    ):
        classified(labels=labels)


@pytest.mark.parametrize("label", [2, -1])
def test_a_label_outside_the_classes_is_refused(label: int) -> None:
    with pytest.raises(DataError, match=rf"a label is no class.*from 0 to 1.*labels=\[{label}\]"):
        classified(labels=[0, 1, 1, label])


def test_paths_of_another_number_are_refused() -> None:
    with pytest.raises(DataError, match=r"paths and pictures differ in number\. Expected 4 paths"):
        classified(paths=["a.jpg"])


@pytest.mark.parametrize("labels", [[[1, 2]], [[1]], [1, 0]])
def test_labels_that_are_not_multi_hot_are_refused(labels: Any) -> None:
    with pytest.raises(
        DataError, match=r"multilabel: the labels are not multi-hot\. Expected 0 or 1"
    ):
        evaluate.multilabel([[0.1, 0.2]], labels, class_names=["a", "b"], loss=0.1)


def test_each_label_may_have_its_threshold() -> None:
    outputs, truths = labelled()
    limits = (0.2, 0.3, 0.4, 0.9)
    made = evaluate.multilabel(outputs, truths, class_names="abcd", loss=0.2, threshold=limits)
    predicted = np.stack([outputs[:, i] > limits[i] for i in range(4)], axis=1)
    np.testing.assert_array_equal(made.predicted, predicted)
    assert made.accuracy == oracle.accuracy_score(truths, predicted)
    assert json.loads(json.dumps(made.to_config()))["threshold"] == list(limits)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, "half", (0.5,), (0.5, 1.5), (0.5, None)])
def test_a_threshold_that_is_no_probability_is_refused(threshold: Any) -> None:
    with pytest.raises(SpecError, match=r"the threshold is no probability.*threshold=0\.5\)"):
        evaluate.multilabel(
            [[0.1, 0.2]], [[0, 1]], class_names=["a", "b"], loss=0.1, threshold=threshold
        )


@pytest.mark.parametrize("values", [[1.0], [[1.0, 2.0]], [1.0, math.nan]])
def test_values_that_do_not_fit_are_refused(values: Any) -> None:
    with pytest.raises(DataError, match=r"regression: the values do not fit the outputs"):
        evaluate.regression([1.0, 2.0], values, loss=0.1)
