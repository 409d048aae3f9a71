"""Whatever a tracker raises, the training goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from transferkit.errors import explain

__all__ = ["PATIENCE", "Guard"]

T = TypeVar("T")
PATIENCE = 3
"""Calls that fail one behind the other before a tracker is given up: one that waits for an answer
of a server that is gone may take minutes for each."""


class Guard:
    """Calls what may fail; says so once, and gives up what fails again and again.

    Args:
        name: What the tracker is called.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed = 0
        self.warned = False

    @property
    def given_up(self) -> bool:
        """Whether nothing more is tried."""
        return self.failed >= PATIENCE

    def give_up(self) -> None:
        """Try nothing more."""
        self.failed = PATIENCE

    def attempt(self, what: str, act: Callable[[], T]) -> T | None:
        """The result of `act`; None if it failed, or if the tracker was given up.

        Args:
            what: What is being written, for the warning.
            act: Writes it.

        Warns:
            UserWarning: At the first failure, and never again.
        """
        if self.given_up:
            return None
        try:
            result = act()
        except Exception as error:  # whatever a tracker may raise: a full disk, a lost network
            self.failed += 1
            self._warn(what, error)
            return None
        self.failed = 0
        return result

    def _warn(self, what: str, error: Exception) -> None:
        if not self.warned:
            self.warned = True
            warnings.warn(
                explain(
                    "fit",
                    f"the tracker {self.name} failed at {what} ({type(error).__name__}: {error})",
                    mend="The training goes on; what the tracker has of it may have gaps.",
                ),
                stacklevel=2,
            )
