"""A schedule that a file tells of and nobody can follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from transferkit._types import FrozenDict
from transferkit.schedules.base import Schedule, refused

__all__ = ["Foreign"]


@dataclass(frozen=True)
class Foreign(Schedule):
    """A schedule of somebody's own, read from a file: it tells what was, and cannot be followed."""

    name: str
    config: FrozenDict = field(hash=False, repr=False)

    def __call__(self, step: int, steps: int) -> float:
        """Refuse.

        Raises:
            SpecError: Always.
        """
        raise refused(
            "fit",
            f"the schedule {self.name!r} came from a file that holds no code",
            "a schedule of tk.schedules, or your own made anew",
            {"schedule": dict(self.config)},
            "tk.Phase(..., learning_rate=1e-3)",
        )

    def to_config(self) -> dict[str, Any]:
        """What was read."""
        return dict(self.config)
