"""`TrainedModel.calibrate` and `choose_thresholds`: what they change, and what not."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

import transferkit as tk
from transferkit import _keras, bundle
from transferkit.calibrate import HIGHEST, Inference, choosing
from transferkit.errors import DamagedBundleError, SpecError

Array = np.ndarray[Any, Any]
EXACT = tk.Engine(precision="float32", prefix="tensorflow", cache=False)


def outputs(trained: Any, split: Any) -> Array:
    """The probabilities that `predict` gives."""
    return np.array([list(each.scores.values()) for each in trained.predict(split.pixels())])


def at(logits: Array, temperature: float) -> Array:
    """Probabilities of logits; one logit as two classes."""
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    powers = np.exp(logits / temperature - (logits / temperature).max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logits: Array, temperature: float = 1.0) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits / temperature)))


def loss(probabilities: Array, truths: Array) -> float:
    own = (
        np.where(truths, probabilities, 1 - probabilities)
        if truths.ndim > 1
        else probabilities[np.arange(len(truths)), truths]
    )
    return float(-np.log(own.astype(np.float64)).mean())


# -- temperature


def test_a_model_that_is_too_sure_gets_the_temperature_that_its_labels_have(case: Any) -> None:
    calibrated = case.trained.calibrate(case.val)
    assert 1.5 < calibrated.inference.temperature < 6  # 3, but for chance
    before, after = (m.evaluate(case.val) for m in (case.trained, calibrated))
    assert after.loss < before.loss
    assert loss(after.outputs, case.val.labels) == pytest.approx(after.loss, rel=1e-4)
    assert after.expected_calibration_error < before.expected_calibration_error


def test_predictions_are_those_of_the_logits_at_the_temperature(case: Any) -> None:
    calibrated = case.trained.calibrate(case.val)
    degrees = calibrated.inference.temperature
    many = case.val.labels.ndim > 1
    expected = (sigmoid if many else at)(case.logits, degrees)
    np.testing.assert_allclose(outputs(calibrated, case.val), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(calibrated.evaluate(case.val).outputs, expected, rtol=1e-4)
    assert calibrated.evaluate(case.val).loss == pytest.approx(
        loss(expected, case.val.labels), rel=1e-4
    )


def test_neither_the_model_nor_its_network_changes(case: Any) -> None:
    weights = [weight.numpy() for weight in case.trained.network.weights]
    before = outputs(case.trained, case.val)
    calibrated = case.trained.calibrate(case.val)
    assert calibrated.network is case.trained.network
    for weight, old in zip(case.trained.network.weights, weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    np.testing.assert_array_equal(outputs(case.trained, case.val), before)
    if case.val.labels.ndim == 1:
        warm = outputs(calibrated, case.val)
        np.testing.assert_array_equal(np.argsort(warm, axis=1), np.argsort(before, axis=1))


def test_the_temperature_is_not_counted_twice(case: Any) -> None:
    once = case.trained.calibrate(case.val)
    assert once.calibrate(case.val).inference.temperature == once.inference.temperature


@pytest.mark.parametrize("name", ["classes", "labels"])
def test_saturated_outputs_keep_what_their_logits_said(
    name: str, request: pytest.FixtureRequest
) -> None:
    case = request.getfixturevalue(name)
    logits = np.array([[100.0, -100.0, 40.0], [-100.0, 100.0, -40.0]])
    network = copy.deepcopy(case.trained.network)
    last = network.get_layer("head_logits")
    trained = replace(case.trained, network=network, inference=Inference(50.0))
    for row in logits:
        last.set_weights([np.zeros(last.kernel.shape), row])
        plain = network.predict_on_batch(case.val.pixels()[:1])[0]
        assert {0.0, 1.0} <= set(plain.tolist()), "float32 has to be at its end"
        (found,) = outputs(trained, case.val.taken(np.array([0]), "val"))
        expected = at(row[None], 50.0)[0] if name == "classes" else sigmoid(row, 50.0)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_model_without_any_idea_is_told_so(classes: Any) -> None:
    worst = case_of(classes, classes.logits.argmin(axis=1))
    with pytest.warns(UserWarning, match="calibrate: the 48 pictures of val are told no better"):
        found = classes.trained.calibrate(worst)
    assert found.inference.temperature == HIGHEST
    np.testing.assert_allclose(outputs(found, worst), 1 / 3, atol=0.05)


def case_of(case: Any, labels: Array) -> tk.data.Split:
    split: tk.data.Split = replace(case.val, labels=labels)
    return split


def test_pictures_that_are_all_right_leave_room_for_doubt(classes: Any) -> None:
    calibrated = classes.trained.calibrate(case_of(classes, classes.logits.argmax(axis=1)))
    sure = outputs(calibrated, classes.val).max(axis=1)
    assert sure.mean() == pytest.approx(49 / 50, abs=1e-4)


def test_an_engine_and_a_batch_size_change_nothing(classes: Any) -> None:
    expected = classes.trained.calibrate(classes.val)
    found = classes.trained.calibrate(classes.val, batch_size=5, engine=EXACT)
    assert found.inference.temperature == pytest.approx(expected.inference.temperature, rel=1e-4)
    given = found.predict(classes.val.pixels()[:3], engine=EXACT)
    assert [each.confidence for each in given] == pytest.approx(
        [each.confidence for each in expected.predict(classes.val.pixels()[:3])], rel=1e-4
    )


def test_what_was_compiled_for_a_network_serves_all_its_models(classes: Any) -> None:
    first = classes.trained.calibrate(classes.few)
    second = first.with_views(tk.augment.flip(), views=2)
    assert "_view" not in vars(second._predictor)
    third = second.calibrate(classes.few)
    kept = [vars(model._predictor) for model in (first, second, third)]
    assert kept[0]["_to_logits"] is kept[1]["_to_logits"] is kept[2]["_to_logits"]
    assert kept[1]["_view"] is kept[2]["_view"]
    other = third.with_views(tk.augment.zoom(0.1), views=2)
    assert "_view" not in vars(other._predictor)


# -- thresholds


def test_labels_are_given_above_thresholds_of_their_own(labels: Any) -> None:
    chosen = labels.trained.choose_thresholds(labels.val)
    limits = np.array(chosen.inference.thresholds)
    assert len(set(limits.tolist())) > 1
    given = outputs(chosen, labels.val) > limits
    names = [tuple(np.array(chosen.class_names)[row]) for row in given]
    assert [each.labels for each in chosen.predict(labels.val.pixels())] == names
    after = chosen.evaluate(labels.val)
    np.testing.assert_array_equal(after.predicted, given)
    before = labels.trained.evaluate(labels.val)
    assert after.macro.f1 > before.macro.f1
    for one, other in zip(after.per_class, before.per_class, strict=True):
        assert one.f1 >= other.f1
    expected = metrics.f1_score(labels.val.labels, given, average="macro", zero_division=0)
    assert after.metrics["macro_f1"] == pytest.approx(expected)


def test_a_temperature_moves_thresholds_along(labels: Any) -> None:
    chosen = labels.trained.choose_thresholds(labels.val)
    both = chosen.calibrate(labels.val)
    assert both.inference.thresholds != chosen.inference.thresholds
    pixels = labels.photos.train.pixels()
    expected = [each.labels for each in chosen.predict(pixels)]
    assert [each.labels for each in both.predict(pixels)] == expected
    other = labels.trained.calibrate(labels.val).choose_thresholds(labels.val)
    assert other.inference.temperature == both.inference.temperature
    found = [each.labels for each in other.predict(labels.val.pixels())]
    assert found == [each.labels for each in both.predict(labels.val.pixels())]


def test_thresholds_at_the_ends_stay_there_at_any_temperature(labels: Any) -> None:
    chosen = replace(labels.trained, inference=Inference(thresholds=(0.0, 1.0, 0.5)))
    assert chosen.calibrate(labels.val).inference.thresholds == (0.0, 1.0, 0.5)


def test_a_label_that_no_picture_has_is_named(labels: Any) -> None:
    rows = labels.val.labels.copy()
    rows[:, 1] = 0
    with pytest.warns(
        UserWarning, match=r"choose_thresholds: no picture of val has 'bees & wasps', whose.* 0\.5$"
    ):
        chosen = labels.trained.choose_thresholds(case_of(labels, rows))
    assert chosen.inference.thresholds[1] == 0.5


def test_of_many_absent_labels_some_are_named() -> None:
    names = tuple(f"l{i}" for i in range(8))
    rows = np.eye(8, dtype=np.int64)[[7, 7]]
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    split = tk.data.from_arrays(pixels, rows, class_names=names, task="labels", val=0).train
    bound = tk.heads.multilabel(threshold=0.3).bind(split.target)
    with pytest.warns(UserWarning, match="has 'l0', 'l1', 'l2', 'l3', 'l4' and 2 more, whose"):
        found = choosing.decided(Inference(2.0), np.full((2, 8), 0.4), split, bound)
    assert found == Inference(2.0, (0.3,) * 8)


# -- what is refused


@pytest.mark.parametrize("verb", ["calibrate", "choose_thresholds"])
def test_without_validation_pictures_the_way_to_some_is_shown(labels: Any, verb: str) -> None:
    given: Any = {"class_names": labels.val.class_names, "val": 0}
    data = tk.data.from_arrays(labels.val.pixels(), labels.val.labels, **given)
    assert data.val is None
    with pytest.raises(SpecError, match=rf"{verb}: NoneType is no split.*hold_out\(0\.2\)"):
        getattr(labels.trained, verb)(data.val)


def test_other_classes_are_refused(classes: Any, labels: Any) -> None:
    with pytest.raises(SpecError, match="calibrate: the val split has other labels"):
        classes.trained.calibrate(labels.val)
    with pytest.raises(SpecError, match="calibrate: batch_size is out of range"):
        classes.trained.calibrate(classes.val, batch_size=0)
    with pytest.raises(SpecError, match="choose_thresholds: batch_size is out of range"):
        labels.trained.choose_thresholds(labels.val, batch_size=0)


def test_numbers_have_no_confidence(values: Any) -> None:
    with pytest.raises(SpecError, match=r"calibrate: the model predicts no prob.*'values'"):
        values.trained.calibrate(values.val)


def test_classes_are_decided_by_no_threshold(classes: Any, values: Any) -> None:
    for case in (classes, values):
        with pytest.raises(SpecError, match=r"choose_thresholds: the model decides by no thresh"):
            case.trained.choose_thresholds(case.val)


def test_thresholds_that_do_not_fit_are_refused(classes: Any, labels: Any) -> None:
    two = replace(labels.trained, inference=Inference(thresholds=(0.5, 0.5)))
    with pytest.raises(SpecError, match=r"thresholds and labels differ.*each of 3 labels"):
        two.predict(labels.val.pixels())
    none = replace(classes.trained, inference=Inference(thresholds=(0.5,) * 3))
    with pytest.raises(SpecError, match="the model decides by no threshold"):
        none.predict(classes.val.pixels())


# -- kept


def test_all_of_it_is_saved_loaded_and_told(labels: Any, tmp_path: Path) -> None:
    chosen = (
        labels.trained.with_views(tk.augment.flip(), views=3)
        .calibrate(labels.few)
        .choose_thresholds(labels.few)
    )
    chosen.save(tmp_path / "m.tkm")
    again = tk.load(tmp_path / "m.tkm")
    assert again.inference == chosen.inference
    assert not again.inference.is_plain
    assert again.predict(labels.few.pixels()) == chosen.predict(labels.few.pixels())
    assert again.evaluate(labels.few).metrics == chosen.evaluate(labels.few).metrics
    shown = repr(again)
    assert f"\ntemperature: {chosen.inference.temperature:.4g}\n" in shown
    assert "\nthresholds: ants 0." in shown
    assert shown.endswith("\nviews: 3, by pipeline(flip())")
    twin = pickle.loads(pickle.dumps(chosen))
    assert twin.predict(labels.few.pixels()[0]) == chosen.predict(labels.few.pixels()[0])


def test_a_file_from_before_has_the_defaults(classes: Any, tmp_path: Path) -> None:
    facts = classes.trained.calibrate(classes.val)._facts()
    del facts["inference"]
    bundle.write(tmp_path / "m.tkm", classes.trained.network, facts)
    old = tk.load(tmp_path / "m.tkm")
    assert old.inference == Inference()
    assert old.predict(classes.val.pixels()) == classes.trained.predict(classes.val.pixels())
    assert "temperature" not in repr(old)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"temperature": 0.0},
        {"temperature": "hot"},
        {"thresholds": [0.5]},
        {"thresholds": 0.5},
        {"views": 3},
        {"degrees": 1},
        {"views": 2, "augmentation": {"op": "pipeline", "operations": [{"op": "mixup"}]}},
    ],
)
def test_a_choice_that_does_not_fit_is_a_damaged_bundle(
    classes: Any, tmp_path: Path, spoilt: Any
) -> None:
    facts = {**classes.trained._facts(), "inference": spoilt}
    bundle.write(tmp_path / "m.tkm", classes.trained.network, facts)
    with pytest.raises(DamagedBundleError, match="its network and what is said of it do not fit"):
        tk.load(tmp_path / "m.tkm")


def test_training_on_drops_what_was_chosen_for_the_weights(labels: Any) -> None:
    chosen = labels.trained.with_views(tk.augment.flip(), views=2).calibrate(labels.few)
    chosen = chosen.choose_thresholds(labels.few)
    further = chosen.fit(labels.photos, tk.Phase(1), engine=EXACT, verbose=0)
    flip = tk.augment.pipeline(tk.augment.flip())
    assert further.inference == Inference(augmentation=flip, views=2)
    assert chosen.inference.thresholds
    assert chosen.inference.temperature != 1


def test_the_network_alone_knows_nothing_of_it(classes: Any) -> None:
    calibrated = classes.trained.calibrate(classes.val)
    keras = _keras.keras()
    plain = calibrated.network.predict_on_batch(classes.val.pixels())
    np.testing.assert_allclose(plain, at(classes.logits, 1.0), rtol=1e-4, atol=1e-6)
    assert isinstance(calibrated.network, keras.Model)
