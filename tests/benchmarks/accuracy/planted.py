"""Sources that help, that were spoiled, or that know nothing: is the verdict right?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import transferkit as tk
from accuracy.digit_nets import knows_digits, knows_nothing, scaled, untrained
from accuracy.material import asset, digits, insects, small_mobile_net
from accuracy.pairs import Gap
from accuracy.trials import Trial
from transferkit import TransferModel, build
from transferkit.check import TransferCheck, verdict
from transferkit.check.training import lost_by_training
from transferkit.data import Data, Split
from transferkit.ranking.random_networks import set_statistics

__all__ = ["CASES", "Case", "checked", "null_draw", "pooled", "sign"]

Array = np.ndarray[Any, Any]
MARGIN = 0.02
PERMUTED = 10
"""How many sources were trained on permuted labels; each is asked with several draws."""
NO_PICTURES: Array = np.zeros(0)
TRAININGS = 2
"""From the source and from random weights, in each drawing of pictures."""
INITS = 20
"""Random networks beside a small one: they cost little, and the interval hangs on how many."""


@dataclass(frozen=True)
class Case:
    """A source and a target.

    Attributes:
        model: From the assets and a seed to the source.
        data: From them to the pictures.
        inits: How many random networks the source is compared with.
    """

    model: Callable[[Path, int], TransferModel]
    data: Callable[[Path, int], Data]
    inits: int = INITS


def ants_and_bees(assets: Path, seed: int, *, few: int = 60) -> Data:
    """So many of each, at 128, other ones for each seed."""
    train, test = insects(assets, 128)
    return _watched(train.few(few, seed=seed), test)


def five_to_nine(assets: Path, seed: int, *, few: int) -> Data:
    """So many of each digit, at 32, other ones for each seed."""
    train, test = digits(assets, 32)
    return _watched(train.few(few, seed=seed), test)


def _watched(train: Data, test: Split) -> Data:
    return replace(train, val=replace(test, name="val"))


def photos(name: str, assets: Path, seed: int) -> TransferModel:
    """MobileNetV2 with weights of the assets."""
    path = asset(assets, f"weights/mobilenet_v2_1.0_224_{name}_no_top.weights.h5")
    return TransferModel("keras:MobileNetV2", weights=path)


def zero_to_four(assets: Path, seed: int) -> TransferModel:
    """The small network that learned the other digits."""
    return _small(knows_digits())


def permuted(assets: Path, seed: int) -> TransferModel:
    """The same, that learned by heart what the other digits are not."""
    return _small(knows_nothing(seed % PERMUTED))


def _small(network: Any) -> TransferModel:
    return TransferModel(tk.backbones.from_keras(network, preprocessing="tf"))


def shuffled_small(assets: Path, seed: int) -> TransferModel:
    """The small network, each of its weights shuffled."""
    return _small(_shuffled(knows_digits(), seed))


def shuffled_photos(assets: Path, seed: int) -> TransferModel:
    """MobileNet 0.25 with ImageNet's weights, each of them shuffled."""
    return _small(_shuffled(small_mobile_net(assets).model, seed))


def _shuffled(network: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    copy = build.copy(network)
    copy.set_weights(
        [rng.permutation(weight.ravel()).reshape(weight.shape) for weight in network.get_weights()]
    )
    return copy


CASES: Mapping[str, Case] = {
    "ImageNet for ants and bees": Case(functools.partial(photos, "imagenet"), ants_and_bees, 5),
    "iNaturalist insects for ants and bees": Case(
        functools.partial(photos, "inat_insect"), ants_and_bees, 5
    ),
    "digits 0 to 4 for 5 to 9, 2 of each": Case(
        zero_to_four, functools.partial(five_to_nine, few=2)
    ),
    "digits 0 to 4 for 5 to 9, 5 of each": Case(
        zero_to_four, functools.partial(five_to_nine, few=5)
    ),
    "digits 0 to 4 for 5 to 9, 20 of each": Case(
        zero_to_four, functools.partial(five_to_nine, few=20)
    ),
    "permuted labels for digits 5 to 9, 20 of each": Case(
        permuted, functools.partial(five_to_nine, few=20)
    ),
    "shuffled weights for digits 5 to 9, 20 of each": Case(
        shuffled_small, functools.partial(five_to_nine, few=20)
    ),
    "shuffled ImageNet for ants and bees": Case(shuffled_photos, ants_and_bees, 10),
}
"""Their true signs are set by full training, see `sign`."""


def checked(assets: Path, case: Case, seed: int) -> Trial:
    """The verdict of the cheap tier, with pictures and random networks of this seed."""
    data, model = case.data(assets, seed), case.model(assets, seed)
    return _trial(tk.check_transfer(model, data, inits=case.inits, seed=seed, verbose=0))


def sign(assets: Path, case: Case, seed: int) -> Trial:
    """What full training comes to in one drawing of pictures: which were right, in which arm."""
    data, model = case.data(assets, 1000 + seed), case.model(assets, 1000 + seed)
    how: dict[str, Any] = {"seed": 1000 + TRAININGS * seed, "engine": tk.Engine(), "verbose": 0}
    arms = lost_by_training(model, data, None, "full", runs=TRAININGS, **how)
    return _trial(_judged(*arms), np.concatenate(arms) == 0)


def pooled(drawings: Iterable[Trial]) -> tuple[verdict.Verdict, Gap]:
    """The verdict of several drawings, in each of which both arms had the same pictures.

    The gap is one number a drawing, and the interval that of several runs of it: how far it varies
    from drawing to drawing, and from picture to picture of those that are measured.
    """
    arms = [1 - each.bits().reshape(2, TRAININGS, -1).mean(axis=1) for each in drawings]
    apart = np.stack([lost - lost_without for lost, lost_without in arms])
    sign, *gap = verdict.compared_runs(apart, np.zeros_like(apart), margin=MARGIN)
    return sign, Gap(*gap)


def _judged(lost: Array, lost_without: Array) -> TransferCheck:
    return verdict.checked(lost, lost_without, margin=MARGIN, backbone="", weights="", tier="full")


def null_draw(assets: Path, seed: int) -> Trial:
    """A source that is one more random network, prepared as those that it is compared with."""
    data = five_to_nine(assets, seed, few=20)
    network = untrained(10_000 + seed)
    set_statistics(network, scaled(np.asarray(data.train.pixels(), np.float32)))
    return _trial(tk.check_transfer(_small(network), data, inits=INITS, seed=seed, verbose=0))


def _trial(check: TransferCheck, right: Array = NO_PICTURES) -> Trial:
    numbers = {name: round(float(getattr(check, name)), 5) for name in ("gap", "low", "high")}
    return Trial.of(right.ravel(), check.verdict, numbers)
