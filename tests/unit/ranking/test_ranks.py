"""Rankings of backbones and of layers: what is in them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, transferability
from transferkit.errors import SpecError, UnknownNameError
from transferkit.ranking import Ranking
from transferkit.ranking.extracting import Source, embedded, loaded
from transferkit.ranking.scoring import parts, scored
from transferkit.spec import BackboneNetwork

keras = _keras.keras()
Layer: Any = keras.layers.Layer
Array = np.ndarray[Any, Any]
SIDE, COUNT = 16, 40
LABELS = np.arange(COUNT) % 2
F32 = tk.Engine(precision="float32", prefix="tensorflow")


def network(kernel: Array | None = None, name: str = "tiny") -> BackboneNetwork:
    """A convolution that means something, and one behind it that forgets it."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="sees")(pixels)
    x = keras.layers.ReLU(name="sees_relu")(x)
    x = keras.layers.Conv2D(3, 3, use_bias=False, name="forgets")(x)
    made = keras.Model(pixels, x, name=name)
    if kernel is not None:
        made.get_layer("sees").kernel.assign(kernel)
        made.get_layer("forgets").kernel.assign(np.zeros((3, 3, 4, 3)))
    return tk.backbones.from_keras(made, preprocessing="unit", blocks="(sees|forgets)")


def edges() -> Array:
    """Kernels that answer to stripes across and to stripes down."""
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0, :, :, 0], kernel[2, :, :, 0] = 1, -1
    kernel[:, 0, :, 1], kernel[:, 2, :, 1] = 1, -1
    return kernel


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    """Stripes across or down at random places, on noise: no mean colour tells them apart."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (COUNT, SIDE, SIDE, 3))
    for picture, label in zip(pixels, LABELS, strict=True):
        first = int(rng.integers(0, 4))
        view = picture if label else picture.transpose(1, 0, 2)
        view[first::4] += 120
    return tk.data.from_arrays(pixels.astype(np.uint8), LABELS, val=0)


@pytest.fixture(scope="module")
def ranking(photos: tk.data.Data) -> Ranking:
    good, poor = network(edges(), "good"), network(name="drawn")
    candidates = [poor, good, tk.TransferModel("keras:VGG16", weights=None)]
    return tk.rank(candidates, photos, scores=("ridge", "knn", "logme"), engine=F32, verbose=0)


def test_features_that_tell_the_classes_apart_come_first(photos: tk.data.Data) -> None:
    blind = np.zeros((3, 3, 3, 4), np.float32)
    candidates = [network(blind, "blind"), network(edges(), "sees edges")]
    found = tk.rank_layers(candidates[1], photos, scores=("knn", "ridge"), engine=F32, verbose=0)
    assert found.names == ("sees", "forgets")
    assert found["sees"].scores["knn"].value == 1
    assert found["sees"].scores["knn"].value > found["forgets"].scores["knn"].interval[1]
    assert [each.channels for each in found] == [4, 3]
    assert [each.parameters for each in found] == [108, 216]


def test_a_row_says_what_was_seen_and_what_it_costs(ranking: Ranking) -> None:
    assert ranking.scores == ("ridge", "knn", "logme")
    assert ranking.images == COUNT
    assert sorted(ranking.names) == ["drawn", "good", "keras:VGG16"]
    values = [each.scores["ridge"].value for each in ranking if each.problem is None]
    assert values == sorted(values, reverse=True)
    good = ranking["good"]
    assert (good.parameters, good.channels) == (216, 3)
    assert good.multiply_adds == 14 * 14 * 108 + 12 * 12 * 108
    assert good.seconds is not None
    assert 0 < good.seconds < 1
    assert ranking[0] is ranking.best


def test_a_candidate_that_fails_is_a_row_with_its_reason(ranking: Ranking) -> None:
    failed = ranking["keras:VGG16"]
    assert ranking[-1] is failed
    assert failed.problem is not None
    assert "cannot take pictures of 16 x 16 pixels" in failed.problem
    assert failed.scores == {}
    text = repr(ranking)
    assert text.splitlines()[0] == "Ranking by ridge on 40 images, with 95 % intervals"
    assert "keras:VGG16: load: keras:VGG16 cannot take pictures" in text
    with pytest.raises(SpecError, match="keras:VGG16 has no scores"):
        ranking.difference("good", "keras:VGG16")


def test_scores_are_those_of_the_networks_own_features(photos: tk.data.Data) -> None:
    good = network(edges(), "good")
    found = tk.rank([good], photos, scores=("ridge", "h_score", "logme"), engine=F32, verbose=0)
    pixels = np.asarray(photos.train.pixels(), np.float32)
    body: Any = good.load(input_shape=(SIDE, SIDE, 3), weights="pretrained")
    features = np.asarray(body.network(pixels)).mean(axis=(1, 2))
    labels = photos.train.labels
    wanted = transferability.ridge_probe(features, labels).score
    assert found["good"].scores["ridge"].value == pytest.approx(wanted)


def test_features_are_computed_once(photos: tk.data.Data, tmp_path: Path) -> None:
    engine = tk.Engine(precision="float32", prefix="tensorflow", cache=tmp_path)
    drawn = network(name="drawn")
    first = tk.rank([drawn], photos, engine=engine, verbose=0)
    entries = tk.cache.info(tmp_path).entries
    assert len(entries) == 1
    again = tk.rank([drawn], photos, engine=engine, verbose=0)
    assert len(tk.cache.info(tmp_path).entries) == 1
    assert again["drawn"].seconds == first["drawn"].seconds
    assert again["drawn"].scores["knn"].value == first["drawn"].scores["knn"].value
    without = tk.rank(
        [drawn],
        photos,
        engine=tk.Engine(precision="float32", prefix="tensorflow", cache=False),
        verbose=0,
    )
    assert without["drawn"].seconds is None
    for name in without.scores:
        value = without["drawn"].scores[name].value
        assert value == pytest.approx(first["drawn"].scores[name].value, rel=1e-5)


def test_two_weights_of_one_backbone_are_told_apart(photos: tk.data.Data, tmp_path: Path) -> None:
    sized = photos.resized(32)
    path = tmp_path / "mine.weights.h5"
    keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=1.0
    ).save_weights(path)
    models = [tk.TransferModel("MobileNet", weights=w) for w in (None, path)]
    found = tk.rank(models, sized, scores=("ridge",), verbose=0)
    assert sorted(found.names) == ["keras:MobileNet (mine.weights.h5)", "keras:MobileNet (random)"]


def test_a_network_without_weights_is_calibrated() -> None:
    """As it is drawn its statistics are 0 and 1, and its vectors smaller by the block."""
    pixels = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    split = tk.data.from_arrays(pixels, [0, 1] * 4, val=0).train
    body, sized = loaded(Source("keras:MobileNetV2", None), split, seed=0, verb="rank")
    norm = body.network.get_layer("Conv_1_bn")
    assert float(norm.moving_variance.numpy().mean()) != pytest.approx(1.0, abs=0.1)
    assert norm.momentum == 0.999, "that is for a training to change"
    (found,) = embedded(body, sized, engine=tk.Engine(cache=False))
    assert np.asarray(found.vectors, np.float32).std() > 0.05


class Block(Layer):
    """A norm of its own inside."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.conv, self.norm = keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.norm(self.conv(inputs), training=training)


def test_norms_inside_a_layer_of_ones_own_are_calibrated_too(photos: tk.data.Data) -> None:
    pixels = keras.Input((16, 16, 3))
    body = keras.Model(pixels, Block(name="block")(pixels))
    own = tk.backbones.from_keras(body, preprocessing="unit")
    drawn, _ = loaded(Source(own, None), photos.train, seed=0, verb="rank")
    norm = drawn.network.layers[-1].norm
    assert norm.moving_mean.numpy().any()
    assert not norm.trainable


def test_numbers_and_labels_have_scores_of_their_own(photos: tk.data.Data) -> None:
    pixels = np.asarray(photos.train.pixels())
    numbers = tk.data.from_arrays(pixels, pixels.mean(axis=(1, 2, 3)), task="values", val=0)
    found = tk.rank([network(edges())], numbers, verbose=0)
    assert found.scores == ("ridge", "logme")
    with pytest.raises(SpecError, match="knn is a score for classes"):
        tk.rank([network()], numbers, scores=("knn",), verbose=0)


def test_another_score_gives_another_order_of_the_same_rows(ranking: Ranking) -> None:
    other = ranking.by("logme")
    assert other.scores == ("logme", "ridge", "knn")
    assert sorted(other.names) == sorted(ranking.names)
    values = [each.scores["logme"].value for each in other if each.problem is None]
    assert values == sorted(values, reverse=True)
    with pytest.raises(UnknownNameError, match="no score called 'h_score'"):
        ranking.by("h_score")


def test_a_difference_is_taken_on_the_same_draws(ranking: Ranking) -> None:
    same = ranking.difference("good", "good")
    assert (same.value, same.low, same.high, same.clear) == (0, 0, 0, False)
    one, other = ranking.difference("good", "drawn"), ranking.difference("drawn", "good")
    assert one.value == -other.value
    assert one.low == pytest.approx(-other.high)


def test_the_table_goes_to_pandas_and_into_a_figure(ranking: Ranking, tmp_path: Path) -> None:
    frame = pytest.importorskip("pandas") and ranking.to_frame()
    assert list(frame["name"]) == list(ranking.names)
    assert frame["ridge_low"][0] <= frame["ridge"][0] <= frame["ridge_high"][0]
    assert "<table" in ranking._repr_html_()
    for cost in ("multiply_adds", "parameters", "seconds"):
        figure: Any = ranking.plot("knn", cost)
        figure.savefig(tmp_path / "figure.png")
        (axes,) = figure.axes
        assert axes.get_ylabel() == "knn"
        assert {each.get_text() for each in axes.texts} == {"good", "drawn"}
    with pytest.raises(SpecError, match="there is no such cost"):
        ranking.plot(cost="euros")  # type: ignore[arg-type]


def test_what_makes_no_sense_is_refused(photos: tk.data.Data) -> None:
    with pytest.raises(SpecError, match="there is no candidate"):
        tk.rank([], photos)
    with pytest.raises(SpecError, match="int is no candidate"):
        tk.rank([3], photos)
    with pytest.raises(UnknownNameError, match=r"no score called 'lgome'.*'logme'"):
        tk.rank(["VGG16"], photos, scores=("lgome",))
    for name, given in (("leep", "probabilities,"), ("nce", r"probabilities.argmax\(axis=1\),")):
        with pytest.raises(SpecError, match=rf"source's own head.*{name}\({given}.*classifier"):
            tk.rank(["VGG16"], photos, scores=("knn", name))
    with pytest.raises(SpecError, match="no score was asked for"):
        tk.rank(["VGG16"], photos, scores=())
    with pytest.raises(UnknownNameError, match="no split called 'val'"):
        tk.rank(["VGG16"], photos, split="val")
    with pytest.raises(UnknownNameError, match="MobilNet"):
        tk.rank(["MobilNet"], photos)
    failed = tk.rank(["VGG16"], photos, weights=None, verbose=0)
    with pytest.raises(SpecError, match="no candidate could be scored"):
        _ = failed.best
    with pytest.raises(UnknownNameError, match="no candidate called 'VGG19'"):
        failed["VGG19"]
    with pytest.raises(SpecError, match="no candidate has a score and multiply_adds"):
        failed.plot()


def test_parts_have_every_class_and_no_image_twice() -> None:
    ids = np.array([0] * 30 + [1] * 9 + [2])
    drawn = parts(ids, 40, seed=0, draws=5)
    for rows in drawn:
        assert len(set(rows.tolist())) == len(rows)
        assert np.bincount(ids[rows]).tolist() == [15, 4, 1]
    assert not np.array_equal(drawn[0], drawn[1])
    again = parts(ids, 40, seed=0, draws=5)
    assert all(map(np.array_equal, drawn, again))
    assert len(parts(np.zeros(0, int), 5000, seed=0, draws=1)[0]) == 400


@pytest.mark.parametrize(("score", "count"), [("logme", 60), ("logme", 1500), ("ridge", 60)])
def test_an_interval_is_as_wide_as_the_score_varies_from_sample_to_sample(
    score: str, count: int
) -> None:
    """Of parts that are a half, of parts that are less, and of bootstrapped images."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2

    def sample() -> Array:
        return np.asarray(generator.normal(size=(count, 1)) + labels[:, None])

    widths = []
    for seed in range(3):
        low, high = scored(sample(), labels, (score,), seed=seed)[score].interval
        widths.append(high - low)
    values = [scored(sample(), labels, (score,), draws=1)[score].value for _ in range(100)]
    expected = 2 * 1.96 * np.std(values)
    assert 0.75 * expected < np.mean(widths) < 1.35 * expected


def test_two_images_of_a_class_have_an_interval_too() -> None:
    labels = np.repeat(np.arange(20), 2)
    features = np.random.default_rng(0).normal(size=(40, 5)) + np.eye(20)[labels][:, :5]
    found = scored(features, labels, ("ridge", "knn", "logme"))
    for each in found.values():
        low, high = each.interval
        assert low < high


def test_r2_of_the_images_is_that_of_the_probe() -> None:
    features = np.random.default_rng(0).normal(size=(30, 3))
    numbers = features @ np.array([1.0, 2.0, 0.0]) + np.random.default_rng(1).normal(size=30)
    found = scored(features, numbers[:, None], ("ridge",))["ridge"]
    assert found.value == pytest.approx(transferability.ridge_probe(features, numbers).score)
