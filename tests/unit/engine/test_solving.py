"""Phases whose head is solved: on which vectors, in which networks, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine import solving
from transferkit.errors import SpecError

keras = _keras.keras()
SIDE, COUNT = 16, 40
PLAIN = tk.Engine(precision="float32", prefix="tensorflow")


@pytest.fixture(scope="module")
def backbone() -> Any:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(48, 3, name="first_conv")(pixels)
    x = keras.layers.Conv2D(48, 3, activation="relu", name="first_other")(x)
    x = keras.layers.MaxPooling2D(4, name="first_pool")(x)
    x = keras.layers.Conv2D(12, 3, name="second_conv")(x)
    x = keras.layers.ReLU(name="second_relu")(x)
    network = keras.Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    return shades(COUNT)


def shades(count: int) -> tk.data.Data:
    """Three shades on noise."""
    labels = np.arange(count) % 3
    noise = np.random.default_rng(0).integers(0, 90, (count, SIDE, SIDE, 3))
    pixels = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(pixels, labels, val=0.25, seed=0)


def vectors(trained: tk.TrainedModel, split: Any) -> Any:
    """What the last layer reads, by Keras alone."""
    network = trained.network
    reads = network.get_layer("head_logits").input
    pixels = split.pixels()[np.arange(len(split))].astype(np.float32)
    return np.asarray(keras.Model(network.input, reads)(pixels, training=False))


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("augmented", [True, False])
def test_the_head_is_the_one_of_clean_pictures(
    backbone: Any, photos: Any, cache: bool, augmented: bool, tmp_path: Path
) -> None:
    model = tk.TransferModel(backbone).head(tk.heads.classification(dropout=0.5))
    if augmented:
        model = model.augment(tk.augment.flip(), tk.augment.rotate(90))
    engine = replace(PLAIN, cache=tmp_path if cache else False)
    trained = model.fit(photos, tk.plans.linear_probe(penalty=0.05), engine=engine, verbose=0)
    linear_model = pytest.importorskip("sklearn.linear_model")
    table = vectors(trained, photos.train).astype(np.float64)
    drawn = len(table) * table.var(0) + 10 * table.var(0).mean()  # ten more have the mean
    scale = np.sqrt(drawn / (len(table) + 10))
    oracle = linear_model.LogisticRegression(
        C=1 / (0.05 * len(table)), tol=1e-10, max_iter=10_000
    ).fit((table - table.mean(0)) / scale, photos.train.labels)
    shown = vectors(trained, photos.val)
    expected = oracle.predict_proba((shown - table.mean(0)) / scale)
    found = np.array([list(each.scores.values()) for each in trained.predict(photos.val.pixels())])
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_history_callbacks_and_report_tell_of_one_epoch(backbone: Any, photos: Any) -> None:
    seen: list[Any] = []
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs)))
    )
    trained = tk.TransferModel(backbone).fit(
        photos, tk.plans.linear_probe(), engine=PLAIN, callbacks=told, verbose=0
    )
    (record,) = trained.history
    assert seen == [(0, ["accuracy", "loss", "val_accuracy", "val_loss"])]
    assert (record.phase_name, record.learning_rate) == ("linear probe", 0.0)
    for name, split in (("val_accuracy", photos.val), ("accuracy", photos.train)):
        found: Any = trained.evaluate(split)
        assert record.metrics[name] == pytest.approx(found.accuracy)
    (note,) = trained.engine_report.phases[0].notes
    assert note.startswith("the head was solved by L-BFGS, penalty ")
    assert note.endswith("by 5-fold cross-validation")


def test_fine_tuning_starts_from_the_solved_head(
    backbone: Any, photos: tk.data.Data, tmp_path: Path
) -> None:
    tuned = tk.plans.fine_tune(
        1, unfreeze=tk.select.top_blocks(1), optimizer="sgd", learning_rate=1e-12
    )
    alone, both = (
        tk.TransferModel(backbone).fit(
            photos, plan, engine=replace(PLAIN, cache=tmp_path / str(len(plan))), verbose=0
        )
        for plan in (tk.plans.linear_probe(), tk.plans.linear_probe().then(tuned))
    )
    for one, other in zip(alone.network.weights, both.network.weights, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-6)
    assert both.engine_report.phases[1].extracted == 0, "the first phase's pass serves both"


def test_a_file_keeps_the_solver(backbone: Any, photos: tk.data.Data, tmp_path: Path) -> None:
    plan = tk.plans.linear_probe(solver="ridge", penalty=0.5)
    trained = tk.TransferModel(backbone).fit(photos, plan, engine=PLAIN, verbose=0)
    trained.save(tmp_path / "solved.tkm")
    assert tk.load(tmp_path / "solved.tkm").plan == plan


@pytest.mark.parametrize("solver", ["lbfgs", "ridge"])
@pytest.mark.parametrize("task", ["one logit", "labels", "values"])
def test_other_heads_are_solved_as_well(backbone: Any, task: str, solver: Any) -> None:
    data = shades(COUNT)
    pixels, labels = data.train.pixels()[np.arange(len(data.train))], data.train.labels
    head: Any = tk.heads.regression()
    if task == "one logit":
        data = tk.data.from_arrays(pixels, labels // 2, val=0)
        head = tk.heads.classification(one_logit=True)
    elif task == "labels":
        data = tk.data.from_arrays(pixels, np.stack([labels > 0, labels > 1], 1) * 1, val=0)
        head = tk.heads.multilabel()
    else:
        data = tk.data.from_arrays(pixels, labels.astype(np.float32), val=0)
    trained = (
        tk.TransferModel(backbone)
        .head(head)
        .fit(data, tk.plans.linear_probe(solver=solver), engine=PLAIN, verbose=0)
    )
    (record,) = trained.history
    if task == "values":
        assert record.metrics["mae"] < 0.3
    else:
        assert next(v for name, v in record.metrics.items() if "accuracy" in name) > 0.9


def test_balanced_sampling_lets_classes_count_alike(backbone: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, SIDE, SIDE, 3), dtype=np.uint8)
    data = tk.data.from_arrays(noise, [0] * 32 + [1] * 8, val=0)

    def share(sampling: Any) -> float:
        plan = tk.plans.linear_probe(penalty=1e3, sampling=sampling)
        trained = tk.TransferModel(backbone).fit(data, plan, engine=PLAIN, verbose=0)
        given = trained.predict(noise)
        return float(np.mean([list(each.scores.values())[1] for each in given]))

    assert share("shuffled") == pytest.approx(0.2, abs=0.02)
    assert share("balanced") == pytest.approx(0.5, abs=0.02)


def test_of_very_many_pictures_a_part_is_solved_on(
    backbone: Any, photos: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "ROOM", 20 * 4 * 12)
    trained = tk.TransferModel(backbone).fit(
        photos, tk.plans.linear_probe(), engine=PLAIN, verbose=0
    )
    assert trained.engine_report.phases[0].notes[-1].endswith(", on 20 of the 30 pictures")


def test_what_cannot_be_solved_is_refused(backbone: Any, photos: tk.data.Data) -> None:
    model = tk.TransferModel(backbone)
    deep = model.head(tk.heads.classification(hidden=(8,)))
    with pytest.raises(SpecError, match=r"more than one linear layer.*feature_extraction\(\)"):
        deep.fit(photos, tk.plans.linear_probe(), verbose=0)
    thawed = tk.Phase(1, tk.freeze.nothing(), solver="lbfgs")
    with pytest.raises(SpecError, match=r"of the backbone 3 layers train, 'first_conv'"):
        model.fit(photos, thawed, verbose=0)


def test_a_head_that_cannot_be_solved_is_trained_by_default(
    backbone: Any, photos: tk.data.Data
) -> None:
    linear, deep = tk.TransferModel(backbone), tk.heads.classification(hidden=(8,))
    frozen = tk.freeze.backbone()
    found = [
        model.freeze(frozen).explain_engine(photos).phases[0].phase
        for model in (linear, linear.head(deep))
    ]
    assert found == ["linear probe", "feature extraction"]


@dataclass(frozen=True)
class Rescaled:
    """A head whose last layer is none that could be solved."""

    def bind(self, target: Any) -> Any:
        inner = tk.heads.classification().bind(target)
        build = inner.build

        class Bound(type(inner)):  # type: ignore[misc]
            def build(self, taps: Any) -> Any:
                return keras.layers.Rescaling(2.0)(build(taps))

        return Bound(inner.head, target)


def test_a_head_that_ends_in_another_layer_is_not_linear(
    backbone: Any, photos: tk.data.Data
) -> None:
    model = tk.TransferModel(backbone).head(Rescaled())
    with pytest.raises(SpecError, match="more than one linear layer"):
        model.fit(photos, tk.plans.linear_probe(), verbose=0)
