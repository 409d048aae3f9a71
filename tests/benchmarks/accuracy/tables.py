"""Every table: its rows, each a function from a seed to a trial."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy import afterwards, material, planted, ranks, recipes, ways
from accuracy.material import Drawn, Target
from accuracy.trials import Trial
from transferkit import TransferModel
from transferkit.data import Data, Split

__all__ = ["Table", "all_tables"]

Run = Callable[[int], Trial]
Make = Callable[[], TransferModel]
Read = Callable[[Path], tuple[Data, Split]]
SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Table:
    """Rows that are compared with each other.

    Attributes:
        name: What it is called on the command line and in the file.
        kind: Which page section it belongs to.
        rows: What is run, by its name.
        seeds: The seeds of every row.
        base: The row that the others are compared with, if there is one.
        minutes: About how long all of it takes on two cores.
    """

    name: str
    kind: str
    rows: Mapping[str, Run]
    seeds: tuple[int, ...] = SEEDS
    base: str = ""
    minutes: float = 1


def all_tables(assets: Path) -> list[Table]:
    """In the order of the page."""
    return [
        *headlines(assets),
        *recipe_tables(assets),
        *tables_of_choices(assets),
        *rank_tables(assets),
        *planted_tables(assets),
    ]


def headlines(assets: Path) -> list[Table]:
    """The default against what people write today."""
    insects = material.targets(assets, "insects", side=224, source=lambda: _mobile_net(assets))
    digits = material.targets(assets, "digits", side=32, source=material.digits_source)
    return [_headline(target) for target in (*insects, *digits)]


@functools.lru_cache(maxsize=1)
def _mobile_net(assets: Path) -> material.Source:
    return material.mobile_net(assets)


def _headline(target: Target) -> Table:
    rows = {
        "fit(photos)": ways.by_default,
        "logistic regression, tuned": ways.by_logistic,
        "plain Keras done right": ways.by_plain_keras,
        "the tutorial's recipe": ways.by_tutorial,
    }
    if "of each" not in target.name:
        rows["fit(photos) without held-out pictures"] = functools.partial(
            ways.by_default, everything=True
        )
    if target.name == "insects":  # the penalty is that of a published figure on these photos
        rows["logistic regression on all, C=0.01"] = functools.partial(
            ways.by_logistic, everything=True
        )
    runs = {name: _on(target, way) for name, way in rows.items()}
    minutes = 35 if target.name == "insects" else 6
    return Table(target.name, "headline", runs, base="fit(photos)", minutes=minutes)


def _on(target: Target, way: Callable[[Drawn, int], Trial]) -> Run:
    return lambda seed: way(target.draw(seed), seed)


def recipe_tables(assets: Path) -> list[Table]:
    """One recipe changed at a time."""
    source = functools.partial(_small_source, assets)
    full, _, ten, _ = material.targets(assets, "insects", side=128, source=source)
    found = []
    for target in (full, ten):
        chosen = {
            name: _on(target, functools.partial(_by_recipe, recipe))
            for name, recipe in recipes.RECIPES.items()
            if target is full or name not in recipes.NEEDS_VALIDATION
        }
        found.append(
            Table(f"recipes, {target.name}", "recipes", chosen, base=recipes.BASE, minutes=25)
        )

    def imbalanced(seed: int) -> Drawn:
        train, test = material.insects(assets, 128)
        return Drawn(recipes.rare(train, often=100, seldom=10, seed=seed), test, source())

    rare = Target("", imbalanced)
    rows = {
        name: _on(rare, functools.partial(_by_recipe, recipe))
        for name, recipe in recipes.IMBALANCED.items()
    }
    table = Table("imbalance, 10 ants and 100 bees", "recipes", rows, base=recipes.PLAIN, minutes=6)
    return [*found, table, _co_tuning(assets)]


def _co_tuning(assets: Path) -> Table:
    """MobileNetV2 at 128: the network whose source head there is."""

    def drawn(seed: int) -> Drawn:
        train, test = material.insects(assets, 128)
        return Drawn(train.few(10, seed=seed), test, _mobile_net(assets))

    top = assets / "weights/mobilenet_v2_1.0_224_imagenet.weights.h5"
    rows = {
        name: _on(Target("", drawn), functools.partial(_by_recipe, recipe))
        for name, recipe in recipes.co_tuned(top).items()
    }
    name = "co-tuning of MobileNetV2, insects, 10 of each"
    return Table(name, "recipes", rows, base=recipes.PLAIN, minutes=8)


def tables_of_choices(assets: Path) -> list[Table]:
    """What is chosen after training."""
    source = functools.partial(_small_source, assets)
    photos = material.targets(assets, "insects", side=128, source=source)[0]

    def labels(seed: int) -> Drawn:
        return afterwards.in_labels(
            *material.digits(assets, 32), material.digits_source(), few=20, seed=seed
        )

    kinds = {
        "temperature, insects": (photos, afterwards.CALIBRATED),
        "thresholds, three labels of the digits": (Target("", labels), afterwards.THRESHOLDS),
    }
    return [
        Table(
            name,
            "afterwards",
            {row: _on(target, way) for row, way in ways_.items()},
            base=next(iter(ways_)),
            minutes=3,
        )
        for name, (target, ways_) in kinds.items()
    ]


def _small_source(assets: Path) -> material.Source:
    return material.Source(TransferModel(_small(assets)), lambda: None, 0)


@functools.lru_cache(maxsize=1)
def _small(assets: Path) -> Any:
    return material.small_mobile_net(assets)


def _by_recipe(recipe: recipes.Recipe, drawn: Drawn, seed: int) -> Trial:
    return recipes.tried(recipe, drawn, seed)


def rank_tables(assets: Path) -> list[Table]:
    """For each target the candidates trained, and what was foretold of them."""
    found = []
    for name, read in ranks.TARGETS.items():
        models = ranks.candidates(assets)
        trained = {each: _trained(make, read, assets) for each, make in models.items()}
        foretold = {each: _foretold(make, read, assets) for each, make in models.items()}
        found += [
            Table(f"rank, {name}, trained", "rank", trained, seeds=(0, 1, 2), minutes=15),
            Table(f"rank, {name}, foretold", "rank", foretold, seeds=(0,), minutes=1),
        ]
    return found


def _trained(make: Make, read: Read, assets: Path) -> Run:
    return lambda seed: ranks.trained(make(), *read(assets), seed)


def _foretold(make: Make, read: Read, assets: Path) -> Run:
    return lambda seed: ranks.foretold(make(), read(assets)[0], seed)


def planted_tables(assets: Path) -> list[Table]:
    """The true signs, the verdicts, and draws of which none has a sign."""
    signs, asked = (
        {name: functools.partial(way, assets, case) for name, case in planted.CASES.items()}
        for way in (planted.sign, planted.checked)
    )
    null = {"a random network for digits 5 to 9": functools.partial(planted.null_draw, assets)}
    return [
        Table("planted, signs", "planted", signs, seeds=tuple(range(10)), minutes=60),
        Table("planted, verdicts", "planted", asked, seeds=tuple(range(20)), minutes=60),
        Table("planted, null draws", "planted", null, seeds=tuple(range(400)), minutes=60),
    ]
