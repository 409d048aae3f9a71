"""What a run prints: a headline for each phase, and a line for each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit import _keras
from transferkit._progress import Progress as Count
from transferkit._text import duration

__all__ = ["Progress"]

keras = _keras.keras()
Callback: Any = keras.callbacks.Callback


class Progress(Callback):
    """A line for each epoch; while it lasts, how far it is.

    Args:
        headline: What is printed when the phase begins.
        last_epoch: The number of the last epoch over all phases.
        verbose: 0 silent, 1 shows how far an epoch is if it takes longer than a second, 2 prints
            only whole lines.
    """

    every_batch = False  # the end of each call is enough

    def __init__(self, headline: str, last_epoch: int, verbose: int) -> None:
        super().__init__()
        self.headline = headline
        self.last_epoch = last_epoch
        self.verbose = verbose

    def on_train_begin(self, logs: Any = None) -> None:
        """Print the headline."""
        if self.verbose:
            print(self.headline, flush=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start to count."""
        label = f"Epoch {epoch + 1}/{self.last_epoch}"
        self.count = Count(label, self.params["steps"], verbose=self.verbose)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count the steps of a call, of which this was the last."""
        self.count.advance(batch + 1 - self.count.done, note=_shown(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Print the epoch's line in the place of the count."""
        parts = [self.count.label, duration(self.count.seconds), _shown(logs)]
        self.count.finish(" - ".join(part for part in parts if part))


def _shown(logs: Mapping[str, Any] | None) -> str:
    return " - ".join(f"{name}: {_number(float(value))}" for name, value in (logs or {}).items())


def _number(value: float) -> str:
    """Four places; of what they would round away, such as a learning rate, four digits."""
    return f"{value:.4f}" if abs(value) >= 1e-3 or not value else f"{value:.3g}"
