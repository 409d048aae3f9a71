"""A head that keeps every rule, and for each rule some that break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, heads
from transferkit.errors import ContractError, SpecError
from transferkit.spec import Taps, Target
from transferkit.testing import check_head
from transferkit.testing.heads import HEADS

Array = np.ndarray[Any, Any]
keras: Any = _keras.keras()
layers = keras.layers
Loss: Any = keras.losses.Loss
TWO = Target("classes", ("ants", "bees"))


@dataclass(frozen=True)
class Found:
    """A result."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Bound:
    """A small head that keeps every rule."""

    head: Any
    target: Target
    needs: tuple[int, ...] = ()
    activation: str = "softmax"
    soft_targets: bool = False

    def __post_init__(self) -> None:
        """For those that are broken here."""

    def build(self, taps: Taps) -> Any:
        return dense(self)(pooled(taps.features))

    def loss(self, *, from_logits: bool = True) -> Any:
        return keras.losses.CategoricalCrossentropy(from_logits=from_logits)

    def metrics(self) -> list[Any]:
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def targets(self, labels: Any) -> Any:
        return np.eye(self.target.outputs, dtype=np.float32)[np.asarray(labels)]

    def decode(self, outputs: Array) -> Any:
        names = self.target.class_names
        return [Found(names[int(row.argmax())], float(row.max())) for row in outputs]


@dataclass(frozen=True)
class Good:
    """Takes classes only."""

    width: int = 3
    bound: ClassVar[type[Any]] = Bound

    def bind(self, target: Target) -> Any:
        if target.task != "classes":
            raise SpecError("classes only")
        return self.bound(self, target)


def dense(bound: Any, *, name: str = "head_logits", dtype: str | None = "float32") -> Any:
    return layers.Dense(bound.target.outputs, dtype=dtype, name=name)


def pooled(features: Any) -> Any:
    flat = len(features.shape) == 2
    return features if flat else layers.GlobalMaxPooling2D(name="head_pool")(features)


def doubled(logits: Any) -> Any:
    return layers.Concatenate(name="head_twice", dtype="float32")([logits, logits])


def exp_of_exp(logits: Any) -> Any:
    return keras.ops.exp(keras.ops.exp(3 * logits))


class Zero(Loss):
    """A loss without a gradient."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.sum(0.0 * y_pred, axis=-1) + 1.0


@dataclass(frozen=True)
class BoundPixels(Bound):
    """A class for every second pixel."""

    def build(self, taps: Taps) -> Any:
        up = layers.UpSampling2D(2, name="head_up")(taps[4])
        joined = layers.Concatenate(name="head_maps")([taps[2], up])
        return layers.Conv2D(2, 1, dtype="float32", name="head_logits")(joined)

    def decode(self, outputs: Array) -> Any:
        return [row.argmax(axis=-1).tolist() for row in outputs]


@dataclass(frozen=True)
class Pixels:
    """Takes two classes."""

    strides: tuple[int, ...] = (2, 4)

    def bind(self, target: Target) -> Any:
        if target.task != "classes":
            raise SpecError("classes only")
        return BoundPixels(self, target, self.strides)


@dataclass(frozen=True)
class Broken:
    """What differs from the good head, the rule that is broken by it, and what is told."""

    rule: str
    told: str
    bound: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.rule}: {self.told}"

    def make(self) -> Any:
        bound = type("BoundMine", (Bound,), dict(self.bound))
        mine: Any = type("Mine", (Good,), {"bound": bound, **self.head})
        return dataclass(frozen=True)(mine)()


def with_field(value: Any) -> dict[str, Any]:
    return {"__annotations__": {"more": "Any"}, "more": field(default_factory=lambda: value)}


def setting(name: str, value: Any) -> dict[str, Any]:
    return {"__post_init__": lambda self: object.__setattr__(self, name, value)}


def takes_all(self: Any, target: Target) -> Any:
    return self.bound(self, target)


def hands_on(name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    """The good head's method with its answer changed."""
    good = getattr(Bound, name)
    return {name: lambda self, *args, **more: change(good(self, *args, **more))}


def kept(name: str) -> dict[str, Any]:
    """The good head's method that gives its first answer every time."""
    answers: dict[Any, Any] = {}
    good = getattr(Bound, name)

    def method(self: Any, *args: Any, **more: Any) -> Any:
        return answers.setdefault(str(more), good(self, *args, **more))

    return {name: method}


SHARED: dict[int, Any] = {}


def with_one_layer_for_all(self: Any, taps: Taps) -> Any:
    vector = pooled(taps.features)
    return SHARED.setdefault(int(vector.shape[-1]), dense(self))(vector)


def sorts(self: Any, labels: Any) -> Any:
    if isinstance(labels, np.ndarray):
        labels.sort()
    return Bound.targets(self, labels)


def backwards_for_lists(self: Any, labels: Any) -> Any:
    rows = Bound.targets(self, labels)
    return rows if isinstance(labels, np.ndarray) else rows[::-1]


CASES = (
    Broken("is-a-frozen-value", "it has no hash (", head=with_field([3])),
    Broken(
        "is-a-frozen-value",
        "a copy of it is not equal to it",
        head={"__eq__": lambda self, other: self is other, "__hash__": lambda self: 3},
    ),
    Broken("binds-to-a-target", "the bound head has no 'decode'", {"decode": property()}),
    Broken(
        "binds-to-a-target",
        "the bound head holds another head",
        setting("head", Good(9)),
    ),
    Broken(
        "binds-to-a-target",
        "the bound head holds another target",
        setting("target", TWO),
    ),
    Broken(
        "binds-to-a-target",
        "two bindings to one target differ",
        {"__eq__": lambda self, other: self is other, "__hash__": object.__hash__},
    ),
    Broken(
        "refuses-other-targets",
        "its task is 'classes', and it takes a target of labels",
        head={"task": "classes", "bind": takes_all},
    ),
    Broken(
        "refuses-other-targets",
        "a target of labels raises KeyError ('labels')",
        head={"bind": lambda self, target: takes_all(self, {"classes": target}[target.task])},
    ),
    Broken("names-its-strides", "needs is [4]", setting("needs", [4])),
    Broken("names-its-strides", "needs holds 3", setting("needs", (4, 3))),
    Broken(
        "reads-only-what-it-names",
        "it reads the stride 2, and needs is ()",
        {"build": lambda self, taps: dense(self)(pooled(taps[2]))},
    ),
    Broken(
        "takes-vectors-or-says-so",
        "ValueError is raised where the backbone ends in a vector (",
        {"build": lambda self, taps: dense(self)(layers.GlobalMaxPooling2D()(taps.features))},
    ),
    Broken(
        "logits-are-float32",
        "the logits are bfloat16 where the rest computes in bfloat16",
        {"build": lambda self, taps: dense(self, dtype=None)(pooled(taps.features))},
    ),
    Broken(
        "logits-are-float32",
        "the logits are float16.",
        {"build": lambda self, taps: dense(self, dtype="float16")(pooled(taps.features))},
    ),
    Broken(
        "layers-are-made-afresh", "two networks share a layer", {"build": with_one_layer_for_all}
    ),
    Broken(
        "layers-are-made-afresh",
        "a layer with weights is called 'classes'",
        {"build": lambda self, taps: dense(self, name="classes")(pooled(taps.features))},
    ),
    Broken(
        "logits-have-the-right-shape",
        "the logits are (12, 6) and there are 3 outputs",
        hands_on("build", doubled),
    ),
    Broken(
        "activation-is-known",
        "Keras has no activation called 'softest'",
        setting("activation", "softest"),
    ),
    Broken(
        "activation-is-known",
        "it makes no finite outputs of numbers",
        setting("activation", exp_of_exp),
    ),
    Broken(
        "targets-are-float32-rows",
        "they are float64",
        hands_on("targets", lambda rows: rows.astype(np.float64)),
    ),
    Broken(
        "targets-are-float32-rows", "they are list", hands_on("targets", lambda rows: rows.tolist())
    ),
    Broken(
        "targets-are-float32-rows",
        "12 labels give 11 rows",
        hands_on("targets", lambda rows: rows[1:]),
    ),
    Broken("targets-are-float32-rows", "the labels that were handed in", {"targets": sorts}),
    Broken(
        "targets-are-float32-rows",
        "a list of labels gives other rows",
        {"targets": backwards_for_lists},
    ),
    Broken(
        "loss-is-a-fresh-number",
        "it gives an object of function",
        hands_on("loss", lambda loss: lambda targets, outputs: loss(targets, outputs)),
    ),
    Broken("loss-is-a-fresh-number", "it gives the same object twice", kept("loss")),
    Broken(
        "loss-is-a-fresh-number",
        "its value is [",
        {"loss": lambda self, from_logits=True: keras.losses.MeanSquaredError(reduction=None)},
    ),
    Broken(
        "loss-is-the-same-behind-the-activation",
        " on logits and ",
        {"loss": lambda self, from_logits=True: Bound.loss(self)},
    ),
    Broken(
        "metrics-are-fresh-numbers",
        "not all of them are keras.metrics.Metric",
        {"metrics": lambda self: ["accuracy"]},
    ),
    Broken("metrics-are-fresh-numbers", "it gives the same objects twice", kept("metrics")),
    Broken(
        "metrics-are-fresh-numbers",
        "their names are ['loss']",
        {"metrics": lambda self: [keras.metrics.CategoricalAccuracy(name="loss")]},
    ),
    Broken(
        "metrics-are-fresh-numbers",
        "'f1' gives [",
        {"metrics": lambda self: [keras.metrics.F1Score(name="f1")]},
    ),
    Broken("results-are-plain-values", "12 rows give a tuple of 12", hands_on("decode", tuple)),
    Broken(
        "results-are-plain-values",
        "a result holds an object of numpy.float32",
        {"decode": lambda self, outputs: [{"best": [row.max()]} for row in outputs]},
    ),
    Broken(
        "results-are-plain-values",
        "a row alone gives another result",
        hands_on("decode", lambda found: [(each, len(found)) for each in found]),
    ),
    Broken(
        "survives-its-config",
        "its fields are no JSON (",
        head=with_field(frozenset({"ants"})),
    ),
    Broken("survives-its-config", "comes back", head=with_field(float("nan"))),
    Broken("learns", "10 steps of Adam took it from 1 to 1", hands_on("loss", lambda loss: Zero())),
    Broken(
        "predicts-the-same-from-a-file",
        "the loaded model gives other results",
        {"decode": lambda self, outputs: [{"of": id(self)}] * len(outputs)},
    ),
)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone afterwards."""
    monkeypatch.setattr(heads._HEADS, "_things", dict(heads._HEADS._things))


def register(head: Any) -> Any:
    tk.heads.register("test_mine", type(head))
    return head


def test_a_head_that_keeps_every_rule_passes() -> None:
    check_head(register(Good()))
    check_head(Good(), target=TWO)


def test_every_rule_has_a_head_that_breaks_it() -> None:
    assert {case.rule for case in CASES} == {rule.name for rule in HEADS.rules}


def test_a_head_that_nobody_registered_is_told_how() -> None:
    with pytest.raises(ContractError) as caught:
        check_head(Good())
    assert "breaks the rule 'survives-its-config': no file can name it (" in str(caught.value)
    assert "Name it in the entry points 'transferkit.heads'" in str(caught.value)


def test_a_class_that_is_no_dataclass_is_told_so() -> None:
    class Plain:
        def bind(self, target: Target) -> Any:
            return Bound(self, target)

    with pytest.raises(ContractError, match="'is-a-frozen-value': Plain is no frozen dataclass"):
        check_head(Plain())


def test_a_head_that_takes_no_small_target_needs_one() -> None:
    @dataclass(frozen=True)
    class Picky:
        def bind(self, target: Target) -> Any:
            raise SpecError(f"never {target.task}")

    with pytest.raises(ContractError) as caught:
        check_head(Picky())
    assert str(caught.value) == (
        "check_head: Picky breaks the rule 'binds-to-a-target': it refuses small targets of "
        "classes, labels, values; of the last it says: never values. Expected that bind gives a "
        "bound head that knows its head and its target. Say check_head(head, target=...)."
    )


def test_a_head_for_maps_brings_its_labels() -> None:
    maps = np.random.default_rng(0).integers(0, 2, (12, 8, 8))
    check_head(register(Pixels()), target=TWO, labels=maps)
    with pytest.raises(ContractError, match="'reads-only-what-it-names': it reads the stride 4"):
        check_head(register(Pixels(strides=(2,))), target=TWO, labels=maps)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_head_is_told_which_rule_it_breaks(case: Broken) -> None:
    with pytest.raises(ContractError) as caught:
        check_head(register(case.make()))
    message = str(caught.value)
    assert f"check_head: Mine breaks the rule {case.rule!r}: " in message
    assert case.told in message
    (rule,) = (each for each in HEADS.rules if each.name == case.rule)
    assert f" Expected that {rule.says}. " in message


def test_a_class_of_heads_is_no_head() -> None:
    with pytest.raises(SpecError, match=r"check_head: Good is a class\..*check_head\(Good\(\)\)"):
        check_head(Good)  # type: ignore[arg-type]
