"""The weights that a phase ends with, against averages by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine.ending import ending_of
from transferkit.errors import SpecError

keras = _keras.keras()
SIDE, COUNT = 16, 32
PLAIN = tk.Engine(precision="float32", prefix="tensorflow")


def one_weight(value: float) -> Any:
    given = keras.Input((1,))
    made = keras.Model(given, keras.layers.Dense(1, use_bias=False)(given))
    made.layers[-1].kernel.assign([[value]])
    return made


def run(averaging: Any, ends: list[float], losses: Any = None, begin: float = 0.0) -> Any:
    """A phase whose one weight is at `ends` behind its epochs; the loss is a function of it."""
    made = one_weight(begin)
    kernel = made.layers[-1].kernel
    ending = ending_of(made, tk.Phase(len(ends), averaging=averaging))

    def measure() -> float:
        return float(losses(float(kernel.numpy()[0, 0])))

    for number, value in enumerate(ends):
        kernel.assign([[value]])
        ending.epoch(number, {"val_loss": measure()} if losses else {})
    said = ending.finish(measure if losses else None)
    return float(kernel.numpy()[0, 0]), said


def test_without_an_average_the_last_weights_stay() -> None:
    assert run(None, [1.0, 2.0]) == (2.0, None)


def test_swa_is_the_mean_of_the_last_epochs() -> None:
    assert run(tk.averaging.swa(0.5), [100.0, 1.0, 2.0, 6.0])[0] == pytest.approx(4.0)
    assert run(tk.averaging.swa(0.75), [100.0, 1.0, 2.0, 6.0])[0] == pytest.approx(3.0)
    assert run(tk.averaging.swa(0.01), [1.0, 2.0])[0] == pytest.approx(2.0), "one at least"
    assert run(tk.averaging.swa(), [1.0, 3.0])[1] == "swa: the mean of 1 epochs"


def test_swa_of_a_phase_that_was_stopped_early() -> None:
    made = one_weight(0.0)
    ending = ending_of(made, tk.Phase(10, averaging=tk.averaging.swa(0.5)))
    made.layers[-1].kernel.assign([[5.0]])
    ending.epoch(0, {})
    assert ending.finish(None) == "swa: the phase ended before there was anything to average"
    assert float(made.layers[-1].kernel.numpy()[0, 0]) == 5.0


def test_wise_ft_is_the_best_point_on_the_line() -> None:
    found, said = run(tk.averaging.wise_ft(), [9.0, 10.0], lambda w: (w - 4.2) ** 2)
    assert found == pytest.approx(4.0)
    assert said == (
        "wise_ft: alpha 0.4, validation loss 0.0400; of the last weights 33.6400, of the first "
        "17.6400"
    )
    assert run(tk.averaging.wise_ft(), [10.0], lambda _: 1.0)[0] == 10.0, "the larger of alike"
    assert run(tk.averaging.wise_ft(0.25), [10.0], begin=2.0)[0] == pytest.approx(4.0)
    assert run(tk.averaging.wise_ft(0.25), [10.0])[1] == "wise_ft: alpha 0.25"


def test_a_soup_takes_in_what_helps_in_the_order_of_the_losses() -> None:
    # The best epoch is at 2. With 4 the mean is 3, the best of all; with 9 it would be 5.
    found, said = run(tk.averaging.soup(), [9.0, 4.0, 2.0], lambda w: (w - 2.9) ** 2)
    assert found == pytest.approx(3.0)
    assert said == "soup: of epochs 2, 3, validation loss 0.0100"


def test_a_soup_is_never_worse_than_its_best_epoch() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        ends, middle = rng.normal(0, 3, 5).tolist(), rng.normal()

        def loss(w: float, middle: float = middle) -> float:
            return float(abs(w - middle) + np.sin(5 * w))

        found, _ = run(tk.averaging.soup(), ends, loss)
        assert loss(found) <= min(map(loss, ends)) + 1e-6


def test_a_soup_leaves_out_an_epoch_whose_loss_is_no_number() -> None:
    found, _ = run(tk.averaging.soup(), [1.0, 2.0], lambda w: np.nan if w < 1.8 else w)
    assert found == 2.0


@pytest.fixture(scope="module")
def model() -> tk.TransferModel:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, name="conv")(pixels)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    backbone = tk.backbones.from_keras(keras.Model(pixels, x), preprocessing="unit")
    return tk.TransferModel(backbone).freeze(tk.freeze.nothing(batch_norm="train"))


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    labels = np.arange(COUNT) % 2
    noise = np.random.default_rng(0).integers(0, 200, (COUNT, SIDE, SIDE, 3))
    pixels = (noise + 40 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(pixels, labels, val=0.25, seed=0)


class Watch(keras.callbacks.Callback):  # type: ignore[name-defined]
    """Keeps the weights of every epoch's end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append(self.model.get_weights())


def test_a_fit_ends_with_the_mean_of_its_last_epochs_statistics_included(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    watch = Watch()
    phase = tk.Phase(4, batch_size=8, averaging=tk.averaging.swa(0.5))
    trained = model.fit(photos, phase, engine=PLAIN, callbacks=watch, verbose=0)
    for mine, *theirs in zip(trained.network.get_weights(), *watch.seen[2:], strict=True):
        np.testing.assert_allclose(mine, np.mean(theirs, axis=0), atol=1e-6)
    (note,) = trained.engine_report.phases[0].notes
    loss = trained.evaluate(photos.splits["val"]).loss
    assert note == f"swa: the mean of 2 epochs, validation loss {loss:.4f}"


def test_wise_ft_measures_what_evaluate_measures(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    phase = tk.Phase(2, batch_size=8, learning_rate=0.1, averaging=tk.averaging.wise_ft())
    trained = model.fit(photos, phase, engine=PLAIN, verbose=0)
    (note,) = trained.engine_report.phases[0].notes
    loss = trained.evaluate(photos.splits["val"]).loss
    assert f"validation loss {loss:.4f};" in note
    last = trained.history.epochs[-1].metrics["val_loss"]
    assert f"of the last weights {last:.4f}" in note
    assert loss <= last + 1e-6


def test_an_ema_is_what_the_phase_ends_with(model: tk.TransferModel, photos: tk.data.Data) -> None:
    watch = Watch()
    phase = tk.Phase(1, batch_size=24, learning_rate=0.1, averaging=tk.averaging.ema(0.5))
    before = model.fit(photos, tk.Phase(1, learning_rate=1e-12), engine=PLAIN, verbose=0)
    trained = model.fit(photos, phase, engine=PLAIN, callbacks=watch, verbose=0)
    kernel = [each.get_layer("conv").kernel.numpy() for each in (before.network, trained.network)]
    np.testing.assert_allclose(kernel[1], (kernel[0] + watch.seen[0][0]) / 2, atol=1e-5)


@pytest.mark.parametrize("averaging", [tk.averaging.wise_ft(), tk.averaging.soup()], ids=repr)
def test_an_average_that_is_chosen_needs_validation_pictures(
    model: tk.TransferModel, photos: tk.data.Data, averaging: Any
) -> None:
    pixels, labels = photos.train.pixels()[np.arange(8)], photos.train.labels[:8]
    alone = tk.data.from_arrays(pixels, labels, val=0)
    with pytest.raises(SpecError, match=r"validation pictures, and there are none.*hold_out"):
        model.fit(alone, tk.Phase(1, averaging=averaging), verbose=0)
