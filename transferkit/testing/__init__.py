"""Hypothesis strategies for people who test selectors and freeze policies of their own.

Needs the extra ``testing``: ``pip install 'transferkit[testing]'``. It is imported by its full
name, so that the rest of the package works without Hypothesis.

A policy that thaws a network step by step should never freeze again what it had thawed. That is a
law, so it is tested on every table and not on one:

    >>> import transferkit as tk
    >>> from hypothesis import given, settings, strategies as st
    >>> from transferkit import testing

    >>> def thawed(steps):
    ...     return tk.freeze.all_but(tk.select.top_blocks(steps), batch_norm="train")

    >>> @settings(max_examples=20, database=None)
    ... @given(table=testing.layer_tables(), steps=st.integers(0, 10))
    ... def test_a_step_never_freezes_a_layer_again(table, steps):
    ...     assert thawed(steps + 1).names(table) <= thawed(steps).names(table)

    >>> test_a_step_never_freezes_a_layer_again()

Strategies that meet a table which is drawn in the same test go through ``data()``:

    >>> @settings(max_examples=20, database=None)
    ... @given(table=testing.layer_tables(), data=st.data())
    ... def test_a_selector_and_its_inverse_share_no_layer(table, data):
    ...     selector = data.draw(testing.selectors(table))
    ...     assert not selector.resolve(table) & (~selector).resolve(table)

    >>> test_a_selector_and_its_inverse_share_no_layer()
"""

from __future__ import annotations

from transferkit.testing.strategies import freeze_policies, layer_tables, selectors

__all__ = ["freeze_policies", "layer_tables", "selectors"]
