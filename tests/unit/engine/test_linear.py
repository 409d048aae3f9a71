"""Solved heads against scikit-learn, and the penalty that left-out images choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import transferability
from transferkit.engine import linear
from transferkit.engine.linear import FOLDS, _dealt, _folds, by_lbfgs, by_ridge
from transferkit.spec import Target

COUNT, CHANNELS = 90, 7
Array = np.ndarray[Any, Any]


def blobs(classes: int, *, apart: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Overlapping clouds, their channels of very different size, far from the origin."""
    rng = np.random.default_rng(seed)
    labels = np.arange(COUNT) % classes
    centres = rng.normal(0, apart, (classes, CHANNELS))
    vectors = centres[labels] + rng.normal(0, 1, (COUNT, CHANNELS))
    return (vectors * np.logspace(-2, 2, CHANNELS) + 5).astype(np.float32), labels


def bound(classes: int, **head: Any) -> Any:
    names = tuple(f"class {number}" for number in range(classes))
    return tk.heads.classification(**head).bind(Target("classes", names))


def scale(vectors: Array) -> Array:
    """The root of each channel's variance, as if ten more images had the mean of them all."""
    variances = vectors.astype(np.float64).var(0)
    drawn = (len(vectors) * variances + 10 * variances.mean()) / (len(vectors) + 10)
    return np.asarray(np.sqrt(drawn))


def standardised(vectors: Array) -> Array:
    return np.asarray((vectors - vectors.mean(0, dtype=np.float64)) / scale(vectors))


def logits(solved: Any, vectors: Array) -> Array:
    return np.asarray(vectors @ solved.kernel + solved.bias)


def probabilities(values: Array) -> Array:
    shares = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_it_is_the_logistic_regression_of_scikit_learn(classes: int, penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, labels = blobs(classes)
    head = bound(classes)
    solved = by_lbfgs(
        vectors, head.targets(labels), head.loss(), shares=np.ones(COUNT), penalty=penalty
    )
    table = standardised(vectors.astype(np.float64))
    # scikit-learn sums the losses; of two classes it has one column, half of which each is here.
    strength = 1 / (penalty * COUNT) * (2 if classes == 2 else 1)
    oracle = linear_model.LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
    expected = oracle.fit(table, labels).predict_proba(table)
    found = probabilities(logits(solved, vectors))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_two_images_of_a_class_are_told_by_the_direction_between_them() -> None:
    """Channels that are equal by chance in two images must not outweigh the one that tells."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 1e-3, (4, 50)).astype(np.float32)
    vectors[:, 0] += [3.0, 3.1, -3.0, -3.1]
    head = bound(2)
    targets = head.targets([0, 0, 1, 1])
    solved = by_lbfgs(vectors, targets, head.loss(), shares=np.ones(4), penalty=0.1)
    logit = np.abs(solved.kernel[:, 0] - solved.kernel[:, 1])
    assert logit[0] > 10 * logit[1:].max()


def test_a_share_of_two_is_the_picture_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = blobs(3)
    head = bound(3)
    targets, twice = head.targets(labels), np.append(np.arange(COUNT), np.flatnonzero(labels == 0))
    shares = np.where(labels == 0, 2.0, 1.0)
    monkeypatch.setattr(linear, "PRIOR", 0)  # it counts images, of which there are more
    first = by_lbfgs(vectors, targets, head.loss(), shares=shares, penalty=0.1)
    again = by_lbfgs(
        vectors[twice], targets[twice], head.loss(), shares=np.ones(len(twice)), penalty=0.1
    )
    plain = by_lbfgs(vectors, targets, head.loss(), shares=np.ones(COUNT), penalty=0.1)
    found, expected, other = (probabilities(logits(s, vectors)) for s in (first, again, plain))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert np.abs(other - expected).max() > 0.05


def test_the_heads_own_loss_is_what_is_minimised() -> None:
    vectors, labels = blobs(3, apart=3.0)
    plain, smooth = bound(3), bound(3, label_smoothing=0.3)
    surest = [
        probabilities(
            logits(
                by_lbfgs(
                    vectors, head.targets(labels), head.loss(), shares=np.ones(COUNT), penalty=1e-3
                ),
                vectors,
            )
        ).max()
        for head in (plain, smooth)
    ]
    assert surest[0] > 0.97
    assert surest[1] < 0.93, "smoothed labels are 0.8 and twice 0.1"


@pytest.mark.parametrize(("apart", "strong"), [(0.0, True), (4.0, False)])
def test_left_out_images_choose_the_penalty(apart: float, strong: bool) -> None:
    vectors, labels = blobs(3, apart=apart)
    head = bound(3)
    solved = by_lbfgs(
        vectors, head.targets(labels), head.loss(), shares=np.ones(COUNT), classes=labels
    )
    assert "by 5-fold cross-validation" in solved.how
    penalty = float(solved.how.split("penalty ")[1].split()[0])
    assert penalty > 1 if strong else penalty < 0.1


def test_what_is_always_left_out_rightly_is_sure_and_noise_is_not() -> None:
    """The logits are scaled by how left-out images come out, whatever the penalty."""
    head = bound(3)
    surest = []
    for apart in (0.0, 2.0, 9.0):
        vectors, labels = blobs(3, apart=apart)
        solved = by_lbfgs(
            vectors, head.targets(labels), head.loss(), shares=np.ones(COUNT), classes=labels
        )
        fresh, _ = blobs(3, apart=apart, seed=0)
        surest.append(float(probabilities(logits(solved, fresh)).max(axis=1).mean()))
    assert surest[0] < 0.5 < 0.7 < surest[1] < surest[2]
    assert 0.97 < surest[2] < 1 - 1e-4


def test_a_solution_of_a_given_penalty_is_not_scaled() -> None:
    vectors, labels = blobs(3)
    head = bound(3)
    given = (vectors, head.targets(labels), head.loss())
    free = by_lbfgs(*given, shares=np.ones(COUNT), classes=labels)
    penalty = float(free.how.split("penalty ")[1].split()[0])
    fixed = by_lbfgs(*given, shares=np.ones(COUNT), penalty=penalty)
    ratio = free.kernel / fixed.kernel
    assert np.ptp(ratio) < 0.1 * ratio.mean(), "one number for all"
    assert abs(ratio.mean() - 1) > 0.02


def test_numbers_are_not_scaled() -> None:
    vectors, _ = blobs(3)
    targets = (vectors[:, :1] * 10 + 100).astype(np.float32)
    loss = tk.heads.regression().bind(Target("values", outputs=1)).loss()
    solved = by_lbfgs(vectors, targets, loss, shares=np.ones(COUNT), scaled=False)
    np.testing.assert_allclose(logits(solved, vectors), targets, atol=0.5)


def test_one_image_of_each_class_leaves_nothing_to_choose_by() -> None:
    vectors, labels = np.eye(3, 5, dtype=np.float32), np.arange(3)
    head = bound(3)
    solved = by_lbfgs(vectors, head.targets(labels), head.loss(), shares=np.ones(3), classes=labels)
    assert solved.how.endswith("penalty 1, as no class has two images to choose it by")
    assert logits(solved, vectors).argmax(1).tolist() == [0, 1, 2]


def test_vectors_that_say_nothing_give_even_odds() -> None:
    head = bound(2)
    targets = head.targets(np.arange(6) % 2)
    for solved in (
        by_lbfgs(np.full((6, 3), 7, np.float32), targets, head.loss(), shares=np.ones(6)),
        by_ridge(np.full((6, 3), 7, np.float32), targets, head.loss(), values=False),
    ):
        odds = probabilities(logits(solved, np.full((1, 3), 7.0)))
        np.testing.assert_allclose(odds, 0.5, atol=1e-3)


def test_every_class_is_in_every_fold_and_a_class_of_one_in_none() -> None:
    classes = np.array([0] * 10 + [1] * 6 + [2])
    parts = _dealt(17, classes, np.random.default_rng(0))
    assert parts[-1] == -1
    for number in (0, 1):
        assert set(parts[classes == number]) == set(range(FOLDS))
    assert np.array_equal(
        np.sort([(parts == fold).sum() for fold in range(FOLDS)]), [3, 3, 3, 3, 4]
    )


def test_of_many_images_one_fold_is_held_out() -> None:
    assert len(_folds(2_000, None, 0)) == FOLDS
    (held_out,) = _folds(2_001, None, 0)
    assert 395 < held_out.sum() < 405


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_met_by_the_ridge_regression_of_scikit_learn(outputs: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, _ = blobs(3)
    rng = np.random.default_rng(1)
    targets = vectors @ rng.normal(size=(CHANNELS, outputs)) / 50 + rng.normal(size=(COUNT, 1))
    loss = tk.heads.regression().bind(Target("values", outputs=outputs)).loss()
    solved = by_ridge(vectors, targets.astype(np.float32), loss, values=True, penalty=0.1)
    table = standardised(vectors.astype(np.float64))
    oracle = linear_model.Ridge(alpha=0.1 * COUNT * table.var(0).mean()).fit(table, targets)
    expected = oracle.predict(table).reshape(COUNT, outputs)
    np.testing.assert_allclose(logits(solved, vectors), expected, atol=1e-3)


def test_a_ridge_regression_of_classes_is_sharpened_to_the_loss_of_left_out_images() -> None:
    vectors, labels = blobs(3)
    head = bound(3)
    targets = head.targets(labels)
    solved = by_ridge(vectors, targets, head.loss(), values=False)
    probe = transferability.ridge_probe(standardised(vectors), targets.astype(np.float64))

    def lost(factor: float) -> float:
        shares = probabilities(factor * (probe.outputs - 0.5))
        return float(-np.log(shares[np.arange(COUNT), labels]).mean())

    kernel = solved.kernel * scale(vectors)[:, None]
    factor = float((kernel / probe.weights).mean())
    # Not at the least loss itself, since each label is a little unsure.
    assert lost(factor) <= min(lost(factor * 1.6), lost(factor / 1.6))
    assert factor > 2


def test_a_ridge_regression_that_is_always_right_stays_unsure() -> None:
    vectors, labels = blobs(3, apart=9.0)
    head = bound(3)
    solved = by_ridge(vectors, head.targets(labels), head.loss(), values=False)
    shares = probabilities(logits(solved, vectors))
    assert (shares.argmax(1) == labels).all()
    assert shares[np.arange(COUNT), labels].min() < 1 - 1e-3


def test_left_out_outputs_are_those_of_heads_that_never_saw_the_image() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, labels = blobs(3)
    table, rows = standardised(vectors.astype(np.float64)), np.eye(3)[labels]
    probe = transferability.ridge_probe(table, rows, penalties=(0.2,))
    for image in (0, 41):
        others = np.arange(COUNT) != image
        alone = linear_model.Ridge(alpha=0.2 * (table.var(0) * COUNT).sum() / CHANNELS)
        alone.fit(table[others], rows[others])
        np.testing.assert_allclose(probe.outputs[image], alone.predict(table[[image]])[0])
