from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_plugin.augmentation import Negative
from sample_plugin.backbone import source, thawed_from_the_top
from sample_plugin.head import Cosine

import transferkit as tk
from transferkit.errors import SpecError, UnknownNameError
from transferkit.select import LayerTable
from transferkit.testing import check_augmentation, check_backbone, check_head, layer_tables


def test_all_three_are_found_by_name() -> None:
    assert "sample:tiny" in tk.backbones.names()
    assert "cosine" in tk.heads.names()
    assert repr(tk.augment.from_config({"op": "negative"})) == "negative()"


def test_the_backbone_keeps_every_rule_of_its_contract() -> None:
    check_backbone("sample:tiny")


def test_the_head_keeps_every_rule_of_its_contract() -> None:
    check_head(Cosine(scale=4))


def test_the_augmentation_keeps_every_rule_of_its_contract() -> None:
    check_augmentation(Negative(0.7))


@given(table=layer_tables(), blocks=st.integers(0, 8))
def test_with_more_blocks_no_layer_is_frozen_again(table: LayerTable, blocks: int) -> None:
    fewer, more = thawed_from_the_top(blocks), thawed_from_the_top(blocks + 1)
    assert more.names(table) <= fewer.names(table)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="scale has to be above 0"):
        Cosine(scale=0)
    with pytest.raises(UnknownNameError, match="there is no 'huge'"):
        source.info("huge")
