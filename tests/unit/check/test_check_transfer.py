"""Whether transfer helped: the verdict on planted cases, and on none."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check_cases import COUNT, LABELS, OFF, SIDE, edges, network

import transferkit as tk
from transferkit import _keras
from transferkit.check import TransferCheck, probing, training
from transferkit.check.probing import Probe, _shrunk
from transferkit.check.training import better_of, from_nothing, shortened
from transferkit.check.verdict import compared, compared_runs, judged
from transferkit.errors import DataError, SpecError, UnknownNameError
from transferkit.ranking.extracting import Source, embedded, loaded
from transferkit.transferability import ridge_probe

keras = _keras.keras()
Array = np.ndarray[Any, Any]


def checked(model: Any, photos: tk.data.Data, **more: Any) -> TransferCheck:
    return tk.check_transfer(model, photos, engine=OFF, verbose=0, **more)


def test_a_source_that_sees_what_matters_helps(stripes: tk.data.Data) -> None:
    found = checked(network(edges()), stripes)
    assert found.verdict == "positive"
    assert found.high < 0
    assert found.gap == pytest.approx(found.risk_with - found.risk_without)
    assert found.risk_with < 0.2
    assert (found.images, len(found.risks_without)) == (COUNT, 5)


def test_a_source_that_sees_nothing_hurts_where_random_filters_see(stripes: tk.data.Data) -> None:
    bright = np.asarray(stripes.train.pixels()) // 2
    bright[LABELS == 1] += 60
    photos = tk.data.from_arrays(bright, LABELS, val=0)
    found = checked(network(np.zeros((3, 3, 3, 4), np.float32)), photos)
    assert found.verdict == "negative"
    assert found.low > 0
    assert "another source" in found.advice[0]
    assert found.advice[1].startswith("warning: the bare pixels do better")


def test_validation_pictures_are_measured_by_the_probe_of_all_training_pictures(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the probe says of them is what a ridge regression by hand says."""
    monkeypatch.setattr(probing, "DRAWS", 1)
    body = network(edges())
    found = checked(body, held_out)
    assert found.images == COUNT == len(held_out.train) + 48
    alone = checked(body, held_out, split="val")
    assert alone.images == 48

    val = held_out.val
    assert val is not None
    loaded_body, _ = loaded(Source(body, "pretrained"), held_out.train, seed=0, verb="rank")
    vectors, unseen = (
        np.asarray(each.vectors, np.float64)
        for each in embedded(loaded_body, held_out.train, val, engine=OFF)
    )
    probe = ridge_probe(vectors, held_out.train.labels)
    mean, onehot = vectors.mean(axis=0), np.eye(2)[held_out.train.labels]
    centred = vectors - mean
    penalty = probe.penalty * np.square(centred).sum() / centred.shape[1]
    weights = np.linalg.solve(
        centred.T @ centred + penalty * np.eye(centred.shape[1]),
        centred.T @ (onehot - onehot.mean(axis=0)),
    )
    outputs = (unseen - mean) @ weights + onehot.mean(axis=0)
    wrong = (outputs.argmax(axis=1) != val.labels).sum() + (1 - probe.right).sum()
    assert found.risk_with == pytest.approx(wrong / COUNT)


def few_and_many(photos: tk.data.Data, count: int) -> tuple[tk.data.Split, tk.data.Split]:
    """So many training pictures, half of each class, and those of validation."""
    assert photos.val is not None
    return photos.few(count // 2, seed=0).train, photos.val


def test_training_pictures_are_drawn_anew_as_many_of_each_class(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drawing is what the probe says of those pictures; a picture's loss is the mean."""
    monkeypatch.setattr(probing, "DRAWS", 3)
    monkeypatch.setattr(probing, "PENALTIES", [0.1])
    few, val = few_and_many(held_out, 10)
    probe = Probe(few, [val], unseen=True, engine=OFF, verbose=0)
    labels = np.concatenate([few.labels, val.labels])
    draws = list(probe._draws(labels))
    assert [len(each) for each in draws] == [10, 10, 10]
    np.testing.assert_array_equal(draws[0], np.arange(10))
    for each in draws:
        assert len(set(each)) == 10
        np.testing.assert_array_equal(np.bincount(labels[each]), np.bincount(few.labels))
    assert set(draws[1]) != set(draws[2])

    vectors = np.random.default_rng(0).normal(size=(len(labels), 5))
    wrong = []
    for each in draws:
        head = ridge_probe(vectors[each], labels[each], penalties=[0.1])
        said = (vectors @ head.weights + head.bias).argmax(axis=1)
        lost = (said != labels).astype(float)
        lost[each] = 1 - head.right
        wrong.append(lost)
    found = probe._losses([vectors[:10], vectors[10:]])
    np.testing.assert_allclose(found, np.mean(wrong, axis=0))


def test_the_penalty_is_best_on_what_was_not_drawn(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalties = [1e-4, 1e-2, 0.1, 1.0, 100.0]
    monkeypatch.setattr(probing, "DRAWS", 4)
    few, val = few_and_many(held_out, 8)
    probe = Probe(few, [val], unseen=True, engine=OFF, verbose=0)
    labels = np.concatenate([few.labels, val.labels])
    draws = list(probe._draws(labels))
    vectors = np.random.default_rng(2).normal(size=(len(labels), 6))
    vectors *= [1, 0.3, 3, 3, 1, 0.3]
    vectors[:, :2] += np.outer(labels, [2, 0.4])

    def losses(tried: list[float]) -> Array:
        monkeypatch.setattr(probing, "PENALTIES", tried)
        return probe._losses([vectors[:8], vectors[8:]])

    held_out_risks, risks = [], []
    for penalty in penalties:
        off = []
        for each in draws:
            head = ridge_probe(vectors[each], labels[each], penalties=[penalty])
            rest = np.setdiff1d(np.arange(len(labels)), each)
            said = (vectors[rest] @ head.weights + head.bias).argmax(axis=1)
            off.append((said != labels[rest]).mean())
        held_out_risks.append(np.mean(off))
        risks.append(losses([penalty]).mean())
    best = int(np.argmin(held_out_risks))
    assert np.sum(held_out_risks == held_out_risks[best]) == 1
    assert best not in (np.argmin(risks), np.argmax(held_out_risks), 0, len(penalties) - 1)
    np.testing.assert_array_equal(losses(penalties), losses([penalties[best]]))
    assert not np.array_equal(losses(penalties), losses([penalties[best - 1]]))


def test_of_equally_good_penalties_the_largest_counts(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(drawn: Array, vectors: Array, columns: Array, *, penalties: Array, **_: Any) -> Array:
        lost = np.full((len(penalties), len(vectors)), 0.5)
        lost[:, drawn] = np.asarray(penalties)[:, None]  # tells them apart, and decides nothing
        return lost

    monkeypatch.setattr(probing, "DRAWS", 2)
    monkeypatch.setattr(probing, "PENALTIES", np.array([0.1, 0.4, 0.2]))
    monkeypatch.setattr(probing, "lost_by", told)
    few, val = few_and_many(held_out, 10)
    probe = Probe(few, [val], unseen=True, engine=OFF, verbose=0)
    found = probe._losses([np.ones((10, 2)), np.ones((len(val), 2))])
    assert found.sum() == pytest.approx(0.5 * len(val) + 0.4 * 10)


@pytest.mark.parametrize("labels", [[0, 0], [0, 1]])
def test_training_pictures_of_one_class_are_refused(labels: list[int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, SIDE, SIDE, 3), dtype=np.uint8)
    train, val = (
        tk.data.from_arrays(part, rows, class_names=["a", "b"], val=0)
        for part, rows in ((pixels[:20], [0] * 20), (pixels[20:], labels * 10))
    )
    photos = replace(train, val=replace(val.train, name="val"))
    with pytest.raises(DataError, match="check_transfer: all images are of one class"):
        checked(network(edges()), photos, inits=2)


def test_features_that_are_not_finite_are_refused(held_out: tk.data.Data) -> None:
    broken = edges()
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="the features of image 0 are not all finite"):
        checked(network(broken), held_out.few(4, seed=0), inits=2)


def test_a_network_that_has_seen_its_training_pictures_gets_no_others(
    held_out: tk.data.Data,
) -> None:
    few, val = few_and_many(held_out, 10)
    probe = Probe(few, [val], unseen=False, engine=OFF, verbose=0)
    labels = np.concatenate([few.labels, val.labels])
    (drawn,) = probe._draws(labels)
    np.testing.assert_array_equal(drawn, np.arange(10))
    vectors = np.random.default_rng(0).normal(size=(len(labels), 5))
    assert len(probe._losses([vectors[:10], vectors[10:]])) == len(val)


def test_drawing_makes_few_pictures_say_more(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = held_out.few(4, seed=0)
    drawn = checked(network(edges()), few)
    monkeypatch.setattr(probing, "DRAWS", 1)
    once = checked(network(edges()), few)
    assert drawn.high - drawn.low < 0.9 * (once.high - once.low)


def test_many_pictures_are_drawn_once(
    held_out: tk.data.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, val = few_and_many(held_out, 10)
    probe = Probe(few, [val], unseen=True, engine=OFF, verbose=0)
    labels = np.concatenate([few.labels, val.labels])
    counts = []
    for limit in (9, 29, 4000):
        monkeypatch.setattr(probing, "DRAWN", limit)
        counts.append(len(list(probe._draws(labels))))
    assert counts == [1, 2, 20]


def test_a_drawing_that_has_hardly_any_variance_spoils_no_risk() -> None:
    """Squared errors are held against the variance of all training targets."""
    rng = np.random.default_rng(0)
    targets = np.where(np.arange(60) % 15, 0.1, 0.9)
    pixels = rng.integers(0, 255, (60, SIDE, SIDE, 3), dtype=np.uint8)
    train, val = (
        tk.data.from_arrays(pixels[part], targets[part], task="values", val=0).train
        for part in (slice(0, 20), slice(20, 60))
    )
    probe = Probe(train, [val], unseen=True, engine=OFF, verbose=0)
    vectors = rng.normal(size=(60, 5))
    lost = probe._losses([vectors[:20], vectors[20:]])
    assert 0.5 < lost.mean() < 3
    assert lost.max() < 50


def test_groups_stay_in_their_splits() -> None:
    """Features that know the patient, and nothing of the class, would do well on siblings."""
    patients = np.repeat(np.arange(12), 10)
    labels = np.repeat(np.random.default_rng(0).integers(0, 2, 12), 10)
    pixels = np.zeros((120, SIDE, SIDE, 3), np.uint8)
    photos = tk.data.from_arrays(pixels, labels, groups=patients, val=0.4, seed=0)
    assert photos.val is not None
    probe = Probe(photos.train, [photos.val], unseen=True, engine=OFF, verbose=0)
    assert len(list(probe._draws(np.concatenate([photos.train.labels, photos.val.labels])))) == 1


def test_numbers_are_drawn_whatever_they_are() -> None:
    labels = np.linspace(0.0, 1.0, 12)[:, None]
    drawn = probing._drawn(labels, labels[:4], np.random.default_rng(0))
    assert len(set(drawn)) == 4
    assert set(drawn) != set(range(4))


def test_classes_are_those_of_the_training_pictures() -> None:
    columns = probing._columns(np.array([1, 7, 9]), np.array([1, 1, 4, 7]))
    np.testing.assert_array_equal(columns, [[1, 0, 0], [0, 0, 1], [0, 0, 0]])
    numbers = np.linspace(0, 1, 3)
    np.testing.assert_array_equal(probing._columns(numbers, numbers), numbers[:, None])


def test_the_same_seed_gives_the_same_check(stripes: tk.data.Data) -> None:
    first, again, other = (
        checked(network(edges()), stripes, inits=2, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first.risks_without != other.risks_without
    assert first.risk_with == other.risk_with


def test_a_random_networks_statistics_are_those_of_the_pictures(stripes: tk.data.Data) -> None:
    body, _ = loaded(Source(network(edges()), None), stripes.train, seed=1, verb="rank")
    pixels = np.asarray(stripes.train.pixels(), np.float32)
    until = keras.Model(body.network.inputs[0], body.network.get_layer("norm").output)
    made = np.asarray(until(pixels, training=True))
    np.testing.assert_allclose(made.mean(axis=(0, 1, 2)), 0, atol=5e-2)
    np.testing.assert_allclose(made.std(axis=(0, 1, 2)), 1, atol=5e-2)
    assert not body.network.get_layer("conv").trainable


def test_numbers_are_compared_by_their_squared_error(stripes: tk.data.Data) -> None:
    pixels = np.asarray(stripes.train.pixels())
    numbers = pixels.mean(axis=(1, 2, 3))
    photos = tk.data.from_arrays(pixels, numbers, task="values", val=0)
    found = checked(network(np.zeros((3, 3, 3, 4), np.float32)), photos)
    assert found.risk_with == pytest.approx((COUNT / (COUNT - 1)) ** 2, rel=0.01)
    assert found.risk_of_pixels is not None
    assert found.risk_of_pixels < found.risk_with
    assert found.verdict == "negative"


def test_a_check_is_printed_drawn_and_kept(stripes: tk.data.Data, tmp_path: Path) -> None:
    found = checked(network(edges(), "edges"), stripes, inits=2)
    text = repr(found)
    assert text.splitlines()[0].split() == [
        "Transfer:",
        found.verdict + ",",
        "on",
        "120",
        "images,",
        "by",
        "probe",
    ]
    assert "edges (pretrained)" in text
    assert "below 0 the source helps" in text
    assert "<table" in found._repr_html_()
    assert TransferCheck.from_config(found.to_config()) == found
    figure = found.plot()
    figure.savefig(tmp_path / "check.png")
    risks, gap = figure.axes
    told = [each.get_text() for each in risks.get_yticklabels()]
    assert told == ["pixels", "random networks", "source"]
    assert gap.get_xlabel() == "gap: below 0 the source helps"


def test_what_cannot_be_checked_is_refused(stripes: tk.data.Data) -> None:
    with pytest.raises(SpecError, match="VGG16 has random weights, so that nothing is transferred"):
        checked("VGG16", stripes, weights=None)
    with pytest.raises(SpecError, match="nothing can be compared"):
        checked("VGG16", stripes, inits=1)
    with pytest.raises(SpecError, match="nothing can be compared"):
        checked("VGG16", stripes, margin=-0.1)
    with pytest.raises(UnknownNameError, match="no split called 'test'"):
        checked("VGG16", stripes, split="test")
    few = tk.data.from_arrays(np.zeros((3, SIDE, SIDE, 3), np.uint8), [0, 1, 0], val=0)
    with pytest.raises(DataError, match="the split has 3 pictures"):
        checked("VGG16", few)


def test_pixels_are_shrunk_to_mean_colours() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 24, 40, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(pixels, [0, 1, 0], val=0)
    wanted = pixels.reshape(3, 8, 3, 8, 5, 3).mean(axis=(2, 4)).reshape(3, -1)
    np.testing.assert_allclose(_shrunk(photos.train), wanted, rtol=1e-5)


# The interval.


def drawn(generator: Any, networks: int, images: int, *, spread: float) -> Array:
    """Losses of networks whose risks differ, on images that are hard for all or for none."""
    risks = np.clip(generator.normal(0.35, spread, networks), 0.02, 0.98)
    hardness = generator.uniform(-0.3, 0.3, images)
    chances = np.clip(risks[:, None] + hardness, 0, 1)
    return np.asarray(generator.uniform(size=(networks, images)) < chances).astype(float)


@pytest.mark.parametrize("spread", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("images", [20, 200])
def test_one_more_random_network_is_rarely_called_better_or_worse(
    images: int, spread: float
) -> None:
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        losses = drawn(generator, 6, images, spread=spread)
        verdict, *_ = compared(losses[0], losses[1:], margin=0.02)
        wrong += verdict in ("positive", "negative")
    assert wrong / 400 <= 0.05 + 1.96 * math.sqrt(0.05 * 0.95 / 400)


def test_a_source_that_is_clearly_better_is_found() -> None:
    generator = np.random.default_rng(0)
    found = []
    for _ in range(50):
        losses = drawn(generator, 5, 200, spread=0.03)
        source = np.asarray(generator.uniform(size=200) < 0.1).astype(float)
        found.append(compared(source, losses, margin=0.02)[0])
    assert found.count("positive") >= 48


def test_images_that_all_agree_do_not_make_an_interval_of_nothing() -> None:
    verdict, gap, low, high = compared(np.zeros(4), np.ones((3, 4)), margin=0.02)
    assert (verdict, gap) == ("positive", -1)
    assert low < -1 < high < 0
    verdict, gap, low, high = compared(np.zeros(500), np.zeros((3, 500)), margin=0.02)
    assert (verdict, gap) == ("none", 0)


def test_an_interval_is_read_by_where_it_lies() -> None:
    assert judged(-0.2, -0.1, 0.02) == "positive"
    assert judged(0.1, 0.2, 0.02) == "negative"
    assert judged(-0.01, 0.02, 0.02) == "none"
    assert judged(-0.03, 0.01, 0.02) == "undecided"


def test_an_interval_is_students() -> None:
    """Three networks that differ and images that do not: s^2 (1 + 1/3), two degrees of freedom."""
    without = np.repeat([[0.2], [0.4], [0.6]], 10_000, axis=1)
    lost = np.zeros(10_000)
    _, gap, low, high = compared(lost, without, margin=0.02)
    assert gap == pytest.approx(-0.4)
    assert (high - low) / 2 == pytest.approx(4.302653 * np.sqrt(0.04 * 4 / 3), rel=1e-3)


# Both arms trained.


def test_the_means_of_two_arms_are_welchs() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.3, 0.05, 4), rng.normal(0.4, 0.1, 6)
    spread = [np.repeat(each[:, None], 10_000, axis=1) for each in (one, other)]
    _, gap, low, high = compared_runs(*spread, margin=0.02)
    oracle = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert gap == pytest.approx(one.mean() - other.mean())
    assert (low, high) == pytest.approx((oracle.low, oracle.high), rel=1e-3)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_two_arms_that_are_alike_are_rarely_called_different(spread: float) -> None:
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        losses = drawn(generator, 6, 40, spread=spread)
        wrong += compared_runs(losses[:3], losses[3:], margin=0.02)[0] in ("positive", "negative")
    assert wrong / 400 <= 0.05 + 1.96 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.slow
def test_training_finds_a_source_that_helps(held_out: tk.data.Data) -> None:
    model = tk.TransferModel(network(edges(), "edges"))
    found = checked(model, held_out, tier="full", inits=2, plan=tk.plans.linear_probe())
    assert (found.tier, found.verdict, found.images) == ("full", "positive", 48)
    assert found.risk_with < 0.2 < 0.35 < found.risk_without
    assert found.risk_of_pixels is None
    assert "by full" in repr(found)
    assert "pixels" not in repr(found)
    assert TransferCheck.from_config(found.to_config()) == found
    found.plot()


def test_training_finds_a_source_that_hurts(stripes: tk.data.Data) -> None:
    bright = np.asarray(stripes.train.pixels()) // 2
    bright[LABELS == 1] += 100
    photos = tk.data.from_arrays(bright, LABELS, val=0.4, seed=0)
    blind = tk.TransferModel(network(np.zeros((3, 3, 3, 4), np.float32)))
    plan = tk.plans.feature_extraction(4, batch_size=4, learning_rate=1e-2)
    found = checked(blind, photos, tier="full", inits=2, plan=plan)
    assert found.verdict == "negative"
    assert found.risk_with == pytest.approx(0.5, abs=0.1)


def test_a_curve_is_the_beginning_of_the_plan() -> None:
    plan = tk.plans.linear_probe_then_fine_tune(10, freeze=tk.freeze.nothing(), batch_size=4)
    assert [phase.epochs for phase in shortened(plan)] == [1, 2]
    (phase,) = from_nothing(shortened(plan))
    assert (phase.epochs, phase.batch_size) == (3, 4)
    assert phase.freeze == tk.freeze.nothing(batch_norm="train")


@pytest.mark.parametrize("better", [0, 1])
def test_without_the_source_the_better_of_two_ways_counts(
    held_out: tk.data.Data, better: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way is trained as often as was asked for, calibrated only where the plan is the same."""
    model = tk.TransferModel(network(edges())).freeze(tk.freeze.backbone())
    trained = model.fit(held_out, tk.plans.linear_probe(), engine=OFF, verbose=0)
    asked: list[tuple[str, bool]] = []

    def lost(evaluation: Any) -> Array:
        return np.full(48, 0.2 if (len(asked) > 2) == better else 0.7)

    def fit(self: tk.TrainedModel, data: tk.data.Data, plan: tk.Plan, **how: Any) -> Any:
        drawn_norm = np.asarray(self.network.get_layer("norm").moving_mean)
        asked.append((plan.phases[0].name, bool(np.abs(drawn_norm).max() > 0)))
        return self

    monkeypatch.setattr(training, "lost_of", lost)
    monkeypatch.setattr(tk.TrainedModel, "fit", fit)
    plan = tk.plans.linear_probe()
    assert held_out.val is not None
    found = training.lost_without(trained, plan, held_out, held_out.val, runs=2, seed=0)
    assert asked == [("linear probe", True)] * 2 + [("from random weights", False)] * 2
    assert found.shape == (2, 48)
    assert found.mean() == pytest.approx(0.2)


def test_what_is_better_is_asked_of_the_other_half_of_the_pictures() -> None:
    rng = np.random.default_rng(0)
    clear = rng.integers(0, 2, (3, 20)) * 0.2, 1.0 - rng.integers(0, 2, (3, 20)) * 0.2
    np.testing.assert_array_equal(better_of(clear), clear[0])
    np.testing.assert_array_equal(better_of(clear[::-1]), clear[0])
    first = np.tile([0.0, 1.0], (2, 5))  # right on every second picture
    np.testing.assert_array_equal(better_of([first, 1 - first]), np.ones((2, 10)))


def test_choosing_the_better_of_two_alike_flatters_neither() -> None:
    rng = np.random.default_rng(0)
    ways = rng.integers(0, 2, (2, 400, 1, 40)).astype(float)
    found = [better_of(list(ways[:, draw])).mean() for draw in range(400)]
    luckier = ways.mean(axis=(2, 3)).min(axis=0)
    assert luckier.mean() < 0.47
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / 20)


@pytest.mark.parametrize(("tier", "epochs"), [("curve", 2), ("full", 10)])
def test_without_a_plan_the_default_is_trained(
    held_out: tk.data.Data, tier: str, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AskedError(Exception):
        """With the plan that was to be trained."""

    def fit(self: tk.TransferModel, data: tk.data.Data, plan: tk.Plan, **how: Any) -> Any:
        raise AskedError(plan)

    model = tk.TransferModel(network(edges())).freeze(tk.freeze.backbone())
    assert model.default_plan(held_out) == tk.plans.linear_probe()
    longer = tk.plans.feature_extraction(10)
    monkeypatch.setattr(tk.TransferModel, "default_plan", lambda self, data: longer)
    monkeypatch.setattr(tk.TransferModel, "fit", fit)
    with pytest.raises(AskedError) as caught:
        checked(model, held_out, tier=tier, inits=2)
    assert caught.value.args == (tk.plans.feature_extraction(epochs),)


def test_what_cannot_be_trained_is_refused(stripes: tk.data.Data, held_out: tk.data.Data) -> None:
    with pytest.raises(SpecError, match=r"str cannot be trained.*tk.TransferModel"):
        checked("VGG16", held_out, tier="full")
    model = tk.TransferModel(network(edges()))
    with pytest.raises(DataError, match=r"of which there are 0.*hold_out\(0.2\)"):
        checked(model, stripes, tier="full")
    with pytest.raises(UnknownNameError, match=r"no tier called 'fuller'.*full"):
        checked(model, held_out, tier="fuller")
