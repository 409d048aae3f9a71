"""Co-Tuning in a fit: what is learnt before it, what trains, and what is left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras
from transferkit.engine import phases, terms
from transferkit.errors import SpecError, WeightsError

keras, tf = _keras.keras(), _keras.tf()
Callback: Any = keras.callbacks.Callback
SIDE, COUNT, CHANNELS, SOURCE = 16, 18, 6, 5
PLAIN = tk.Engine(precision="float32", prefix="tensorflow")
TOP = tk.freeze.all_but(tk.select.top_blocks(1))
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def backbone() -> Any:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(12, 3, activation="relu", name="first_conv")(pixels)
    x = keras.layers.MaxPooling2D(4, name="first_pool")(x)
    x = keras.layers.Conv2D(CHANNELS, 2, name="second_conv")(x)
    network = keras.Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("heads") / "source.npz")


def written(path: Path, channels: int = CHANNELS) -> Path:
    rng = np.random.default_rng(1)
    np.savez(path, kernel=rng.normal(size=(channels, SOURCE)) * 9, bias=rng.normal(size=SOURCE))
    return path


@pytest.fixture(scope="module")
def photos() -> tk.data.Data:
    return shades()


def shades(**more: Any) -> tk.data.Data:
    labels = np.arange(COUNT) % 3
    noise = np.random.default_rng(0).integers(0, 90, (COUNT, SIDE, SIDE, 3))
    pixels = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(pixels, labels, **{"val": 0, **more})


def fitted(
    backbone: Any, photos: Any, plan: Any, model: Any = None, **more: Any
) -> tk.TrainedModel:
    model = model or tk.TransferModel(backbone)
    more = {"engine": PLAIN, "verbose": 0, **more}
    trained: tk.TrainedModel = model.fit(photos, plan, **more)
    return trained


def phase(*objectives: Any, epochs: int = 1, **more: Any) -> tk.Phase:
    rest: dict[str, Any] = {"freeze": TOP, "optimizer": "sgd", "learning_rate": 0.1, **more}
    return tk.Phase(epochs, batch_size=COUNT, objectives=objectives, **rest)


def read(head: Path) -> tuple[Array, Array]:
    table = np.load(head)
    return table["kernel"].astype(np.float32), table["bias"].astype(np.float32)


class ByHand:
    """The same by plain Keras: whole batches of SGD, a loop over pictures for the relationship."""

    def __init__(self, backbone: Any, photos: Any, head: Path, model: Any = None) -> None:
        model = model or tk.TransferModel(backbone)
        self.network = model.build(classes=3, image_size=SIDE)
        self.pixels = photos.train.pixels()[np.arange(COUNT)].astype(np.float32)
        self.labels = photos.train.labels
        conv = self.network.get_layer("second_conv")
        logits = self.network.get_layer("head_logits").output
        self.both = keras.Model(self.network.input, [conv.output, logits])
        last = self.network.get_layer("head_logits")
        self.kernel, self.bias = (tf.Variable(part) for part in read(head))
        self.moving = [conv.kernel.value, conv.bias.value, last.kernel.value, last.bias.value]
        self.moving += [self.kernel, self.bias]

    def relationship(self) -> Array:
        rows, counts = np.zeros((3, SOURCE)), np.zeros(3)
        for pixels, label in zip(self.pixels, self.labels, strict=True):
            features = self.both(pixels[None])[0].numpy().mean(axis=(1, 2))[0]
            raised = np.exp(np.float64(features @ self.kernel.numpy() + self.bias.numpy()))
            rows[label] += raised / raised.sum()
            counts[label] += 1
        return np.asarray(rows / counts[:, None], np.float32)

    def step(self, relationship: Array, weight: float, rate: float) -> None:
        with tf.GradientTape() as tape:
            features, logits = self.both(self.pixels)
            own = tf.reduce_mean(features, axis=(1, 2)) @ self.kernel + self.bias
            told = -tf.reduce_sum(relationship[self.labels] * tf.nn.log_softmax(own), axis=1)
            lost = keras.losses.sparse_categorical_crossentropy(self.labels, logits, True)
            objective = tf.reduce_mean(lost + weight * told)
        slopes = tape.gradient(objective, self.moving)
        for variable, slope in zip(self.moving, slopes, strict=True):
            variable.assign_sub(rate * slope)


def test_steps_are_those_of_plain_keras(backbone: Any, photos: Any, head: Path) -> None:
    oracle = ByHand(backbone, photos, head)
    relationship = oracle.relationship()
    for _ in range(3):
        oracle.step(relationship, 0.7, 0.1)
    objective = tk.objectives.co_tuning(0.7, head=head)
    found = fitted(backbone, photos, phase(objective, epochs=3))
    without = fitted(backbone, photos, phase(epochs=3)).network.get_weights()
    for ours, theirs in zip(found.network.get_weights(), oracle.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    pairs = zip(oracle.network.get_weights(), without, strict=True)
    assert max(np.abs(ours - theirs).max() for ours, theirs in pairs) > 1e-2


@pytest.mark.parametrize(
    "made",
    [
        tk.heads.classification(pooling="max", dropout=0.0),
        tk.heads.classification(hidden=(7,)),
        tk.heads.classification(label_smoothing=0.2),
    ],
    ids=repr,
)
def test_the_source_head_reads_averages_whatever_the_new_one_reads(
    backbone: Any, photos: Any, head: Path, made: Any
) -> None:
    # A first step of the term alone: new heads start from zero and pull at nothing of the backbone.
    model = tk.TransferModel(backbone).head(made)
    oracle = ByHand(backbone, photos, head, model)
    oracle.step(oracle.relationship(), 2.3, 0.1)
    found = fitted(backbone, photos, phase(tk.objectives.co_tuning(head=head)), model)
    ours, theirs = (each.get_layer("second_conv") for each in (found.network, oracle.network))
    np.testing.assert_allclose(ours.kernel.numpy(), theirs.kernel.numpy(), atol=2e-5)


def test_only_what_is_thawed_moves_and_what_is_saved_has_no_source_head(
    backbone: Any, photos: Any, tmp_path: Path
) -> None:
    gone = written(tmp_path / "gone.npz")
    objective = tk.objectives.co_tuning(head=gone)
    begun = tk.TransferModel(backbone).build(classes=3, image_size=SIDE)
    plain, tuned = (fitted(backbone, photos, phase(*each)) for each in ((), (objective,)))
    moved = {
        weight.path.split("/")[0]
        for weight, start in zip(tuned.network.weights, begun.get_weights(), strict=True)
        if np.abs(weight.numpy() - start).max() > 0
    }
    assert moved == {"second_conv", "head_logits"}
    assert [w.path for w in tuned.network.weights] == [w.path for w in plain.network.weights]
    assert [each.name for each in tuned.network.layers] == [e.name for e in plain.network.layers]
    tuned.save(tmp_path / "tuned.tkm")
    gone.unlink()
    again = tk.load(tmp_path / "tuned.tkm")
    assert again.plan.phases[0].objectives == (objective,)
    pictures = photos.train.pixels()
    assert again.predict(pictures) == tuned.predict(pictures)
    assert again.network.get_config() == tuned.network.get_config()
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        again.fit(photos, phase(objective), verbose=0)


def test_phases_with_the_same_head_train_it_on(backbone: Any, photos: Any, head: Path) -> None:
    oracle = ByHand(backbone, photos, head)
    relationship = oracle.relationship()
    for weight in (0.7, 0.7, 1.5, 1.5):
        oracle.step(relationship, weight, 0.02)
    plan = [
        phase(tk.objectives.co_tuning(weight, head=head), epochs=2, learning_rate=0.02)
        for weight in (0.7, 1.5)
    ]
    found = fitted(backbone, photos, plan).network.get_weights()
    for ours, theirs in zip(found, oracle.network.get_weights(), strict=True):
        # At 0.05 rounding grows twentyfold in a step with this source head.
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_it_is_learnt_before_the_first_phase_on_clean_pictures(
    backbone: Any, photos: Any, head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = learnt(monkeypatch)
    model = tk.TransferModel(backbone).augment(tk.augment.flip(), tk.augment.rotate(90))
    first = phase(freeze=tk.freeze.nothing())
    engine = replace(PLAIN, cache=False)
    plan = [first, phase(tk.objectives.co_tuning(head=head))]
    fitted(backbone, photos, plan, model, engine=engine)
    expected = ByHand(backbone, photos, head).relationship()
    (term,) = found
    np.testing.assert_allclose(term.relationship, expected, atol=1e-5)


def learnt(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Takes the terms that fits prepare."""
    made, prepare = list[Any](), terms.co_tuned

    def watched(*given: Any) -> Any:
        found = prepare(*given)
        made.extend(found.values())
        return found

    monkeypatch.setattr(phases, "co_tuned", watched)
    return made


class Dies(Callback):
    """Breaks off behind an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_a_run_that_is_taken_up_again_ends_where_it_would_have(
    backbone: Any, photos: Any, head: Path, tmp_path: Path
) -> None:
    momentum = keras.optimizers.SGD(0.1, momentum=0.9)
    plan = [phase(tk.objectives.co_tuning(head=head), epochs=2, optimizer=momentum)] * 2
    whole = fitted(backbone, photos, plan).network.get_weights()
    backup = [keras.callbacks.BackupAndRestore(tmp_path / "backup")]
    with pytest.raises(KeyboardInterrupt):
        fitted(backbone, photos, plan, callbacks=[*backup, Dies(3)])
    found = fitted(backbone, photos, plan, callbacks=backup).network.get_weights()
    for ours, theirs in zip(found, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_it_stands_beside_a_moving_average_and_layer_rates(
    backbone: Any, photos: Any, head: Path
) -> None:
    oracle = ByHand(backbone, photos, head)
    relationship, kernels = oracle.relationship(), []
    for _ in range(2):
        oracle.step(relationship, 2.3, 0.1)
        kernels.append(oracle.network.get_layer("second_conv").kernel.numpy())
    # One block trains, so that its relative gradient is the largest, and its factor 1.
    more = {"averaging": tk.averaging.ema(0.5), "layer_rates": tk.schedules.auto_rgn()}
    objective = tk.objectives.co_tuning(head=head)
    found = fitted(backbone, photos, phase(objective, epochs=2, **more)).network
    kernel = found.get_layer("second_conv").kernel.numpy()
    np.testing.assert_allclose(kernel, np.mean(kernels, axis=0), atol=2e-5)


def refused(backbone: Any, photos: Any, plan: Any, text: str, model: Any = None) -> None:
    with pytest.raises(SpecError, match=text):
        fitted(backbone, photos, plan, model)


def test_what_it_says_nothing_of_is_refused(backbone: Any, photos: Any, head: Path) -> None:
    tuned = phase(tk.objectives.co_tuning(head=head))
    pixels = photos.train.pixels()[np.arange(COUNT)]
    numbers = tk.data.from_arrays(pixels, np.linspace(0, 1, COUNT, dtype=np.float32), val=0)
    refused(backbone, numbers, tuned, r"a picture here has values.*one class per picture.*bss")
    rows = np.eye(3, dtype=int)[photos.train.labels]
    several = tk.data.from_arrays(pixels, rows, task="labels", val=0)
    refused(backbone, several, tuned, r"a picture here has labels.*one class per picture")
    names = ["a", "b", "c", "nobody"]
    rare = tk.data.from_arrays(pixels, photos.train.labels, class_names=names, val=0)
    refused(backbone, rare, tuned, r"no training picture.*nobody.*Leave the class out")
    frozen = phase(tk.objectives.co_tuning(head=head), freeze=tk.freeze.backbone())
    refused(backbone, photos, frozen, r"nothing of the backbone trains.*top_blocks")


def test_a_source_head_that_is_not_to_be_had_is_told_how_to_give(
    backbone: Any, photos: Any, tmp_path: Path
) -> None:
    tuned = tk.objectives.co_tuning
    unknown = tk.TransferModel("keras:MobileNetV2", weights=None)
    refused(unknown, photos.resized(32), phase(tuned()), r"not known.*random.*head=", unknown)
    bare = tmp_path / "no_top.weights.h5"
    keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    ).save_weights(bare)
    own = tk.TransferModel("keras:MobileNet", weights=bare)
    with pytest.raises(WeightsError, match=r"keras:MobileNet cannot.*no_top.*with a top.*head='"):
        fitted(None, photos.resized(32), phase(tuned()), own)
    refused(backbone, photos, phase(tuned()), r"cannot be read from 'pretrained'.*npz.*np\.savez")
    wide = written(tmp_path / "wide.npz", CHANNELS + 1)
    text = rf"reads {CHANNELS + 1} channels.*tiny have {CHANNELS}"
    refused(backbone, photos, phase(tuned(head=wide)), text)
    np.savez(tmp_path / "other.npz", weights=np.ones(3))
    with pytest.raises(WeightsError, match=r"no source head: it holds no kernel.*np\.savez"):
        fitted(backbone, photos, phase(tuned(head=tmp_path / "other.npz")))
