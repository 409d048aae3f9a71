"""One running number for every optimizer step of a plan: what all curves are drawn over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from transferkit.engine import distribute
from transferkit.engine.shards import in_order
from transferkit.following import Run

__all__ = ["Steps", "steps_of"]


@dataclass(frozen=True)
class Steps:
    """The steps of a plan, counted over all phases.

    The number of a step follows from its epoch alone, and not from what was trained before it: a
    run that was killed goes on with the very numbers that it would have had. A phase that stops
    early leaves a gap, as it does in the numbers of epochs.

    Attributes:
        epochs: The epochs of each phase.
        each: The steps of each of its epochs.

    Example:
        >>> from transferkit.track.steps import Steps
        >>> steps = Steps(epochs=(2, 3), each=(10, 4))
        >>> steps.at(epoch=1, done=10), steps.at(epoch=2, done=1), steps.phase(2)
        (20, 21, 1)
    """

    epochs: tuple[int, ...]
    each: tuple[int, ...]

    def phase(self, epoch: int) -> int:
        """The phase that an epoch belongs to; the last one for what lies behind the plan."""
        ends = accumulate(self.epochs)
        last = len(self.epochs) - 1
        return next((number for number, end in enumerate(ends) if epoch < end), last)

    def at(self, epoch: int, done: int) -> int:
        """How many steps there are behind `done` steps of an epoch."""
        number = self.phase(epoch)
        before = sum(_products(self.epochs[:number], self.each[:number]))
        return before + (epoch - sum(self.epochs[:number])) * self.each[number] + done

    def end_of(self, epoch: int) -> int:
        """How many steps there are behind an epoch."""
        return self.at(epoch, self.each[self.phase(epoch)])


def steps_of(run: Run) -> Steps:
    """The steps that a run will take, if no phase stops early."""
    shards, count = distribute.team(run.engine).shards, len(run.data.train)
    return Steps(
        tuple(phase.epochs for phase in run.plan),
        tuple(
            1 if phase.solver else len(in_order(count, phase.batch_size, shards))
            for phase in run.plan
        ),
    )


def _products(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a * b for a, b in zip(one, other, strict=True)]
