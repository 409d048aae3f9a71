"""One count for whatever takes long: scanning, decoding, features, training.

Nothing is shown of work that is done within a second. In a terminal or a notebook one line is
written over; in a file or a pipe plain lines come at intervals that grow, so that a log of hours
stays readable. Only ASCII is written, since a log's encoding is anybody's guess.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from transferkit._text import duration, printable, width
from transferkit.errors import SpecError, explain

__all__ = ["Progress", "check_verbose", "is_live"]

LIVE_AFTER, LIVE_EVERY = 1.0, 0.1
"""Seconds until a line that is written over appears, and between its changes."""
LINES_AFTER = 10.0
"""Seconds until the first plain line; the next comes when half as much again has passed."""


def is_live(out: Any) -> bool:
    """Whether what is written to `out` can be written over: a terminal, or a notebook's cell."""
    notebook = type(out).__module__.split(".")[0] == "ipykernel"
    return notebook or bool(getattr(out, "isatty", bool)())


def check_verbose(verb: str, verbose: Any) -> None:
    """Refuse what is no degree of talking.

    Raises:
        SpecError: Naming those there are.
    """
    if verbose not in (0, 1, 2):
        raise SpecError(
            explain(
                verb,
                "verbose is unknown",
                expected="0 silent, 1 a line that is written over, 2 plain lines",
                received={"verbose": verbose},
                mend=f"{verb}(..., verbose=0)",
            )
        )


class Progress:
    """What is done, of how much, how fast, and how long the rest will take.

    >>> from transferkit._progress import Progress
    >>> with Progress("decode", 2) as progress:
    ...     progress.advance()
    ...     progress.advance()

    Used by one thread.

    Args:
        label: What is being done.
        total: How many things there are to do, if that is known.
        verbose: 0 shows nothing, 1 what fits the place, 2 plain lines everywhere.
        out: Where to; by default ``sys.stdout`` as it is now.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        label: str,
        total: int | None = None,
        *,
        verbose: int = 1,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label, self.total, self.done, self.note = label, total, 0, ""
        self.out: Any = out or sys.stdout  # None where a program has no console
        self.shown = bool(verbose) and self.out is not None
        self.live = self.shown and verbose == 1 and is_live(self.out)
        self.clock = clock
        self.began = clock()
        self.due = self.began + (LIVE_AFTER if self.live else LINES_AFTER)
        self.columns = 0  # that the line on the screen takes
        self.lines = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.lines or self.columns:
            self.finish(self._text())

    @property
    def seconds(self) -> float:
        """Since the count began."""
        return self.clock() - self.began

    def advance(self, by: int = 1, note: str = "") -> None:
        """Count what was done, and show it if it is time to.

        Args:
            by: How many things were done.
            note: What else is worth knowing, for the end of the line.
        """
        self.done += by
        self.note = note
        now = self.clock()
        if not self.shown or now < self.due:
            return
        if self.live:
            self._over(self._text())
            self.due = now + LIVE_EVERY
        else:
            print(self._text(), file=self.out, flush=True)
            self.lines += 1
            self.due = now + (now - self.began) / 2

    def finish(self, line: str) -> None:
        """Put a last line in the place of the one on the screen."""
        if self.live:
            self._over(line, cut=False)
            print(file=self.out, flush=True)
        elif self.shown:
            print(printable(line), file=self.out, flush=True)
        self.columns = self.lines = 0

    def _over(self, line: str, *, cut: bool = True) -> None:
        line = printable(line)
        if cut:  # a line that wraps could not be written over
            line = line[: shutil.get_terminal_size().columns - 1]
        blank = " " * (self.columns - width(line))
        print(f"\r{line}{blank}", end="", file=self.out, flush=True)
        self.columns = width(line)

    def _text(self) -> str:
        seconds = self.seconds
        count = f"{self.done:,}"
        if self.total:
            count += f" of {self.total:,} ({100 * self.done // self.total} %)"
        parts = [f"{self.label}: {count}"]
        if self.done and seconds > 0:
            parts.append(_rate(self.done / seconds))
        if self.total and 0 < self.done < self.total:
            rest = seconds * (self.total - self.done) / self.done
            parts.append(f"{duration(rest)} left")
        else:
            parts.append(duration(seconds))
        return ", ".join(parts) + (f" - {self.note}" if self.note else "")


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"
