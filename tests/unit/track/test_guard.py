"""Whatever a tracker raises, there is one warning, and in the end it is left alone."""

from __future__ import annotations

import warnings

import pytest

from transferkit.track.guard import PATIENCE, Guard


class Counted:
    """Something that fails when it is told to."""

    def __init__(self) -> None:
        self.calls = 0

    def fails(self) -> None:
        self.calls += 1
        raise OSError("No space left on device")

    def works(self) -> int:
        self.calls += 1
        return 7


def test_what_works_is_handed_on_without_a_word() -> None:
    assert Guard("board").attempt("a step", Counted().works) == 7


def test_the_first_failure_is_said_and_no_other() -> None:
    guard, counted = Guard("board"), Counted()
    with pytest.warns(UserWarning, match="No space") as caught:
        assert guard.attempt("a step", counted.fails) is None
    assert str(caught[0].message) == (
        "fit: the tracker board failed at a step (OSError: No space left on device). "
        "The training goes on; what the tracker has of it may have gaps."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard.attempt("an epoch", counted.fails)
    assert counted.calls == 2


@pytest.mark.filterwarnings("ignore:fit. the tracker")
def test_after_so_many_failures_in_a_row_nothing_more_is_tried() -> None:
    guard, counted = Guard("board"), Counted()
    for _ in range(PATIENCE - 1):
        guard.attempt("a step", counted.fails)
    guard.attempt("a step", counted.works)  # the row is broken
    for _ in range(PATIENCE + 5):
        guard.attempt("a step", counted.fails)
    assert guard.given_up
    assert counted.calls == 2 * PATIENCE


def test_an_interrupt_is_no_failure_of_the_tracker() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guard("board").attempt("a step", interrupted)
