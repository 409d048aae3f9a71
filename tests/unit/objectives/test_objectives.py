from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import SpecError, UnknownNameError
from transferkit.spec import Seen

tf = _keras.tf()


def seen(features: Any) -> Seen:
    return Seen(tf.zeros((len(features), 2)), tf.constant(features), tf.zeros((len(features), 2)))


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_bss_is_the_sum_of_the_smallest_squared_singular_values(shape: Any, k: int) -> None:
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    singular = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    expected = 0.5 * np.square(singular[::-1][:k]).sum()
    found = float(tk.objectives.bss(0.5, k=k)(seen(features)))
    assert found == pytest.approx(expected, rel=1e-4)


def test_bss_pulls_along_the_smallest_singular_vectors() -> None:
    features = tf.constant(np.random.default_rng(0).normal(size=(4, 9)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(features)
        value = tk.objectives.bss(1.0)(Seen(features, features, features))
    left, singular, right = np.linalg.svd(features.numpy(), full_matrices=False)
    expected = 2 * singular[-1] * np.outer(left[:, -1], right[-1])
    np.testing.assert_allclose(tape.gradient(value, features), expected, atol=1e-4)


def test_bss_of_one_picture_is_a_number() -> None:
    assert float(tk.objectives.bss(1.0)(seen(np.full((1, 3), 2.0, np.float32)))) == 12.0


@pytest.mark.parametrize("given", [tk.objectives.l2_sp(0.5), tk.objectives.bss(0.1, k=2)], ids=repr)
def test_objectives_survive_a_file(given: Any) -> None:
    phase = tk.Phase(2, objectives=given)
    assert phase.objectives == (given,)
    assert tk.Phase.from_config(json.loads(json.dumps(phase.to_config()))) == phase
    assert repr(given) in repr(phase)


def test_an_objective_that_nobody_has_is_told_by_its_name() -> None:
    config = {**tk.Phase(1).to_config(), "objectives": [{"objective": "bbs", "weight": 1.0}]}
    with pytest.raises(UnknownNameError, match=r"'bbs'.*bss"):
        tk.Phase.from_config(config)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "much"])
def test_what_is_out_of_range_is_refused(value: Any) -> None:
    with pytest.raises(SpecError, match=r"alpha is out of range.*l2_sp\(0.01\)"):
        tk.objectives.l2_sp(value)
    with pytest.raises(SpecError, match=r"out of its range|out of range"):
        tk.objectives.bss(value)
    with pytest.raises(SpecError, match="k of 1 or more"):
        tk.objectives.bss(k=value)


def test_what_is_no_objective_is_refused() -> None:
    for given in ("bss", tk.objectives.BSS):
        with pytest.raises(SpecError, match=r"that is no objective.*l2_sp"):
            tk.Phase(1, objectives=given)
