"""What a run prints: a headline for each phase, a bar or a line for each epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from transferkit import _keras

__all__ = ["Progress"]

keras = _keras.keras()
Callback: Any = keras.callbacks.Callback


class Progress(Callback):
    """Keras' own bar in a terminal or notebook; a line per epoch in a file or with ``verbose=2``.

    Args:
        headline: What is printed when the phase begins.
        last_epoch: The number of the last epoch over all phases.
        verbose: 0 silent, 1 a bar, 2 a line per epoch.
    """

    def __init__(self, headline: str, last_epoch: int, verbose: int) -> None:
        super().__init__()
        self.headline = headline
        self.last_epoch = last_epoch
        shown = sys.stdout.isatty() or "ipykernel" in sys.modules
        self.verbose = 2 if verbose == 1 and not shown else verbose

    def on_train_begin(self, logs: Any = None) -> None:
        """Print the headline."""
        if self.verbose:
            print(self.headline, flush=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start a bar, or a clock."""
        self.began = time.perf_counter()
        self.label = f"Epoch {epoch + 1}/{self.last_epoch}"
        if self.verbose == 1:
            print(self.label)
            self.bar = keras.utils.Progbar(self.params["steps"], stateful_metrics=())

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the bar."""
        if self.verbose == 1:
            self.bar.stateful_metrics = set(logs or {})
            self.bar.update(batch + 1, list((logs or {}).items()), finalize=False)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Finish the bar, or print the line."""
        items = list((logs or {}).items())
        if self.verbose == 1:
            self.bar.stateful_metrics = {name for name, _ in items}
            self.bar.update(self.params["steps"], items, finalize=True)
        elif self.verbose == 2:
            shown = " - ".join(f"{name}: {float(value):.4f}" for name, value in items)
            print(f"{self.label} - {time.perf_counter() - self.began:.1f} s - {shown}", flush=True)
