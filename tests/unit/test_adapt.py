"""Adapters as values: what they say and refuse, and what a plan and its file make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import transferkit as tk
from transferkit import adapt
from transferkit.errors import SpecError

TOP = tk.select.top_blocks(2)
ADAPTERS: tuple[tuple[adapt.Adapter, str], ...] = (
    (tk.adapt.lora(), "lora(rank=4)"),
    (tk.adapt.lora(2, TOP, alpha=8), "lora(rank=2, alpha=8.0, where=top_blocks(2))"),
    (tk.adapt.norm_only(), "norm_only()"),
    (tk.adapt.norm_only(where=TOP), "norm_only(where=top_blocks(2))"),
    (tk.adapt.biases_only(), "biases_only()"),
)


@pytest.mark.parametrize(("adapter", "told"), ADAPTERS, ids=lambda each: str(each))
def test_a_plan_holds_an_adapter_tells_it_and_keeps_it_in_a_file(
    adapter: adapt.Adapter, told: str
) -> None:
    plan = tk.plans.fine_tune(3, adapt=adapter)
    assert repr(adapter) == told
    assert f"adapt {told}, adam" in repr(plan)
    assert f"<td>{told}</td>" in plan._repr_html_() or told in plan._repr_html_()
    assert tk.Plan.from_config(json.loads(json.dumps(plan.to_config()))) == plan
    assert hash(adapter) == hash(adapt.from_config(adapter.to_config()))


def test_a_plan_from_before_there_were_adapters_is_read() -> None:
    plan = tk.plans.fine_tune(3, unfreeze=TOP)
    (config,) = json.loads(json.dumps(plan.to_config()))
    assert config.pop("adapt") is None
    assert tk.Plan.from_config([config]) == plan


@pytest.mark.parametrize(("alpha", "scale"), [(None, 1.0), (8, 4.0), (0.5, 0.25)])
def test_the_product_is_scaled_by_alpha_over_rank(alpha: float | None, scale: float) -> None:
    assert tk.adapt.lora(2, alpha=alpha).scale == scale


@pytest.mark.parametrize("rank", [0, -1, 1.5, True, "4", None])
def test_a_rank_is_a_whole_number(rank: Any) -> None:
    text = r"^lora: rank is out of range\. Expected a whole number of 1 or more\. Received: rank="
    with pytest.raises(SpecError, match=text):
        tk.adapt.lora(rank)


@pytest.mark.parametrize("alpha", [0, -1, float("inf"), float("nan"), "8", True])
def test_alpha_is_above_nought(alpha: Any) -> None:
    text = r"alpha is out of range\. Expected a number above 0, or None.*lora\(rank=4, alpha=8\)"
    with pytest.raises(SpecError, match=text):
        tk.adapt.lora(4, alpha=alpha)


@pytest.mark.parametrize("name", ["lora", "norm_only", "biases_only"])
def test_where_is_a_selector(name: str) -> None:
    text = rf"^{name}: where is no selector.*tk\.adapt\.{name}\(where=tk\.select\.top_blocks\(4\)\)"
    with pytest.raises(SpecError, match=text):
        getattr(tk.adapt, name)(where="conv")


def test_what_is_no_adapter_is_refused() -> None:
    text = r"no value for adapt\. Expected tk\.adapt\.lora\(rank=4\)\. Received: adapt='lora'"
    with pytest.raises(SpecError, match=text):
        tk.Phase(3, adapt="lora")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"no adapter called 'newer'.*'norm_only'"):
        adapt.from_config({"adapter": "newer"})


@pytest.mark.parametrize(
    "given", [{"unfreeze": TOP}, {"freeze": tk.freeze.nothing()}, {"freeze": TOP}]
)
def test_an_adapter_stands_in_the_place_of_a_policy(given: dict[str, Any]) -> None:
    text = r"adapt and freeze both say what trains.*Expected one of them.*fine_tune\(adapt="
    with pytest.raises(SpecError, match=text):
        tk.plans.fine_tune(adapt=tk.adapt.norm_only(), **given)
    with pytest.raises(SpecError, match=text):
        tk.plans.feature_extraction(adapt=tk.adapt.norm_only())


def test_an_adapter_freezes_the_backbone_whatever_the_model_says() -> None:
    thawed = tk.freeze.nothing(batch_norm="train")
    assert tk.Phase(1, adapt=tk.adapt.lora()).policy(thawed) == tk.freeze.backbone()
    assert tk.Phase(1).policy(thawed) == thawed
    assert tk.Phase(1, TOP).policy(thawed) == tk.freeze.only(TOP)


def test_a_solved_head_has_no_adapter() -> None:
    text = r"a phase that solves the head trains nothing.*linear_probe_then_fine_tune\(adapt="
    with pytest.raises(SpecError, match=text):
        tk.plans.linear_probe(adapt=tk.adapt.lora())
    plan = tk.plans.linear_probe_then_fine_tune(2, adapt=tk.adapt.lora())
    assert [phase.adapt for phase in plan] == [None, tk.adapt.lora()]
