from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from hypothesis import Phase, find, given, settings

from transferkit import select, testing
from transferkit.errors import SpecError
from transferkit.freeze import Freeze
from transferkit.select import LayerTable, Selector
from transferkit.testing import freeze_policies, layer_tables, selectors

SHRINK = settings(max_examples=500, database=None, derandomize=True)
SEARCH = settings(SHRINK, max_examples=2000, phases=[Phase.generate])


@given(layer_tables())
def test_tables_are_those_of_backbones_that_could_be(table: LayerTable) -> None:
    assert 1 <= len(table) <= 12
    assert table.layers[0].kind == "InputLayer"
    assert [row.kind for row in table].count("InputLayer") == 1
    blocks = [row.block for row in table]
    assert blocks == sorted(blocks)
    assert set(blocks) == set(range(table.block_count))
    for row in table:
        has_parameters = row.kind in ("Conv2D", "DepthwiseConv2D", "BatchNormalization")
        assert (row.params > 0) == has_parameters


@given(layer_tables(min_layers=3, max_layers=4))
def test_tables_have_as_many_layers_as_asked_for(table: LayerTable) -> None:
    assert 3 <= len(table) <= 4


@pytest.mark.parametrize(("low", "high"), [(0, 4), (3, 2)])
def test_a_number_of_layers_that_no_table_has_is_refused(low: int, high: int) -> None:
    with pytest.raises(SpecError, match="layer_tables: no table has so many layers"):
        layer_tables(min_layers=low, max_layers=high)


@pytest.mark.parametrize("kind", ["BatchNormalization", "Dropout", "Conv2D"])
def test_every_kind_that_matters_turns_up(kind: str) -> None:
    find(layer_tables(), lambda table: kind in {row.kind for row in table}, settings=SEARCH)


@pytest.mark.parametrize(
    "kind", ["all", "first", "top_blocks", "blocks", "up_to", "where", "kind", "and", "or", "not"]
)
@pytest.mark.parametrize("of_a_table", [False, True])
def test_every_selector_turns_up(kind: str, of_a_table: bool) -> None:
    table = LayerTable.of(("a", "InputLayer", 0, 0), ("b", "Conv2D", 1, 2))
    strategy = selectors(table) if of_a_table else selectors()

    def has(selector: Selector) -> bool:
        return kind in selector.to_config()

    find(strategy, has, settings=SEARCH)


@pytest.mark.parametrize("mode", ["freeze", "train"])
def test_both_treatments_of_batch_norm_turn_up(mode: str) -> None:
    def has(policy: Freeze) -> bool:
        return policy.batch_norm == mode

    find(freeze_policies(), has, settings=SEARCH)


def test_what_fails_is_shrunk_to_something_simple() -> None:
    table = find(layer_tables(), lambda table: len(table) > 2, settings=SHRINK)
    assert len(table) == 3
    smallest = find(selectors(), lambda s: bool(s.names(table)), settings=SHRINK)
    assert smallest == select.all()


def test_without_hypothesis_the_line_that_installs_it_is_named() -> None:
    program = textwrap.dedent(
        """
        import sys
        sys.modules["hypothesis"] = None
        from transferkit.errors import MissingExtraError
        from transferkit import testing
        try:
            testing.layer_tables
        except MissingExtraError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("transferkit.testing: hypothesis "), done.stderr
    assert done.stdout.endswith("pip install 'transferkit[testing]'\n")


def test_every_public_name_is_there_and_no_other() -> None:
    assert testing.__all__ == sorted(testing.__all__) == dir(testing)
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'check_nothing'"):
        testing.check_nothing  # noqa: B018


def test_a_table_of_many_layers_makes_no_endless_repr() -> None:
    rows = [("pixels", "InputLayer", 0, 0)]
    rows += [(f"a_convolution_with_a_long_name_{i}", "Conv2D", i, 9) for i in range(1, 600)]
    table = LayerTable.of(*rows)
    assert len(repr(freeze_policies(table))) < 2000
    find(selectors(table), lambda selector: len(selector.names(table)) == 1)
