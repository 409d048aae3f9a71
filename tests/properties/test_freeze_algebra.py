"""Laws of selectors and freeze policies, on every table."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transferkit import freeze, select
from transferkit.errors import SelectionError
from transferkit.freeze import Freeze
from transferkit.select import LayerTable, Selector
from transferkit.testing import freeze_policies, layer_tables, selectors

TABLES = layer_tables()
ANY = selectors()
COUNTS = st.integers(0, 15)
SELECT_NAMES = {name: getattr(select, name) for name in select.__all__}
FREEZE_NAMES = {**SELECT_NAMES, **{name: getattr(freeze, name) for name in freeze.__all__}}


def same(table: LayerTable, left: Selector, right: Selector) -> bool:
    return left.names(table) == right.names(table)


@given(ANY)
def test_double_negation_gives_the_selector_back(a: Selector) -> None:
    assert ~~a == a


@given(TABLES, ANY, ANY)
def test_de_morgan(table: LayerTable, a: Selector, b: Selector) -> None:
    assert same(table, ~(a & b), ~a | ~b)
    assert same(table, ~(a | b), ~a & ~b)


@given(TABLES, ANY, ANY)
def test_both_and_either_do_not_ask_for_the_order(
    table: LayerTable, a: Selector, b: Selector
) -> None:
    assert same(table, a & b, b & a)
    assert same(table, a | b, b | a)


@given(TABLES, ANY, ANY, ANY)
def test_both_and_either_do_not_ask_for_brackets(
    table: LayerTable, a: Selector, b: Selector, c: Selector
) -> None:
    assert same(table, (a & b) & c, a & (b & c))
    assert same(table, (a | b) | c, a | (b | c))


@given(TABLES, ANY, ANY, ANY)
def test_both_and_either_distribute(
    table: LayerTable, a: Selector, b: Selector, c: Selector
) -> None:
    assert same(table, a & (b | c), (a & b) | (a & c))
    assert same(table, a | (b & c), (a | b) & (a | c))


@given(TABLES, ANY, ANY)
def test_idempotence_and_absorption(table: LayerTable, a: Selector, b: Selector) -> None:
    assert same(table, a & a, a)
    assert same(table, a | a, a)
    assert same(table, a & (a | b), a)
    assert same(table, a | (a & b), a)


@given(TABLES, ANY)
def test_all_is_neutral_and_nothing_is_empty(table: LayerTable, a: Selector) -> None:
    assert same(table, a & select.all(), a)
    assert same(table, a | ~select.all(), a)
    assert (~select.all()).names(table) == frozenset()


@given(TABLES, ANY)
def test_a_selector_and_its_inverse_part_the_table(table: LayerTable, a: Selector) -> None:
    inside, outside = a.names(table), (~a).names(table)
    assert inside | outside == frozenset(table.names)
    assert not inside & outside


@given(TABLES, COUNTS, COUNTS)
def test_top_blocks_and_first_grow(table: LayerTable, a: int, b: int) -> None:
    small, large = sorted((a, b))
    assert select.top_blocks(small).names(table) <= select.top_blocks(large).names(table)
    assert select.first(small).names(table) <= select.first(large).names(table)


@given(TABLES, COUNTS)
def test_first_is_a_slice_and_up_to_is_the_first_so_many(table: LayerTable, n: int) -> None:
    assert select.first(n).names(table) == frozenset(table.names[:n])
    index = n % len(table)
    assert same(table, select.up_to(table.names[index]), select.first(index + 1))


@given(TABLES, COUNTS, COUNTS)
def test_blocks_counts_as_range_does(table: LayerTable, start: int, stop: int) -> None:
    expected = {row.name for row in table if row.block in range(start, stop)}
    assert select.blocks(start, stop).names(table) == expected


@given(TABLES, COUNTS)
def test_top_blocks_is_the_rest_of_the_lower_blocks(table: LayerTable, k: int) -> None:
    lower = select.blocks(0, max(0, table.block_count - k))
    assert same(table, select.top_blocks(k), ~lower)


@given(ANY)
def test_selectors_survive_json_and_hash_alike(a: Selector) -> None:
    again = select.from_config(json.loads(json.dumps(a.to_config())))
    assert again == a
    assert hash(again) == hash(a)


@given(ANY)
def test_the_repr_of_a_selector_makes_it_again(a: Selector) -> None:
    assert eval(repr(a), {"__builtins__": {}}, SELECT_NAMES) == a


@given(TABLES, st.data())
def test_names_is_total_and_resolve_agrees_where_it_speaks(
    table: LayerTable, data: st.DataObject
) -> None:
    a = data.draw(ANY)
    try:
        assert a.resolve(table) == a.names(table)
    except SelectionError:
        assert any(not leaf.names(table) for leaf in a.leaves())


@given(TABLES, st.data())
def test_a_selector_of_the_tables_own_names_resolves(
    table: LayerTable, data: st.DataObject
) -> None:
    a = data.draw(selectors(table))
    assert a.resolve(table) == a.names(table) <= frozenset(table.names)
    assert (a & ~a).resolve(table) == frozenset()


def norms(table: LayerTable) -> frozenset[str]:
    return frozenset(row.name for row in table if row.kind == "BatchNormalization")


@given(TABLES, freeze_policies())
def test_a_policy_freezes_its_layers_and_norms_and_no_others(
    table: LayerTable, policy: Freeze
) -> None:
    extra = norms(table) if policy.batch_norm == "freeze" else frozenset()
    assert policy.names(table) == policy.selector.names(table) | extra
    assert policy.names(table) <= frozenset(table.names)


@given(TABLES, st.data())
def test_a_policy_resolves_to_its_names(table: LayerTable, data: st.DataObject) -> None:
    policy = data.draw(freeze_policies(table))
    assert policy.resolve(table) == policy.names(table)


@given(TABLES, ANY)
def test_only_and_all_but_are_opposites_but_for_the_norms(table: LayerTable, a: Selector) -> None:
    frozen = freeze.only(a, batch_norm="train").names(table)
    others = freeze.all_but(a, batch_norm="train").names(table)
    assert frozen | others == frozenset(table.names)
    assert not frozen & others
    assert freeze.only(a).names(table) & freeze.all_but(a).names(table) == norms(table)


@given(freeze_policies())
def test_policies_survive_json_and_hash_alike(policy: Freeze) -> None:
    again = freeze.from_config(json.loads(json.dumps(policy.to_config())))
    assert again == policy
    assert hash(again) == hash(policy)


@given(freeze_policies())
def test_the_repr_of_a_policy_makes_it_again(policy: Freeze) -> None:
    assert eval(repr(policy), {"__builtins__": {}}, FREEZE_NAMES) == policy


@given(TABLES)
def test_tables_survive_json_and_hash_alike(table: LayerTable) -> None:
    config: Any = json.loads(json.dumps(table.to_config()))
    assert LayerTable.from_config(config) == table
    assert hash(LayerTable.from_config(config)) == hash(table)
