"""Focal losses and logit adjustment, against sums that are written out in NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, heads
from transferkit.errors import SpecError
from transferkit.heads import losses
from transferkit.spec import Target

Array = np.ndarray[Any, Any]

keras, tf = _keras.keras(), _keras.tf()
THREE = Target("classes", ("ants", "bees", "wasps"), counts=(6, 3, 1))
TWO = Target("classes", ("ants", "bees"), counts=(6, 2))
TAGS = Target("labels", ("red", "round", "big"), counts=(4, 2, 1))
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 3)).astype(np.float32)
IDS = np.array([0, 1, 2, 1, 0])
SOFT = np.array([[0.7, 0.2, 0.1], [0, 1, 0], [0.5, 0, 0.5], [0.3, 0.3, 0.4], [1, 0, 0]], np.float32)
MULTI_HOT = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]], np.float32)
EXTREME = np.array(
    [[100, -100, 0], [-100, 100, 3], [100, 100, -100], [-100, -100, 100], [0, 0, 0]], np.float32
)
GAMMAS = (0.5, 1.0, 2.0, 5.0)


def log_softmax(logits: Array) -> Array:
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def focal_softmax(rows: Array, logits: Array, gamma: float) -> Array:
    """Class by class; what a class lacks to 1 is what all others have, which cancels nothing."""
    log_p = log_softmax(logits)
    loss = np.zeros(len(rows))
    for c in range(rows.shape[1]):
        others = np.exp(np.delete(log_p, c, axis=1)).sum(axis=1)
        loss += -rows[:, c] * others**gamma * log_p[:, c]
    return loss


def focal_sigmoid(rows: Array, logits: Array, gamma: float) -> Array:
    """Each output as a softmax over itself and a logit of nought."""
    loss = np.zeros(rows.shape)
    for place in np.ndindex(*rows.shape):
        pair = np.array([[0.0, logits[place]]])
        share: Array = np.array([[1 - rows[place], rows[place]]])
        loss[place] = focal_softmax(share, pair, gamma)[0]
    return np.asarray(loss.mean(axis=1))


def differences(function: Callable[[Array], Array], logits: Array, width: float = 1e-4) -> Array:
    """The gradient of each row's loss, by central differences."""
    found = np.zeros(logits.shape)
    for column in range(logits.shape[1]):
        moved = np.zeros(logits.shape)
        moved[:, column] = width
        wide = logits.astype(np.float64)
        found[:, column] = (function(wide + moved) - function(wide - moved)) / (2 * width)
    return found


def each(bound: Any, targets: Array, logits: Array) -> tuple[Array, Array]:
    """The loss of every row, and its gradient."""
    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = bound.loss().call(tf.constant(targets), given)
    return loss.numpy(), tape.gradient(loss, given).numpy()


def value(loss: Any, targets: Array, outputs: Array) -> float:
    return float(np.asarray(loss(targets, outputs)))


# ------------------------------------------------------------------------------- focal losses


@pytest.mark.parametrize("logits", [LOGITS, EXTREME], ids=["usual", "extreme"])
@pytest.mark.parametrize("rows", [np.eye(3, dtype=np.float32)[IDS], SOFT], ids=["one-hot", "soft"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_focal_loss_and_its_gradient_are_those_by_hand(
    gamma: float, rows: Array, logits: Array
) -> None:
    loss, gradient = each(tk.heads.classification(focal=gamma).bind(THREE), rows, logits)
    np.testing.assert_allclose(loss, focal_softmax(rows, logits, gamma), rtol=1e-5, atol=1e-6)
    expected = differences(lambda moved: focal_softmax(rows, moved, gamma), logits)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("logits", [LOGITS, EXTREME], ids=["usual", "extreme"])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_focal_loss_of_labels_and_its_gradient_are_those_by_hand(
    gamma: float, logits: Array
) -> None:
    bound = tk.heads.multilabel(focal=gamma).bind(TAGS)
    loss, gradient = each(bound, MULTI_HOT, logits)
    expected = focal_sigmoid(MULTI_HOT, logits, gamma)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)
    slope = differences(lambda moved: focal_sigmoid(MULTI_HOT, moved, gamma), logits)
    np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-5)


def test_a_gradient_is_finite_where_a_probability_is_1_and_the_exponent_small() -> None:
    for gamma in (0.01, 0.5):
        for head in (tk.heads.classification(focal=gamma), tk.heads.multilabel(focal=gamma)):
            bound: Any = head.bind(THREE if head.task == "classes" else TAGS)
            loss, gradient = each(bound, np.eye(3, dtype=np.float32), 1e4 * (2 * np.eye(3) - 1))
            assert np.abs(loss).max() == 0
            assert np.abs(gradient).max() == 0


def test_focal_labels_are_smoothed_and_weighed_as_they_are_without() -> None:
    head = tk.heads.classification(focal=2.0, label_smoothing=0.1, class_weight={"bees": 3.0})
    loss, _ = each(head.bind(THREE), np.eye(3, dtype=np.float32)[IDS], LOGITS)
    smooth = 0.9 * np.eye(3)[IDS] + 0.1 / 3
    weights = np.array([1.0, 3.0, 1.0])[IDS]
    np.testing.assert_allclose(loss, weights * focal_softmax(smooth, LOGITS, 2.0), rtol=1e-5)
    many = tk.heads.multilabel(focal=2.0, label_smoothing=0.1, class_weight={"round": 3.0})
    loss, _ = each(many.bind(TAGS), MULTI_HOT, LOGITS)
    parts = [
        focal_sigmoid((0.9 * MULTI_HOT + 0.05)[:, [c]], LOGITS[:, [c]], 2.0)
        * np.where(MULTI_HOT[:, c] > 0, weight, 1.0)
        for c, weight in enumerate((1.0, 3.0, 1.0))
    ]
    np.testing.assert_allclose(loss, np.mean(parts, axis=0), rtol=1e-5)


def test_what_is_told_well_counts_less_and_what_is_told_badly_as_before() -> None:
    logits = np.array([[4.0, 0.0, 0.0], [-4.0, 4.0, 4.0]], np.float32)
    rows = np.eye(3, dtype=np.float32)[[0, 0]]
    shares = [
        each(tk.heads.classification(focal=gamma).bind(THREE), rows, logits)[0]
        / each(tk.heads.classification().bind(THREE), rows, logits)[0]
        for gamma in GAMMAS
    ]
    p = np.exp(log_softmax(logits)[:, 0])
    np.testing.assert_allclose(shares, [(1 - p) ** gamma for gamma in GAMMAS], rtol=1e-4)
    assert all(well[0] < before[0] for before, well in pairwise(shares))


@pytest.mark.parametrize("gamma", [0.0, 1e-6])
def test_without_a_factor_it_is_kerass_cross_entropy(gamma: float) -> None:
    rows = np.eye(3, dtype=np.float32)[IDS]
    tolerance = 0 if gamma == 0 else 1e-5
    for smoothing in (0.0, 0.2):
        for logits in (LOGITS, EXTREME):
            own = losses.SoftmaxCrossEntropy(True, smoothing, focal=gamma)
            plain = keras.losses.CategoricalCrossentropy(True, smoothing)
            found, expected = value(own, rows, logits), value(plain, rows, logits)
            assert found == pytest.approx(expected, rel=tolerance, abs=0)
            own = losses.SigmoidCrossEntropy(True, smoothing, focal=gamma)
            plain = keras.losses.BinaryCrossentropy(True, smoothing)
            found, expected = value(own, MULTI_HOT, logits), value(plain, MULTI_HOT, logits)
            assert found == pytest.approx(expected, rel=tolerance or 1e-6, abs=0)


# ---------------------------------------------------------------------------- logit adjustment


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("logits", [LOGITS, EXTREME], ids=["usual", "extreme"])
def test_the_adjusted_loss_is_that_of_the_logits_and_the_logarithm_of_the_prior(
    tau: float, logits: Array
) -> None:
    bound = tk.heads.classification(logit_adjustment=tau).bind(THREE)
    prior = np.array([0.6, 0.3, 0.1])
    assert bound.adjustment == pytest.approx(tuple(tau * np.log(prior)))

    def expected(moved: Array) -> Array:
        return np.asarray(-(SOFT * log_softmax(moved + tau * np.log(prior))).sum(axis=1))

    loss, gradient = each(bound, SOFT, logits)
    np.testing.assert_allclose(loss, expected(logits), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, differences(expected, logits), rtol=1e-3, atol=1e-5)


def test_the_adjusted_loss_is_smallest_where_predictions_hold_for_even_classes() -> None:
    """Bayes' rule gives the labels of uneven classes from the probabilities of even ones."""
    prior, evens = np.array([0.6, 0.3, 0.1]), np.array([[0.2, 0.3, 0.5], [0.8, 0.1, 0.1]])
    found = evens * prior / (evens * prior).sum(axis=1, keepdims=True)
    bound = tk.heads.classification(logit_adjustment=1.0).bind(THREE)
    rows, logits = found.astype(np.float32), np.log(evens).astype(np.float32)
    _, gradient = each(bound, rows, logits)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    _, plain = each(tk.heads.classification().bind(THREE), rows, logits)
    assert np.abs(plain).max() > 0.1


def test_a_class_without_pictures_counts_as_if_it_had_one() -> None:
    absent = Target("classes", ("ants", "bees", "wasps"), counts=(6, 3, 0))
    bound = tk.heads.classification(logit_adjustment=1.0).bind(absent)
    assert bound.adjustment == tk.heads.classification(logit_adjustment=1.0).bind(THREE).adjustment
    loss, gradient = each(bound, np.eye(3, dtype=np.float32)[[0, 1]], LOGITS[:2])
    assert np.isfinite(loss).all()
    assert (gradient[:, 2] > 0).all(), "it is learned that there are none"


def test_off_is_no_adjustment_and_even_classes_need_none() -> None:
    assert tk.heads.classification().bind(THREE).adjustment is None
    even = Target("classes", ("a", "b", "c"), counts=(4, 4, 4))
    rows = np.eye(3, dtype=np.float32)[IDS]
    adjusted, _ = each(tk.heads.classification(logit_adjustment=1.0).bind(even), rows, LOGITS)
    plain, _ = each(tk.heads.classification().bind(even), rows, LOGITS)
    np.testing.assert_allclose(adjusted, plain, rtol=1e-6)


@pytest.mark.parametrize("more", [{"focal": 2.0}, {"logit_adjustment": 1.5}, {}], ids=str)
@pytest.mark.parametrize("both", [{}, {"focal": 0.5, "class_weight": {"ants": 3.0}}], ids=str)
def test_one_logit_is_the_softmax_over_it_and_nought(more: Any, both: Any) -> None:
    options = {**both, **more}
    one = tk.heads.classification(one_logit=True, **options).bind(TWO)
    two = tk.heads.classification(**options).bind(TWO)
    logits: Array = np.array([[-100], [-1.5], [0], [0.3], [100]], np.float32)
    pair = np.concatenate([np.zeros_like(logits), logits], axis=1)
    ids = np.array([0, 1, 1, 0, 1])
    loss, gradient = each(one, one.targets(ids), logits)
    expected, slopes = each(two, two.targets(ids), pair)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, slopes[:, 1:], rtol=1e-4, atol=1e-6)


def test_pictures_that_tell_nothing_are_as_likely_of_a_rare_class() -> None:
    ids = np.array([0] * 27 + [1] * 9)
    pixels = np.full((36, 16, 16, 3), 120, np.uint8)
    photos = tk.data.from_arrays(pixels, ids, class_names=("common", "rare"), val=0)
    entry = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(2, 3, strides=4, kernel_initializer="zeros")(entry)
    tiny = tk.backbones.from_keras(keras.Model(entry, layer, name="tiny"), preprocessing="unit")
    model, found = tk.TransferModel(tiny).freeze(tk.freeze.backbone()), {}
    phase = tk.Phase(60, learning_rate=0.1, batch_size=36)
    engine = tk.Engine(precision="float32", prefix="tensorflow")
    for tau in (0.0, 1.0):
        head = tk.heads.classification(logit_adjustment=tau)
        trained = model.head(head).fit(photos, phase, engine=engine, verbose=0)
        scores = trained.predict(pixels[0]).scores
        outputs = trained.network.predict_on_batch(pixels[:1])[0]
        assert list(scores.values()) == pytest.approx(outputs.tolist(), rel=1e-5)
        found[tau] = trained.evaluate(photos.train), scores["rare"]
    assert found[0.0][1] == pytest.approx(9 / 36, abs=0.01)
    assert found[1.0][1] == pytest.approx(1 / 2, abs=0.01)
    entropy = -(3 / 4 * np.log(3 / 4) + 1 / 4 * np.log(1 / 4))
    for evaluation, _ in found.values():  # the loss that was trained on, and as well as can be
        assert evaluation.loss == pytest.approx(entropy, abs=1e-3)


# ------------------------------------------------------------------- around both of them


@pytest.mark.parametrize(
    ("head", "target", "labels"),
    [
        (tk.heads.classification(focal=2.0), THREE, [0]),
        (tk.heads.classification(logit_adjustment=1.0), THREE, [0]),
        (tk.heads.classification(one_logit=True, focal=2.0, logit_adjustment=1.0), TWO, [0]),
        (tk.heads.multilabel(focal=2.0), TAGS, [[1, 0, 0]]),
    ],
    ids=str,
)
def test_a_network_that_is_built_learns_from_what_it_is_sure_of_and_wrong(
    head: Any, target: Target, labels: Any
) -> None:
    """A probability that is rounded to 0 or 1 has no gradient; Keras' losses look behind it."""
    bound = head.bind(target)
    width = bound.targets(labels).shape[1]
    entry = keras.Input((width,))
    scaled = keras.layers.Dense(width, kernel_initializer="identity")(entry)
    network = keras.Model(entry, keras.layers.Activation(bound.activation)(scaled))
    network.compile(keras.optimizers.SGD(1.0), loss=bound.loss(from_logits=False))
    network.train_on_batch(np.array([[-40.0, 40.0, 40.0]])[:, -width:], bound.targets(labels))
    bias = network.layers[1].bias.numpy()
    assert np.abs(bias).max() > 0.3


def test_the_loss_of_probabilities_is_that_of_their_logits() -> None:
    logits = np.array([[-9.0], [-1.5], [0.3], [9.0]], np.float32)
    pair = np.concatenate([np.zeros_like(logits), logits], axis=1)
    ids = np.array([0, 1, 0, 1])
    strengths: tuple[dict[str, Any], ...] = ({"focal": 2.0}, {"logit_adjustment": 1.0})
    for options in strengths:
        two: Any = tk.heads.classification(**options).bind(TWO)
        one: Any = tk.heads.classification(one_logit=True, **options).bind(TWO)
        for bound, given in ((two, pair), (one, logits)):
            targets = bound.targets(ids)
            outputs = np.asarray(keras.activations.get(bound.activation)(tf.constant(given)))
            found = value(bound.loss(from_logits=False), targets, outputs)
            assert found == pytest.approx(value(bound.loss(), targets, given), rel=1e-4)


def test_a_network_that_nobody_counted_pictures_for_cannot_be_adjusted() -> None:
    uncounted = Target("classes", ("ants", "bees"))
    message = (
        r"classification: logit_adjustment=1\.0 has no pictures to count\. Expected training data, "
        r"which fit has and build has not.*logit_adjustment=0\)"
    )
    with pytest.raises(SpecError, match=message):
        tk.heads.classification(logit_adjustment=1.0).bind(uncounted)


@pytest.mark.parametrize("name", ["focal", "logit_adjustment"])
@pytest.mark.parametrize("wrong", [-0.1, np.inf, np.nan, "2", None, True])
def test_a_strength_below_nought_is_refused(name: str, wrong: Any) -> None:
    made: list[Any] = [tk.heads.classification, tk.heads.multilabel]
    for make in made if name == "focal" else made[:1]:
        message = rf"{make.__name__}: {name} is out of range\. Expected a number of 0 or more"
        with pytest.raises(SpecError, match=message):
            make(**{name: wrong})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"class_weight": "balanced"}, "class_weight='balanced' together count rare classes twice"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1 together make rare classes win everywhere"),
    ],
)
def test_what_contradicts_an_adjustment_is_refused(more: Any, text: str) -> None:
    message = rf"logit_adjustment and {text}.*tk\.heads\.classification\(logit_adjustment=1\)"
    with pytest.raises(SpecError, match=message):
        tk.heads.classification(logit_adjustment=1.0, **more)
    tk.heads.classification(logit_adjustment=0, **more)
    tk.heads.classification(logit_adjustment=1.0, focal=1.0, class_weight={"bees": 2.0})


def test_smoothing_beside_an_adjustment_would_let_rare_classes_win() -> None:
    """Why it is refused: the best prediction for a smoothed label, by the formula."""
    classes, smoothing = 10, 0.1
    prior = np.array([0.001, *[0.111] * 9])
    for right in range(1, classes):
        label = (1 - smoothing) * np.eye(classes)[right] + smoothing / classes
        assert np.argmax(np.log(label) - np.log(prior)) == 0


def test_losses_of_both_kinds_survive_their_configuration() -> None:
    for loss in (
        losses.SoftmaxCrossEntropy(True, 0.1, (1.0, 2.0, 3.0), focal=2.0, adjustment=(0, -1, -2)),
        losses.SigmoidCrossEntropy(True, 0.1, focal=0.5, adjustment=-1.5),
    ):
        again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
        assert value(again, MULTI_HOT, LOGITS) == value(loss, MULTI_HOT, LOGITS)
        assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("head", [tk.heads.Classification(), tk.heads.Multilabel()], ids=str)
def test_a_head_of_an_older_file_has_neither(head: Any) -> None:
    config = heads.to_config(head)
    for name in {"focal", "logit_adjustment"} & set(config):
        del config[name]
    assert heads.from_config(config) == head
    assert head.focal == 0
