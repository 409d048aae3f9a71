from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transferkit as tk
from transferkit.errors import SelectionError, SpecError
from transferkit.schedules import layer_rates
from transferkit.select import LayerTable
from transferkit.testing.strategies import layer_tables

TABLE = LayerTable.of(
    ("pixels", "InputLayer", 0, 0),
    ("conv", "Conv2D", 0, 28),
    ("middle", "Conv2D", 1, 8),
    ("last", "Conv2D", 2, 8),
)


def test_a_rate_decays_from_block_to_block() -> None:
    found = tk.schedules.layer_decay(0.5).factors(TABLE)
    assert found == {"pixels": 0.125, "conv": 0.125, "middle": 0.25, "last": 0.5}


@given(layer_tables(), st.floats(0.01, 1.0))
def test_a_decay_never_rises_towards_the_door(table: LayerTable, decay: float) -> None:
    found = tk.schedules.layer_decay(decay).factors(table)
    assert set(found) == set(table.names)
    rows = sorted(table, key=lambda row: row.block)
    factors = [found[row.name] for row in rows]
    assert factors == sorted(factors)
    assert all(0 < factor <= 1 for factor in factors)


def test_selectors_have_factors_and_the_rest_another() -> None:
    top, first = tk.select.top_blocks(1), tk.select.where("^conv$")
    rates = tk.schedules.multipliers((top, 2.0), (first, 0.5), otherwise=0.1)
    assert rates.factors(TABLE) == {"pixels": 0.1, "conv": 0.5, "middle": 0.1, "last": 2.0}
    assert repr(rates) == "multipliers((top_blocks(1), 2), (where('^conv$'), 0.5), otherwise=0.1)"


@pytest.mark.parametrize(
    "rates",
    [
        tk.schedules.layer_decay(0.75),
        tk.schedules.auto_rgn(),
        tk.schedules.multipliers((tk.select.top_blocks(2), 0.5), otherwise=0.25),
    ],
)
def test_rates_survive_a_file(rates: Any) -> None:
    phase = tk.Phase(2, layer_rates=rates)
    assert tk.Phase.from_config(json.loads(json.dumps(phase.to_config()))) == phase
    assert repr(rates) in repr(phase)


def test_no_layer_has_two_factors() -> None:
    rates = tk.schedules.multipliers((tk.select.top_blocks(2), 1.0), (tk.select.kind("Conv2D"), 2))
    with pytest.raises(SelectionError, match=r"'(middle|last)' has two factors"):
        rates.factors(TABLE)


@pytest.mark.parametrize("selector", [tk.select.blocks(7, 9), tk.select.where("block_99")])
def test_rates_of_what_there_is_not_are_refused(selector: Any) -> None:
    rates = tk.schedules.multipliers((selector, 0.5))
    with pytest.raises(SelectionError, match=r"multipliers: .*match"):
        rates.factors(TABLE)


@pytest.mark.parametrize("factor", [0, -1.0, float("nan"), float("inf"), "much", None])
def test_freezing_is_not_a_rate_of_nought(factor: Any) -> None:
    for arguments in (
        {"pairs": [(tk.select.all(), factor)]},
        {"pairs": [], "otherwise": factor},
    ):
        pairs = arguments.pop("pairs")
        with pytest.raises(SpecError, match=r"a layer that is not to move is frozen.*fine_tune"):
            tk.schedules.multipliers(*pairs, **arguments)


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(SpecError, match="no pair of a selector and a factor"):
        tk.schedules.multipliers(("block_1", 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("decay", [0, 1.5, -0.1, float("nan"), "fast"])
def test_what_is_no_decay_is_refused(decay: Any) -> None:
    with pytest.raises(SpecError, match=r"that is no decay.*layer_decay\(0.8\)"):
        tk.schedules.layer_decay(decay)


def test_what_are_no_rates_are_refused() -> None:
    with pytest.raises(SpecError, match=r"no value for layer_rates.*layer_decay\(0.8\)"):
        tk.Phase(1, layer_rates=0.8)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="no layer rates called 'newer'"):
        layer_rates.from_config({"newer": 1})
