"""The ready space: which fields it has, and what it makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from searched import Said, model

import transferkit as tk
from transferkit.errors import SpecError, UnknownNameError
from transferkit.tuning import Trial


def asked(space: Any, **values: Any) -> tuple[tk.TransferModel, tk.Plan, dict[str, Any]]:
    t = Trial(Said({name.replace("_", " "): value for name, value in values.items()}))
    made, plan = space(t)
    return made, plan, t.values


def test_a_linear_probe_has_no_fields_of_its_own() -> None:
    made, plan, values = asked(tk.spaces.transfer("keras:MobileNetV2"), recipe="linear probe")
    assert values == {"recipe": "linear probe"}
    assert made == tk.TransferModel("keras:MobileNetV2")
    assert plan == tk.plans.linear_probe()


def test_feature_extraction_has_a_head_and_a_rate() -> None:
    space = tk.spaces.transfer("keras:MobileNetV2", epochs=5)
    made, plan, values = asked(
        space, recipe="feature extraction", width=128, dropout=0.25, rate=0.01
    )
    assert list(values) == ["recipe", "width", "dropout", "rate"]
    assert made.spec.head == tk.heads.classification(dropout=0.25, hidden=(128,))
    (phase,) = plan
    assert (phase.epochs, phase.early_stopping, phase.restore_best) == (5, 3, True)
    assert phase.learning_rate(0, 10) == 0.01
    assert phase.freeze == tk.freeze.backbone()


def test_fine_tuning_thaws_blocks_behind_feature_extraction() -> None:
    space = tk.spaces.transfer("keras:MobileNetV2")
    _, plan, values = asked(space, recipe="fine-tuning", cut=4, fine_rate=1e-5)
    assert list(values) == ["recipe", "width", "dropout", "rate", "cut", "fine rate"]
    assert [phase.name for phase in plan] == ["feature extraction", "fine-tuning"]
    assert plan.phases[1].freeze == tk.freeze.all_but(tk.select.top_blocks(4))
    assert plan.phases[1].learning_rate(0, 10) == 1e-5


def test_the_strength_of_augmentation_is_a_field_if_it_is_asked_for() -> None:
    space = tk.spaces.transfer(
        "keras:MobileNetV2", recipes=["feature extraction"], augmentation=1.0
    )
    made, plan, values = asked(space, augmentation=0.5)
    assert "augmentation" in values
    assert tk.augment.rotate(15.0) in made.spec.augment
    assert plan.phases[0].views == 4


def test_what_has_one_value_is_no_field() -> None:
    space = tk.spaces.transfer(
        "keras:MobileNetV2", recipes=["fine-tuning"], cuts=[2], widths=[0], dropout=0
    )
    _, _, values = asked(space)
    assert list(values) == ["rate", "fine rate"]


def test_backbones_are_told_apart() -> None:
    own = model()
    other = own.freeze(tk.freeze.nothing())
    space = tk.spaces.transfer("keras:MobileNetV2", own, other)
    first, second, third = (name for name, _ in space.models)
    assert (first, third) == ("keras:MobileNetV2", f"{second} #2")
    made, _, _ = asked(space, backbone=third)
    assert made == other


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"cuts": [0]}, "cuts is out of range. Expected whole numbers of 1 or more"),
        ({"cuts": []}, "cuts is out of range. Expected whole numbers of 1 or more"),
        ({"widths": [2.5]}, "widths is out of range. Expected whole numbers of 0 or more"),
        ({"dropout": 1}, "dropout is out of range. Expected a number from 0 to below 1"),
        ({"augmentation": 2}, "augmentation is out of range. Expected a number from 0 to 1"),
        ({"rates": (1, 0.1)}, "rates is out of range. Expected two numbers above 0, the smaller"),
        ({"fine_rates": 0.1}, "fine_rates is out of range. Expected two numbers above 0, the"),
        ({"epochs": 0}, "epochs is out of range. Expected a whole number above 0"),
        ({"patience": None}, "patience is out of range. Expected a whole number above 0"),
        ({"recipes": []}, "recipes is out of range. Expected one or more"),
    ],
)
def test_what_is_out_of_range_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError) as caught:
        tk.spaces.transfer("keras:MobileNetV2", **options)
    assert str(caught.value).startswith(f"transfer: {text}")


def test_a_search_needs_a_backbone() -> None:
    with pytest.raises(SpecError) as caught:
        tk.spaces.transfer()
    assert str(caught.value) == (
        "transfer: backbones is out of range. Expected one or more. Received: backbones=()."
    )


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        tk.spaces.transfer("keras:MobileNetV2", recipes=["fine tuning"])  # type: ignore[list-item]
    assert str(caught.value) == (
        "transfer: there is no recipe called 'fine tuning'. "
        "Expected a known name (did you mean 'fine-tuning'?)."
    )
