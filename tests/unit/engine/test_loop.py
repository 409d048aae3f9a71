"""Keras' callbacks around calls of many steps: what each does in ``fit``, it does here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import training_lab as lab

import transferkit as tk
from transferkit.engine import distribute, resident, resume
from transferkit.engine.loop import PhaseRun, run_epochs
from transferkit.engine.progress import Progress
from transferkit.engine.resident import Rows

keras = lab.keras
Callback: Any = keras.callbacks.Callback
EPOCHS = 4


def adam() -> Any:
    return keras.optimizers.Adam(0.05)


def by_engine(
    callbacks: Sequence[Any],
    optimizer: Callable[[], Any] = adam,
    *,
    start: int = 0,
    work: float | None = 0.0,
    **phase: Any,
) -> tuple[Any, list[Any]]:
    """The network and the records of a run, validated on its own training rows."""
    made = lab.make(optimizer)
    rows, bounds = Rows((lab.X,), lab.Y), lab.bounds(made)
    listed = keras.callbacks.CallbackList(
        list(callbacks), model=made.network, epochs=EPOCHS, steps=len(bounds), verbose=0
    )
    both = {"callbacks": listed.callbacks, "work": work}
    feed = resident.resident(made.steps, made.tail, rows, lab.order, bounds, **both)
    in_turn = resident.in_turn(lab.ROWS, lab.BATCH)
    clean = resident.resident(made.steps, made.tail, rows, in_turn, bounds, train=False, **both)
    run = PhaseRun(
        tk.Phase(EPOCHS, batch_size=lab.BATCH, **phase),
        0,
        start,
        EPOCHS,
        distribute.team(tk.Engine()),
    )
    listed.on_train_begin()
    records = list(run_epochs(made.network, made.steps, run, feed, clean, listed, []))
    listed.on_train_end()
    return made.network, records


def by_keras(callbacks: Sequence[Any], optimizer: Callable[[], Any] = adam) -> Any:
    """The same run with plain Keras: the network after ``fit``."""
    network, _ = lab.networks()
    network.compile(optimizer(), "categorical_crossentropy", metrics=["accuracy"])
    made = lab.make(adam)
    count = len(lab.bounds(made))
    batches = lab.dealt(made, EPOCHS).apply(
        lab.tf.data.experimental.assert_cardinality(count * EPOCHS)
    )
    network.fit(
        batches,
        epochs=EPOCHS,
        steps_per_epoch=count,
        validation_data=(lab.X, lab.Y),
        validation_batch_size=lab.BATCH,
        callbacks=list(callbacks),
        verbose=0,
    )
    return network


def rate(network: Any) -> float:
    return float(network.optimizer.learning_rate)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def halved(epoch: int, before: float) -> float:
    return 0.1 / 2.0**epoch


CASES: dict[str, Callable[[Path], Any]] = {
    "none": lambda folder: Callback(),
    "every batch": lambda folder: keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: 0
    ),
    "early stopping": lambda folder: keras.callbacks.EarlyStopping(
        "val_loss", patience=1, min_delta=10.0, restore_best_weights=True
    ),
    "plateau": lambda folder: keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.1, patience=1, min_delta=10.0
    ),
    "schedule": lambda folder: keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: 0.1 / 2**epoch
    ),
    "csv": lambda folder: keras.callbacks.CSVLogger(str(folder / "log.csv")),
    "checkpoint": lambda folder: keras.callbacks.ModelCheckpoint(
        str(folder / "{epoch}.weights.h5"), save_weights_only=True
    ),
    "checkpoint of batches": lambda folder: keras.callbacks.ModelCheckpoint(
        str(folder / "{epoch}-{batch}.weights.h5"), save_weights_only=True, save_freq=2
    ),
    "tensorboard": lambda folder: keras.callbacks.TensorBoard(str(folder), write_graph=False),
    "nan": lambda folder: keras.callbacks.TerminateOnNaN(),
    "averages": lambda folder: keras.callbacks.SwapEMAWeights(),
}


OTHERS = ("none", "every batch", "schedule", "csv", "checkpoint", "nan")
"""They differ less from each other, and have journeys of their own."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in OTHERS)) for n in CASES]
)
def test_a_callback_does_what_it_does_in_kerass_fit(name: str, tmp_path: Path) -> None:
    def averaging() -> Any:
        return keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5)

    optimizer = averaging if name == "averages" else adam
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    for folder in folders:
        folder.mkdir()
    history = keras.callbacks.History()
    network, records = by_engine([CASES[name](folders[0])], optimizer)
    reference = by_keras([CASES[name](folders[1]), history], optimizer)
    assert lab.distance(network.get_weights(), reference.get_weights()) < 1e-5
    assert rate(network) == pytest.approx(rate(reference))
    for metric, values in history.history.items():
        if metric != "learning_rate":  # which the record holds apart
            assert [each.metrics[metric] for each in records] == pytest.approx(values, abs=1e-5)
    if name != "tensorboard":  # its files have the time in their names
        assert files(folders[0]) == files(folders[1])


def test_a_csv_log_has_the_same_numbers_as_in_kerass_fit(tmp_path: Path) -> None:
    by_engine([keras.callbacks.CSVLogger(str(tmp_path / "ours"))])
    by_keras([keras.callbacks.CSVLogger(str(tmp_path / "theirs"))])
    ours, theirs = (pd.read_csv(tmp_path / name) for name in ("ours", "theirs"))
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-5)


class Diary(Callback):
    """What it is told of batches."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.lines.append(("begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.lines.append(("end", batch, round(logs["loss"], 5)))

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.lines.append(("test", batch))


def test_a_callback_that_wants_every_batch_gets_what_kerass_fit_tells_it() -> None:
    ours, theirs = Diary(), Diary()
    by_engine([ours])
    by_keras([theirs])
    assert ours.lines == theirs.lines
    assert len(ours.lines) == EPOCHS * 9


def test_one_that_is_content_hears_of_each_call() -> None:
    diary = Diary()
    diary.every_batch = False
    by_engine([diary])
    heard = [line[:2] for line in diary.lines]
    assert heard == [("begin", 0), ("end", 2), ("test", 2)] * EPOCHS


def test_who_listens_changes_nothing() -> None:
    alone, _ = by_engine([])
    heard, _ = by_engine([Diary()])
    unknown, _ = by_engine([], work=None)
    assert lab.distance(alone.get_weights(), heard.get_weights()) == 0
    assert lab.distance(alone.get_weights(), unknown.get_weights()) == 0


def test_a_schedule_of_the_phase_sets_the_rate_of_every_step() -> None:
    schedule = tk.schedules.cosine(0.5, warmup=0.25)
    whole, records = by_engine([], learning_rate=schedule)
    single, _ = by_engine([Diary()], learning_rate=schedule)
    assert lab.distance(whole.get_weights(), single.get_weights()) == 0
    last = [schedule(3 * (epoch + 1) - 1, 12) for epoch in range(EPOCHS)]
    assert [record.learning_rate for record in records] == pytest.approx(last)


def test_a_run_that_diverges_ends_at_the_batch_where_it_did() -> None:
    def wild() -> Any:
        return keras.optimizers.SGD(float("inf"))

    diary = Diary()
    network, records = by_engine([keras.callbacks.TerminateOnNaN(), diary], wild)
    assert len(records) == 1
    assert not np.isfinite(records[0].metrics["loss"])
    ends = [line for line in diary.lines if line[0] == "end"]
    assert len(ends) < 3
    assert network.stop_training


def test_progress_counts_the_steps_of_a_call() -> None:
    progress = Progress("", EPOCHS, 0)
    counts = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: counts.append(progress.count.done)
    )
    for callbacks in ([note, progress], [note, progress, Diary()]):
        by_engine(callbacks)
    assert counts == [3] * 2 * EPOCHS


@pytest.mark.parametrize("save_freq", ["epoch", 2])
def test_a_backup_is_taken_up_where_kerass_fit_takes_it_up(save_freq: Any, tmp_path: Path) -> None:
    def crash(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    def broken(run: Callable[..., Any], folder: Path) -> Any:
        bomb = keras.callbacks.LambdaCallback(on_epoch_begin=crash)
        backup = keras.callbacks.BackupAndRestore(str(folder), save_freq=save_freq)
        with pytest.raises(KeyboardInterrupt):
            run([backup, bomb])
        network, _ = lab.networks()
        network.load_weights(folder / "latest.weights.h5", skip_mismatch=True)
        return network.get_weights(), (folder / "training_metadata.json").read_text()

    ours = broken(by_engine, tmp_path / "ours")
    theirs = broken(by_keras, tmp_path / "theirs")
    assert ours[1] == theirs[1]
    assert lab.distance(ours[0], theirs[0]) < 1e-5


def test_a_backup_early_in_a_resumed_run_knows_its_epoch(tmp_path: Path) -> None:
    def crash(epoch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(str(tmp_path), save_freq=2)
    own = resume.callbacks_for([backup], begin=True, end=True)
    with pytest.raises(KeyboardInterrupt):
        by_engine([keras.callbacks.LambdaCallback(on_epoch_end=crash), *own], start=2)
    assert json.loads((tmp_path / "training_metadata.json").read_text())["epoch"] == 2
