"""One running number for every step: against a count by hand, and against the engine's own."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transferkit.track.steps import Steps


@st.composite
def plans(draw: st.DrawFn) -> Steps:
    phases = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=4))
    epochs, each = zip(*phases, strict=True)
    return Steps(epochs, each)


@given(plans())
def test_steps_are_counted_one_by_one_over_all_phases(steps: Steps) -> None:
    taken = 0
    epoch = 0
    for number, (epochs, each) in enumerate(zip(steps.epochs, steps.each, strict=True)):
        for _ in range(epochs):
            assert steps.phase(epoch) == number
            for done in range(1, each + 1):
                taken += 1
                assert steps.at(epoch, done) == taken
            assert steps.end_of(epoch) == taken
            epoch += 1


@given(plans())
def test_an_epoch_begins_where_the_one_before_it_ended(steps: Steps) -> None:
    for before, after in pairwise(range(sum(steps.epochs))):
        assert steps.end_of(before) == steps.at(after, 0)


def test_behind_the_plan_lies_its_last_phase() -> None:
    steps = Steps((1, 2), (5, 3))
    assert steps.phase(3) == 1
    assert steps.at(3, 0) == 11
