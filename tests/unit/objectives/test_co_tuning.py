"""Co-Tuning as a value, its relationship and its term: plain NumPy beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import SpecError
from transferkit.objectives.co_tuning import CoTuned, relationship
from transferkit.spec import Seen

keras, tf = _keras.keras(), _keras.tf()
RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(4, 6)), RNG.normal(size=6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_relationship_is_a_mean_over_each_class(temperature: float) -> None:
    features, labels = RNG.normal(size=(11, 4)).astype(np.float32), np.arange(11) % 3
    expected = np.zeros((3, 6))
    for label in range(3):
        members = [each for each, own in zip(features, labels, strict=True) if own == label]
        for member in members:
            raised = [np.exp(value / temperature) for value in member @ KERNEL + BIAS]
            expected[label] += np.array(raised) / sum(raised) / len(members)
    found = relationship(features, labels, 3, KERNEL, BIAS, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)


def test_logits_that_are_far_apart_give_one_class() -> None:
    kernel, bias = np.diag([1e4, -1e4]), np.zeros(2)
    found = relationship(np.ones((2, 2)), np.array([0, 1]), 2, kernel, bias, 1.0)
    np.testing.assert_array_equal(found, [[1, 0], [1, 0]])


def term(weight: float, kernel: Any, bias: Any, related: Any) -> CoTuned:
    layer = keras.layers.Dense(len(bias), dtype="float32")
    layer.build((None, len(kernel)))
    layer.set_weights([kernel, bias])
    return CoTuned(weight, np.asarray(related, np.float32), layer)


def by_numpy(weight: float, features: Any, rows: Any, related: Any, scale: float) -> float:
    """Float64, the largest logit taken out."""
    logits = scale * (np.float64(features) @ KERNEL + BIAS)
    logits -= logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(weight * -((rows @ related) * logs).sum(axis=1).mean())


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0], ids=["even", "plain", "far apart"])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_term_is_a_cross_entropy(scale: float, mixed: bool) -> None:
    related = RNG.dirichlet(np.ones(6), 3)
    features = RNG.normal(size=(5, 4)).astype(np.float32)
    rows = RNG.dirichlet(np.ones(3), 5) if mixed else np.eye(3)[[0, 1, 2, 2, 0]]
    given = Seen(tf.zeros((5, 3)), features, tf.constant(rows, tf.float32), tf.constant(features))
    found = float(term(0.7, scale * KERNEL, scale * BIAS, related)(given))
    expected = by_numpy(0.7, features, rows, related, scale)
    assert np.abs(scale * (features @ KERNEL + BIAS)).max() > 100 or scale < 100
    assert found == pytest.approx(expected, rel=1e-5)


def test_its_slopes_are_finite_where_logits_are_far_apart() -> None:
    features = tf.Variable([[1.0], [-1.0]])
    made = term(1.0, np.array([[100.0, -100.0]]), np.zeros(2), [[0.5, 0.5], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        value = made(Seen(features, features, tf.eye(2), features))
    slopes = tape.gradient(value, [features, *(each.value for each in made.variables)])
    # Half of what is wanted has a log probability of -200; the other picture is told rightly.
    assert float(value) == pytest.approx(50.0)
    assert float(slopes[0][0, 0]) == pytest.approx(50.0)
    assert all(np.isfinite(np.asarray(slope)).all() for slope in slopes)


def test_a_target_of_one_column_is_that_of_the_second_class() -> None:
    related, features = RNG.dirichlet(np.ones(6), 2), RNG.normal(size=(3, 4)).astype(np.float32)
    made = term(1.0, KERNEL, BIAS, related)
    one, two = (
        float(made(Seen(tf.zeros((3, 1)), features, tf.constant(rows, tf.float32), features)))
        for rows in ([[0.0], [1.0], [0.3]], [[1.0, 0.0], [0.0, 1.0], [0.7, 0.3]])
    )
    assert one == pytest.approx(two)


def test_it_tells_what_the_source_takes_classes_for() -> None:
    made = term(1.0, KERNEL, BIAS, [[0.1, 0.2, 0.7, 0, 0, 0], [0, 0.96, 0.04, 0, 0, 0]])
    expected = (
        "co_tuning: the source takes ants for its class 2 (0.70), bees for its class 1 (0.96)"
    )
    assert made.told(("ants", "bees")) == expected
    many = term(1.0, KERNEL, BIAS, np.eye(6)[np.arange(12) % 6])
    assert many.told([str(number) for number in range(12)]).count("for its class") == 10


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (tk.objectives.co_tuning(), "co_tuning(2.3)"),
        (
            tk.objectives.co_tuning(1.0, head=Path("far/away/top.npz"), temperature=1.13),
            "co_tuning(1, head='top.npz', temperature=1.13)",
        ),
    ],
    ids=["plain", "all"],
)
def test_it_survives_a_file(given: Any, shown: str) -> None:
    phase = tk.Phase(2, objectives=given)
    again = tk.Phase.from_config(json.loads(json.dumps(phase.to_config())))
    assert again == phase
    assert again.objectives == (given,)
    assert repr(given) == shown
    assert shown in repr(phase)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"weight": value} for value in (0, -1.0, float("nan"), float("inf"), "much")),
        *({"temperature": value} for value in (0, float("inf"), None)),
        *({"head": value} for value in ("", 3, np.ones((2, 3)))),
    ],
    ids=lambda given: "{}={!r}".format(*next(iter(given.items())))[:20],
)
def test_what_is_out_of_range_is_refused(wrong: Any) -> None:
    with pytest.raises(SpecError, match=r"out of range.*above 0.*a path, a name or None.*head='"):
        tk.objectives.co_tuning(**wrong)
