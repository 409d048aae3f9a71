"""Whole trainings that take turns, epoch by epoch: each waits while another one has its epoch.

A training is one long call. To compare the epochs of two of them fairly they have to alternate, so
each runs in a thread of its own, and a callback at the beginning of its epochs passes the turn on.
At any time exactly one of them runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from measuring import Seconds

from transferkit import _keras

__all__ = ["epochs_in_turn"]

Training = Callable[[Any], Any]
"""Trains for as many epochs as were agreed on, with the callback that it is given."""


def epochs_in_turn(arms: Mapping[str, Training], epochs: int, *, warm: int = 1) -> Seconds:
    """Run all trainings and time their epochs, which alternate.

    Args:
        arms: What is trained, by name.
        epochs: The epochs that each of them has.
        warm: How many of them, at the beginning, are not counted: the first compiles.

    Returns:
        For each arm the seconds of its epochs.

    Raises:
        RuntimeError: If a training fails, or has another number of epochs.
    """
    table = _Table(list(arms))
    threads = [
        threading.Thread(target=table.play, args=(name, call), daemon=True)
        for name, call in arms.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if table.errors:
        name, error = table.errors[0]
        raise RuntimeError(f"the training {name!r} failed: {error}") from error
    for name, seconds in table.seconds.items():
        if len(seconds) != epochs:
            raise RuntimeError(f"the training {name!r} had {len(seconds)} epochs, not {epochs}")
    return {name: seconds[warm:] for name, seconds in table.seconds.items()}


class _Table:
    """Whose turn it is. What a training does between two epochs is done in its own turn as well."""

    def __init__(self, names: list[str]) -> None:
        self.order = list(names)
        self.turn = names[0]
        self.changed = threading.Condition()
        self.seconds: Seconds = {name: [] for name in names}
        self.errors: list[tuple[str, BaseException]] = []

    def play(self, name: str, call: Training) -> None:
        self.wait(name)
        try:
            call(_clock(self, name))
        except BaseException as error:
            self.errors.append((name, error))
        finally:
            self.leave(name)

    def wait(self, name: str) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.turn == name)

    def pass_on(self, name: str) -> None:
        with self.changed:
            self.turn = self.order[(self.order.index(name) + 1) % len(self.order)]
            self.changed.notify_all()

    def leave(self, name: str) -> None:
        with self.changed:
            self.pass_on(name)
            self.order.remove(name)


def _clock(table: _Table, name: str) -> Any:
    """A callback that, at an epoch's beginning, lets the others have theirs and waits."""

    class Clock(_keras.keras().callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if table.seconds[name]:
                table.pass_on(name)
                table.wait(name)
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            table.seconds[name].append(time.perf_counter() - self.began)

    return Clock()
