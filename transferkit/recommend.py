"""`recommend_plan`: how to train a network on some data, and on what that advice rests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transferkit import freeze as freezing
from transferkit import objectives, plans, select
from transferkit._text import counted, html_summary, text_summary
from transferkit._types import PathLike
from transferkit.averaging import wise_ft
from transferkit.check import TransferCheck, check_transfer
from transferkit.data import Data
from transferkit.plan import Phase, Plan
from transferkit.ranking import Ranking, rank_layers
from transferkit.running import Engine
from transferkit.schedules import cosine, layer_decay

__all__ = ["FEW", "MANY", "Recommendation", "recommend_plan"]

FEW, MANY = 2_000, 20_000
"""Training pictures under which a head alone has most to say, and from which all may train."""


@dataclass(frozen=True, eq=False, repr=False)
class Recommendation:
    """A plan and its evidence.

    Attributes:
        plan: What `fit` takes.
        reasons: Why, in words: the first one decided.
        check: The pretrained features against random ones.
        layers: The blocks by how well their features suit the data.
        images: Training pictures.
    """

    plan: Plan
    reasons: tuple[str, ...]
    check: TransferCheck
    layers: Ranking
    images: int

    def __repr__(self) -> str:
        return text_summary(self._summary())

    def _repr_html_(self) -> str:
        return html_summary(self._summary())

    def _summary(self) -> list[tuple[str, str]]:
        steps = "; then ".join(phase._line() for phase in self.plan)
        return [
            ("Recommendation", f"{self.check.backbone}, {counted(self.images, 'picture')}"),
            ("plan", steps),
            *(("because" if not number else "", why) for number, why in enumerate(self.reasons)),
        ]


def recommend_plan(
    model: Any,
    data: Data,
    *,
    weights: PathLike | None = "pretrained",
    inits: int = 3,
    seed: int = 0,
    engine: Engine | None = None,
    verbose: int = 1,
) -> Recommendation:
    """Say how to train a pretrained network on some data, from features alone.

    Three things decide, all measured without training: whether the source helps at all
    (`check_transfer`), from which block on its features fit the task less than those before
    (`rank_layers`), and how many pictures there are.

    * Where the source clearly hurts, all of the network is trained, and BSS weakens what does not
      transfer; from 20,000 pictures on random weights are the better start, and the words say so.
    * Where it helps, the head is solved and fine-tuned from there. Blocks behind the best one are
      thawed, two of them at least; all of them from 20,000 pictures on, the lower ones at smaller
      rates.
    * In between, or undecided, the same with a stronger hold on the start.

    Args:
        model: A name, a backbone, or a model, whose own weights count.
        data: What `tk.data` read.
        weights: For what is no model; as `TransferModel` takes them.
        inits: How many random networks the check compares with, two or more.
        seed: Decides the random networks and the draws.
        engine: How features are computed.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Returns:
        The plan with its evidence. It prints itself.

    Raises:
        SpecError: If there is no source (``weights=None``), or `inits` makes no sense.
        DataError: If there are too few pictures to compare anything.

    References:
        Ananya Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution, ICLR 2022. Yoonho Lee et al., Surgical Fine-Tuning Improves Adaptation
        to Distribution Shifts, ICLR 2023.
    """
    common: dict[str, Any] = {"weights": weights, "seed": seed, "engine": engine}
    check = check_transfer(model, data, inits=inits, verbose=verbose, **common)
    layers = rank_layers(model, data, scores=["ridge"], verbose=verbose, **common)
    images, validation = len(data.train), data.val is not None
    plan, reasons = advised(check, layers, images, validation=validation)
    return Recommendation(plan, reasons, check, layers, images)


def advised(
    check: TransferCheck, layers: Ranking, images: int, *, validation: bool
) -> tuple[Plan, tuple[str, ...]]:
    """The plan that the evidence suggests, and why.

    Args:
        check: Of the source.
        layers: The blocks by their scores.
        images: Training pictures.
        validation: Whether there are validation pictures.
    """
    told = [_of_the_source(check)]
    average = wise_ft() if validation else wise_ft(0.5)
    if check.verdict == "negative":
        told.append("all of it trains, and directions that do not transfer are shrunk (BSS)")
        if images >= MANY:
            told.append(f"{images:,} pictures: try weights=None beside it")
        return _whole(images, objectives=objectives.bss()), tuple(told)
    thawed, why = _thawed(layers)
    told.append(why)
    if images >= MANY:
        told.append(f"{images:,} pictures are enough to move every block, lower ones less")
        return plans.linear_probe().then(_whole(images, layer_rates=layer_decay(0.8))), tuple(told)
    held = [] if check.verdict == "positive" else [objectives.l2_sp(10.0)]
    if held:
        told.append("where the source's worth is not clear, weights stay near their start (L2-SP)")
    told.append(
        f"{images:,} pictures: a solved head first, and fine-tuning that may not undo it (WiSE-FT)"
    )
    plan = plans.linear_probe_then_fine_tune(
        10 if images < FEW else 5,
        unfreeze=select.top_blocks(thawed),
        learning_rate=1e-5 if images < FEW else cosine(1e-4, warmup=0.1),
        averaging=average,
        objectives=held,
    )
    return plan, tuple(told)


def _whole(images: int, **phase: Any) -> Plan:
    epochs = 10 if images < FEW else 5 if images < MANY else 3
    everything = freezing.nothing()
    rate = cosine(1e-4, warmup=0.1)
    return Plan((Phase(epochs, everything, learning_rate=rate, name=plans.FINE_TUNING, **phase),))


def _of_the_source(check: TransferCheck) -> str:
    words = {
        "positive": "the source helps",
        "negative": "the source hurts",
        "none": "the source neither helps nor hurts",
        "undecided": "whether the source helps is not clear",
    }
    return (
        f"{words[check.verdict]}: risk {check.risk_with:.3f} with it, {check.risk_without:.3f} "
        f"without ({check.low:+.3f} to {check.high:+.3f})"
    )


def _thawed(layers: Ranking) -> tuple[int, str]:
    """How many blocks from the top to thaw, and why: those behind the best one, two at least."""
    names = [each.name for each in sorted(layers, key=lambda each: each.place or 0)]
    best, last = layers.best.name, names[-1]
    behind = len(names) - 1 - names.index(best)
    clear = behind and layers.difference(best, last).clear
    if not clear:
        return min(2, len(names)), f"no block fits the task clearly better than the last, {last}"
    why = f"{best} fits the task better than the {counted(behind, 'block')} behind it"
    return max(2, behind), why
