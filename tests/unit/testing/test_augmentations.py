"""An operation that keeps every rule, and for each rule some that break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, registry
from transferkit.errors import ContractError, SpecError
from transferkit.testing import check_augmentation
from transferkit.testing.augmentations import AUGMENTATIONS

tf = _keras.tf()


@dataclass(frozen=True)
class Good(Operation):
    """Darkens every picture by a draw of its own."""

    most: float = 0.5
    name = "test_mine"

    def apply(self, images: Any, labels: Any, keys: Any) -> Any:
        return images * draws.uniform(keys, self.most, 1.0)[:, None, None, None], labels


@dataclass(frozen=True)
class Broken:
    """What differs from the good operation, the rule that is broken by it, and what is told."""

    rule: str
    told: str
    members: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.rule}: {self.told}"

    def make(self) -> Any:
        mine: Any = type("Mine", (Good,), dict(self.members))
        return dataclass(frozen=True)(mine)()


def pixels(change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """The good operation with its pixels changed: change(pixels, images)."""

    def apply(self: Any, images: Any, labels: Any, keys: Any) -> Any:
        made, labels = Good.apply(self, images, labels, keys)
        return change(made, images), labels

    return {"apply": apply}


def labels(change: Callable[[Any], Any], *, none: Any = None) -> dict[str, Any]:
    """The good operation with its labels changed, where there are any."""

    def apply(self: Any, images: Any, labels: Any, keys: Any) -> Any:
        made, labels = Good.apply(self, images, labels, keys)
        return made, none if labels is None else change(labels)

    return {"apply": apply}


def with_field(value: Any) -> dict[str, Any]:
    return {"__annotations__": {"more": "Any"}, "more": field(default_factory=lambda: value)}


def three_channels_only(made: Any, images: Any) -> Any:
    if images.shape[-1] != 3:
        raise SpecError("three channels only")
    return made


def spoiled(given: Any) -> Any:
    if isinstance(given, np.ndarray) and given.ndim == 1:
        given[0] += 1
    return given


def eager_only(made: Any, images: Any) -> Any:
    return made if tf.executing_eagerly() else images


def with_noise(made: Any, images: Any) -> Any:
    return made * tf.random.uniform(tf.shape(made))


def minus_the_mean(made: Any, images: Any) -> Any:
    return made * (tf.reduce_mean(images) / 255.0)


def by_place(made: Any, images: Any) -> Any:
    """Every second picture of a batch is darker."""
    second = tf.range(tf.shape(made)[0]) % 2
    return made / tf.cast(1 + second, tf.float32)[:, None, None, None]


def flat(self: Any, keys: Any, height: Any, width: Any) -> Any:
    """The matrix of an operation that moves nothing."""
    return tf.eye(3, batch_shape=[len(keys)])


CASES = (
    Broken("is-a-frozen-value", "it has no hash (", with_field([3])),
    Broken(
        "is-a-frozen-value",
        "a copy of it is not equal to it",
        {"__eq__": lambda self, other: self is other, "__hash__": lambda self: 3},
    ),
    Broken(
        "gives-a-pair",
        "it gives a list",
        {"apply": lambda self, images, labels, keys: [images, labels]},
    ),
    Broken(
        "keeps-shape-and-type",
        "pictures of (8, 12, 16, 3) become (8, 6, 16, 3)",
        pixels(lambda made, images: made[:, ::2]),
    ),
    Broken(
        "keeps-shape-and-type",
        "they become float64",
        pixels(lambda made, images: tf.cast(made, tf.float64)),
    ),
    Broken(
        "keeps-shape-and-type",
        "pictures of (8, 12, 16, 1) become (8, 12, 16, 3)",
        pixels(lambda made, images: made * tf.constant([1.0, 0.5, 0.25])),
    ),
    Broken("keeps-the-range", "they go from ", pixels(lambda made, images: made - 20.0)),
    Broken("keeps-the-range", "they go from 0 to 601.8", pixels(lambda made, images: 2.5 * made)),
    Broken("keeps-the-range", "some are not finite", pixels(lambda made, images: made / 0.0)),
    Broken("is-a-function-of-its-key", "a second call gives other pixels", pixels(with_noise)),
    Broken(
        "is-a-function-of-its-key",
        "a second call gives other labels",
        labels(lambda given: given + np.random.default_rng().normal()),
    ),
    Broken("does-not-know-its-batch", "alone the pixels differ", pixels(minus_the_mean)),
    Broken("does-not-know-its-batch", "in another order the pixels", pixels(by_place)),
    Broken(
        "does-not-know-its-batch",
        "in another order the labels differ",
        labels(lambda given: given * (1 + np.arange(len(given)) % 2)[:, None]),
    ),
    Broken(
        "keeps-the-form-of-labels",
        "None becomes ndarray",
        labels(lambda given: given, none=np.zeros(8)),
    ),
    Broken(
        "keeps-the-form-of-labels",
        "labels of int64 (8,) become float32 (8,)",
        labels(lambda given: tf.cast(given, tf.float32)),
    ),
    Broken("keeps-the-form-of-labels", "the labels that were handed in", labels(spoiled)),
    Broken("graphs-agree", "the pixels differ from those of an eager call", pixels(eager_only)),
    Broken(
        "graphs-agree",
        "the labels differ from those of an eager call",
        labels(lambda given: given if isinstance(given, np.ndarray) else 0.5 * given),
    ),
    Broken(
        "graphs-agree",
        "NotImplementedError was raised",
        pixels(lambda made, images: tf.constant(np.asarray(made))),
    ),
    Broken("is-the-same-in-a-pipeline", "there the pixels differ", {"matrix": flat, "fill": None}),
    Broken("survives-its-config", "its config is no JSON (", with_field(frozenset({3}))),
    Broken("survives-its-config", "comes back", with_field(float("nan"))),
    Broken("survives-its-config", "its config is not understood (", {"name": "test_unknown"}),
)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    monkeypatch.setattr(registry, "_things", dict(registry._things))


def register(operation: Any) -> Any:
    made: Any = type(operation)
    registry.add("test_mine", made, replace=True)
    return operation


def test_an_operation_that_keeps_every_rule_passes() -> None:
    check_augmentation(register(Good()))
    check_augmentation(register(Broken("", "", pixels(three_channels_only)).make()))


def test_every_rule_has_an_operation_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in AUGMENTATIONS.rules}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_operation_is_told_which_rule_it_breaks(case: Broken) -> None:
    with pytest.raises(ContractError) as caught:
        check_augmentation(register(case.make()))
    message = str(caught.value)
    assert f"check_augmentation: Mine breaks the rule {case.rule!r}: " in message
    assert case.told in message
    (rule,) = (each for each in AUGMENTATIONS.rules if each.name == case.rule)
    assert f" Expected that {rule.says}. " in message


def test_what_is_no_operation_at_all_is_told_so() -> None:
    class Plain:
        def apply(self, images: Any, labels: Any, keys: Any) -> Any:
            return images, labels

    @dataclass(frozen=True)
    class Nothing:
        pass

    @dataclass(frozen=True)
    class Unnamed(Plain):
        pass

    with pytest.raises(ContractError, match="'is-a-frozen-value': Plain is no frozen dataclass"):
        check_augmentation(Plain())
    with pytest.raises(ContractError, match="'gives-a-pair': it has no method apply"):
        check_augmentation(Nothing())  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="'survives-its-config': it has no method to_config"):
        check_augmentation(Unnamed())


def test_an_operation_without_a_name_is_told_to_have_one() -> None:
    @dataclass(frozen=True, repr=False)
    class Nameless(Operation):
        def apply(self, images: Any, labels: Any, keys: Any) -> Any:
            return images, labels

    with pytest.raises(
        ContractError, match=r"'survives-its-config': it has no name\..*ClassVar\[s"
    ):
        check_augmentation(Nameless())


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (Good, r"Good is a class\..*check_augmentation\(Good\(\)\)"),
        (lambda images, labels, keys: (images, labels), r"<lambda> is a function\..*frozen=True"),
        (tk.augment.mixup(), r"Mixup is a mix.*check_mix\(mixup\(\)\)"),
    ],
)
def test_what_is_another_thing_is_told_where_it_belongs(thing: Any, told: str) -> None:
    with pytest.raises(SpecError, match=f"check_augmentation: {told}"):
        check_augmentation(thing)
