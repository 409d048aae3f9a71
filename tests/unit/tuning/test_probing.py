"""How the fields of a space are found, and what is no space."""

from __future__ import annotations

from typing import Any

import pytest
from searched import BODY, fits_take_no_time, needs_keras_tuner, refused, searched

import transferkit as tk

pytestmark = needs_keras_tuner


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fits_take_no_time(monkeypatch)


def test_fields_that_are_asked_for_only_sometimes_are_found() -> None:
    def conditional(t: Any) -> Any:
        if t.choice("optimizer", ["adam", "sgd"]) == "sgd":
            rate = t.uniform("sgd rate", 0.1, 0.9)
            return BODY, tk.plans.feature_extraction(1, optimizer="sgd", learning_rate=rate)
        return BODY, tk.plans.feature_extraction(1)

    found = searched(conditional, max_trials=6)
    rates = [each.values["sgd rate"] for each in found if each.values["optimizer"] == "sgd"]
    assert rates
    assert 0.1 not in rates  # drawn, and not the first value of a field that was new
    adam = [each for each in found if each.values["optimizer"] == "adam"]
    assert len(adam) == 1  # whatever was drawn for the rate it did not ask for
    assert adam[0].values == {"optimizer": "adam"}


def test_a_space_that_raises_at_some_values_is_a_space() -> None:
    def partly(t: Any) -> Any:
        if t.boolean("broken"):
            raise RuntimeError("out of luck")
        return BODY, tk.plans.feature_extraction(1)

    found = searched(partly, strategy="grid")
    assert [each.problem for each in found] == [None, "RuntimeError: out of luck"]


def test_an_error_at_the_first_values_is_the_callers() -> None:
    def broken(t: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        searched(broken)


def test_a_space_that_names_no_field_is_refused() -> None:
    def empty(t: Any) -> Any:
        return BODY, tk.plans.feature_extraction(1)

    assert refused(given=empty).startswith(
        "tune: the search space names no field. Expected a function that asks the trial for a "
        "value or more. Received: space=<function"
    )


@pytest.mark.parametrize("given", [None, BODY, (BODY,), (1, tk.plans.linear_probe()), (BODY, None)])
def test_a_space_that_gives_no_model_and_plan_is_refused(given: Any) -> None:
    def wrong(t: Any) -> Any:
        t.boolean("flip")
        return given

    assert refused(given=wrong).startswith(
        "tune: the space gives no model and plan. Expected a tuple of a TransferModel and a Plan. "
        "Received: space(t)="
    )


def test_what_is_no_space_is_refused() -> None:
    assert refused(given=3) == (
        "tune: int is no space. Expected a function from a trial to a model and a plan. "
        "Received: space=3. tk.tune(tk.spaces.transfer('keras:MobileNetV2'), photos)"
    )
