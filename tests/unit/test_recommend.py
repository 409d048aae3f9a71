"""The advice for each kind of evidence, and the evidence for some networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.check import TransferCheck
from transferkit.errors import DataError, SpecError
from transferkit.ranking import Candidate, Ranking
from transferkit.ranking.scoring import Scored
from transferkit.recommend import FEW, MANY, advised

keras = _keras.keras()
BLOCKS = ("stem", "early", "middle", "late", "last")
OFF = tk.Engine(precision="float32", prefix="tensorflow", cache=False)
Array = np.ndarray[Any, Any]


def check(verdict: Any) -> TransferCheck:
    low, high = {"positive": (-0.4, -0.2), "negative": (0.1, 0.3)}.get(verdict, (-0.1, 0.1))
    gap = (low + high) / 2
    return TransferCheck(verdict, gap, low, high, 0.2, (0.2 - gap, 0.2 - gap), 0.5, 50, 0.02, "net")


def layers(best: str = "last", spread: float = 0.01) -> Ranking:
    """A ranking in which one block is best and the others fall off from there."""
    noise = np.random.default_rng(0).normal(0, 1, (len(BLOCKS), 200)) * spread
    distance = [abs(place - BLOCKS.index(best)) for place in range(len(BLOCKS))]
    rows = [
        Candidate(name, {"ridge": Scored(0.9 - 0.1 * off, noise[place])}, place=place)
        for place, (name, off) in enumerate(zip(BLOCKS, distance, strict=True))
    ]
    ordered = sorted(rows, key=lambda row: -row.scores["ridge"].value)
    return Ranking(tuple(ordered), ("ridge",), 50)


def test_a_source_that_helps_gets_a_probe_and_gentle_fine_tuning() -> None:
    (probe, tuned), reasons = advised(check("positive"), layers(), FEW - 1, validation=True)
    assert (probe,) == tk.plans.linear_probe().phases
    assert tuned.freeze == tk.freeze.all_but(tk.select.top_blocks(2))
    assert tuned.averaging == tk.averaging.wise_ft()
    assert tuned.objectives == ()
    assert tuned.learning_rate(0, 10) == 1e-5
    assert reasons[0].startswith("the source helps: risk 0.200 with it, 0.500 without (-0.400")
    assert "no block fits the task clearly better than the last, last" in reasons


def test_what_is_behind_the_best_block_is_thawed() -> None:
    (_, tuned), reasons = advised(check("positive"), layers("early"), 100, validation=True)
    assert tuned.freeze == tk.freeze.all_but(tk.select.top_blocks(3))
    assert "early fits the task better than the 3 blocks behind it" in reasons


def test_a_block_that_is_better_by_chance_decides_nothing() -> None:
    (_, tuned), _ = advised(check("positive"), layers("early", spread=0.5), 100, validation=True)
    assert tuned.freeze == tk.freeze.all_but(tk.select.top_blocks(2))


def test_without_validation_pictures_the_average_is_fixed() -> None:
    (_, tuned), _ = advised(check("positive"), layers(), 100, validation=False)
    assert tuned.averaging == tk.averaging.wise_ft(0.5)


@pytest.mark.parametrize("verdict", ["none", "undecided"])
def test_where_it_is_not_clear_weights_are_held_to_their_start(verdict: str) -> None:
    (_, tuned), reasons = advised(check(verdict), layers(), 100, validation=True)
    assert tuned.objectives == (tk.objectives.l2_sp(10.0),)
    assert any("L2-SP" in why for why in reasons)


@pytest.mark.parametrize(("images", "epochs"), [(100, 10), (FEW, 5), (MANY, 3)])
def test_a_source_that_hurts_is_trained_in_full_against_what_does_not_transfer(
    images: int, epochs: int
) -> None:
    (phase,), reasons = advised(check("negative"), layers(), images, validation=True)
    assert phase.freeze == tk.freeze.nothing()
    assert phase.objectives == (tk.objectives.bss(),)
    assert phase.epochs == epochs
    assert reasons[0].startswith("the source hurts")
    assert any("weights=None" in why for why in reasons) == (images >= MANY)


def test_many_pictures_move_every_block() -> None:
    (probe, tuned), _ = advised(check("positive"), layers(), MANY, validation=True)
    assert probe.solver == "auto"
    assert tuned.freeze == tk.freeze.nothing()
    assert tuned.layer_rates == tk.schedules.layer_decay(0.8)


@pytest.fixture(scope="module")
def stripes() -> tk.data.Data:
    """Faint stripes across or down on noise: filters for edges see them."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    pixels = rng.integers(0, 160, (80, 16, 16, 3))
    for picture, label in zip(pixels, labels, strict=True):
        view = picture if label else picture.transpose(1, 0, 2)
        view[int(rng.integers(0, 4)) :: 4] += 40
    return tk.data.from_arrays(pixels.astype(np.uint8), labels, val=0.25, seed=0)


def network() -> Any:
    keras.utils.set_random_seed(0)
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0, :, :, 0], kernel[2, :, :, 0] = 1, -1
    kernel[:, 0, :, 1], kernel[:, 2, :, 1] = 1, -1
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="first_conv", activation="relu", use_bias=False)(pixels)
    x = keras.layers.Conv2D(4, 3, name="second_conv", activation="relu", use_bias=False)(x)
    made = keras.Model(pixels, x, name="tiny")
    made.get_layer("first_conv").kernel.assign(kernel)
    # What follows mixes both directions: the task is easier before it.
    made.get_layer("second_conv").kernel.assign(np.full((3, 3, 4, 4), 0.1, np.float32))
    return tk.backbones.from_keras(made, preprocessing="unit", blocks=r"(first|second)_")


def test_the_advice_is_a_plan_that_fit_takes(stripes: tk.data.Data) -> None:
    backbone = network()
    advice = tk.recommend_plan(backbone, stripes, inits=2, engine=OFF, verbose=0)
    assert advice.images == 60
    assert advice.layers.best.name == "first"
    assert [row.place for row in sorted(advice.layers, key=lambda row: row.name)] == [0, 1]
    shown = repr(advice)
    assert "Recommendation" in shown
    assert all(why in shown.replace("\n", " ") for why in advice.reasons[:1])
    trained = tk.TransferModel(backbone).fit(stripes, advice.plan, engine=OFF, verbose=0)
    assert trained.plan == advice.plan


def test_without_a_source_or_pictures_there_is_no_advice(stripes: tk.data.Data) -> None:
    with pytest.raises(SpecError, match="random weights, so that nothing is transferred"):
        tk.recommend_plan("keras:MobileNetV2", stripes, weights=None, verbose=0)
    with pytest.raises(SpecError, match="inits of 2 or more"):
        tk.recommend_plan(network(), stripes, inits=1, verbose=0)
    tiny = tk.data.from_arrays(np.zeros((3, 16, 16, 3), np.uint8), [0, 1, 0], val=0)
    with pytest.raises(DataError, match="the split has 3 pictures"):
        tk.recommend_plan(network(), tiny, verbose=0)
