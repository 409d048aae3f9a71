"""The learning rates of groups of layers, and what the groups are called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import transferkit as tk
from transferkit.select import LayerTable
from transferkit.track.rates import groups, learning_rates

TABLE = LayerTable.of(
    ("stem", "Conv2D", 0, 28),
    ("one", "Conv2D", 1, 28),
    ("two", "Conv2D", 2, 28),
    ("three", "Conv2D", 2, 28),
)


def network(*moving: str, rate: float = 0.1) -> Any:
    """What the function looks at of a network: its optimizer's rate, and which layers train."""
    layers = [
        SimpleNamespace(name=name, trainable_variables=["kernel"] if name in moving else [])
        for name in (*TABLE.names, "head")
    ]
    return SimpleNamespace(layers=layers, optimizer=SimpleNamespace(learning_rate=rate))


def phase(**more: Any) -> tk.Phase:
    return tk.Phase(1, **more)


def test_with_a_frozen_backbone_there_is_the_head_alone() -> None:
    assert learning_rates(network("head"), TABLE, phase()) == {"head": 0.1}


def test_layers_that_train_at_the_rate_of_the_head_are_one_group() -> None:
    rates = learning_rates(network("one", "two", "three", "head"), TABLE, phase())
    assert rates == {"head": 0.1, "blocks_1-2": 0.1}


def test_with_a_decay_each_block_has_its_rate_and_frozen_ones_have_none() -> None:
    decay = phase(layer_rates=tk.schedules.layer_decay(0.5))
    rates = learning_rates(network("one", "two", "three", "head"), TABLE, decay)
    assert rates == {"head": 0.1, "block_1": pytest.approx(0.025), "block_2": pytest.approx(0.05)}


def test_groups_that_share_their_blocks_are_told_apart_by_their_factors() -> None:
    found = groups(TABLE, {"one": 1.0, "two": 0.1, "three": 0.25})
    assert found == {"block_1": 1.0, "block_2_x0.1": 0.1, "block_2_x0.25": 0.25}


def test_rates_that_are_found_in_each_step_are_not_made_up() -> None:
    auto = phase(layer_rates=tk.schedules.auto_rgn())
    assert learning_rates(network("one", "head"), TABLE, auto) == {"head": 0.1}


def test_a_solver_has_no_rate() -> None:
    (solved,) = tk.plans.linear_probe().phases
    assert solved.solver is not None
    assert learning_rates(network("head"), TABLE, solved) == {"head": 0.0}
