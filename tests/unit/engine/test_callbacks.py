"""Every callback that Keras brings, over a plan of two phases; the commonest have journeys too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras

keras = _keras.keras()
Callback: Any = keras.callbacks.Callback
BATCHES = 2


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    labels = np.arange(20) % 2
    images = (
        np.random.default_rng(0).integers(0, 120, (20, 8, 8, 3)) + 130 * labels[:, None, None, None]
    )
    return tk.data.from_arrays(images.astype(np.uint8), labels)


@pytest.fixture(scope="module")
def model() -> tk.TransferModel:
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="low")(pixels)
    x = keras.layers.Conv2D(4, 3, name="high")(x)
    made = tk.backbones.from_keras(keras.Model(pixels, x, name="tiny"), preprocessing="unit")
    return tk.TransferModel(made)


def plan() -> tk.Plan:
    first = tk.plans.feature_extraction(2, batch_size=8)
    return first.then(tk.plans.fine_tune(1, batch_size=8, freeze=tk.freeze.nothing()))


def test_tensorboard_has_curves_over_all_phases(
    model: tk.TransferModel, photos: tk.data.Data, tmp_path: Path
) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = keras.callbacks.TensorBoard(str(tmp_path), histogram_freq=1, write_graph=False)
    trained = model.fit(photos, plan(), callbacks=[board], verbose=0)
    for split, prefix in (("train", ""), ("validation", "val_")):
        events = reading.EventAccumulator(str(tmp_path / split), {"tensors": 0})
        events.Reload()
        written = events.Tensors("epoch_loss")
        values = [float(_keras.tf().make_ndarray(event.tensor_proto)) for event in written]
        assert [event.step for event in written] == [0, 1, 2]
        expected = [record.metrics[f"{prefix}loss"] for record in trained.history]
        assert values == pytest.approx(expected)


class Diary(Callback):
    """Writes down what it is told, and what it sees of the model then."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.lines.append(("train", self.params["epochs"], self.params["steps"]))

    def on_train_end(self, logs: Any = None) -> None:
        self.lines.append("end")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.lines.append(("epoch", epoch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        moving = len(self.model.trainable_weights)
        self.lines.append(("done", sorted(logs), moving, self.model.optimizer is not None))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.lines.append(("step", batch, sorted(logs)))

    def on_test_begin(self, logs: Any = None) -> None:
        self.lines.append("test")

    def on_test_end(self, logs: Any = None) -> None:
        self.lines.append(("tested", sorted(logs)))


def test_a_callback_is_told_everything_in_kerass_order(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    diary = Diary()
    trained = model.fit(photos, plan(), callbacks=[diary], verbose=0)

    def epoch(number: int, moving: int) -> list[Any]:
        names = ["accuracy", "loss"]
        every = [*names, *(f"val_{name}" for name in names)]
        steps = [("step", batch, names) for batch in range(BATCHES)]
        test = ["test", ("tested", names)]
        return [("epoch", number), *steps, *test, ("done", every, moving, True)]

    assert diary.lines == [
        *(("train", 2, BATCHES), *epoch(0, 2), *epoch(1, 2), "end"),
        *(("train", 3, BATCHES), *epoch(2, 6), "end"),
    ]
    assert diary.model is trained.network


def test_a_callback_may_stop_in_the_middle_of_an_epoch(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    class Stop(Callback):
        steps = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps += 1
            self.model.stop_training = True

    stop = Stop()
    trained = model.fit(photos, tk.Phase(5, batch_size=8), callbacks=[stop], verbose=0)
    assert (stop.steps, len(trained.history)) == (1, 1)


def test_a_callback_may_add_to_the_logs_without_changing_the_history(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    def add(epoch: int, logs: Any) -> None:
        logs["extra"] = 1.0

    extra = keras.callbacks.LambdaCallback(on_epoch_end=add)
    seen = keras.callbacks.History()
    trained = model.fit(photos, tk.Phase(2, batch_size=8), callbacks=[extra, seen], verbose=0)
    assert "extra" not in trained.history.metrics
    assert seen.history["loss"] == trained.history.metrics["loss"]


def test_an_averaging_optimizer_ends_with_the_average_as_in_keras(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    seen = []

    def note(batch: int, logs: Any) -> None:
        seen.append(np.asarray(note_taker.model.get_layer("head_logits").kernel))

    note_taker = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    averaging = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    phase = tk.Phase(2, optimizer=averaging, batch_size=8)
    trained = model.fit(photos, phase, callbacks=[note_taker], verbose=0)
    average = seen[0]
    for kernel in seen[1:]:
        average = 0.5 * average + 0.5 * kernel
    found = trained.network.get_layer("head_logits").kernel
    np.testing.assert_allclose(found, average, rtol=1e-5)
    assert not np.allclose(found, seen[-1], rtol=1e-3)
