"""What is unusual and has a value, and what is refused with a reason."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from transferkit import transferability
from transferkit.errors import DataError, SpecError
from transferkit.transferability import Statistics

Array = np.ndarray[Any, Any]


def probed(*given: Any) -> float:
    return transferability.ridge_probe(*given).score


SCORES: dict[str, Callable[..., float]] = {
    "gbc": transferability.gbc,
    "h_score": transferability.h_score,
    "knn": transferability.knn,
    "logme": transferability.logme,
    "parc": transferability.parc,
    "regularized_h_score": transferability.regularized_h_score,
    "ridge_probe": probed,
    "transrate": transferability.transrate,
}
NOISE = np.random.default_rng(0).normal(size=(12, 5))
LABELS = np.arange(12) % 3
UNUSUAL = {
    "constant features": (np.full((12, 5), 0.1), LABELS),
    "zeros": (np.zeros((12, 5)), LABELS),
    "one constant channel": (np.c_[NOISE, np.full(12, 0.3)], LABELS),
    "duplicated rows": (np.repeat(NOISE[:4], 3, axis=0), LABELS),
    "only one image of a class": (NOISE, np.array([0] * 11 + [1])),
    "all classes of one image": (NOISE, np.arange(12)),
    "separable": (np.eye(3)[LABELS] * 9, LABELS),
    "separable, many channels": (np.c_[np.eye(3)[LABELS], np.zeros((12, 40))], LABELS),
    "more channels than images": (np.random.default_rng(1).normal(size=(12, 99)), LABELS),
    "one channel": (NOISE[:, :1], LABELS),
    "far from zero": (NOISE + 1e6, LABELS),
    "tiny": (NOISE * 1e-30, LABELS),
    "large": (NOISE * 1e30, LABELS),
    "gaps in the labels": (NOISE, LABELS * 7 - 3),
    "half precision": (NOISE.astype(np.float16), LABELS),
    "whole numbers": (np.arange(60).reshape(12, 5) % 7, LABELS),
    "truth values": (NOISE > 0, LABELS > 1),
    "names": (NOISE, np.array(["ant", "bee", "wasp"])[LABELS]),
}


@pytest.mark.parametrize("case", UNUSUAL)
@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_a_number_whatever_the_features(score: str, case: str) -> None:
    value = SCORES[score](*UNUSUAL[case])
    assert isinstance(value, float)
    assert np.isfinite(value)


@pytest.mark.parametrize("score", SCORES)
def test_gaps_and_names_make_no_difference(score: str) -> None:
    wanted = SCORES[score](NOISE, LABELS)
    assert SCORES[score](NOISE, LABELS * 7 - 3) == wanted
    assert SCORES[score](NOISE, [("ant", "bee", "wasp")[each] for each in LABELS]) == wanted
    assert SCORES[score](Statistics(NOISE, LABELS)) == wanted


def test_features_that_are_all_alike_say_nothing() -> None:
    alike = UNUSUAL["constant features"]
    assert transferability.h_score(*alike) == 0
    assert transferability.regularized_h_score(*alike) == 0
    assert transferability.transrate(*alike) == 0
    assert transferability.parc(*alike) == 0
    assert probed(*alike) == pytest.approx(1 / 3)
    uneven = np.array([0] * 8 + [1] * 4)
    assert probed(np.zeros((12, 3)), uneven) == pytest.approx(8 / 12)
    assert transferability.gbc(*alike) == pytest.approx(-6)


def test_separable_classes_are_the_best_there_is() -> None:
    features, labels = UNUSUAL["separable"]
    assert transferability.h_score(features, labels) == pytest.approx(2)
    assert transferability.knn(features, labels) == 1
    assert probed(features, labels) == 1
    assert transferability.parc(features, labels) == pytest.approx(1)
    assert transferability.logme(features, labels) > 5


def test_a_class_of_one_image_is_never_right() -> None:
    features, labels = np.r_[NOISE, NOISE[:1] + 50], np.array([0] * 12 + [1])
    assert transferability.knn(features, labels) == pytest.approx(12 / 13)
    assert not transferability.ridge_probe(features, labels).right[-1]


def test_source_classes_that_no_image_has_take_no_part() -> None:
    theta = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
    wider = np.c_[theta, np.zeros((4, 3))]
    labels = [0, 0, 1, 1]
    assert transferability.leep(wider, labels) == pytest.approx(transferability.leep(theta, labels))
    assert transferability.nce([5, 5, 900, 900], labels) == 0


def test_many_images_are_drawn_and_the_draw_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % 2
    for name, score in (("neighbours", transferability.knn), ("parc", transferability.parc)):
        module = importlib.import_module(f"transferkit.transferability.{name}")
        whole = score(features, labels)
        monkeypatch.setattr(module, "QUERIES", 30)
        first, again, other = (score(features, labels, seed=seed) for seed in (0, 0, 1))
        assert first == again
        assert len({first, other, whole}) == 3


def told(call: Callable[[], Any], error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        call()
    return re.sub(r"\s+", " ", str(caught.value))


def test_features_of_another_shape_or_kind_are_refused() -> None:
    maps = np.zeros((4, 2, 2, 8))
    assert told(lambda: Statistics(maps, [0, 1, 0, 1])) == (
        "Statistics: the features are not one vector of real numbers for each of two images or "
        "more. Expected an array (images, channels). Received: shape=(4, 2, 2, 8), "
        "dtype=dtype('float64'). maps of (images, height, width, channels): "
        "features.mean(axis=(1, 2))"
    )
    for wrong in (np.zeros(4), np.zeros((1, 3)), np.zeros((4, 0)), [["a"], ["b"]], NOISE * 1j):
        assert "not one vector of real numbers" in told(partial(Statistics, wrong, [0]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named_with_its_image(value: float) -> None:
    features = NOISE.copy()
    features[7, 2] = value
    text = told(lambda: transferability.logme(features, LABELS))
    assert text.startswith("Statistics: the features of image 7 are not all finite.")
    assert f"first={np.float64(value)!r}" in text
    assert text.endswith("np.delete(features, 7, axis=0), and its label")
    targets = np.linspace(0, 1, 12)
    targets[3] = value
    assert "the target of image 3 is not finite" in told(lambda: Statistics(NOISE, targets))


def test_labels_that_do_not_fit_are_refused() -> None:
    text = told(lambda: transferability.h_score(NOISE, LABELS[:5]))
    assert "there are 12 images and labels of shape (5,)" in text
    assert "of shape (0,)" in told(lambda: transferability.h_score(NOISE))
    text = told(lambda: transferability.h_score(NOISE, np.eye(3, dtype=int)[LABELS]))
    assert "the labels are not one class for each image" in text
    assert text.endswith("labels.argmax(axis=1)")
    text = told(lambda: transferability.knn(NOISE, ["ant"] * 12))
    assert "all images are of one class, 'ant'. Expected two classes or more." in text
    text = told(lambda: transferability.logme(Statistics(NOISE, LABELS), LABELS), SpecError)
    assert "labels were given beside Statistics" in text


@pytest.mark.parametrize("score", sorted({*SCORES} - {"logme", "ridge_probe"}))
def test_numbers_are_no_labels_of_a_score_for_classes(score: str) -> None:
    text = told(lambda: SCORES[score](NOISE, np.linspace(0, 1, 12)), SpecError)
    assert text.startswith(f"{score}: the labels are the numbers of a regression.")
    assert "ridge_probe(features, labels), which take numbers" in text


def test_logits_are_no_probabilities() -> None:
    logits = np.array([[0.4, 0.6], [2.0, -1.0]])
    text = told(lambda: transferability.leep(logits, [0, 1]))
    assert "row 1 is no distribution over the source's classes" in text
    assert "Received: sum=1.0, least=-1.0" in text
    assert text.endswith("leep(scipy.special.softmax(logits, axis=1), labels)")
    assert "2 images and 3 labels" in told(lambda: transferability.nce([0, 1], [0, 1, 0]))


def test_numbers_that_make_no_sense_are_refused() -> None:
    wrong: Any
    for wrong in (0, 12, 1.5, True):
        text = told(partial(transferability.knn, NOISE, LABELS, k=wrong))
        assert "of 12 images each has 11 others" in text
        assert f"k={wrong}" in text
    unknown: Any = "last"
    text = told(lambda: transferability.knn(NOISE, LABELS, ties=unknown), SpecError)
    assert 'Expected "first" or "share". Received: ties=\'last\'' in text
    wide: Any = "full"
    text = told(lambda: transferability.gbc(NOISE, LABELS, covariance=wide), SpecError)
    assert "there is no such covariance" in text
    for penalties in (0, -1, [], [1.0, np.nan]):
        text = told(partial(transferability.ridge_probe, NOISE, LABELS, penalties=penalties))
        assert "a penalty is not a positive number" in text
    assert "two images have one distance" in told(
        lambda: transferability.parc([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    )
    text = told(lambda: transferability.transrate(NOISE, LABELS, eps=0), SpecError)
    assert "the distortion that is allowed is not positive" in text
