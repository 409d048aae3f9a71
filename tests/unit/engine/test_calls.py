"""The rule for steps in a call, and which callbacks want every batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit import _keras
from transferkit.engine import calls, resume
from transferkit.engine.progress import Progress

keras = _keras.keras()
Callback: Any = keras.callbacks.Callback
Checkpoint: Any = keras.callbacks.ModelCheckpoint


def test_an_epoch_of_a_head_is_one_call() -> None:
    work = 3 * 32 * 1280 * 5
    assert calls.steps_per_call(63, work, every_batch=False, step_bytes=32 * 1280 * 4) == 63


def test_a_step_that_is_a_call_of_work_is_one() -> None:
    assert calls.steps_per_call(63, calls.WORK, every_batch=False) == 1


def test_work_and_rows_bound_a_call() -> None:
    by_work = calls.steps_per_call(1000, calls.WORK // 10, every_batch=False)
    by_bytes = calls.steps_per_call(1000, 0, every_batch=False, step_bytes=calls.BYTES // 10)
    assert (by_work, by_bytes) == (9, 10)


@pytest.mark.parametrize(("work", "every"), [(None, False), (0, True)])
def test_one_step_where_a_callback_wants_it_or_nothing_is_known(work: Any, every: bool) -> None:
    assert calls.steps_per_call(1000, work, every_batch=every) == 1


@given(
    st.integers(1, 10_000),
    st.one_of(st.none(), st.floats(0, 1e13)),
    st.booleans(),
    st.integers(0, 10**9),
)
def test_calls_make_every_step_once_and_are_as_equal_as_can_be(
    steps: int, work: Any, every: bool, step_bytes: int
) -> None:
    per_call = calls.steps_per_call(steps, work, every_batch=every, step_bytes=step_bytes)
    spans = calls.spans(steps, per_call)
    assert [step for start, stop in spans for step in range(start, stop)] == list(range(steps))
    lengths = [stop - start for start, stop in spans]
    assert max(lengths) == per_call
    assert per_call == 1 or -(-steps // (per_call - 1)) > len(spans)  # none could be shorter


class Own(Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Wants batches."""


class OwnCheckpoint(Checkpoint):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Wants batches, which Keras' does not."""


class Patient(Own):
    every_batch = False


class OfValidation(Callback):
    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Wants batches of validation."""


def made(tmp_path: Path) -> dict[str, tuple[Any, bool]]:
    kinds, here = keras.callbacks, str(tmp_path)
    file = str(tmp_path / "network.keras")
    backup = kinds.BackupAndRestore(here, save_freq=3)
    return {
        "bare": (Callback(), False),
        "own": (Own(), True),
        "own checkpoint": (OwnCheckpoint(file), True),
        "patient": (Patient(), False),
        "lambda": (kinds.LambdaCallback(on_train_batch_end=print), True),
        "lambda of epochs": (kinds.LambdaCallback(on_epoch_end=print), False),
        "checkpoint": (kinds.ModelCheckpoint(file), False),
        "checkpoint of batches": (kinds.ModelCheckpoint(file, save_freq=3), True),
        "backup": (kinds.BackupAndRestore(here), False),
        "backup of batches": (backup, True),
        "backup in a plan": (resume.callbacks_for([backup], begin=True, end=True)[0], True),
        "tensorboard": (kinds.TensorBoard(here), False),
        "tensorboard of batches": (kinds.TensorBoard(here, update_freq="batch"), True),
        "tensorboard of speed": (kinds.TensorBoard(here, write_steps_per_second=True), True),
        "tensorboard that profiles": (kinds.TensorBoard(here, profile_batch=2), True),
        "nan": (kinds.TerminateOnNaN(), True),
        "early stopping": (kinds.EarlyStopping(), False),
        "plateau": (kinds.ReduceLROnPlateau(), False),
        "schedule": (kinds.LearningRateScheduler(lambda epoch: 0.1), False),
        "csv": (kinds.CSVLogger(file), False),
        "averages": (kinds.SwapEMAWeights(), False),
        "progress": (Progress("", 1, 0), False),
        "testing": (OfValidation(), False),
    }


def test_who_wants_every_batch(tmp_path: Path) -> None:
    expected = {name: wants for name, (_, wants) in made(tmp_path).items()}
    found = {name: calls.wants_batches([one]) for name, (one, _) in made(tmp_path).items()}
    assert found == expected
    assert calls.wants_batches([Callback(), Own()])


def test_batches_of_validation_are_another_matter() -> None:
    assert calls.wants_batches([OfValidation()], "test")
    assert not calls.wants_batches([Own()], "test")
