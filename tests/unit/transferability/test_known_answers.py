"""Published and closed-form values of every score, and definitions written out as loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from transferkit import transferability
from transferkit.transferability import Statistics, spectrum

datasets = pytest.importorskip("sklearn.datasets")
Array = np.ndarray[Any, Any]
TABLES = ("iris", "wine", "breast_cancer", "digits")
SCORES: dict[str, Callable[..., float]] = {
    "logme": transferability.logme,
    "h_score": transferability.h_score,
    "regularized_h_score": transferability.regularized_h_score,
    "transrate": transferability.transrate,
    "gbc, spherical": transferability.gbc,
    "gbc, diagonal": lambda *given: transferability.gbc(*given, covariance="diagonal"),
}
KNOWN = {
    "iris": (-0.1600602434, 1.1918988250, 1.1778424993, 0.5894054064, -0.3378043112, -0.2306855787),
    "wine": (-0.0044591569, 1.7058208021, 0.7660975647, 2.6556692602, -0.6807708141, -0.0351572976),
    "breast_cancer": (
        *(-0.1850032551, 0.7743246527, 0.5770575602, 2.6869769593),
        *(-1.096e-06, -6.195e-05),
    ),
    "digits": (
        *(0.2702776274, 5.9179093367, 5.8514329980, 50.279312261),
        *(-0.0536586475, -1.2026e-04),
    ),
}
NEIGHBOURS = {
    "iris": (0.96, 0.96, 0.96667),
    "wine": (0.76966, 0.72472, 0.69663),
    "breast_cancer": (0.91564, 0.92619, 0.93322),
    "digits": (0.98831, 0.98887, 0.98776),
}


def table(name: str) -> tuple[Array, Array]:
    found = getattr(datasets, f"load_{name}")()
    return found.data, found.target


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_everybody_has_give_what_is_known(name: str) -> None:
    seen = Statistics(*table(name))
    given = [score(seen) for score in SCORES.values()]
    np.testing.assert_allclose(given, KNOWN[name], rtol=1e-6, atol=1e-8)
    votes = [transferability.knn(seen, k=k) for k in (1, 3, 5)]
    np.testing.assert_allclose(votes, NEIGHBOURS[name], atol=5e-6)


@pytest.mark.parametrize("form", ["tall", "short"])
def test_a_table_that_is_too_large_to_decompose_gives_the_same(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = table("digits")
    if form == "short":
        features, labels = features[:40], labels[:40]
    plain = Statistics(features, labels)
    monkeypatch.setattr(spectrum, "DIRECT", 0)
    monkeypatch.setattr(spectrum, "BLOCK", 23)
    blocks = Statistics(features.astype(np.float32), labels)
    assert (blocks.centred.left is None) == (form == "tall")
    for score in (*SCORES.values(), transferability.parc):
        assert score(blocks) == pytest.approx(score(plain), rel=1e-6)
    mine, theirs = (transferability.ridge_probe(each) for each in (blocks, plain))
    np.testing.assert_allclose(mine.scores, theirs.scores)
    np.testing.assert_allclose(mine.weights, theirs.weights, rtol=1e-5, atol=1e-8)


def drawn(images: int, channels: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    centres = generator.normal(size=(classes, channels))
    return centres[labels] + generator.normal(size=(images, channels)) + 0.5, labels


SHAPES = [(40, 6, 3), (12, 30, 3), (30, 4, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_logme_is_the_largest_evidence_there_is(shape: tuple[int, int, int]) -> None:
    """From the definition: the labels' density under a Gaussian, maximised by a general method."""
    optimize = pytest.importorskip("scipy.optimize")
    features, labels = drawn(*shape)

    def evidence(column: Array) -> Any:
        def minus(logs: Array) -> float:
            alpha, beta = np.exp(np.clip(logs, -40, 40))
            covariance = features @ features.T / alpha + np.eye(len(column)) / beta
            square = column @ np.linalg.solve(covariance, column)
            return float(np.linalg.slogdet(2 * np.pi * covariance)[1] + square) / 2

        starts = itertools.product((-6.0, 0.0, 4.0, 12.0), (0.0, 2.0))
        options = {"method": "Nelder-Mead", "options": {"xatol": 1e-8, "fatol": 1e-10}}
        return max(-optimize.minimize(minus, start, **options).fun for start in starts)

    columns = np.eye(shape[2])[labels].T
    wanted: Any = np.mean([evidence(column) for column in columns]) / len(labels)
    assert transferability.logme(features, labels) == pytest.approx(wanted, abs=1e-6)
    numbers = features @ np.arange(shape[1]) / 3 + np.random.default_rng(2).normal(size=shape[0])
    wanted = evidence(numbers) / len(labels)
    assert transferability.logme(features, numbers) == pytest.approx(wanted, abs=1e-6)


def test_logme_of_noise_with_more_channels_than_images_is_that_of_the_empty_model() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 2048))
    empty = -(math.log(2 * math.pi * 0.5) + 1) / 2
    assert transferability.logme(noise, np.arange(60) % 2) == pytest.approx(empty, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_h_scores_are_those_of_their_definitions(shape: tuple[int, int, int]) -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    features, labels = drawn(*shape)
    means = np.array([features[labels == label].mean(axis=0) for label in labels])
    between = np.cov(means.T)
    wanted = np.trace(np.linalg.pinv(np.cov(features.T), rcond=1e-10) @ between)
    assert transferability.h_score(features, labels) == pytest.approx(wanted)
    shrunk, amount = covariance.ledoit_wolf(features)
    wanted = (1 - amount) * np.trace(np.linalg.solve(shrunk, between))
    assert transferability.regularized_h_score(features, labels) == pytest.approx(wanted)


def test_the_h_score_saturates_on_noise_and_the_regularised_one_does_not() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 600))
    labels = np.arange(60) % 3
    assert transferability.h_score(noise, labels) == pytest.approx(2)
    assert transferability.regularized_h_score(noise, labels) < 0.6


@pytest.mark.parametrize("shape", SHAPES)
def test_transrate_is_that_of_its_definition(shape: tuple[int, int, int]) -> None:
    features, labels = drawn(*shape)

    def rate(rows: Array) -> float:
        scatter = rows.T @ rows / (len(rows) * 0.01)
        return float(0.5 * np.log(np.linalg.det(np.eye(rows.shape[1]) + scatter)))

    centred = features - features.mean(axis=0)
    parts = [rate(centred[labels == label]) for label in np.unique(labels)]
    wanted = rate(centred) - np.mean(parts)
    assert transferability.transrate(features, labels, eps=0.01) == pytest.approx(wanted)
    scaled = features / math.sqrt(features.var(axis=0).mean())
    assert transferability.transrate(1e3 * features, labels, normalize=True) == pytest.approx(
        transferability.transrate(scaled, labels)
    )


@pytest.mark.parametrize("covariance", ["spherical", "diagonal"])
def test_gbc_is_that_of_its_definition(covariance: Any) -> None:
    features, labels = drawn(40, 5, 4)
    total = 0.0
    for one, other in itertools.permutations(range(4), 2):
        groups = [features[labels == each] for each in (one, other)]
        means = [group.mean(axis=0) for group in groups]
        variances = [np.maximum(group.var(axis=0), 1e-4) for group in groups]
        if covariance == "spherical":
            variances = [each.mean(keepdims=True) for each in variances]
        middle = (variances[0] + variances[1]) / 2
        apart = ((means[0] - means[1]) ** 2 / middle).sum() / 8
        spread = np.log(middle / np.sqrt(variances[0] * variances[1])).sum() / 2
        total -= math.exp(-apart - spread)
    given = transferability.gbc(features, labels, covariance=covariance)
    assert given == pytest.approx(total)
    assert -4 * 3 <= given <= 0
    logarithm = transferability.gbc(features, labels, covariance=covariance, log=True)
    assert logarithm == pytest.approx(-math.log(-total))


def test_an_overlap_that_float64_does_not_hold_still_has_a_logarithm() -> None:
    features = np.repeat([[0.0], [100.0], [300.0]], 4, axis=0) + np.zeros(10)
    labels = np.repeat([0, 1, 2], 4)
    assert transferability.gbc(features, labels) == 0
    assert transferability.gbc(features, labels, log=True) == pytest.approx(
        10 * 100**2 / 1e-4 / 8 - math.log(2)
    )


@pytest.mark.parametrize("k", [1, 3, 4])
def test_neighbours_vote_as_they_do_one_by_one(k: int) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    features, labels = drawn(50, 3, 4)
    right = 0
    for place in range(50):
        others = np.arange(50) != place
        voters = neighbors.KNeighborsClassifier(k).fit(features[others], labels[others])
        right += voters.predict(features[place : place + 1])[0] == labels[place]
    assert transferability.knn(features, labels, k=k) == right / 50


def test_a_vote_without_a_winner_is_settled_as_was_asked() -> None:
    features, labels = [[0.0], [1.0], [-1.0], [9.0]], ["b", "b", "a", "a"]
    # Of "b" at 0 a "b" and an "a" are equally far; of the others one neighbour is the nearest.
    assert transferability.knn(features, labels) == (0 + 1 + 0 + 0) / 4
    assert transferability.knn(features, labels, ties="share") == (0.5 + 1 + 0 + 0) / 4


def test_parc_is_spearmans_correlation_of_all_distances() -> None:
    stats = pytest.importorskip("scipy.stats")
    for classes in (2, 3):
        features, labels = drawn(30, 5, classes)
        pairs = np.triu_indices(30, 1)
        apart = np.atleast_2d(1 - np.corrcoef(features))[pairs].round(12)
        others = np.atleast_2d(1 - np.corrcoef(np.eye(classes)[labels]))[pairs].round(12)
        wanted = stats.spearmanr(apart, others).statistic
        assert transferability.parc(features, labels) == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(20, 5, 3), (12, 25, 2)])
def test_the_ridge_probe_leaves_out_exactly(shape: tuple[int, int, int]) -> None:
    """By training the head once for each image and penalty."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, labels = drawn(*shape)
    columns, penalties = np.eye(shape[2])[labels], np.array([1e-4, 0.01, 1.0])
    unit = features.var(axis=0).sum() * len(features) / shape[1]
    scores, errors = [], []
    for penalty in penalties:
        outputs = []
        for place in range(len(features)):
            others = np.arange(len(features)) != place
            ridge = linear_model.Ridge(penalty * unit).fit(features[others], columns[others])
            outputs.append(ridge.predict(features[place : place + 1])[0])
        rates = np.array(outputs) + (columns - columns.mean(axis=0)) / (len(features) - 1)
        scores.append(np.mean(np.argmax(rates, axis=1) == labels))
        errors.append(np.square(np.array(outputs) - columns).sum())
    probe = transferability.ridge_probe(features, labels, penalties=penalties)
    np.testing.assert_allclose(probe.scores, scores)
    best = int(np.argmin(errors))
    assert (probe.score, probe.penalty) == (scores[best], penalties[best])
    assert probe.right.mean() == probe.score
    ridge = linear_model.Ridge(probe.penalty * unit).fit(features, columns)
    np.testing.assert_allclose(features @ probe.weights + probe.bias, ridge.predict(features))


def test_the_ridge_probe_of_numbers_is_the_r2_of_predictions_from_all_others() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, _ = drawn(20, 5, 2)
    targets = features @ np.arange(5) + np.random.default_rng(1).normal(size=20)
    unit = features.var(axis=0).sum() * 20 / 5
    errors, alone = 0.0, 0.0
    for place in range(20):
        others = np.arange(20) != place
        ridge = linear_model.Ridge(0.1 * unit).fit(features[others], targets[others])
        errors += (ridge.predict(features[place : place + 1])[0] - targets[place]) ** 2
        alone += (targets[others].mean() - targets[place]) ** 2
    probe = transferability.ridge_probe(features, targets, penalties=0.1)
    assert probe.score == pytest.approx(1 - errors / alone)
    assert probe.right.sum() == pytest.approx(errors)


THETA = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]]


def test_leep_and_nce_have_their_closed_forms() -> None:
    labels, source = [0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]
    assert transferability.leep(THETA, [0, 0, 1, 1]) == pytest.approx(-0.3839808833)
    assert transferability.nce(source, labels) == pytest.approx(-0.6365141682948)
    assert transferability.leep(np.eye(2)[source], labels) == pytest.approx(-0.6365141682948)
    uniform, uneven = np.full((6, 4), 0.25), [0, 0, 0, 0, 1, 2]
    entropy = -sum(p * math.log(p) for p in (4 / 6, 1 / 6, 1 / 6))
    assert transferability.leep(uniform, uneven) == pytest.approx(-entropy)
    assert transferability.leep(np.eye(3)[uneven], uneven) == pytest.approx(0)
    assert transferability.nce(uneven, uneven) == 0


def test_leep_is_that_of_its_definition() -> None:
    generator = np.random.default_rng(0)
    theta, labels = generator.dirichlet(np.ones(5), 20), np.arange(20) % 3
    total = 0.0
    for row, label in zip(theta, labels, strict=True):
        likely = sum(row[z] * theta[labels == label, z].sum() / theta[:, z].sum() for z in range(5))
        total += math.log(likely)
    assert transferability.leep(theta, labels) == pytest.approx(total / 20)
