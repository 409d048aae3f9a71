"""`keras.callbacks.BackupAndRestore` over a plan of several phases.

Keras' callback knows one call of `fit`. It leaves the epoch to resume at in the model and nothing
clears it, so a second phase would start in the middle; and it deletes its backup when training
ends, so a crash early in the second phase would lose the first. Here epochs are counted over all
phases, the backup is read once, in the phase that wrote it, and deleted once, at the end of the
plan. The note of the epoch takes the place of the old one when it is whole; that the weights do is
`transferkit.engine.checkpoints`' work.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.calls import wants_batches
from transferkit.engine.checkpoints import replacing
from transferkit.plan import Plan

Callback: Any = _keras.keras().callbacks.Callback

__all__ = ["backup_folder", "callbacks_for", "epochs_done", "first_phase", "take_initial_epoch"]


def backup_folder(callbacks: Sequence[Any]) -> Path | None:
    """The folder of the first backup, which is there until the plan is done; None without one."""
    return next((Path(callback.backup_dir) for callback in _backups(callbacks)), None)


def epochs_done(callbacks: Sequence[Any]) -> int | None:
    """The epochs that a backup has behind it; None where there is none to go on from."""
    found = [_epochs_done(callback) for callback in _backups(callbacks)]
    return max((done for done in found if done is not None), default=None)


def first_phase(plan: Plan, callbacks: Sequence[Any]) -> int:
    """The phase whose weights and optimizer the backup holds; 0 without a backup."""
    done = epochs_done(callbacks) or 0
    last = 0
    for number, phase in enumerate(plan):
        last += phase.epochs
        if done <= last:
            return number
    return len(plan) - 1


def callbacks_for(callbacks: Sequence[Any], *, begin: bool, end: bool) -> list[Any]:
    """The callbacks of a phase, each backup spared the begin or end that is not its own.

    Args:
        callbacks: All callbacks of the run.
        begin: Whether this is the first phase that runs.
        end: Whether it is the plan's last.
    """
    backups = _backups(callbacks)
    return [
        _Spared(callback, begin=begin, end=end) if callback in backups else callback
        for callback in callbacks
    ]


def take_initial_epoch(network: KerasModel, otherwise: int) -> int:
    """The epoch that a backup wants to go on at, cleared so that no later phase sees it."""
    epoch = network._initial_epoch
    network._initial_epoch = None
    return otherwise if epoch is None else max(int(epoch), otherwise)


def _backups(callbacks: Sequence[Any]) -> list[Any]:
    kind = _keras.keras().callbacks.BackupAndRestore
    return [callback for callback in callbacks if isinstance(callback, kind)]


def _epochs_done(callback: Any) -> int | None:
    notes = Path(callback.backup_dir) / "training_metadata.json"
    return int(json.loads(notes.read_text())["epoch"]) if notes.is_file() else None


class _Spared(Callback):
    """Hands everything on to a backup callback but the begins and ends between phases."""

    def __init__(self, inner: Any, *, begin: bool, end: bool) -> None:
        super().__init__()
        self.inner, self.begin, self.end = inner, begin, end
        self.every_batch = wants_batches([inner])

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.inner.set_model(model)

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self.inner.set_params(params)

    def on_train_begin(self, logs: Any = None) -> None:
        if self.begin:
            self.inner.on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        if self.end:
            self.inner.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.inner._current_epoch = epoch  # or what it saves early in a resumed run says epoch 0
        self.inner.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with _whole_notes(self.inner):
            self.inner.on_epoch_end(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        with _whole_notes(self.inner):
            self.inner.on_train_batch_end(batch, logs)


@contextmanager
def _whole_notes(callback: Any) -> Iterator[None]:
    """Let a backup write its note of the epoch beside the old one, and then put it in its place."""
    path = callback._training_metadata_path
    try:
        with replacing(Path(path)) as beside:
            if callback.double_checkpoint and Path(path).is_file():  # it copies the old note first
                shutil.copy(path, beside)
            callback._training_metadata_path = str(beside)
            yield
    finally:
        callback._training_metadata_path = path
