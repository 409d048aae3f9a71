"""Tables, selectors and policies, drawn at random and shrunk to the simplest that fails."""

from __future__ import annotations

import re

from transferkit import select
from transferkit._optional import require
from transferkit.errors import SpecError, explain
from transferkit.freeze import Freeze
from transferkit.select import Layer, LayerTable, Selector

require("hypothesis", extra="testing", needed_for="transferkit.testing")

from hypothesis import strategies as st  # noqa: E402 - after the line that says how to install it

__all__ = ["freeze_policies", "layer_tables", "selectors"]

_KINDS = (
    "Activation",
    "Add",
    "BatchNormalization",
    "Conv2D",
    "DepthwiseConv2D",
    "Dropout",
    "MaxPooling2D",
)
_WITH_PARAMETERS = frozenset({"BatchNormalization", "Conv2D", "DepthwiseConv2D"})
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8)


def layer_tables(*, min_layers: int = 1, max_layers: int = 12) -> st.SearchStrategy[LayerTable]:
    """Tables of backbones that could be.

    The first layer is the input layer. Names are unique, blocks begin with 0, follow the source
    order and leave no number out, and only kinds that have parameters have any.

    Args:
        min_layers: The fewest layers, the input layer counted; 1 or more.
        max_layers: The most.

    Raises:
        SpecError: Unless 1 <= `min_layers` <= `max_layers`.

    Example:
        >>> from hypothesis import find
        >>> from transferkit.testing import layer_tables
        >>> len(find(layer_tables(), lambda table: table.block_count == 3))
        3
    """
    if not 1 <= min_layers <= max_layers:
        raise SpecError(
            explain(
                "layer_tables",
                "no table has so many layers",
                expected="1 <= min_layers <= max_layers",
                received={"min_layers": min_layers, "max_layers": max_layers},
                mend="layer_tables(min_layers=1, max_layers=12)",
            )
        )
    return _tables(min_layers, max_layers)


@st.composite
def _tables(draw: st.DrawFn, min_layers: int, max_layers: int) -> LayerTable:
    names = draw(st.lists(_NAMES, min_size=min_layers, max_size=max_layers, unique=True))
    rows, block = [], 0
    for index, name in enumerate(names):
        kind = draw(st.sampled_from(_KINDS)) if index else "InputLayer"
        block += draw(st.integers(0, 1)) if index else 0
        params = draw(st.integers(1, 10**6)) if kind in _WITH_PARAMETERS else 0
        rows.append(Layer(name, kind, block, params))
    return LayerTable(tuple(rows))


def selectors(table: LayerTable | None = None) -> st.SearchStrategy[Selector]:
    """Selectors of every kind, combined with ``&``, ``|`` and ``~``.

    Args:
        table: Leaves that name something name a layer, kind or block of this table, so that
            ``resolve(table)`` raises nothing. With None they name anything, most often something
            that a table has not.
    """
    return st.recursive(_leaves(table), _combined, max_leaves=6)


def freeze_policies(table: LayerTable | None = None) -> st.SearchStrategy[Freeze]:
    """Freeze policies over `selectors`, with both ways of treating BatchNormalization.

    Args:
        table: See `selectors`.
    """
    return st.builds(Freeze, selectors(table), st.sampled_from(("freeze", "train")))


def _leaves(table: LayerTable | None) -> st.SearchStrategy[Selector]:
    counts = st.integers(0, 15)
    return st.one_of(
        st.builds(select.all),
        st.builds(select.first, counts),
        st.builds(select.top_blocks, counts),
        _anything() if table is None else _of(table),
    )


def _anything() -> st.SearchStrategy[Selector]:
    patterns = st.sampled_from(("^a", "b$", "[0-9]", "_", "conv|norm", "."))
    starts, lengths = st.integers(0, 8), st.integers(0, 8)
    return st.one_of(
        st.builds(select.up_to, _NAMES),
        st.builds(select.kind, st.sampled_from((*_KINDS, "InputLayer", "Dense"))),
        st.builds(select.where, patterns),
        st.builds(lambda start, length: select.blocks(start, start + length), starts, lengths),
    )


def _of(table: LayerTable) -> st.SearchStrategy[Selector]:
    # Rows are drawn by number: a strategy that holds 400 layers prints all of them, and Hypothesis
    # warns of that.
    rows = st.integers(0, len(table) - 1).map(lambda index: table.layers[index])
    stops = st.integers(1, table.block_count + 2)
    return st.one_of(
        rows.map(lambda row: select.up_to(row.name)),
        rows.map(lambda row: select.kind(row.kind)),
        rows.map(lambda row: select.where("^" + re.escape(row.name[:2]))),
        st.builds(lambda row, more: select.blocks(row.block, row.block + more), rows, stops),
    )


def _combined(parts: st.SearchStrategy[Selector]) -> st.SearchStrategy[Selector]:
    return st.one_of(
        st.builds(lambda left, right: left & right, parts, parts),
        st.builds(lambda left, right: left | right, parts, parts),
        st.builds(lambda inner: ~inner, parts),
    )
