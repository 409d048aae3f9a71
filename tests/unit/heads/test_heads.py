from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, heads
from transferkit._registry import Registry
from transferkit.errors import SpecError, UnknownNameError
from transferkit.heads import losses
from transferkit.spec import Taps, Target

Array = np.ndarray[Any, Any]

THREE = Target("classes", ("ants", "bees", "wasps"), counts=(6, 3, 1))
TWO = Target("classes", ("ants", "bees"), counts=(6, 2))
TAGS = Target("labels", ("red", "round", "big"), counts=(4, 2, 1))
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 3)).astype(np.float32)
IDS = np.array([0, 1, 2, 1, 0])
SOFT = np.array(
    [[0.7, 0.2, 0.1], [0, 1, 0], [0.5, 0, 0.5], [0.3, 0.3, 0.4], [1, 0, 0]], dtype=np.float32
)
MULTI_HOT = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]], dtype=np.float32)


def softmax(logits: Array) -> Array:
    powers = np.exp(logits.astype(np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def one_hot(ids: Array) -> Array:
    rows = np.zeros((len(ids), 3))
    for row, label in enumerate(ids):
        rows[row, label] = 1
    return rows


def softmax_loss(labels: Array, weights: tuple[float, ...], smoothing: float) -> float:
    """The mean, by the shares of a label, of the weighted losses of the classes in it."""
    total = 0.0
    for label, p in zip(labels, softmax(LOGITS), strict=True):
        for share, weight, smooth in zip(
            label, weights, smoothed(np.eye(3), smoothing), strict=True
        ):
            total += share * weight * -sum(y * np.log(q) for y, q in zip(smooth, p, strict=True))
    return total / len(labels)


def smoothed(rows: Array, smoothing: float) -> Array:
    return np.asarray((1 - smoothing) * rows + smoothing / rows.shape[1])


def value(loss: Any, targets: Array, outputs: Array) -> float:
    return float(np.asarray(loss(targets, outputs)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, {"bees": 2.0, "wasps": 0.5}])
@pytest.mark.parametrize("labels", [IDS, one_hot(IDS), SOFT], ids=["ids", "one-hot", "soft"])
def test_classification_loss_is_the_weighted_cross_entropy(
    labels: Array, weights: dict[str, float] | None, smoothing: float
) -> None:
    head = tk.heads.classification(label_smoothing=smoothing, class_weight=weights).bind(THREE)
    rows = one_hot(labels) if labels.ndim == 1 else labels
    expected = softmax_loss(rows, (1, 2, 0.5) if weights else (1, 1, 1), smoothing)
    targets = head.targets(labels)
    assert targets.dtype == np.float32
    assert targets.shape == (5, 3)
    assert value(head.loss(), targets, LOGITS) == pytest.approx(expected, rel=1e-5)
    probabilities = softmax(LOGITS).astype(np.float32)
    from_probabilities = head.loss(from_logits=False)
    assert value(from_probabilities, targets, probabilities) == pytest.approx(expected, rel=1e-5)
    assert value(head.loss(), labels, LOGITS) == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_are_n_over_c_times_the_class_count() -> None:
    head = tk.heads.classification(class_weight="balanced").bind(THREE)
    assert head.weights == pytest.approx((10 / 18, 10 / 9, 10 / 3))
    uncounted = Target("classes", ("ants", "bees", "wasps"))
    with pytest.raises(SpecError, match=r"no pictures to count.*class_weight=\{'ants': 2.0\}"):
        tk.heads.classification(class_weight="balanced").bind(uncounted)


@pytest.mark.parametrize("weights", [None, {"ants": 3.0, "bees": 0.5}])
def test_one_logit_is_the_weighted_binary_cross_entropy(weights: dict[str, float] | None) -> None:
    head = tk.heads.classification(one_logit=True, class_weight=weights).bind(TWO)
    ids, logits = np.array([0, 1, 1, 0]), RNG.normal(size=(4, 1)).astype(np.float32)
    low, high = (3.0, 0.5) if weights else (1.0, 1.0)
    expected = 0.0
    for label, p in zip(ids, sigmoid(logits)[:, 0], strict=True):
        expected += -high * np.log(p) if label else -low * np.log(1 - p)
    targets = head.targets(ids)
    assert targets.tolist() == [[0], [1], [1], [0]]
    assert value(head.loss(), targets, logits) == pytest.approx(expected / 4, rel=1e-5)


MIXES = [(0, 1, 0.75), (2, 0, 0.5), (1, 2, 0.125), (1, 1, 0.375)]  # two pictures and a share


def mixed_targets(head: Any, labels: Array) -> tuple[Array, Array, Array]:
    """Mixed rows, and the rows of the two pictures that each was made of."""
    rows = head.targets(labels)
    first, second = (rows[[mix[place] for mix in MIXES]] for place in (0, 1))
    shares: Array = np.array([share for _, _, share in MIXES], np.float32)[:, None]
    return shares * first + (1 - shares) * second, first, second


def losses_and_gradients(head: Any, targets: Array, logits: Array) -> tuple[Array, Array]:
    tf = _keras.tf()
    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        each = head.loss().call(tf.constant(targets), given)
    return each.numpy(), tape.gradient(each, given).numpy()


@pytest.mark.parametrize(
    ("head", "target", "labels"),
    [
        (tk.heads.classification(class_weight="balanced"), THREE, np.arange(3)),
        (tk.heads.classification(class_weight={"bees": 0.0}), THREE, np.arange(3)),
        (
            tk.heads.classification(class_weight="balanced", label_smoothing=0.2),
            THREE,
            np.arange(3),
        ),
        (
            tk.heads.classification(class_weight="balanced", one_logit=True),
            TWO,
            np.array([0, 1, 1]),
        ),
        (tk.heads.multilabel(class_weight="balanced", label_smoothing=0.1), TAGS, MULTI_HOT[:3]),
        (tk.heads.classification(), THREE, np.arange(3)),
        (
            tk.heads.classification(class_weight="balanced", label_smoothing=0.2, focal=2.0),
            THREE,
            np.arange(3),
        ),
        (tk.heads.classification(logit_adjustment=1.0), THREE, np.arange(3)),
        (tk.heads.multilabel(class_weight="balanced", focal=2.0), TAGS, MULTI_HOT[:3]),
    ],
    ids=[
        "softmax",
        "no weight",
        "smoothed",
        "one logit",
        "multilabel",
        "plain",
        "focal",
        "adjusted",
        "focal labels",
    ],
)
def test_the_loss_of_a_mixed_label_is_the_mean_of_the_losses_of_its_parts(
    head: Any, target: Target, labels: Array
) -> None:
    bound = head.bind(target)
    assert bound.soft_targets
    rows, first, second = mixed_targets(bound, labels)
    logits = np.asarray(np.random.default_rng(3).normal(size=rows.shape), np.float32)
    shares: Array = np.array([share for _, _, share in MIXES])
    loss, gradient = losses_and_gradients(bound, rows, logits)
    parts = [losses_and_gradients(bound, part, logits) for part in (first, second)]
    (one, its), (other, theirs) = parts
    np.testing.assert_allclose(loss, shares * one + (1 - shares) * other, rtol=1e-5)
    wide = shares[:, None]
    np.testing.assert_allclose(gradient, wide * its + (1 - wide) * theirs, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_weighted_mixed_rows_is_the_one_by_hand() -> None:
    bound = tk.heads.classification(class_weight="balanced").bind(THREE)
    weights: Array = np.array([10 / 18, 10 / 9, 10 / 3])
    _, gradient = losses_and_gradients(bound, SOFT, LOGITS)
    weighted = SOFT * weights
    expected = weighted.sum(axis=1, keepdims=True) * softmax(LOGITS) - weighted
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_of_a_mixed_label_the_largest_share_counts_as_right() -> None:
    metric = losses.Accuracy()
    metric.update_state(np.array([[0.6, 0.4], [0.3, 0.7]]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    assert float(metric.result()) == 0.5


def test_a_regression_has_no_soft_targets() -> None:
    assert not tk.heads.regression().bind(Target("values", outputs=1)).soft_targets


def test_one_logit_decodes_to_both_classes() -> None:
    head = tk.heads.classification(one_logit=True).bind(TWO)
    assert head.activation == "sigmoid"
    first, second = head.decode(np.array([[0.25], [0.75]], np.float32))
    assert (first.label, first.confidence, first.scores) == (
        "ants",
        0.75,
        {"ants": 0.75, "bees": 0.25},
    )
    assert second.label == "bees"


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, {"round": 3.0}])
def test_multilabel_loss_is_the_mean_binary_cross_entropy(
    weights: dict[str, float] | None, smoothing: float
) -> None:
    head = tk.heads.multilabel(label_smoothing=smoothing, class_weight=weights).bind(TAGS)
    positive = (1, 3, 1) if weights else (1, 1, 1)
    total = 0.0
    for row, ps in zip(MULTI_HOT, sigmoid(LOGITS), strict=True):
        for y, p, w in zip(row, ps, positive, strict=True):
            smooth = y * (1 - smoothing) + smoothing / 2
            entropy = -smooth * np.log(p) - (1 - smooth) * np.log(1 - p)
            total += entropy * (w if y else 1)
    targets = head.targets(MULTI_HOT.astype(int))
    assert value(head.loss(), targets, LOGITS) == pytest.approx(total / 15, rel=1e-5)


def test_multilabel_decodes_what_is_above_its_threshold() -> None:
    row = np.array([[0.5, 0.3, 0.8]], np.float32)
    assert tk.heads.multilabel().bind(TAGS).decode(row)[0].labels == ("big",)
    (found,) = tk.heads.multilabel(threshold=0.25).bind(TAGS).decode(row)
    assert found.labels == ("red", "round", "big")
    assert found.scores["big"] == pytest.approx(0.8)


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_regression_losses(kind: Any) -> None:
    head = tk.heads.regression(loss=kind).bind(Target("values", outputs=2))
    labels = np.array([[0, 1], [2, -3]], np.float32)
    outputs = np.array([[0.5, 1], [0, 0]], np.float32)
    error = np.abs(labels - outputs).ravel()
    each = {
        "mse": [e * e for e in error],
        "mae": list(error),
        "huber": [e * e / 2 if e <= 1 else e - 0.5 for e in error],
    }[kind]
    assert value(head.loss(), head.targets(labels), outputs) == pytest.approx(np.mean(each))


def test_regression_takes_a_column_and_decodes_to_numbers() -> None:
    head = tk.heads.regression().bind(Target("values", outputs=1))
    assert head.targets([1.5, 2]).tolist() == [[1.5], [2]]
    assert head.decode(np.array([[0.5]], np.float32))[0].value == 0.5
    assert head.activation == "linear"


def test_accuracy_counts_ids_one_hot_and_soft_labels_alike() -> None:
    outputs = softmax(LOGITS).astype(np.float32)
    right = sum(int(np.argmax(p)) == i for p, i in zip(outputs, IDS, strict=True)) / 5
    for labels in (IDS, one_hot(IDS)):
        metric = losses.Accuracy()
        metric.update_state(labels, outputs)
        assert float(metric.result()) == pytest.approx(right)


def test_losses_and_metrics_survive_their_configuration() -> None:
    keras = _keras.keras()
    for loss in (
        losses.SoftmaxCrossEntropy(True, 0.1, (1.0, 2.0, 3.0)),
        losses.SigmoidCrossEntropy(True, 0.1, (1.0, 2.0, 3.0), (2.0, 1.0, 1.0)),
    ):
        again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
        assert value(again, MULTI_HOT, LOGITS) == value(loss, MULTI_HOT, LOGITS)
    metric = keras.metrics.deserialize(keras.metrics.serialize(losses.Accuracy()))
    assert metric.name == "accuracy"


@pytest.mark.parametrize(
    ("pooling", "width"), [("avg", 3), ("max", 3), ("both", 6), ("flatten", 12)]
)
def test_pooling_decides_what_the_last_layer_reads(pooling: Any, width: int) -> None:
    keras = _keras.keras()
    features = keras.Input((2, 2, 3))
    head = tk.heads.classification(pooling=pooling).bind(THREE)
    network = keras.Model(features, head.build(Taps({}, features)))
    assert network.get_layer("head_logits").kernel.shape == (width, 3)
    maps = RNG.normal(size=(1, 2, 2, 3)).astype(np.float32)
    vector = {
        "avg": maps.mean((1, 2)),
        "max": maps.max((1, 2)),
        "both": np.concatenate([maps.mean((1, 2)), maps.max((1, 2))], axis=1),
        "flatten": maps.reshape(1, -1),
    }[pooling]
    kernel = RNG.normal(size=(width, 3)).astype(np.float32)
    network.get_layer("head_logits").kernel.assign(kernel)
    np.testing.assert_allclose(
        network.predict_on_batch(maps), vector @ kernel, rtol=1e-4, atol=1e-5
    )


def test_hidden_layers_and_dropout_stand_before_the_logits() -> None:
    keras = _keras.keras()
    features = keras.Input((7,))
    head = tk.heads.classification(hidden=(50, 40), dropout=0.5).bind(THREE)
    network = keras.Model(features, head.build(Taps({}, features)))
    widths = [w.shape for w in network.trainable_weights if w.path.endswith("kernel")]
    assert widths == [(7, 50), (50, 40), (40, 3)]
    x = RNG.normal(size=(4, 7))
    network.get_layer("head_logits").kernel.assign(np.ones((40, 3)))
    assert not np.array_equal(network(x, training=True), network(x, training=True))
    assert np.array_equal(network(x, training=False), network(x, training=False))


@pytest.mark.parametrize(
    ("head", "target"),
    [
        (tk.heads.classification(), THREE),
        (tk.heads.multilabel(), Target("labels", ("a", "b", "c"))),
        (tk.heads.regression(), Target("values", outputs=3)),
    ],
    ids=["classification", "multilabel", "regression"],
)
def test_a_new_head_prefers_nothing(head: Any, target: Target) -> None:
    features = _keras.keras().Input((7,))
    network = _keras.keras().Model(features, head.bind(target).build(Taps({}, features)))
    assert np.array_equal(network.predict_on_batch(RNG.normal(size=(4, 7))), np.zeros((4, 3)))


@pytest.mark.parametrize(
    "head",
    [
        tk.heads.classification(dropout=0.1, hidden=(3,), class_weight={"b": 2.0, "a": 1.0}),
        tk.heads.classification(focal=2, logit_adjustment=1),
        tk.heads.multilabel(threshold=0.3, metrics=("AUC",), focal=0.5),
        tk.heads.regression(loss="huber", pooling="both"),
    ],
)
def test_heads_survive_json_and_are_hashable(head: Any) -> None:
    assert heads.from_config(json.loads(json.dumps(heads.to_config(head)))) == head
    assert isinstance(hash(head), int)


def test_extra_metrics_are_made_by_name() -> None:
    head = tk.heads.classification(metrics=("AUC", "top_k_categorical_accuracy")).bind(THREE)
    names = [metric.name for metric in head.metrics()]
    assert names[0] == "accuracy"
    assert len(names) == 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tk.heads.classification(dropout=1.0), "dropout is out of range"),
        (lambda: tk.heads.multilabel(dropout=-0.1), "multilabel: dropout is out of range"),
        (lambda: tk.heads.classification(label_smoothing=1), "label_smoothing is out of range"),
        (lambda: tk.heads.regression(hidden=(0,)), "regression: hidden is out of range"),
        (lambda: tk.heads.regression(pooling="average"), "did you mean 'avg'"),  # type: ignore[arg-type]
        (lambda: tk.heads.classification(class_weight="auto"), "'balanced' or a mapping"),  # type: ignore[arg-type]
        (lambda: tk.heads.multilabel(threshold=1), "threshold is out of range"),
        (lambda: tk.heads.regression(loss="l2"), "'mse', 'mae' or 'huber'"),  # type: ignore[arg-type]
        (lambda: tk.heads.classification().bind(TAGS), r"tk\.heads\.multilabel\(\)"),
        (lambda: tk.heads.multilabel().bind(THREE), r"tk\.heads\.classification\(\)"),
        (lambda: tk.heads.regression().bind(THREE), "the data has classes"),
        (
            lambda: tk.heads.classification().bind(Target("classes", ("a",))),
            "1 outputs are too few",
        ),
        (lambda: tk.heads.classification(one_logit=True).bind(THREE), "two classes; there are 3"),
        (
            lambda: tk.heads.classification(class_weight={"ants": -1.0}).bind(THREE),
            "finite weights of 0 or more",
        ),
        (lambda: tk.heads.classification().bind(THREE).targets([0, 3]), "class ids from 0 to 2"),
        (lambda: tk.heads.classification().bind(THREE).targets([-1]), "class ids from 0 to 2"),
        (lambda: tk.heads.multilabel().bind(TAGS).targets([[1, 0]]), "rows of 3"),
        (
            lambda: tk.heads.regression().bind(Target("values", outputs=1)).targets([np.nan]),
            "finite labels",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(call: Any, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        call()


def test_mistyped_classes_and_metrics_get_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'bee', which is no class.*'bees'.*go by name"):
        tk.heads.classification(class_weight={"bee": 2.0}).bind(THREE)
    with pytest.raises(UnknownNameError, match=r"no metric called 'Precison'.*'Precision'"):
        tk.heads.classification(metrics=("Precison",)).bind(THREE)


def test_registering_and_saving_name_what_is_no_head() -> None:
    @dataclass(frozen=True)
    class Strange:
        task: str = "classes"

        def bind(self, target: Target) -> None:
            return None

    with pytest.raises(SpecError, match="that is no head"):
        heads.register("strange", int)
    with pytest.raises(SpecError, match="the head Strange is not registered"):
        heads.to_config(Strange())  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="regression"):
        heads.from_config({"name": "regresion"})


STARS = """
    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Stars:
        most: int = 5
        def bind(self, target):
            return None
"""


def test_a_head_of_a_plug_in_is_saved_with_its_package(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads._HEADS, "_things", dict(heads._HEADS._things))
    install("star-heads", STARS, "transferkit.heads: stars = star_heads:Stars")
    points = Registry[Any]("head", group="transferkit.heads")._points
    with monkeypatch.context() as installed:
        installed.setitem(vars(heads._HEADS), "_points", points)
        assert "stars" in heads.names()
        head = heads.from_config({"name": "stars", "most": 3})
        config = heads.to_config(head)
        assert config == {"name": "stars", "from": "star-heads", "most": 3}
        assert heads.from_config(json.loads(json.dumps(config))) == head
    heads._HEADS._things.pop("stars")
    monkeypatch.setitem(vars(heads._HEADS), "_points", {})
    with pytest.raises(UnknownNameError) as caught:
        heads.from_config(config)
    assert str(caught.value).startswith(
        "load: there is no head called 'stars'; the file says that the package 'star-heads' brings"
    )
    assert str(caught.value).endswith(" pip install star-heads")


def test_a_prediction_lists_its_best_classes() -> None:
    (found,) = tk.heads.classification().bind(THREE).decode(np.array([[0.2, 0.5, 0.3]]))
    assert found.top(2) == (("bees", 0.5), ("wasps", 0.3))
    assert type(found.confidence) is float


QUARTER: Any = np.float32(0.25)
FOUR: Any = np.int64(4)


@pytest.mark.parametrize(
    "head",
    [
        tk.heads.classification(dropout=QUARTER, hidden=[FOUR], class_weight={"a": FOUR}),
        tk.heads.multilabel(threshold=QUARTER, label_smoothing=QUARTER, focal=QUARTER),
        tk.heads.regression(hidden=np.array([4, 2])),  # type: ignore[arg-type]
    ],
    ids=["classification", "multilabel", "regression"],
)
def test_numbers_of_numpy_become_plain_ones(head: Any) -> None:
    config = json.loads(json.dumps(tk.heads.to_config(head)))
    assert tk.heads.from_config(config) == head


def test_one_metric_may_be_given_as_a_word() -> None:
    assert tk.heads.classification(metrics="AUC") == tk.heads.classification(metrics=("AUC",))


def test_a_metric_keeps_its_name_however_often_it_is_made() -> None:
    head = tk.heads.multilabel(metrics=("AUC", "Precision", "mse")).bind(
        Target("labels", ("a", "b"))
    )
    for _ in range(3):
        names = [metric.name for metric in head.metrics()]
        assert names == ["binary_accuracy", "AUC", "Precision", "mse"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tk.heads.Classification(dropout=1.5), r"dropout is out of range.*1\.5"),
        (lambda: tk.heads.Multilabel(threshold=1.0), r"threshold is out of range"),
        (lambda: tk.heads.Regression(kind="l1"), r"'mse', 'mae' or 'huber'"),  # type: ignore[arg-type]
        (lambda: tk.heads.classification(metrics=3), "names of Keras metrics"),  # type: ignore[arg-type]
        (lambda: tk.heads.classification(hidden="12"), "widths of 1 or more"),  # type: ignore[arg-type]
        (lambda: tk.heads.classification(hidden=(4, 0)), "widths of 1 or more"),
        (lambda: tk.heads.classification(class_weight={"a": -1}), "finite weights of 0 or more"),
        (lambda: tk.heads.classification(class_weight={"a": np.nan}), "finite weights"),
        (lambda: tk.heads.classification(class_weight="even"), "'balanced' or a mapping"),  # type: ignore[arg-type]
    ],
)
def test_a_head_checks_itself_however_it_is_made(make: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


def test_a_heads_class_with_a_mapping_is_hashable() -> None:
    head = tk.heads.Classification(class_weight={"b": 2.0, "a": 1})
    assert hash(head) == hash(tk.heads.classification(class_weight={"a": 1.0, "b": 2}))


@pytest.mark.parametrize(
    ("head", "target"),
    [(tk.heads.classification(one_logit=True), TWO), (tk.heads.multilabel(), TAGS)],
)
def test_of_a_mixed_label_the_larger_share_is_what_is_right(head: Any, target: Target) -> None:
    metric = head.bind(target).metrics()[0]
    mixed = np.tile(
        [[0.1], [0.9], [0.6], [0.4]], (1, 1 if target is TWO else len(TAGS.class_names))
    )
    metric.update_state(mixed, np.where(mixed > 0.5, 0.7, 0.2))
    assert float(metric.result()) == 1.0
    metric.update_state(mixed, np.where(mixed > 0.5, 0.2, 0.7))
    assert float(metric.result()) == 0.5
    assert type(metric).from_config(metric.get_config()).name == metric.name


@pytest.mark.parametrize("head", [tk.heads.classification, tk.heads.multilabel])
def test_a_metric_that_the_head_has_already_is_refused(head: Any) -> None:
    target, own = (
        (THREE, "accuracy") if head is tk.heads.classification else (TAGS, "binary_accuracy")
    )
    for names in ((own,), ("AUC", "AUC")):
        with pytest.raises(SpecError, match=rf"metrics is out of range.*'{own}' not among them"):
            head(metrics=names).bind(target)


@pytest.mark.parametrize("name", ["F1Score", "SparseCategoricalAccuracy"])
def test_a_metric_that_gives_no_number_is_refused_before_training(name: str) -> None:
    with pytest.raises(SpecError, match=f"the metric '{name}' gives no number for rows of 3"):
        tk.heads.classification(metrics=(name,)).bind(THREE)


def test_a_metric_that_needs_more_than_its_name_is_refused() -> None:
    with pytest.raises(SpecError, match="metrics that need no further argument"):
        tk.heads.classification(metrics=("MeanIoU",)).bind(THREE)


def test_predictions_can_stand_in_a_set() -> None:
    head = tk.heads.classification().bind(THREE)
    assert len(set(head.decode(np.eye(3, dtype=np.float32)[[0, 0, 1]]))) == 2


@pytest.mark.parametrize(
    "text",
    [
        "classification()",
        "classification(dropout=0.2, hidden=(4,), class_weight={'a': 2.0}, metrics=('AUC',))",
        "classification(class_weight='balanced', one_logit=True)",
        "classification(focal=2.0, logit_adjustment=1.0)",
        "multilabel(pooling='both', threshold=0.3)",
        "regression(loss='huber')",
    ],
)
def test_a_head_prints_as_the_call_that_makes_it(text: str) -> None:
    head = eval(text, {name: getattr(tk.heads, name) for name in tk.heads.names()})
    assert repr(head) == text
