"""The search for a learning rate, on losses by hand and on a network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.errors import SpecError, TrainingError
from transferkit.rate_search import Watcher, found, rising

keras = _keras.keras()
SIDE, COUNT = 16, 45
PLAIN = tk.Engine(precision="float32", prefix="tensorflow")


def watched(losses: Any, rates: Any, sizes: tuple[int, ...] = (8, 8, 4)) -> Watcher:
    """A watcher that was told of running means, as the loop tells them."""
    watcher = Watcher(0, list(sizes))
    optimizer = SimpleNamespace(learning_rate=0.0)
    watcher.set_model(SimpleNamespace(optimizer=optimizer, stop_training=False))
    for step, (loss, rate) in enumerate(zip(losses, rates, strict=True)):
        epoch, batch = divmod(step, len(sizes))
        if batch == 0:
            watcher.on_epoch_begin(epoch)
            total = seen = 0.0
        total, seen = total + loss * sizes[batch], seen + sizes[batch]
        optimizer.learning_rate = rate
        watcher.on_train_batch_end(batch, {"loss": total / seen})
    return watcher


RATES = np.logspace(-6, 0, 60)


def valley(fall: float, rise: float) -> Any:
    """A loss that falls around one rate and runs away from another on."""
    down = 2 - 1.5 / (1 + np.exp(-6 * (np.log10(RATES) - np.log10(fall))))
    return down + np.where(rise < RATES, 20 * (np.log10(RATES) - np.log10(rise)), 0.0)


@pytest.mark.parametrize("fall", [1e-4, 1e-3])
def test_the_steepest_fall_is_suggested(fall: float) -> None:
    search = found(watched(valley(fall, 0.05), RATES))
    assert fall / 2 < search.suggestion < fall * 2
    assert search.diverged
    assert search.rates[-1] < 0.5


def test_batch_losses_are_read_back_from_running_means() -> None:
    losses = np.linspace(2, 1, 12)
    watcher = watched(losses, np.logspace(-4, -2, 12))
    np.testing.assert_allclose(watcher.losses, losses)


def test_a_loss_that_never_runs_away_says_so() -> None:
    search = found(watched(np.linspace(2, 1, 30), np.logspace(-6, -4, 30)))
    assert not search.diverged
    assert "the loss had not run away" in repr(search)


def test_a_search_that_diverges_at_once_is_an_error() -> None:
    for losses in ([1.0, 9.0, 99.0, *[999.0] * 9], [np.nan] * 12, [1.0, 2.0, np.inf, *[1.0] * 9]):
        with pytest.raises(TrainingError, match=r"ran away after \d steps.*low=1e-8"):
            found(watched(losses, np.logspace(-1, 1, 12)))


def test_a_loss_that_only_rises_is_an_error() -> None:
    with pytest.raises(TrainingError, match="never fell, whatever the rate"):
        found(watched(np.linspace(1, 1.5, 30), np.logspace(-3, 0, 30)))


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    labels = np.arange(COUNT) % 2
    noise = np.random.default_rng(0).integers(0, 120, (COUNT, SIDE, SIDE, 3))
    pixels = (noise + 120 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(pixels, labels, val=0.2, seed=0)


@pytest.fixture(scope="module")
def model() -> tk.TransferModel:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(pixels)
    network = keras.Model(pixels, x)
    return tk.TransferModel(tk.backbones.from_keras(network, preprocessing="unit"))


def test_the_last_phase_is_searched_and_the_model_is_untouched(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    before = repr(model), hash(model)
    plan = tk.plans.linear_probe(penalty=10.0).then(
        tk.plans.fine_tune(
            7, freeze=tk.freeze.nothing(), batch_size=16, restore_best=True, early_stopping=1
        )
    )
    search = model.find_learning_rate(photos, plan, low=1e-5, high=30.0, steps=40, engine=PLAIN)
    assert (repr(model), hash(model)) == before
    assert search.rates[0] == pytest.approx(1e-5)
    assert (np.diff(search.rates) > 0).all()
    assert 1e-4 < search.suggestion < 3


def test_the_default_plan_is_searched_without_a_plan(
    model: tk.TransferModel, photos: tk.data.Data
) -> None:
    search = model.find_learning_rate(photos, steps=20, engine=PLAIN)
    assert len(search.rates) >= 10


def test_it_draws(model: tk.TransferModel) -> None:
    pytest.importorskip("matplotlib")
    search = found(watched(valley(1e-3, 0.05), RATES))
    (axes,) = search.plot().axes
    assert axes.get_xlabel() == "learning rate"
    (note,) = axes.texts
    assert note.get_text() == f"{search.suggestion:.2g}"


@pytest.mark.parametrize(
    "numbers",
    [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": float("inf")}, {"steps": 3}, {"low": "x"}],
    ids=str,
)
def test_numbers_that_make_no_sense_are_refused(numbers: Any) -> None:
    settings = {"low": 1e-7, "high": 1.0, "steps": 100, **numbers}
    with pytest.raises(SpecError, match=r"nothing to search.*0 < low < high"):
        rising(tk.plans.feature_extraction(1), 100, **settings)


def test_a_solved_phase_has_no_rate() -> None:
    with pytest.raises(SpecError, match=r"is solved and has no learning rate.*feature_extraction"):
        rising(tk.plans.linear_probe(), 100, 1e-7, 1.0, 100)
