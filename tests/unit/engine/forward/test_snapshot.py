from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.engine.forward.snapshot import Snapshot

keras, tf = _keras.keras(), _keras.tf()
VALUE = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def a_bit(value: Any) -> Any:
    bits = value.view(np.uint32).copy()
    bits[0, 0] ^= 1
    return bits.view(np.float32)


@pytest.mark.parametrize(
    "change",
    [a_bit, lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: -x, lambda x: x * np.nan],
)
def test_every_change_is_noticed(change: Callable[[Any], Any]) -> None:
    variable = keras.Variable(VALUE)
    snapshot = Snapshot([variable])
    variable.assign(np.ascontiguousarray(change(VALUE)))
    assert not snapshot.unchanged()
    np.testing.assert_array_equal(snapshot.arrays()[0][1], VALUE)


def test_a_step_in_a_graph_is_noticed_and_leaves_what_was_read() -> None:
    variable = keras.Variable(VALUE)
    snapshot = Snapshot([variable])
    for jit in (False, True):
        tf.function(lambda: variable.value.assign_add(tf.ones((3, 4))), jit_compile=jit)()
        assert not snapshot.unchanged()
    np.testing.assert_array_equal(snapshot.arrays()[0][1], VALUE)


def test_zero_and_its_negative_are_two_values() -> None:
    variable = keras.Variable(np.zeros(3))
    snapshot = Snapshot([variable])
    variable.assign(-np.zeros(3))
    assert not snapshot.unchanged()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_what_is_set_anew_to_the_same_is_unchanged(dtype: str, shape: tuple[int, ...]) -> None:
    variable = keras.Variable(np.ones(shape), dtype=dtype, trainable=False)
    snapshot = Snapshot([variable])
    assert snapshot.unchanged()
    variable.assign(np.ones(shape))
    assert snapshot.unchanged()
    if shape != (0,):
        variable.assign(np.zeros(shape))
        assert not snapshot.unchanged()
