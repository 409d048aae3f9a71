"""A feed of pixels that go through the compiled prefix on their way to the tail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from transferkit import _keras
from transferkit.engine.calls import spans
from transferkit.engine.feeds import Rates, with_rate
from transferkit.engine.step import Steps

__all__ = ["Through"]


class Through:
    """Batches of pixels, whose features are computed by one function and trained on by another.

    One step to a call: the prefix is compiled apart, in its own precision, and what it takes is
    long beside what a call costs.

    Args:
        steps: The steps.
        dataset: Batches of (pixels, targets).
        count: Batches in an epoch.
        prefix: The compiled prefix.
        train: Whether the weights move.
    """

    def __init__(
        self,
        steps: Steps,
        dataset: Any,
        count: int,
        prefix: Callable[..., Sequence[Any]],
        *,
        train: bool = True,
    ) -> None:
        self.dataset, self.steps, self.prefix, self.again = dataset, count, prefix, not train
        self.calls = spans(count, 1)
        self.source: Iterator[Any] | None = None
        self._call = _step(steps, steps.train if train else steps.evaluate)

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """See `Feed.run`."""
        if self.source is None or (self.again and first == 0):
            self.source = iter(self.dataset)
        pixels, targets = next(self.source)
        made: dict[str, Any] = self._call(tuple(self.prefix(pixels)), targets, rates)
        return made


def _step(steps: Steps, step: Callable[[Any], None]) -> Callable[..., Any]:
    rated = with_rate(steps, step)

    def one(inputs: Any, targets: Any, rates: Any) -> dict[str, Any]:
        rated((inputs, targets), 0, rates)
        return steps.results()

    return _keras.compiled(one, autograph=False, jit_compile=steps.xla or None)
