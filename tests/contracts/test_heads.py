"""Every registered head keeps the rules of `check_head`, and what is special about each.

At the end stands a head for maps that only the test knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build, heads
from transferkit.augment import Pipeline
from transferkit.data import Data, Report, Split
from transferkit.engine.phases import Material, run_plan
from transferkit.errors import SpecError
from transferkit.running import Engine
from transferkit.spec import BoundHead, Head, ModelSpec, Taps, Target
from transferkit.testing import check_head

Array = np.ndarray[Any, Any]

SIDE = 16
NAMES = ("ants", "bees", "wasps")
CLASSES = Target("classes", NAMES, counts=(3, 3, 4))
TWO = Target("classes", NAMES[:2], counts=(5, 5))
LABELS = Target("labels", NAMES, counts=(5, 5, 4))
VALUES = Target("values", outputs=2)
IDS = np.arange(10) % 3
MULTI_HOT = np.stack([np.arange(10) % 2, np.arange(10) // 5, np.arange(10) % 3 == 1], axis=1)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


def as_they_are(logits: Array) -> Array:
    return logits


@dataclass(frozen=True)
class Case:
    """A head, what it is bound to, and what should come of it.

    `make` gives the head; between them, a head's cases have every field away from its default.
    `rows` are the `targets` of `labels`.
    """

    name: str
    make: Callable[[], Head]
    target: Target
    labels: Array
    rows: Array
    activate: Callable[[Array], Array]
    result: type
    other: Target
    fitting: str

    @property
    def bound(self) -> Any:
        return self.make().bind(self.target)

    @property
    def logits(self) -> Array:
        drawn = np.random.default_rng(1).normal(0, 2, self.rows.shape)
        return np.asarray(drawn, np.float32)

    def __str__(self) -> str:
        return f"{self.name}-{self.rows.shape[1]}"


CASES = (
    Case(
        "classification",
        lambda: tk.heads.classification(
            dropout=0.1,
            hidden=(5, 4),
            pooling="both",
            label_smoothing=0.1,
            class_weight={"wasps": 0.5, "bees": 2.0},
            metrics=("AUC",),
            focal=1.5,
        ),
        CLASSES,
        IDS,
        np.eye(3)[IDS],
        softmax,
        tk.heads.Prediction,
        LABELS,
        "tk.heads.multilabel()",
    ),
    Case(
        "classification",
        lambda: tk.heads.classification(one_logit=True, class_weight="balanced", focal=2.0),
        TWO,
        np.arange(10) % 2,
        (np.arange(10.0) % 2)[:, None],
        sigmoid,
        tk.heads.Prediction,
        VALUES,
        "tk.heads.regression()",
    ),
    Case(
        "classification",
        lambda: tk.heads.classification(logit_adjustment=1.0, class_weight={"bees": 2.0}),
        CLASSES,
        IDS,
        np.eye(3)[IDS],
        softmax,
        tk.heads.Prediction,
        LABELS,
        "tk.heads.multilabel()",
    ),
    Case(
        "multilabel",
        lambda: tk.heads.multilabel(
            dropout=0.1,
            hidden=(5,),
            pooling="max",
            label_smoothing=0.1,
            class_weight={"bees": 3.0},
            threshold=0.4,
            metrics=("AUC",),
            focal=2.0,
        ),
        LABELS,
        MULTI_HOT.astype(np.int64),
        MULTI_HOT,
        sigmoid,
        tk.heads.Labels,
        CLASSES,
        "tk.heads.classification()",
    ),
    Case(
        "regression",
        lambda: tk.heads.regression(
            dropout=0.1, hidden=(5,), pooling="flatten", loss="huber", metrics=("mse",)
        ),
        VALUES,
        np.stack([np.arange(10) / 4, -np.arange(10) / 2], axis=1),
        np.stack([np.arange(10) / 4, -np.arange(10) / 2], axis=1),
        as_they_are,
        tk.heads.Value,
        CLASSES,
        "tk.heads.classification()",
    ),
)


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest.fixture
def half_precision() -> Iterator[None]:
    policies = _keras.keras().mixed_precision
    before = policies.dtype_policy()
    policies.set_dtype_policy("mixed_bfloat16")
    yield
    policies.set_dtype_policy(before)


def bare() -> Any:
    """Two strides: 2 (four channels) and 4 (eight)."""
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first_conv")(pixels)
    x = keras.layers.ReLU(name="first_relu")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="second_conv")(x)
    x = keras.layers.ReLU(name="second_relu")(x)
    return keras.Model(pixels, x, name="tiny")


def tiny() -> Any:
    return tk.backbones.from_keras(bare(), preprocessing="unit", blocks=r"(first|second)_")


def noise(*shape: int) -> Array:
    return np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)


def value(loss: Any, targets: Array, outputs: Array) -> float:
    return float(np.asarray(loss(targets, outputs)))


def test_every_registered_head_has_a_case() -> None:
    tested_here = {name for name in tk.heads.names() if not name.startswith("test_")}
    assert tested_here == {case.name for case in CASES}


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_every_field_of_a_head_is_away_from_its_default_in_a_case(name: str) -> None:
    made = [case.make() for case in CASES if case.name == name]
    plain = type(made[0])()
    for each in fields(plain):  # type: ignore[arg-type]  # heads are dataclasses
        value = getattr(plain, each.name)
        assert any(getattr(head, each.name) != value for head in made), each.name


def test_a_head_keeps_every_rule_of_the_contract(case: Case) -> None:
    check_head(case.make(), target=case.target, labels=case.labels)


def test_a_config_and_an_activation_are_those_of_the_case(case: Case) -> None:
    assert heads.to_config(case.make())["name"] == case.name
    assert case.bound.needs == ()
    activation = _keras.keras().activations.get(case.bound.activation)
    logits = case.logits
    np.testing.assert_allclose(activation(logits), case.activate(logits), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("features", [(4, 4, 6), (6,)], ids=["map", "vector"])
def test_logits_are_float32_in_half_precision_too(
    case: Case, features: tuple[int, ...], half_precision: None
) -> None:
    keras = _keras.keras()
    entry = keras.Input(features, dtype="bfloat16")
    logits = case.bound.build(Taps({}, entry))
    assert logits.dtype == "float32"
    assert logits.shape == (None, *case.rows.shape[1:])
    network = keras.Model(entry, logits)
    computed = {layer.compute_dtype for layer in network.layers}
    assert len(features) == 1 or "bfloat16" in computed, "the policy has to reach the head's layers"
    assert {weight.dtype for weight in network.weights} == {"float32"}


def test_what_is_right_has_a_smaller_loss_than_what_is_wrong(case: Case) -> None:
    targets = case.bound.targets(case.labels)
    right = case.rows if case.activate is as_they_are else 3 * (2 * case.rows - 1)
    right = right.astype(np.float32)
    assert value(case.bound.loss(), targets, right) < value(case.bound.loss(), targets, -right)


def test_targets_and_results_are_those_of_the_case(case: Case) -> None:
    targets = case.bound.targets(case.labels)
    np.testing.assert_array_equal(targets, case.rows.astype(np.float32))
    results = case.bound.decode(case.activate(case.logits))
    assert [type(result) for result in results] == [case.result] * len(targets)


def test_a_target_of_another_task_is_refused_with_the_head_that_fits(case: Case) -> None:
    with pytest.raises(SpecError, match=f"{case.name}: the data has {case.other.task}") as caught:
        case.make().bind(case.other)
    assert f"model.head({case.fitting})" in str(caught.value)
    with pytest.raises(SpecError, match="0 outputs are too few"):
        case.make().bind(Target(case.target.task))


def test_a_head_is_fitted_saved_and_opened_again(case: Case, tmp_path: Path) -> None:
    task, names = case.target.task, case.target.class_names or None
    images = noise(10, SIDE, SIDE, 3)
    photos = tk.data.from_arrays(images, case.labels, class_names=names, task=task, val=0.2)
    assert photos.val is not None
    model = tk.TransferModel(tiny()).head(case.make()).freeze(tk.freeze.backbone())
    trained = model.fit(photos, tk.Phase(1, batch_size=-(-len(photos.train) // 2)), verbose=0)
    assert trained.bound.target.task == task
    (record,) = trained.history.epochs
    assert {"loss", "val_loss"} < set(record.metrics)
    assert np.isfinite(list(record.metrics.values())).all()
    found = trained.evaluate(photos.val)
    assert found.count == len(photos.val)
    assert found.loss == pytest.approx(record.metrics["val_loss"], rel=1e-4)
    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    assert again.bound == trained.bound
    results = trained.predict(images)
    assert again.predict(images) == results
    assert [type(result) for result in results] == [case.result] * len(images)
    assert again.evaluate(photos.val).metrics == found.metrics


# A head that the contract has to carry: it reads two maps and gives one class to every pixel.


@dataclass(frozen=True)
class PixelMap:
    """The class of each pixel, row by row."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Pixels:
    class_names: tuple[str, ...] = ("ground", "sky")
    strides: tuple[int, int] = (2, 4)

    def bind(self, target: Target) -> BoundPixels:
        return BoundPixels(self, target)


@dataclass(frozen=True)
class BoundPixels:
    head: Pixels
    target: Target
    activation: str = "softmax"
    soft_targets: bool = True

    @property
    def needs(self) -> tuple[int, ...]:
        return self.head.strides

    def build(self, taps: Taps) -> Any:
        layers = _keras.keras().layers
        fine, coarse = self.head.strides
        up = layers.UpSampling2D(coarse // fine, name="head_up")(taps[coarse])
        x = layers.Concatenate(name="head_maps")([taps[fine], up])
        classes = len(self.head.class_names)
        return layers.Conv2D(classes, 1, dtype="float32", name="head_logits")(x)

    def loss(self, *, from_logits: bool = True) -> Any:
        return _keras.keras().losses.CategoricalCrossentropy(from_logits=from_logits)

    def metrics(self) -> list[Any]:
        return [_keras.keras().metrics.CategoricalAccuracy(name="pixel_accuracy")]

    def targets(self, labels: Any) -> Array:
        rows: Array = np.eye(len(self.head.class_names), dtype=np.float32)[np.asarray(labels)]
        return rows

    def decode(self, outputs: Array) -> list[PixelMap]:
        names = self.head.class_names
        maps = outputs.argmax(axis=-1).tolist()
        return [PixelMap(tuple(tuple(names[i] for i in row) for row in each)) for each in maps]


SKY = np.random.default_rng(3).integers(0, 2, (12, SIDE // 2, SIDE // 2))


def landscapes() -> Array:
    """Pictures that are dark where `SKY` is 0 and light where it is 1."""
    large = SKY.repeat(2, axis=1).repeat(2, axis=2)[..., None]
    return np.asarray(large * 150 + noise(12, SIDE, SIDE, 3) // 3, np.uint8)


def pixel_spec(**more: Any) -> ModelSpec:
    return ModelSpec(tiny(), head=Pixels(**more), freeze=tk.freeze.backbone())


def assembled(spec: ModelSpec) -> build.Assembled:
    target = Target("classes", ("ground", "sky"))
    return build.assemble(spec, target, input_shape=(SIDE, SIDE, 3), seed=0)


def test_a_head_may_read_two_strides_and_give_a_map() -> None:
    made = assembled(pixel_spec())
    assert isinstance(made.bound, BoundHead)
    assert made.network.output_shape == (None, 8, 8, 2)
    images, targets = landscapes(), made.bound.targets(SKY)
    material = Material(
        network=made.network,
        table=made.table,
        bound=made.bound,
        policy=tk.freeze.backbone(),
        pipeline=Pipeline(),
        train=(images, targets),
        val=(images[:5], targets[:5]),
    )
    before = made.network.get_weights()
    plan = tk.Plan((tk.Phase(2, learning_rate=0.05, batch_size=5),))
    history, _ = run_plan(material, plan, seed=0, engine=Engine(precision="float32"), verbose=0)
    first, last = (record.metrics for record in history.epochs)
    assert last["loss"] < first["loss"]
    assert last["val_loss"] < first["val_loss"]
    outputs = np.asarray(made.network.predict_on_batch(images[:5]), np.float64)
    assert outputs.shape == (5, 8, 8, 2)
    right = np.take_along_axis(outputs, SKY[:5, ..., None], axis=-1)
    assert last["val_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    accuracy = (outputs.argmax(axis=-1) == SKY[:5]).mean()
    assert last["val_pixel_accuracy"] == pytest.approx(accuracy)
    moved = [
        weight.path
        for weight, old in zip(made.network.weights, before, strict=True)
        if not np.array_equal(weight.numpy(), old)
    ]
    assert moved == ["head_logits/kernel", "head_logits/bias"]


def test_a_map_of_logits_reads_both_strides() -> None:
    network = assembled(pixel_spec()).network
    kernel = network.get_layer("head_logits").kernel.numpy()
    images, original = landscapes(), bare()
    maps = [original.get_layer(f"{name}_relu").output for name in ("first", "second")]
    both_strides = _keras.keras().Model(original.inputs, maps)
    fine, coarse = both_strides.predict_on_batch(images / np.float32(255))
    assert (fine.shape, coarse.shape) == ((12, 8, 8, 4), (12, 4, 4, 8))
    both = np.concatenate([fine, coarse.repeat(2, axis=1).repeat(2, axis=2)], axis=-1)
    logits = build.logits_of(network).predict_on_batch(images)
    np.testing.assert_allclose(logits, both @ kernel[0, 0], rtol=1e-4, atol=1e-5)


def test_a_stride_that_the_backbone_has_not_is_refused_by_name() -> None:
    with pytest.raises(SpecError) as caught:
        assembled(pixel_spec(strides=(2, 64)))
    assert str(caught.value) == (
        "head: the head reads strides that tiny has not: [64]. "
        "Expected strides among (2, 4). Received: needs=(2, 64)."
    )


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For one test only: other tests list the names there are."""
    monkeypatch.setattr(heads._HEADS, "_things", dict(heads._HEADS._things))
    tk.heads.register("test_pixels", Pixels)


def test_a_head_for_maps_keeps_every_rule_of_the_contract(registered: None) -> None:
    check_head(Pixels(), target=Target("classes", ("ground", "sky")), labels=SKY)


def test_a_head_for_maps_is_fitted_saved_and_opened_like_any_other(
    registered: None, tmp_path: Path
) -> None:
    # No reader gives maps yet, and only the task "values" takes labels as they are.
    train = Split("train", SKY, (), landscapes(), image_size=(SIDE, SIDE))
    photos = Data(train, replace(train, name="val"), None, "values", Report({}))
    model = tk.TransferModel(tiny()).head(Pixels()).freeze(tk.freeze.backbone())
    trained = model.fit(photos, tk.Phase(2, learning_rate=0.05, batch_size=5), verbose=0)
    first, last = (record.metrics["val_loss"] for record in trained.history.epochs)
    assert last < first
    one = trained.predict(train.pixels()[0])
    assert isinstance(one, PixelMap)
    assert (len(one.rows), {len(row) for row in one.rows}) == (8, {8})
    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    assert again.bound == trained.bound
    assert again.bound.needs == (2, 4)
    assert again.predict(train.pixels()) == trained.predict(train.pixels())
