"""The same question of a model that was trained: what it owes to the weights it started from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from transferkit import _keras, build
from transferkit import freeze as freezing
from transferkit._types import KerasModel, Tensor, checked_seed
from transferkit.check.checks import check_numbers, check_tier
from transferkit.check.probing import Probe
from transferkit.check.training import Control, lost_of, lost_without, watched
from transferkit.check.verdict import TransferCheck, checked
from transferkit.data import Data, Split
from transferkit.data.bundle import check_data
from transferkit.data.fitting import fit_from_config
from transferkit.errors import SpecError, explain
from transferkit.plan import Plan
from transferkit.ranking.extracting import Embedder
from transferkit.ranking.random_networks import calibrate, check_norms_are_seen
from transferkit.running import Engine, as_engine
from transferkit.select import LayerTable

__all__ = ["TIERS", "Checkable", "TrainedTier", "check_trained"]

keras = _keras.keras()
TrainedTier = Literal["probe", "full"]
TIERS = ("probe", "full")
RANDOM = "random weights"


class Checkable(Control, Protocol):
    """What a check of a trained model needs of it besides."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Backbone, weights and how pictures are fitted."""
        ...

    @property
    def plan(self) -> Plan:
        """How it was trained."""
        ...

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of its pictures."""
        ...


@dataclass(frozen=True)
class Part:
    """The backbone within a trained network."""

    network: KerasModel
    table: LayerTable
    embedding: Tensor


def check_trained(
    model: Checkable,
    data: Data,
    *,
    tier: TrainedTier,
    inits: int,
    margin: float,
    seed: int,
    engine: Engine | None,
    verbose: int,
) -> TransferCheck:
    """See `TrainedModel.check_transfer`."""
    check_data(data)
    check_tier(tier, TIERS)
    check_numbers(inits, margin)
    seed, engine = checked_seed("check_transfer", seed), as_engine(engine)
    name, source = str(model.about["backbone"]), str(model.about["weights"])
    if source == RANDOM:
        raise SpecError(
            explain(
                "check_transfer",
                f"{name} was trained from random weights, so that nothing was transferred",
                expected="a model that was trained from a source",
                received={"weights": None},
                mend='TransferModel("keras:MobileNetV2", weights="imagenet").fit(photos)',
            )
        )
    check_norms_are_seen(model.table, verb="check_transfer")
    data = data.resized(model.image_size, fit=fit_from_config(model.about["fit"]))
    val = watched(data, tier)
    about: dict[str, Any] = {"margin": float(margin), "backbone": name, "weights": source}
    if tier == "full":
        how: dict[str, Any] = {"seed": seed, "engine": engine, "verbose": verbose}
        without = lost_without(model, model.plan, data, val, runs=inits, **how)
        return checked(lost_of(model.evaluate(val)), without, tier=tier, **about)
    probe = Probe(data.train, [val], unseen=False, engine=engine, verbose=verbose)
    body = _backbone(model)
    return probe.compared(body, _random_twins(body, data.train, inits, seed), **about)


def _backbone(model: Checkable) -> Part:
    """The backbone of a copy: it is frozen, and the model is left as it is."""
    network = build.copy(model.network)
    names = set(model.table.names)
    last = [layer for layer in network.layers if layer.name in names][-1].output
    part = Part(keras.Model(network.inputs[0], last, name=network.name), model.table, last)
    build.freeze(part.network, part.table, freezing.backbone())
    return part


def _random_twins(part: Part, train: Split, count: int, seed: int) -> Iterator[Embedder]:
    for number in range(count):
        with build.seeded(seed + number):
            network = keras.models.clone_model(part.network)
        calibrate(network, part.table, train, verb="check_transfer")
        build.freeze(network, part.table, freezing.backbone())
        yield Part(network, part.table, network.outputs[0])
