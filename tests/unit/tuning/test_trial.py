"""What a space may ask a trial for."""

from __future__ import annotations

from typing import Any

import pytest
from searched import Said

from transferkit.errors import SpecError
from transferkit.tuning import Trial


def test_each_kind_of_field_is_asked_for_with_its_limits() -> None:
    said = Said({"dropout": 0.25, "units": 64, "optimizer": "sgd", "flip": True})
    t = Trial(said)
    assert t.uniform("dropout", 0, 0.5) == 0.25
    assert t.integer("units", 8, 512, log=True) == 64
    assert t.choice("optimizer", ["adam", "sgd"]) == "sgd"
    assert t.boolean("flip") is True
    assert said.kinds == {
        "dropout": ("Float", 0.0, 0.5, "linear"),
        "units": ("Int", 8, 512, "log"),
        "optimizer": ("Choice", "adam", "sgd"),
        "flip": ("Boolean",),
    }
    assert t.values == {"dropout": 0.25, "units": 64, "optimizer": "sgd", "flip": True}


def test_a_field_that_is_asked_for_twice_is_one_field() -> None:
    t = Trial(Said())
    assert t.uniform("rate", 0.1, 1) == t.uniform("rate", 0.1, 1.0) == 0.1
    assert list(t.values) == ["rate"]


def test_one_name_for_two_fields_is_refused() -> None:
    t = Trial(Said())
    t.uniform("rate", 0.1, 1)
    with pytest.raises(SpecError) as caught:
        t.uniform("rate", 0.1, 2)
    assert str(caught.value) == (
        "uniform: the field 'rate' is asked for in two ways in one trial. Expected "
        "uniform(0.1, 1.0, False), as before. Received: field='uniform(0.1, 2.0, False)'. "
        "Give each field a name of its own."
    )


@pytest.mark.parametrize("name", ["", "  ", "tuner/epochs", 3, None])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(SpecError) as caught:
        Trial(Said()).boolean(name)
    assert str(caught.value) == (
        "boolean: that is no name of a field. Expected words that do not begin with 'tuner/'. "
        f"Received: name={name!r}. t.boolean('dropout', ...)"
    )


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(1, 1, False), (2, 1, False), (0, 1, True), (-1, 1, True), ("a", 1, False), (0, 1e999, False)],
)
def test_what_is_no_range_is_refused(low: Any, high: Any, log: bool) -> None:
    with pytest.raises(SpecError) as caught:
        Trial(Said()).uniform("rate", low, high, log=log)
    more = ", above 0 where log=True" if log else ""
    assert str(caught.value) == (
        f"uniform: that is no range of 'rate'. Expected two numbers, low < high{more}. "
        f"Received: low={low!r}, high={high!r}. t.uniform('rate', 0.1, 0.5)"
    )


def test_whole_numbers_have_whole_ends() -> None:
    with pytest.raises(SpecError) as caught:
        Trial(Said()).integer("units", 1, 2.5)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "integer: that is no range of 'units'. Expected two whole numbers, low < high. "
        "Received: low=1, high=2.5. t.integer('units', 1, 8)"
    )


@pytest.mark.parametrize("values", [[], ["adam"], ["a", "a"], [1, 2.0], [1, "a"], "ab", [None, ()]])
def test_what_is_no_choice_is_refused(values: Any) -> None:
    with pytest.raises(SpecError) as caught:
        Trial(Said()).choice("optimizer", values)
    assert str(caught.value) == (
        "choice: there is nothing to choose between for 'optimizer'. Expected two or more "
        "different values, all words or all numbers of one kind. "
        f"Received: values={values!r}. t.choice('optimizer', ['adam', 'sgd'])"
    )
