"""One run on its way to a tracker: every call is guarded, and made at the step that it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from transferkit.spec import Tracker
from transferkit.track.guard import Guard

__all__ = ["Piece", "Session", "numbers", "text"]

Piece = tuple[str, Callable[[Tracker, int], None]]
"""What is being written, in words, and what writes it at a step."""


class Session:
    """A tracker between its `begin` and its `end`.

    Attributes:
        step: The step that what is written next is for.
        run_id: What finds the run again, if the tracker said so.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.guard = Guard(tracker.name)
        self.step = 0
        self.run_id: str | None = None

    def open(
        self, config: Callable[[], Mapping[str, Any]], run_id: Callable[[], str | None]
    ) -> None:
        """Begin a run, or go on with one; a tracker that cannot is given up.

        Args:
            config: Gives what the run hangs on.
            run_id: Gives what finds the run that goes on; None for a new one.
        """

        def begin() -> None:
            self.run_id = self.tracker.begin(config(), step=self.step, run_id=run_id())

        self.guard.attempt("its beginning", begin)
        if self.guard.failed:
            self.guard.give_up()

    def write(self, pieces: Iterable[Piece]) -> None:
        """Write pieces at the present step, each for itself."""
        for what, log in pieces:
            self.guard.attempt(what, partial(log, self.tracker, self.step))

    @contextmanager
    def again(self, config: Mapping[str, Any]) -> Iterator[int]:
        """Within it the run is open once more, or a new one, and nothing is guarded.

        Args:
            config: What is known of a model that was not followed from the beginning.

        Returns:
            The step behind the run's last; 0 for a new one.
        """
        self.step = 0 if self.run_id is None else self.step + 1
        self.run_id = self.tracker.begin(config, step=self.step, run_id=self.run_id)
        complete = False
        try:
            yield self.step
            complete = True
        finally:
            self.tracker.end(complete=complete)

    def close(self, *, complete: bool) -> None:
        """End the run, even if the tracker was given up: it may hold something open."""
        self.guard.failed = 0
        self.guard.attempt("its end", partial(self.tracker.end, complete=complete))
        self.guard.give_up()


def numbers(what: str, values: Mapping[str, float]) -> Piece:
    """Points of curves."""
    return what, lambda tracker, step: tracker.log_numbers(values, step)


def text(name: str, lines: str) -> Piece:
    """Lines of words under a name."""
    return f"the text {name!r}", lambda tracker, step: tracker.log_text(name, lines, step)
