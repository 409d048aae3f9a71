"""`check_transfer`: whether a source helps, by a probe of its features or by training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from transferkit._types import PathLike, checked_seed, real, whole
from transferkit.check.probing import Probe
from transferkit.check.training import lost_by_training
from transferkit.check.verdict import Tier, TransferCheck, checked
from transferkit.data import Data, Split
from transferkit.data.bundle import check_data
from transferkit.errors import DataError, SpecError, UnknownNameError, did_you_mean, explain
from transferkit.plan import Plan
from transferkit.ranking.extracting import Source, loaded, source_of, split_of
from transferkit.running import Engine, as_engine

__all__ = ["check_numbers", "check_tier", "check_transfer"]

Array = np.ndarray[Any, Any]


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

    The same ridge probe is trained on the pooled features of the pretrained network and of the same
    network with random weights, several times. Each picture is measured by the probe of all others,
    exact leave-one-out, and those of validation by the probe of all. With few pictures much hangs
    on which ones those are: if there are validation pictures, and no groups, as many training
    pictures of each class are drawn from both up to 20 times, the same for all networks, and a
    picture's loss is the mean. A random network is not as drawn: its BatchNormalization layers get
    the statistics of one batch, without which its features would be degenerate. It takes seconds
    for each network and no training.

    The other tiers train: `inits` times from the source by the plan, and as often from random
    weights, by the same plan or with everything thawed for as many epochs at Adam 1e-3: each half
    of the pictures has the way that is better on the other half. All are measured on the validation
    pictures.

    Args:
        model: A name, a backbone, or a model, whose own weights count. For training a
            `TransferModel`.
        data: What `tk.data` read.
        tier: ``"probe"``; ``"curve"`` trains for a fifth of the plan's epochs, ``"full"`` for all.
        weights: The source, for what is no model; as `TransferModel` takes them.
        split: Which pictures the probe is trained on; those of validation, if there are any, take
            part with ``"train"`` alone.
        plan: How the source is trained; None for what `fit` would do.
        inits: How many random networks, or trainings of each arm: two or more.
        margin: How large a difference in risk is nothing to speak of, 0 or more.
        seed: Decides the random networks.
        engine: How features are computed.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Returns:
        The verdict with its interval. It prints itself; `plot` draws it.

    Raises:
        SpecError: If there is no source (``weights=None``), a number makes no sense, or the
            network's normalisation is inside a SavedModel.
        DataError: If the split has fewer than four pictures.
        UnknownNameError: If there is no such split or tier.
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
    chosen = _chosen(data, split)
    check_numbers(inits, margin)
    check_tier(tier)
    seed, engine = checked_seed("check_transfer", seed), as_engine(engine)
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
    about: dict[str, Any] = {
        "margin": float(margin),
        "backbone": source.info.name,
        "weights": source.weights_name,
    }
    if tier != "probe":
        how: dict[str, Any] = {"seed": seed, "engine": engine, "verbose": verbose}
        arms = lost_by_training(model, data, plan, tier, runs=inits, **how)
        return checked(*arms, tier=tier, **about)
    body, sized = loaded(source, chosen, seed=seed, verb="check_transfer")
    unseen = [data.val] if split == "train" and data.val is not None else []
    others = [each.prepared_for(source.info) for each in unseen]
    probe = Probe(sized, others, unseen=True, engine=engine, verbose=verbose)
    bare = Source(source.backbone, None)
    twins = (
        loaded(bare, sized, seed=seed + number, verb="check_transfer")[0] for number in range(inits)
    )
    return probe.compared(body, twins, **about)


def check_tier(tier: object, tiers: Sequence[str] = get_args(Tier)) -> None:
    """Refuse a tier that there is not.

    Raises:
        UnknownNameError: If it is none of `tiers`.
    """
    if tier not in tiers:
        raise UnknownNameError(
            explain(
                "check_transfer",
                f"there is no tier called {tier!r}",
                expected=did_you_mean(str(tier), tiers),
                received={"tier": tier},
            )
        )


def check_numbers(inits: object, margin: object) -> None:
    """Refuse numbers with which nothing can be compared.

    Raises:
        SpecError: If `inits` is not 2 or more, or `margin` not 0 or more.
    """
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


def _chosen(data: Data, name: str) -> Split:
    split = split_of(data, name, verb="check_transfer")
    if len(split) >= 4:
        return split
    raise DataError(
        explain(
            "check_transfer",
            f"the split has {len(split)} pictures",
            expected="four or more",
            received={"split": name},
            mend="check_transfer(model, photos, split='train')",
        )
    )
