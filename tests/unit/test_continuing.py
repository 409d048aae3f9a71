"""Going on with the last phase of a plan, and with what trained in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.continuing import gently, once_more
from transferkit.errors import SpecError

EXACT: Any = {"engine": tk.Engine(precision="float32", prefix="tensorflow"), "verbose": 0}
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
PIXELS[::2] //= 3
PHOTOS = tk.data.from_arrays(PIXELS, np.arange(24) % 2, val=0.25)
LAST = tk.Phase(
    2,
    tk.select.up_to("first_conv"),
    optimizer="sgd",
    learning_rate=0.05,
    batch_size=4,
    objectives=tk.objectives.l2_sp(0.01),
    name="last",
)


def tiny() -> Any:
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first_conv")(pixels)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="second_conv")(x)
    network = keras.Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


@pytest.fixture(scope="module")
def trained() -> tk.TrainedModel:
    plan = tk.plans.feature_extraction(1).then(LAST)
    return tk.TransferModel(tiny()).fit(PHOTOS, plan, **EXACT)


def moved(first: Any, second: Any) -> list[str]:
    pairs = zip(first.network.weights, second.network.weights, strict=True)
    return [a.path for a, b in pairs if not np.array_equal(a.numpy(), b.numpy())]


def test_the_last_phase_goes_on_as_fit_would_go_on_with_it(
    trained: tk.TrainedModel, tmp_path: Path
) -> None:
    before = trained.network.get_weights()
    further = trained.continue_training(PHOTOS, epochs=1, seed=3, **EXACT)
    phases = further.plan.phases
    assert [phase.name for phase in phases] == ["feature extraction", "last", "last"]
    assert [phase.epochs for phase in phases] == [1, 2, 1]
    assert phases[2].to_config() == {**LAST.to_config(), "epochs": 1}
    assert [(each.epoch, each.phase) for each in further.history] == [
        (0, 0),
        (1, 1),
        (2, 1),
        (3, 2),
    ]
    assert moved(trained, further) == [
        *("second_conv/kernel", "second_conv/bias"),
        *("head_logits/kernel", "head_logits/bias"),
    ]
    by_hand = tk.Phase(
        1,
        tk.select.up_to("first_conv"),
        optimizer="sgd",
        learning_rate=0.05,
        batch_size=4,
        objectives=tk.objectives.l2_sp(0.01),
    )
    assert moved(further, trained.fit(PHOTOS, by_hand, seed=3, **EXACT)) == []
    assert all(map(np.array_equal, before, trained.network.get_weights()))
    trained.save(tmp_path / "one.tkm")
    loaded = tk.load(tmp_path / "one.tkm").continue_training(PHOTOS, epochs=1, seed=3, **EXACT)
    assert moved(further, loaded) == []


def test_epochs_and_rate_are_the_phases_unless_they_are_given() -> None:
    assert once_more(LAST).phases == (LAST,)
    (phase,) = once_more(LAST, 7, learning_rate=tk.schedules.cosine(1e-3))
    assert (phase.epochs, phase.learning_rate) == (7, tk.schedules.cosine(1e-3))
    assert (phase.batch_size, phase.optimizer, phase.freeze) == (4, LAST.optimizer, LAST.freeze)
    adapted = tk.Phase(3, adapt=tk.adapt.lora(2))
    assert [each.adapt for each in once_more(adapted, 1)] == [tk.adapt.lora(2)]


def test_a_solved_head_has_no_steps_to_go_on_with() -> None:
    probe = tk.plans.linear_probe().phases[-1]
    with pytest.raises(SpecError, match=r"continue_training: .*solved its head.*trained\.fit\(ph"):
        once_more(probe)


def test_epochs_and_rates_that_are_none_are_refused(trained: tk.TrainedModel) -> None:
    with pytest.raises(SpecError, match="epochs is out of range"):
        trained.continue_training(PHOTOS, epochs=0, **EXACT)
    with pytest.raises(SpecError, match=r"continue_training: .*'fast'"):
        trained.continue_training(PHOTOS, learning_rate="fast", **EXACT)  # type: ignore[arg-type]


def test_training_on_takes_up_what_trained_last() -> None:
    top, lora = tk.select.top_blocks(1), tk.adapt.lora(2)
    assert [each.policy(tk.freeze.nothing()) for each in gently(tk.Phase(1, top))] == [
        tk.freeze.only(top)
    ]
    assert [(each.epochs, each.adapt) for each in gently(tk.Phase(1, adapt=lora))] == [(5, lora)]
