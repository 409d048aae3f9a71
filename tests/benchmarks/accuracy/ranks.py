"""Whether the order that `tk.rank` foretells is the one that full training ends in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import transferkit as tk
from accuracy.material import asset, digits, insects, small_mobile_net
from accuracy.pairs import level
from accuracy.trials import Trial
from accuracy.ways import right_of
from transferkit import TransferModel
from transferkit.data import Data, Split
from transferkit.ranking.random_networks import calibrate

__all__ = ["SCORES", "TARGETS", "candidates", "foretold", "interval", "ordered", "trained"]

Array = np.ndarray[Any, Any]
SIDE = 128
EPOCHS = 10
SCORES = ("knn", "ridge", "logme", "h_score", "by size")
TARGETS: Mapping[str, Callable[[Path], tuple[Data, Split]]] = {
    "insects": lambda assets: insects(assets, SIDE),
    "digits": lambda assets: _some_digits(assets),
}


def _some_digits(assets: Path) -> tuple[Data, Split]:
    train, test = digits(assets, SIDE)
    return train.few(40), test


def candidates(assets: Path) -> dict[str, Callable[[], TransferModel]]:
    """The three real sources, and a random network of each architecture."""
    large = "weights/mobilenet_v2_1.0_224_{}_no_top.weights.h5"

    def mobile_net_v2(weights: str | None) -> TransferModel:
        path = None if weights is None else asset(assets, large.format(weights))
        return TransferModel("keras:MobileNetV2", weights=path)

    return {
        "MobileNetV2, ImageNet": functools.partial(mobile_net_v2, "imagenet"),
        "MobileNetV2, iNaturalist insects": functools.partial(mobile_net_v2, "inat_insect"),
        "MobileNetV2, random": functools.partial(mobile_net_v2, None),
        "MobileNet 0.25, ImageNet": lambda: TransferModel(small_mobile_net(assets)),
        "MobileNet 0.25, random": lambda: TransferModel(small_mobile_net(assets), weights=None),
    }


def foretold(model: TransferModel, data: Data, seed: int) -> Trial:
    """The scores of one candidate."""
    (row,) = tk.rank([model], data, seed=seed, verbose=0).candidates
    scores = {name: scored.value for name, scored in row.scores.items()}
    return Trial.of(np.zeros(0), numbers={**scores, "by size": float(row.parameters)})


def trained(model: TransferModel, data: Data, test: Split, seed: int) -> Trial:
    """A training in full, from a source by a solved head and all layers.

    From random weights the better of two ways, as in `tk.check_transfer`: the same on a network
    whose normalisation is calibrated, or all layers from the start.
    """
    how: dict[str, Any] = {"seed": seed, "verbose": 0}
    thawed: Any = {"freeze": tk.freeze.nothing(), "learning_rate": 1e-4}
    plan = tk.plans.linear_probe_then_fine_tune(EPOCHS, **thawed)
    if model.spec.weights is not None:
        return Trial.of(right_of(model.fit(data, plan, **how), test))
    grown = model.fit(
        data, tk.Plan((tk.Phase(EPOCHS, tk.freeze.nothing(batch_norm="train")),)), **how
    )
    drawn = grown.untrained(seed)
    calibrate(drawn.network, drawn.table, data.train, verb="rank")
    ways = {
        "all layers from the start": right_of(grown, test),
        "a solved head first": right_of(drawn.fit(data, plan, **how), test),
    }
    better = max(ways, key=lambda name: ways[name].mean())
    told = ", ".join(f"{name}: {right.mean():.3f}" for name, right in ways.items())
    return Trial.of(ways[better], told)


def interval(trials: Mapping[int, Trial]) -> tuple[float, float, float]:
    """The mean accuracy of some seeds, and where 95 of 100 bootstrap draws of it lie."""
    found = level(trials)
    return found.value, found.low, found.high


def ordered(
    accuracies: Mapping[str, tuple[float, float, float]], scores: Mapping[str, float]
) -> tuple[int, int, float]:
    """How many pairs with intervals apart are in the right order, of how many, and Kendall's tau.

    The tau is weighted: pairs count the more, the nearer they are to the top.

    Args:
        accuracies: Mean, and both ends of its interval, by candidate.
        scores: By candidate.
    """
    from scipy import stats

    names = list(accuracies)
    told = {name: float(f"{scores[name]:.6g}") for name in names}  # rounding puts none in order
    right = total = 0
    for one, other in combinations(names, 2):
        (_, low, high), (_, other_low, other_high) = accuracies[one], accuracies[other]
        if low > other_high or other_low > high:
            total += 1
            better = low > other_high
            right += (told[one] > told[other]) == better and told[one] != told[other]
    means = [accuracies[name][0] for name in names]
    tau = stats.weightedtau(means, [told[name] for name in names])
    return right, total, float(tau.statistic)
