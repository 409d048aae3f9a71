"""Test-time augmentation: which views, how they are joined, and which are refused."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.calibrate import Inference
from transferkit.calibrate.predictor import activated, pooled
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]
OPERATIONS = (tk.augment.flip(), tk.augment.zoom(0.3))
VIEWS = 3


def scores(results: Any) -> Array:
    return np.array([list(each.scores.values()) for each in results])


@functools.cache
def viewed(case: Any) -> Any:
    """The case's model through views, once for all tests."""
    return case.trained.with_views(*OPERATIONS, views=VIEWS)


def seen(pixels: Array) -> list[Array]:
    """The clean pictures, and each of their augmented views, as if every picture stood alone."""
    pipeline, alone = tk.augment.pipeline(*OPERATIONS), np.zeros(len(pixels), np.int64)
    numbers = range(1, VIEWS)
    return [pixels, *(pipeline(pixels, seed=0, view=v, indices=alone).numpy() for v in numbers)]


def test_probabilities_are_the_mean_over_the_views(case: Any) -> None:
    pixels = case.few.pixels()
    trained = viewed(case)
    each = np.stack([case.trained.network.predict_on_batch(v) for v in seen(pixels)])
    assert np.ptp(each, axis=0).max() > 0.02, "views have to differ"
    expected = each.mean(axis=0)
    if expected.shape[1] == 1:
        expected = np.hstack([1 - expected, expected])
    np.testing.assert_allclose(scores(trained.predict(pixels)), expected, rtol=1e-4, atol=1e-6)
    found = trained.evaluate(case.few).outputs
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_numbers_are_the_mean_over_the_views(values: Any) -> None:
    pixels = values.few.pixels()
    trained = viewed(values)
    each = [values.trained.network.predict_on_batch(view) for view in seen(pixels)]
    found = [result.values for result in trained.predict(pixels)]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4, atol=1e-4)
    assert trained.evaluate(values.few).outputs == pytest.approx(np.array(found), rel=1e-4)


def test_a_picture_is_answered_alike_whatever_stands_beside_it(classes: Any) -> None:
    trained = viewed(classes)
    pixels = classes.val.pixels()[:7]
    together = scores(trained.predict(pixels, batch_size=4))
    alone = scores([trained.predict(each) for each in pixels])
    turned = scores(trained.predict(pixels[::-1]))[::-1]
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(turned, together, rtol=1e-5, atol=1e-7)
    assert trained.predict(pixels) == trained.predict(pixels)


def test_the_temperature_is_that_of_the_mean(classes: Any) -> None:
    trained = viewed(classes)
    mean = trained.evaluate(classes.val).outputs
    calibrated = trained.calibrate(classes.val)
    degrees = calibrated.inference.temperature
    assert degrees != classes.trained.calibrate(classes.val).inference.temperature
    powers = mean ** (1 / degrees)
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated.evaluate(classes.val).outputs, expected, rtol=1e-3)
    best = -np.log(expected[np.arange(len(expected)), classes.val.labels]).mean()
    for other in (0.9 * degrees, 1.1 * degrees):
        warm = mean ** (1 / other) / (mean ** (1 / other)).sum(axis=1, keepdims=True)
        assert -np.log(warm[np.arange(len(warm)), classes.val.labels]).mean() > best


def test_new_views_drop_what_was_chosen_without_them(labels: Any) -> None:
    chosen = labels.trained.calibrate(labels.val).choose_thresholds(labels.val)
    viewed = chosen.with_views(tk.augment.flip(), views=2)
    flip = tk.augment.pipeline(tk.augment.flip())
    assert viewed.inference == Inference(augmentation=flip, views=2)


def test_a_flip_in_two_views_sees_both_sides(classes: Any) -> None:
    trained = classes.trained.with_views(tk.augment.flip(), views=2)
    pixels = classes.val.pixels()[:5]
    both = scores(trained.predict(pixels))
    mirrored = scores(trained.predict(pixels[:, :, ::-1]))
    np.testing.assert_allclose(both, mirrored, rtol=1e-4, atol=1e-6)


# -- how they are joined


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_mean_of_saturated_views_is_exact(activation: str) -> None:
    logits = np.array([[[100.0, -100.0]], [[-100.0, 100.0]], [[-100.0, 100.0]]], np.float32)
    together = pooled(logits, activation)
    # one view in three says so, surely
    assert together[0, 0] - (together[0, 1] if activation == "softmax" else 0) == pytest.approx(
        np.log(1 / 2), abs=1e-12
    )
    np.testing.assert_allclose(activated(together, activation, 1.0), [[1 / 3, 2 / 3]], rtol=1e-6)
    unanimous = pooled(logits[[0, 0]], activation)
    difference = unanimous[0, 0] - unanimous[0, 1]
    assert difference == pytest.approx(200.0)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_probabilities_of_any_logits_are_probabilities(activation: str) -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0], [-1e4, -1e4]])
    found = activated(logits, activation, 0.01)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found[:2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert found[2].tolist() == [0.5, 0.5]


# -- what is refused


@dataclasses.dataclass(frozen=True)
class Relabelled:
    """Somebody's augmentation that turns labels round."""

    def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
        return images, None if labels is None else 1.0 - labels


@dataclasses.dataclass(frozen=True)
class Sometimes:
    """Somebody's augmentation that drops the label of what it erased, one picture in two."""

    def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
        tf = _keras.tf()
        return images, labels * tf.cast(keys[:, :1] % 2, tf.float32)


@pytest.mark.parametrize(
    "operation", [tk.augment.mixup(), tk.augment.cutmix(0.5), Relabelled(), Sometimes()]
)
def test_what_changes_labels_is_refused(case: Any, operation: Any) -> None:
    with pytest.raises(SpecError, match="changes labels, and a picture that is predicted") as e:
        case.trained.with_views(tk.augment.flip(), operation, views=8)
    assert str(e.value).startswith(f"with_views: {operation!r} changes labels")
    assert "trained.with_views(tk.augment.flip()" in str(e.value)


def test_no_operation_is_refused(classes: Any) -> None:
    with pytest.raises(SpecError, match=r"with_views: there is no augmentation.*flip\(\), views=8"):
        classes.trained.with_views()


@pytest.mark.parametrize("views", [1, 0, -2, 1.5, None, True])
def test_a_number_of_views_that_is_none_is_refused(classes: Any, views: Any) -> None:
    with pytest.raises(SpecError, match=r"views is out of its range\. Expected 2 or more"):
        classes.trained.with_views(tk.augment.flip(), views=views)


def test_what_is_no_augmentation_is_refused(classes: Any) -> None:
    with pytest.raises(SpecError, match="that is no augmentation"):
        classes.trained.with_views("flip")
