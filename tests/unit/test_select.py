from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from transferkit import select
from transferkit.errors import SelectionError, SpecError
from transferkit.select import Layer, LayerTable, Selector

TABLE = LayerTable.of(
    ("pixels", "InputLayer", 0, 0),
    ("stem_conv", "Conv2D", 0, 28),
    ("stem_norm", "BatchNormalization", 0, 8),
    ("block_1_conv", "Conv2D", 1, 100),
    ("block_1_drop", "Dropout", 1, 0),
    ("block_2_conv", "Conv2D", 2, 100),
    ("block_2_norm", "BatchNormalization", 2, 8),
    block_names=("stem", "one", "two"),
)


def picked(selector: Selector) -> list[str]:
    names = selector.names(TABLE)
    return [name for name in TABLE.names if name in names]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (select.all(), list(TABLE.names)),
        (select.first(0), []),
        (select.first(2), ["pixels", "stem_conv"]),
        (select.first(99), list(TABLE.names)),
        (select.up_to("stem_norm"), ["pixels", "stem_conv", "stem_norm"]),
        (select.up_to("nowhere"), []),
        (select.top_blocks(0), []),
        (select.top_blocks(1), ["block_2_conv", "block_2_norm"]),
        (select.top_blocks(9), list(TABLE.names)),
        (select.blocks(1, 2), ["block_1_conv", "block_1_drop"]),
        (select.blocks(2, 1), []),
        (select.where("^block_.*_conv$"), ["block_1_conv", "block_2_conv"]),
        (select.where("norm"), ["stem_norm", "block_2_norm"]),
        (select.kind("Dropout"), ["block_1_drop"]),
        (select.kind("dropout"), []),
        (~select.kind("Conv2D") & select.top_blocks(1), ["block_2_norm"]),
        (select.first(1) | select.kind("Dropout"), ["pixels", "block_1_drop"]),
    ],
)
def test_each_selector_picks_its_layers(selector: Selector, expected: list[str]) -> None:
    assert picked(selector) == expected


def test_first_15_is_the_tutorials_first_15_layers() -> None:
    layers = [f"layer_{i}" for i in range(19)]
    table = LayerTable(tuple(Layer(name, "Conv2D", 0) for name in layers))
    assert select.first(15).names(table) == frozenset(layers[:15])


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (select.up_to("stem_nrom"), "no layer is called 'stem_nrom'. Expected a known name (did"),
        (select.up_to("stem_nrom"), "'stem_norm'"),
        (select.kind("BatchNorm"), "no layer is a BatchNorm. Expected a known name (did you mean"),
        (select.kind("BatchNorm"), "'BatchNormalization'"),
        (select.where("^blok_"), "no layer's name matches the pattern '^blok_'. Expected"),
        (select.where("^blok_"), "'block_2_conv'"),
        (select.blocks(3, 9), "blocks(3, 9) matches no block of this network. Expected 0 <= start"),
        (select.blocks(3, 9), "start < stop <= 3. Received: start=3, stop=9."),
        (select.blocks(1, 1), "tk.select.blocks(0, 3) is all of it."),
        (~select.kind("Nothing"), "no layer is a Nothing"),
        (select.all() | (select.first(1) & ~select.up_to("x")), "no layer is called 'x'"),
    ],
)
def test_a_name_that_matches_nothing_is_an_error_when_it_is_resolved(
    selector: Selector, text: str
) -> None:
    selector.names(TABLE)
    with pytest.raises(SelectionError) as caught:
        selector.resolve(TABLE, verb="freeze")
    assert str(caught.value).startswith("freeze: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("selector", [select.first(0), select.top_blocks(0), ~select.all()])
def test_an_empty_selection_that_names_nothing_is_no_error(selector: Selector) -> None:
    assert selector.resolve(TABLE) == frozenset()
    norms = select.kind("BatchNormalization")
    assert (norms & ~norms).resolve(TABLE) == frozenset()


def test_the_verb_of_an_error_is_select_unless_said() -> None:
    with pytest.raises(SelectionError, match=r"^select: no layer is called 'x'"):
        select.up_to("x").resolve(TABLE)


@pytest.mark.parametrize("value", [-1, 1.0, "2", True, None, np.array([1, 2])])
def test_a_count_that_is_none_is_refused(value: Any) -> None:
    for verb in ("first", "top_blocks"):
        with pytest.raises(SpecError) as caught:
            getattr(select, verb)(value)
        assert str(caught.value).startswith(
            f"{verb}: the argument is not a count. Expected a whole"
        )
        assert str(caught.value).endswith(f"tk.select.{verb}(2)")
    for pair in ((value, 2), (0, value)):
        with pytest.raises(SpecError, match=r"^blocks: .*tk\.select\.blocks\(0, 2\)$"):
            select.blocks(*pair)


def test_a_count_of_numpy_is_a_count() -> None:
    assert select.first(np.int64(2)) == select.first(2)  # type: ignore[arg-type]
    assert repr(select.first(np.int64(2))) == "first(2)"  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", ["up_to", "kind", "where"])
@pytest.mark.parametrize("value", [3, None, b"conv", ["conv"]])
def test_a_name_that_is_no_text_is_refused(verb: str, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        getattr(select, verb)(value)
    text = f"{verb}: the argument is not text. Expected a text. Received: value={value!r}."
    assert str(caught.value).startswith(text)
    call = str(caught.value).removeprefix(text).strip()
    assert eval(call, {"tk": type("tk", (), {"select": select})}) is not None


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        select.where("conv(")
    assert "where: the pattern is no regular expression (missing )" in str(caught.value)
    assert "Received: pattern='conv('. tk.select.where(re.escape(text))" in str(caught.value)
    assert picked(select.where(re.escape("stem_"))) == ["stem_conv", "stem_norm"]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"firts": 2}, "there is no selector called 'firts'. Expected a known name (did you mean"),
        ({"first": [1, 2]}, "'first' has the wrong arguments. Expected what to_config gave"),
        ({"blocks": 3}, "'blocks' has the wrong arguments"),
        ({"and": [{"all": True}]}, "'and' has the wrong arguments"),
        ({"not": [{"all": True}, {"all": True}]}, "'not' has the wrong arguments"),
        ({"all": False}, "'all' has the wrong arguments"),
        ({}, "that is not a selector's config. Expected a mapping with one entry"),
        ({"first": 1, "all": True}, "that is not a selector's config"),
        ({3: 1}, "that is not a selector's config"),
        ("all", "that is not a selector's config"),
        ({"not": "all"}, "that is not a selector's config"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(config: Any, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        select.from_config(config)
    assert str(caught.value).startswith(f"select.from_config: {text}")
    assert "Received: config=" in str(caught.value)


def test_selectors_are_values() -> None:
    made: Callable[[], Selector] = lambda: select.first(3) & ~select.kind("Conv2D")  # noqa: E731
    assert made() == made()
    assert len({made(), made(), select.all()}) == 2
    with pytest.raises(AttributeError):
        made().left = select.all()  # type: ignore[attr-defined]


def test_selectors_combine_with_selectors_only() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        select.all() & {"conv"}  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        select.all() | "conv"  # type: ignore[operator]


def test_a_selector_of_ones_own_joins_in() -> None:
    class Heavy(Selector):
        def names(self, table: LayerTable) -> frozenset[str]:
            return frozenset(row.name for row in table if row.params > 50)

    assert picked(Heavy()) == ["block_1_conv", "block_2_conv"]
    assert picked(Heavy() & select.top_blocks(1)) == ["block_2_conv"]
    assert picked(~Heavy() & select.kind("Conv2D")) == ["stem_conv"]
    with pytest.raises(NotImplementedError):
        Heavy().to_config()
    with pytest.raises(NotImplementedError):
        Selector().names(TABLE)


def test_a_table_knows_its_layers() -> None:
    assert len(TABLE) == 7
    assert [row.name for row in TABLE] == list(TABLE.names)
    assert TABLE.block_count == 3
    assert TABLE.block_names == ("stem", "one", "two")
    assert LayerTable.of(("a", "Conv2D", 0, 1), ("b", "Conv2D", 1, 1)).block_names == (
        "block_0",
        "block_1",
    )
    assert LayerTable(()).block_count == 0


def test_two_layers_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        LayerTable.of(("a", "Conv2D", 0, 1), ("b", "Conv2D", 0, 1), ("a", "Conv2D", 0, 1))
    assert "LayerTable: two layers are called 'a'. Expected layer names that are unique" in str(
        caught.value
    )
    assert "layers=['a', 'b', 'a']" in str(caught.value)


def test_block_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        LayerTable.of(("a", "Conv2D", 0, 1), ("b", "Conv2D", 1, 1), block_names=("stem",))
    assert "block names and layers disagree. Expected 2 block names." in str(caught.value)
    assert "Received: block_names=('stem',)." in str(caught.value)


def test_a_table_prints_a_line_for_each_block() -> None:
    table = LayerTable.of(
        ("pixels", "InputLayer", 0, 0),
        ("conv", "Conv2D", 0, 1728),
        ("<b>", "BatchNormalization", 1, 8),
        block_names=("stem", "top"),
    )
    assert str(table).splitlines() == [
        "3 layers in 2 blocks",
        "block  name  layers  parameters      from ... to",
        "0      stem       2       1,728  pixels ... conv",
        "1      top        1           8      <b> ... <b>",
    ]
    assert "&lt;b&gt;" in table._repr_html_()
