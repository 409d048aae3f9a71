"""For people who write plug-ins, or test selectors and freeze policies of their own.

It is imported by its full name, and each name is looked up when it is first used: the strategies
need the extra ``testing`` (``pip install 'transferkit[testing]'``), the checks of the contracts do
not. A check raises `ContractError` at the first rule that is broken; each rule is described in the
module of its check.

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

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transferkit.testing.augmentations import check_augmentation as check_augmentation
    from transferkit.testing.backbones import check_backbone as check_backbone
    from transferkit.testing.heads import check_head as check_head
    from transferkit.testing.mixes import check_mix as check_mix
    from transferkit.testing.strategies import freeze_policies as freeze_policies
    from transferkit.testing.strategies import layer_tables as layer_tables
    from transferkit.testing.strategies import selectors as selectors
    from transferkit.testing.trackers import check_tracker as check_tracker

__all__ = [
    "check_augmentation",
    "check_backbone",
    "check_head",
    "check_mix",
    "check_tracker",
    "freeze_policies",
    "layer_tables",
    "selectors",
]

_HOME = {
    "check_augmentation": "augmentations",
    "check_backbone": "backbones",
    "check_head": "heads",
    "check_mix": "mixes",
    "check_tracker": "trackers",
    "freeze_policies": "strategies",
    "layer_tables": "strategies",
    "selectors": "strategies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'transferkit.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"transferkit.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
