from __future__ import annotations

from typing import Any

import pytest

from transferkit import freeze, select
from transferkit.errors import SelectionError, SpecError
from transferkit.freeze import Freeze
from transferkit.select import LayerTable

TABLE = LayerTable.of(
    ("pixels", "InputLayer", 0, 0),
    ("conv", "Conv2D", 0, 28),
    ("norm", "BatchNormalization", 0, 8),
    ("top_conv", "Conv2D", 1, 28),
    ("top_norm", "BatchNormalization", 1, 8),
    ("top_drop", "Dropout", 1, 0),
)
TOP = select.top_blocks(1)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (freeze.backbone(), set(TABLE.names)),
        (freeze.backbone(batch_norm="train"), set(TABLE.names)),
        (freeze.nothing(), {"norm", "top_norm"}),
        (freeze.nothing(batch_norm="train"), set()),
        (freeze.only(TOP), {"norm", "top_conv", "top_norm", "top_drop"}),
        (freeze.only(TOP, batch_norm="train"), {"top_conv", "top_norm", "top_drop"}),
        (freeze.all_but(TOP), {"pixels", "conv", "norm", "top_norm"}),
        (freeze.all_but(TOP, batch_norm="train"), {"pixels", "conv", "norm"}),
    ],
)
def test_each_policy_freezes_its_layers(policy: Freeze, expected: set[str]) -> None:
    assert policy.names(TABLE) == expected
    assert policy.resolve(TABLE) == expected


def test_freeze_freezes_every_norm_and_train_leaves_it_to_the_selector() -> None:
    convolutions = select.kind("Conv2D")
    assert {"norm", "top_norm"} <= freeze.only(convolutions).names(TABLE)
    assert freeze.only(convolutions, batch_norm="train").names(TABLE) == {"conv", "top_conv"}
    norms = select.kind("BatchNormalization")
    assert freeze.only(norms, batch_norm="train").names(TABLE) == {"norm", "top_norm"}


def test_a_table_without_norms_is_no_error() -> None:
    table = LayerTable.of(("conv", "Conv2D", 0, 28))
    assert freeze.nothing().resolve(table) == frozenset()


def test_a_name_that_matches_nothing_is_an_error_when_it_is_resolved() -> None:
    policy = freeze.all_but(select.up_to("convv"))
    assert policy.names(TABLE) == frozenset(TABLE.names)
    with pytest.raises(SelectionError, match=r"^freeze: no layer is called 'convv'.*'conv'"):
        policy.resolve(TABLE)
    with pytest.raises(SelectionError, match=r"^fit: no layer"):
        policy.resolve(TABLE, verb="fit")


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (freeze.backbone(), "backbone()"),
        (freeze.backbone(batch_norm="train"), "backbone(batch_norm='train')"),
        (freeze.nothing(), "nothing()"),
        (freeze.nothing(batch_norm="train"), "nothing(batch_norm='train')"),
        (freeze.only(select.first(15)), "only(first(15))"),
        (freeze.all_but(TOP, batch_norm="train"), "all_but(top_blocks(1), batch_norm='train')"),
        (freeze.all_but(TOP & select.kind("Add")), "all_but((top_blocks(1) & kind('Add')))"),
    ],
)
def test_a_policy_prints_as_the_call_that_makes_it(policy: Freeze, text: str) -> None:
    assert repr(policy) == text


def test_policies_are_values() -> None:
    assert freeze.only(select.first(3)) == Freeze(select.first(3))
    assert freeze.only(select.all()) == freeze.backbone()
    assert len({freeze.all_but(TOP), freeze.all_but(TOP), freeze.nothing()}) == 2
    with pytest.raises(AttributeError):
        freeze.backbone().batch_norm = "train"  # type: ignore[misc]


@pytest.mark.parametrize("value", ["conv", None, ["conv"], freeze.backbone()])
@pytest.mark.parametrize("verb", ["only", "all_but", "Freeze"])
def test_what_is_no_selector_is_refused_with_a_call_that_works(verb: str, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        getattr(freeze, verb)(value)
    text = str(caught.value)
    assert text.startswith(f"{verb}: that is not a selector. Expected a selector of tk.select.")
    assert f"Received: selector={value!r}." in text
    call = text[text.rindex("tk.freeze.") :]
    tk = type("tk", (), {"select": select, "freeze": freeze})
    assert isinstance(eval(call, {"tk": tk}), Freeze)


@pytest.mark.parametrize("mode", ["frozen", None, True])
def test_an_unknown_batch_norm_mode_is_refused(mode: Any) -> None:
    with pytest.raises(SpecError) as caught:
        freeze.backbone(batch_norm=mode)
    assert "Freeze: the batch_norm mode is unknown. Expected 'freeze' or 'train'." in str(
        caught.value
    )
    assert f"Received: batch_norm={mode!r}. tk.freeze.backbone(batch_norm='freeze')" in str(
        caught.value
    )


def test_a_bare_selector_means_only() -> None:
    assert freeze.as_policy(TOP, verb="fit") == freeze.only(TOP)
    assert freeze.as_policy(freeze.nothing(), verb="fit") == freeze.nothing()


def test_what_is_neither_policy_nor_selector_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        freeze.as_policy("backbone", verb="TransferModel.freeze")  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith("TransferModel.freeze: that is neither a freeze policy nor a selector.")
    assert "Received: policy='backbone'." in text
    assert text.endswith("model.freeze(tk.freeze.all_but(tk.select.top_blocks(2)))")


@pytest.mark.parametrize("config", [{}, {"selector": {"all": True}}, "backbone", None])
def test_a_config_that_makes_no_sense_is_refused(config: Any) -> None:
    with pytest.raises(SpecError, match=r"^freeze.from_config: that is not a freeze policy's"):
        freeze.from_config(config)
