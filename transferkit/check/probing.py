"""The probe: the same linear head on the source's features and on those of random networks."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from transferkit import _keras, build, select
from transferkit import freeze as freezing
from transferkit._types import PathLike, checked_seed, real, whole
from transferkit.check.training import from_random, shortened, trained_losses, watched
from transferkit.check.verdict import Tier, TransferCheck, compared, compared_runs
from transferkit.data import Data, Split
from transferkit.data.bundle import check_data
from transferkit.errors import DataError, SpecError, UnknownNameError, did_you_mean, explain
from transferkit.plan import Plan, as_plan
from transferkit.ranking.extracting import (
    Source,
    embedded,
    labels_of,
    loaded,
    source_of,
)
from transferkit.running import Engine, as_engine
from transferkit.spec import Backbone
from transferkit.transferability import Statistics, ridge_probe

__all__ = ["check_transfer"]

Array = np.ndarray[Any, Any]
CALIBRATION = 64
"""Pictures that set the statistics of a random network's normalisation."""
PIXELS = 8
"""The side that pictures are shrunk to where they are features themselves."""


def check_transfer(
    model: Any,
    data: Data,
    *,
    tier: Tier = "probe",
    weights: PathLike | None = "pretrained",
    split: str = "train",
    plan: Plan | None = None,
    inits: int = 5,
    margin: float = 0.02,
    seed: int = 0,
    engine: Engine | None = None,
    verbose: int = 1,
) -> TransferCheck:
    """Say whether a pretrained network's features help on this data, hurt, or do neither.

    The same ridge probe, scored by exact leave-one-out, is trained on the pooled features of the
    pretrained network and of the same network with random weights, several times. A random network
    is not as drawn: its BatchNormalization layers get the statistics of one batch, without which
    its features would be degenerate. It takes seconds for each network and no training.

    The other tiers train: `inits` times from the source by the plan, and as often from random
    weights, everything thawed, for as many epochs at Adam 1e-3. Both are measured on the
    validation pictures.

    Args:
        model: A name, a backbone, or a model, whose own weights count. For training a
            `TransferModel`.
        data: What `tk.data` read.
        tier: ``"probe"``; ``"curve"`` trains for a fifth of the plan's epochs, ``"full"`` for all.
        weights: The source, for what is no model; as `TransferModel` takes them.
        split: Which pictures the probe is trained and measured on.
        plan: How the source is trained; None for what `fit` would do.
        inits: How many random networks, or trainings of each arm: two or more.
        margin: How large a difference in risk is nothing to speak of, 0 or more.
        seed: Decides the random networks.
        engine: How features are computed.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Returns:
        The verdict with its interval. It prints itself; `plot` draws it.

    Raises:
        SpecError: If there is no source (``weights=None``), or a number makes no sense.
        DataError: If there is no such split, or it has fewer than four pictures.
        UnknownNameError: If there is no such tier.
        WeightsNotFoundError: If the weights cannot be found.

    Example:
        >>> import numpy as np
        >>> import transferkit as tk
        >>> pixels = np.random.default_rng(0).integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
        >>> photos = tk.data.from_arrays(pixels, [0, 1] * 8, val=0)
        >>> found = tk.check_transfer("keras:MobileNetV2", photos, inits=2, verbose=0)
        >>> found.verdict in ("positive", "none", "negative", "undecided")
        True

    References:
        Zirui Wang et al., Characterizing and Avoiding Negative Transfer, CVPR 2019.
    """
    check_data(data)
    chosen = _checked(data, split, inits, margin)
    seed = checked_seed("check_transfer", seed)
    source = source_of(model, weights, verb="check_transfer")
    if source.weights is None:
        raise SpecError(
            explain(
                "check_transfer",
                f"{source.info.name} has random weights, so that nothing is transferred",
                expected="a source to be checked",
                received={"weights": None},
                mend='check_transfer("keras:MobileNetV2", photos, weights="imagenet")',
            )
        )
    engine = as_engine(engine)
    if tier != "probe":
        how = {"seed": seed, "engine": engine, "verbose": verbose}
        return _by_training(model, data, source, tier, plan, inits, margin, how)
    labels = labels_of(chosen)
    body, sized = loaded(source, chosen, seed=seed)
    lost = _losses(embedded(body, sized, engine, verbose).vectors, labels)
    others = []
    for number in range(inits):
        other = _random_twin(source, sized, seed=seed + number)
        others.append(_losses(embedded(other, sized, engine, verbose).vectors, labels))
    verdict, gap, low, high = compared(lost, np.array(others), margin=float(margin))
    return TransferCheck(
        verdict=verdict,
        gap=gap,
        low=low,
        high=high,
        risk_with=float(lost.mean()),
        risks_without=tuple(float(each.mean()) for each in others),
        risk_of_pixels=float(_losses(_shrunk(sized), labels).mean()),
        images=len(chosen),
        margin=float(margin),
        backbone=source.info.name,
        weights=source.weights_name,
    )


def _by_training(
    model: Any,
    data: Data,
    source: Source,
    tier: Tier,
    plan: Plan | None,
    inits: int,
    margin: float,
    how: dict[str, Any],
) -> TransferCheck:
    if tier not in get_args(Tier):
        raise UnknownNameError(
            explain(
                "check_transfer",
                f"there is no tier called {tier!r}",
                expected=did_you_mean(str(tier), get_args(Tier)),
                received={"tier": tier},
            )
        )
    split = watched(model, data, tier)
    chosen = as_plan(plan) or model.default_plan(data)
    chosen = shortened(chosen) if tier == "curve" else chosen
    lost, without = (
        trained_losses(arm, steps, data, split, runs=inits, **how)
        for arm, steps in ((model, chosen), from_random(model, chosen))
    )
    verdict, gap, low, high = compared_runs(lost, without, margin=float(margin))
    return TransferCheck(
        verdict=verdict,
        gap=gap,
        low=low,
        high=high,
        risk_with=float(lost.mean()),
        risks_without=tuple(without.mean(axis=1).tolist()),
        risk_of_pixels=None,
        images=len(split),
        margin=float(margin),
        backbone=source.info.name,
        weights=source.weights_name,
        tier=tier,
    )


def _losses(features: Array, labels: Array) -> Array:
    """Of each image, by the head that was trained on all others: 0 or 1, or a share of variance."""
    probe = ridge_probe(Statistics(features, labels))
    if labels.dtype.kind != "f":
        return np.asarray(1.0 - probe.right)
    spread = float(np.var(labels, axis=0).sum())
    return np.asarray(probe.right / spread) if spread > 0 else np.zeros(len(labels))


def _random_twin(source: Source, split: Split, *, seed: int) -> Backbone:
    """The same network with random weights, its normalisation calibrated, all of it frozen."""
    body, _ = loaded(Source(source.backbone, None), split, seed=seed)
    norms = [
        layer
        for layer in body.network._flatten_layers()
        if isinstance(layer, _keras.keras().layers.BatchNormalization)
    ]
    if norms:
        others = ~select.kind("BatchNormalization")
        build.freeze(body.network, body.table, freezing.only(others, batch_norm="train"))
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
        chosen = np.linspace(0, len(split) - 1, min(CALIBRATION, len(split))).astype(int)
        body.network(np.asarray(split.pixels()[chosen], np.float32), training=True)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        build.freeze(body.network, body.table, freezing.backbone())
    return body


def _shrunk(split: Split) -> Array:
    """Mean colours of 8 x 8 places (images, channels)."""
    pixels, rows = split.pixels(), []
    for start in range(0, len(split), 32):
        block: Array = np.asarray(pixels[np.arange(start, min(start + 32, len(split)))], float)
        for axis in (1, 2):
            side = block.shape[axis]
            edges = np.unique(np.linspace(0, side, PIXELS, endpoint=False).astype(int))
            sums = np.add.reduceat(block, edges, axis=axis)
            widths = np.diff(np.append(edges, side))
            block = sums / widths.reshape([-1 if i == axis else 1 for i in range(4)])
        rows.append(block.reshape(len(block), -1))
    return np.concatenate(rows)


def _checked(data: Data, split: str, inits: int, margin: float) -> Split:
    if split not in data.splits or len(data.splits[split]) < 4:
        raise DataError(
            explain(
                "check_transfer",
                f"there is no split called {split!r}"
                if split not in data.splits
                else f"the split has {len(data.splits[split])} pictures",
                expected=f"one of {tuple(data.splits)}, with four pictures or more",
                received={"split": split},
                mend="check_transfer(model, photos, split='train')",
            )
        )
    networks, size = whole(inits), real(margin)
    if networks is None or networks < 2 or size is None or not 0 <= size < np.inf:
        raise SpecError(
            explain(
                "check_transfer",
                "with these numbers nothing can be compared",
                expected="inits of 2 or more, a margin of 0 or more",
                received={"inits": inits, "margin": margin},
                mend="check_transfer(model, photos, inits=5, margin=0.02)",
            )
        )
    return data.splits[split]
