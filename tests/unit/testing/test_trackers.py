"""`check_tracker` finds what is wrong with a tracker, and says which rule it breaks."""

from __future__ import annotations

from typing import Any

import pytest
from tracked import Notebook

from transferkit.errors import ContractError, SpecError
from transferkit.testing import check_tracker
from transferkit.testing.trackers import TRACKERS


class Nameless(Notebook):
    name = ""


class Numbered(Notebook):
    def begin(self, config: Any, *, step: int, run_id: str | None) -> Any:
        super().begin(config, step=step, run_id=run_id)
        return 7


class Finite(Notebook):
    def log_numbers(self, values: Any, step: int) -> None:
        {name: round(value) for name, value in values.items()}


class Forgetful(Notebook):
    def begin(self, config: Any, *, step: int, run_id: str | None) -> str:
        return str(super().begin(config, step=step, run_id=None))


def test_a_tracker_in_order_is_in_order() -> None:
    check_tracker(Notebook())


BROKEN: dict[str, tuple[Any, str]] = {
    "methods": (
        object(),
        "check_tracker: object breaks the rule 'has-its-methods': something is missing. Expected "
        "that a tracker has a name and all methods of its protocol. See transferkit.spec.Tracker "
        "for what there is.",
    ),
    "name": (
        Nameless(),
        "check_tracker: Nameless breaks the rule 'has-its-methods': its name is ''. Expected that "
        "a tracker has a name and all methods of its protocol. Give it a name to stand in a "
        "warning.",
    ),
    "run id": (
        Numbered(),
        "check_tracker: Numbered breaks the rule 'keeps-a-run': begin gives 7. Expected that a run "
        "with numbers, words, tables, pictures and a file is taken. Give a text that finds the run "
        "again, or None.",
    ),
    "numbers": (
        Finite(),
        "check_tracker: Finite breaks the rule 'keeps-a-run': ValueError was raised (cannot "
        "convert float NaN to integer). Expected that a run with numbers, words, tables, pictures "
        "and a file is taken. The error above this one says where.",
    ),
    "going on": (
        Forgetful(),
        "check_tracker: Forgetful breaks the rule 'goes-on-with-a-run': the run was called 'run 2' "
        "and then 'run 3'. Expected that a run that was ended is opened again, and stays the same "
        "one. Give the run_id that came in.",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_named(what: str) -> None:
    tracker, text = BROKEN[what]
    with pytest.raises(ContractError) as caught:
        check_tracker(tracker)
    assert str(caught.value) == text


def test_every_rule_was_broken_once() -> None:
    broken = {text.split("'")[1] for _, text in BROKEN.values()}
    assert broken == {rule.name for rule in TRACKERS.rules}


def test_a_class_is_refused() -> None:
    cls: Any = Notebook
    with pytest.raises(SpecError, match="Notebook is a class"):
        check_tracker(cls)
