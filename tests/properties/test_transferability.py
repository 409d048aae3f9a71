"""Laws of the transferability scores: what they must not depend on, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit import transferability

Array = np.ndarray[Any, Any]
Table = tuple[Array, Array]


def probed(features: Any, labels: Any) -> float:
    return transferability.ridge_probe(features, labels).score


def shared(features: Any, labels: Any) -> float:
    return transferability.knn(features, labels, k=3, ties="share")


def normalised(features: Any, labels: Any) -> float:
    return transferability.transrate(features, labels, normalize=True)


SCORES: Mapping[str, Callable[[Any, Any], float]] = {
    "gbc": transferability.gbc,
    "h_score": transferability.h_score,
    "knn": transferability.knn,
    "knn, ties shared": shared,
    "logme": transferability.logme,
    "parc": transferability.parc,
    "regularized_h_score": transferability.regularized_h_score,
    "ridge_probe": probed,
    "transrate": transferability.transrate,
    "transrate, normalised": normalised,
}
SCALE_FREE = sorted({*SCORES} - {"gbc", "transrate"})
SHIFT_FREE = sorted({*SCORES} - {"logme", "parc"})


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Classes of three to six images around centres of their own, with gaps in their numbers."""
    seed = draw(st.integers(0, 2**32 - 1))
    classes, each = draw(st.integers(2, 4)), draw(st.integers(3, 6))
    channels = draw(st.sampled_from([1, 2, 5, 40]))
    apart = draw(st.sampled_from([0.0, 1.0, 5.0]))
    generator = np.random.default_rng(seed)
    labels = np.repeat(generator.choice(20, classes, replace=False), each)
    centres = dict(zip(np.unique(labels), generator.normal(size=(classes, channels)), strict=True))
    middle = np.array([centres[label] for label in labels])
    return apart * middle + generator.normal(size=(len(labels), channels)), labels


def close(given: float, wanted: float) -> None:
    assert given == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("score", SCORES)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_order_of_the_images_makes_no_difference(score: str, table: Table, seed: int) -> None:
    features, labels = table
    order = np.random.default_rng(seed).permutation(len(labels))
    close(SCORES[score](features[order], labels[order]), SCORES[score](features, labels))


@pytest.mark.parametrize("score", SCORES)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_names_of_the_classes_make_no_difference(score: str, table: Table, seed: int) -> None:
    features, labels = table
    names = np.random.default_rng(seed).permutation(20)
    close(SCORES[score](features, names[labels]), SCORES[score](features, labels))


@pytest.mark.parametrize("score", SCALE_FREE)
@given(table=tables(), power=st.integers(-8, 8))
def test_the_scale_makes_no_difference_where_that_is_promised(
    score: str, table: Table, power: int
) -> None:
    features, labels = table
    close(SCORES[score](features * 2.0**power, labels), SCORES[score](features, labels))


@pytest.mark.parametrize("score", SHIFT_FREE)
@given(table=tables(), shift=st.integers(-9, 9))
def test_a_constant_that_is_added_makes_no_difference_where_that_is_promised(
    score: str, table: Table, shift: int
) -> None:
    features, labels = table
    close(SCORES[score](features + shift, labels), SCORES[score](features, labels))


@given(table=tables())
def test_scores_lie_in_their_bounds(table: Table) -> None:
    features, labels = table
    classes = len(np.unique(labels))
    most = min(features.shape[1], classes - 1)
    assert -1e-9 <= transferability.h_score(features, labels) <= most + 1e-9
    assert 0 <= transferability.regularized_h_score(features, labels) <= most * 1.2 + 1e-9
    assert -classes * (classes - 1) <= transferability.gbc(features, labels) <= 0
    assert -1 <= transferability.parc(features, labels) <= 1
    for share in (transferability.knn, shared, probed):
        assert 0 <= share(features, labels) <= 1
    assert transferability.transrate(features, labels) >= -1e-9


@given(seed=st.integers(0, 999), sources=st.integers(1, 6))
def test_a_source_head_knows_no_more_than_everything_and_no_less_than_nothing(
    seed: int, sources: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = np.append([0, 1], generator.integers(0, 3, 18))
    theta = generator.dirichlet(np.full(sources, 0.3), 20)
    shares = np.bincount(labels)[np.bincount(labels) > 0] / 20
    nothing = (shares * np.log(shares)).sum()
    assert transferability.leep(theta, labels) <= 1e-12
    source = theta.argmax(axis=1)
    assert nothing - 1e-12 <= transferability.nce(source, labels) <= 0
    one_hot = np.eye(sources)[source]
    close(transferability.leep(one_hot, labels), transferability.nce(source, labels))
    order = generator.permutation(20)
    close(transferability.leep(theta[order], labels[order]), transferability.leep(theta, labels))


@settings(max_examples=10)
@given(table=tables(), seed=st.integers(0, 99))
def test_a_rotation_makes_no_difference_to_what_hangs_on_distances(table: Table, seed: int) -> None:
    features, labels = table
    channels = features.shape[1]
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.normal(size=(channels, channels)))
    free = ("h_score", "knn", "logme", "regularized_h_score", "ridge_probe", "transrate")
    for score in free:
        close(SCORES[score](features @ turn, labels), SCORES[score](features, labels))
