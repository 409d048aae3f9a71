"""A mix that keeps every rule, and for each rule some that break it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, registry
from transferkit.errors import ContractError, SpecError
from transferkit.testing import check_mix
from transferkit.testing.mixes import MIXES

tf = _keras.tf()


@dataclass(frozen=True)
class Good(Operation):
    """Lays another picture over each by a draw of its own."""

    most: float = 0.5
    name = "test_mix"

    def partners(self, keys: Any, count: int) -> Any:
        return draws.below(keys, count, 0)

    def mix(self, images: Any, labels: Any, theirs: Any, their_labels: Any, keys: Any) -> Any:
        share = draws.uniform(keys, self.most, 1.0, 1)
        pixels = share[:, None, None, None]
        made = pixels * images + (1 - pixels) * theirs
        if labels is None:
            return made, None
        return made, share[:, None] * labels + (1 - share[:, None]) * their_labels


@dataclass(frozen=True)
class Partnerless:
    """Has no method at all."""


@dataclass(frozen=True)
class Broken:
    """What differs from the good mix, the rule that is broken by it, and what is told."""

    rule: str
    told: str
    members: Mapping[str, Any] = field(default_factory=dict)
    base: type[Any] = Good

    def __str__(self) -> str:
        return f"{self.rule}: {self.told}"

    def make(self) -> Any:
        mine: Any = type("Mine", (self.base,), dict(self.members))
        return dataclass(frozen=True)(mine)()


def partners(change: Any) -> dict[str, Any]:
    """The good mix with other partners: change(places, count)."""
    return {"partners": lambda self, keys, count: change(Good().partners(keys, count), count)}


def mixed(pixels: Any = None, labels: Any = None) -> dict[str, Any]:
    """The good mix with its pixels or labels changed, where there are any."""

    def mix(self: Any, images: Any, rows: Any, theirs: Any, their_rows: Any, keys: Any) -> Any:
        made, given = Good.mix(self, images, rows, theirs, their_rows, keys)
        changed = made if pixels is None else pixels(made)
        return changed, given if labels is None or given is None else labels(given)

    return {"mix": mix}


def no_none(self: Any, images: Any, rows: Any, theirs: Any, their_rows: Any, keys: Any) -> Any:
    return images, np.zeros(8) if rows is None else rows


def by_place(places: Any, count: int) -> Any:
    return (places + tf.range(tf.size(places, tf.int64), dtype=tf.int64)) % count


CASES = (
    Broken(
        "is-a-frozen-value",
        "a copy of it is not",
        {"__eq__": lambda self, other: self is other, "__hash__": lambda self: 3},
    ),
    Broken("has-both-methods", "it has no method partners", base=Partnerless),
    Broken(
        "partners-are-places",
        "64 keys give int32 (64,)",
        partners(lambda places, count: tf.cast(places, tf.int32)),
    ),
    Broken(
        "partners-are-places",
        "of 8 pictures it names ",
        partners(lambda places, count: places + 1),
    ),
    Broken("partners-follow-from-keys", "alone they are others", partners(by_place)),
    Broken("keeps-shape-type-and-range", "float32 (8, 12, 16, 3)", mixed(lambda x: x[:, ::2])),
    Broken(
        "keeps-shape-type-and-range",
        "float32 (8, 12, 16, 3) becomes float64",
        mixed(lambda x: tf.cast(x, tf.float64)),
    ),
    Broken("keeps-shape-type-and-range", "pixels go from", mixed(lambda x: 2 * x)),
    Broken("keeps-shape-type-and-range", "some pixels are not finite", mixed(lambda x: x / 0.0)),
    Broken("none-stays-none", "None becomes ndarray", {"mix": no_none}),
    Broken("labels-lie-between", "rows that add up to 1 add up to", mixed(labels=lambda y: 2 * y)),
    Broken(
        "labels-lie-between",
        "a row has what neither",
        mixed(labels=lambda y: tf.roll(y, 1, axis=1)),
    ),
    Broken("labels-lie-between", "float32 (8, 8) becomes", mixed(labels=lambda y: y[:, 0])),
    Broken(
        "is-a-function-of-its-key",
        "a second time the pixels differ",
        mixed(lambda x: x * tf.random.uniform(tf.shape(x))),
    ),
    Broken(
        "does-not-know-its-batch",
        "alone the pixels differ",
        mixed(lambda x: x * tf.reduce_mean(x) / 255.0),
    ),
    Broken(
        "graphs-agree",
        "the pixels differ from those of an eager call",
        mixed(lambda x: x if tf.executing_eagerly() else x / 2),
    ),
    Broken(
        "graphs-agree",
        "the labels differ from those of an eager call",
        mixed(labels=lambda y: y if tf.executing_eagerly() else y / 2),
    ),
    Broken("survives-its-config", "its config is not understood (", {"name": "test_unknown"}),
)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    monkeypatch.setattr(registry, "_things", dict(registry._things))


def register(mix: Any) -> Any:
    made: Any = type(mix)
    registry.add("test_mix", made, replace=True)
    return mix


def test_a_mix_that_keeps_every_rule_passes() -> None:
    check_mix(register(Good()))


def test_every_rule_has_a_mix_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in MIXES.rules}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_mix_is_told_which_rule_it_breaks(case: Broken) -> None:
    with pytest.raises(ContractError) as caught:
        check_mix(register(case.make()))
    message = str(caught.value)
    assert f"check_mix: Mine breaks the rule {case.rule!r}: {case.told}" in message
    (rule,) = (each for each in MIXES.rules if each.name == case.rule)
    assert f" Expected that {rule.says}. " in message


def test_a_class_of_mixes_is_no_mix() -> None:
    with pytest.raises(SpecError, match=r"check_mix: Good is a class\..*check_mix\(Good\(\)\)"):
        check_mix(Good)  # type: ignore[arg-type]
