from __future__ import annotations

import pytest

from transferkit.errors import ContractError
from transferkit.testing.contract import Breach, Contract

NUMBERS: Contract[float] = Contract("check_number")


@NUMBERS.rule("is-positive", "a number is above zero")
def is_positive(number: float) -> Breach | None:
    return None if number > 0 else Breach(f"it is {number}", mend="Use abs(number).")


@NUMBERS.rule("has-a-reciprocal", "a number has a reciprocal below one")
def has_a_reciprocal(number: float) -> Breach | None:
    if 1 / (number - 3) < 1:
        return None
    return Breach("its reciprocal is one or more", mend="Use a larger one.")


def test_whoever_keeps_every_rule_passes() -> None:
    NUMBERS.check(9, called="nine")
    assert [rule.name for rule in NUMBERS.rules] == ["is-positive", "has-a-reciprocal"]


def test_the_first_broken_rule_is_named_with_what_was_seen_and_how_it_is_mended() -> None:
    with pytest.raises(ContractError) as caught:
        NUMBERS.check(-2, called="mine")
    assert str(caught.value) == (
        "check_number: mine breaks the rule 'is-positive': it is -2. Expected that a number is "
        "above zero. Use abs(number)."
    )
    with pytest.raises(ContractError, match="'has-a-reciprocal': its reciprocal is one or more"):
        NUMBERS.check(3.5, called="mine")


def test_an_error_of_the_plug_in_is_a_breach_and_its_cause() -> None:
    with pytest.raises(ContractError) as caught:
        NUMBERS.check(3, called="mine")
    assert "the rule 'has-a-reciprocal': ZeroDivisionError was raised (" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_check_is_an_assertion_for_whoever_catches_one() -> None:
    with pytest.raises(AssertionError, match="mine breaks the rule"):
        NUMBERS.check(0, called="mine")
