"""How trials stand beside each other: table, frame and plot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from searched import BAD, GOOD, POOR

from transferkit.errors import SpecError, UnknownNameError
from transferkit.tuning import TrialResult, Tuning


def found(*trials: TrialResult) -> Tuning:
    return Tuning(trials, "val_accuracy", "max", Path("nowhere"))


def test_the_table_has_all_fields_and_the_errors() -> None:
    told = found(BAD, POOR, GOOD)
    assert told.fields == ("rate", "flip", "optimizer")
    assert len(told) == 3
    assert told.best_trial is GOOD
    lines = repr(told).splitlines()
    assert lines[0] == "Tuning by val_accuracy: 3 trials, 1 failed"
    assert lines[1].split() == [
        "trial", "val_accuracy", "rate", "flip", "optimizer", "epochs", "seconds",
    ]  # fmt: skip
    assert lines[-4].split() == ["1", "good", "0.9000", "0.01", "-", "adam", "3", "2.0"]
    assert lines[-2].split() == ["-", "bad", "-", "2", "-", "-", "0", "0.0"]
    assert lines[-1] == "bad: ValueError: too much"


def test_a_long_table_shows_both_ends() -> None:
    many = [replace(GOOD, name=f"t{n}", score=n / 100) for n in range(40)]
    lines = repr(found(*many)).splitlines()
    assert len(lines) == 2 + 25 + 1 + 5
    assert [lines[place].split()[1] for place in (2, -6, -1)] == ["t39", "…", "t0"]


@pytest.mark.parametrize("ask", [lambda told: told.best, Tuning.plot])
def test_a_search_of_which_nothing_came_says_why(ask: Callable[[Tuning], object]) -> None:
    with pytest.raises(SpecError) as caught:
        ask(found(BAD))
    assert str(caught.value) == (
        "Tuning: no trial came to an end. Expected one that did. "
        "Received: bad='ValueError: too much'."
    )


def test_the_frame_has_a_line_for_each_trial() -> None:
    pytest.importorskip("pandas")
    frame = found(BAD, GOOD).to_frame()
    assert list(frame["name"]) == ["bad", "good"]
    assert list(frame.columns) == [
        "name", "score", "rate", "optimizer", "share", "epochs", "seconds", "problem", "val_loss",
    ]  # fmt: skip


def test_the_plot_has_the_course_and_a_panel_for_each_field() -> None:
    pytest.importorskip("matplotlib")
    figure = found(POOR, BAD, GOOD).plot()
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert [axes.get_xlabel() for axes in panels] == ["trial", "rate", "flip", "optimizer"]
    best, scores = panels[0].get_lines()
    assert np.asarray(best.get_ydata()).tolist() == [0.5, 0.9]
    assert np.asarray(scores.get_ydata()).tolist() == [0.5, 0.9]
    assert panels[1].get_xscale() == "log"
    assert [label.get_text() for label in panels[3].get_xticklabels()] == ["adam"]


def test_the_plot_of_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        found(GOOD).plot("rat")
    assert str(caught.value) == (
        "plot: no trial has a field called 'rat'. Expected a known name (did you mean 'rate'?)."
    )
