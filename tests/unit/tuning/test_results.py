"""What is kept of trials, and which of them is the best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from searched import BAD, GOOD, POOR

from transferkit.tuning.results import MODEL, Budget, Trials, by_score, name_of


def test_a_name_follows_from_settings_and_share_and_not_from_their_order() -> None:
    name = name_of({"a": 1, "b": 2.5}, Budget())
    assert name == name_of({"b": 2.5, "a": 1}, Budget())
    assert name_of({"a": 1, "b": 2}, Budget()) != name
    assert name_of({"a": 1, "b": 2.5}, Budget(1, 3)) != name


def test_results_come_back_as_they_were_written_in_the_order_in_which_they_ended(
    tmp_path: Path,
) -> None:
    trials = Trials(tmp_path, "max")
    late = replace(GOOD, finished=2.0, metrics={"loss": float("inf")})
    early = replace(BAD, finished=1.0)
    trials.write(late)
    trials.write(early)
    assert trials.finished() == (early, late)
    assert trials.finished()[1].metrics == {"loss": float("inf")}
    assert trials.finished()[1].values == GOOD.values
    assert trials.scored("good") == late
    assert trials.scored("bad") is None
    assert trials.scored("never") is None


def test_failed_trials_can_be_forgotten(tmp_path: Path) -> None:
    trials = Trials(tmp_path, "max")
    for each in (GOOD, BAD):
        trials.write(each)
    trials.forget_failed()
    assert [each.name for each in trials.finished()] == ["good"]


@pytest.mark.parametrize(("mode", "kept"), [("max", "good"), ("min", "poor")])
def test_only_the_best_model_is_kept(tmp_path: Path, mode: str, kept: str) -> None:
    trials = Trials(tmp_path, mode)  # type: ignore[arg-type]
    for each in (GOOD, POOR, BAD):
        trials.write(each)
        (tmp_path / each.name / MODEL).touch()
    trials.keep_best()
    assert [path.parent.name for path in tmp_path.glob(f"*/{MODEL}")] == [kept]


def test_a_score_leads_if_it_is_better_than_all_there_are(tmp_path: Path) -> None:
    trials = Trials(tmp_path, "max")
    assert trials.leads(0.1)
    trials.write(BAD)
    assert trials.leads(0.1)
    trials.write(GOOD)
    assert trials.leads(0.95)
    assert not trials.leads(0.9)


def test_the_best_is_first_and_what_failed_last() -> None:
    assert by_score([BAD, POOR, GOOD], "max") == [GOOD, POOR, BAD]
    assert by_score([BAD, GOOD, POOR], "min") == [POOR, GOOD, BAD]
