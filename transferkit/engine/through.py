"""A feed of pixels that other functions see before the steps do: a prefix, several devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from transferkit import _keras
from transferkit.engine.calls import spans
from transferkit.engine.distribute import spread
from transferkit.engine.feeds import Rates, with_rate
from transferkit.engine.step import Steps

__all__ = ["Through"]


class Through:
    """Batches of pixels, one step to a call.

    The prefix is compiled apart, in its own precision, and what it takes is long beside what a call
    costs. Several devices share each batch as evenly as can be, whatever its size.

    Args:
        steps: The steps.
        dataset: Batches of (pixels, targets): this process' part of them.
        count: Batches in an epoch.
        prefix: The compiled prefix, or None if the tail takes the pixels.
        train: Whether the weights move.
    """

    def __init__(
        self,
        steps: Steps,
        dataset: Any,
        count: int,
        prefix: Callable[..., Sequence[Any]] | None = None,
        *,
        train: bool = True,
    ) -> None:
        self.dataset, self.steps, self.prefix, self.again = dataset, count, prefix, not train
        self.calls = spans(count, 1)
        self.source: Iterator[Any] | None = None
        self._strategy = steps.strategy
        self._call = _step(steps, steps.train if train else steps.evaluate)

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """See `Feed.run`."""
        if self.source is None or (self.again and first == 0):
            self.source = iter(self.dataset)
        pixels, targets = next(self.source)
        inputs = tuple(self.prefix(pixels)) if self.prefix else (pixels,)
        made: dict[str, Any] = self._call(spread((inputs, targets), self._strategy), rates)
        return made


def _step(steps: Steps, step: Callable[[Any], None]) -> Callable[..., Any]:
    rated = with_rate(steps, step)

    def one(batch: Any, rates: Any) -> dict[str, Any]:
        rated(batch, 0, rates)
        return steps.results()

    made: Callable[..., Any] = _keras.compiled(one, autograph=False, jit_compile=steps.xla or None)
    return made
