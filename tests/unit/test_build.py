from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, build
from transferkit.errors import BackboneError, SelectionError, SpecError
from transferkit.spec import BackboneNetwork, ModelSpec, Target

CLASSES = Target("classes", ("ants", "bees", "wasps"))
SHAPE = (32, 32, 3)


def pictures(count: int = 4) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).uniform(0, 255, (count, *SHAPE)).astype(np.float32)


def one_hot(count: int = 4) -> np.ndarray[Any, Any]:
    return np.eye(3, dtype=np.float32)[np.arange(count) % 3]


def tiny() -> BackboneNetwork:
    layers = _keras.keras().layers
    pixels = _keras.keras().Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="first_conv")(pixels)
    x = layers.BatchNormalization(name="first_norm")(x)
    x = layers.ReLU(name="first_relu")(x)
    x = layers.Dropout(0.5, name="first_drop")(x)
    x = layers.MaxPooling2D(name="first_pool")(x)
    x = layers.Conv2D(8, 3, padding="same", name="second_conv")(x)
    x = layers.BatchNormalization(name="second_norm")(x)
    x = layers.Dropout(0.5, name="second_drop")(x)
    network = _keras.keras().Model(pixels, x, name="tiny")
    return tk.backbones.from_keras(network, preprocessing="unit", blocks=r"(first|second)_")


def spec_of(backbone: BackboneNetwork, **more: Any) -> ModelSpec:
    return ModelSpec(backbone, "pretrained", **more)


def assembled(spec: ModelSpec, **more: Any) -> build.Assembled:
    """With a head that tells pictures apart: a new one answers alike to all of them."""
    made = build.assemble(spec, CLASSES, input_shape=SHAPE, seed=0, **more)
    head = made.network.get_layer("head_logits")
    head.kernel.assign(np.random.default_rng(0).normal(size=head.kernel.shape))
    return made


def values(network: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {w.path: w.numpy() for w in network.weights}


def test_a_frozen_dropout_draws_nothing_and_a_thawed_one_draws_again() -> None:
    made = assembled(spec_of(tiny(), freeze=tk.freeze.backbone()))
    network, x = made.network, pictures()
    assert np.array_equal(network(x, training=True), network(x, training=True))
    build.freeze(network, made.table, tk.freeze.nothing())
    assert not np.array_equal(network(x, training=True), network(x, training=True))
    build.freeze(network, made.table, tk.freeze.backbone())
    build.freeze(network, made.table, tk.freeze.backbone())  # twice is as once
    assert np.array_equal(network(x, training=True), network(x, training=True))


def test_batch_norm_is_frozen_with_the_default_and_trains_when_asked() -> None:
    for mode, moves in (("freeze", False), ("train", True)):
        policy = tk.freeze.nothing(batch_norm=mode)  # type: ignore[arg-type]
        made = build.assemble(spec_of(tiny(), freeze=policy), CLASSES, input_shape=SHAPE, seed=0)
        build.compile_network(made.network, made.bound)
        norm = made.network.get_layer("second_norm")
        before = norm.moving_mean.numpy()
        made.network.fit(pictures(), one_hot(), verbose=0)
        assert np.array_equal(before, norm.moving_mean.numpy()) != moves


def test_the_head_always_trains() -> None:
    made = assembled(spec_of(tiny(), freeze=tk.freeze.backbone()))
    assert [w.path for w in made.network.trainable_weights] == [
        "head_logits/kernel",
        "head_logits/bias",
    ]


def test_a_policy_that_names_no_layer_is_an_error() -> None:
    policy = tk.freeze.only(tk.select.up_to("frist_conv"))
    with pytest.raises(SelectionError, match="first_conv"):
        build.assemble(spec_of(tiny(), freeze=policy), CLASSES, input_shape=SHAPE, seed=0)


def test_one_seed_gives_one_network_and_the_global_state_stays() -> None:
    spec = spec_of(tiny(), head=tk.heads.classification(hidden=(5,), dropout=0.5))
    state = random.getstate()
    nets = [
        build.assemble(spec, CLASSES, input_shape=SHAPE, seed=seed).network for seed in (3, 3, 4)
    ]
    assert random.getstate() == state
    kernels = [net.get_layer("head_hidden_0").kernel.numpy() for net in nets]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_random_weights_follow_the_seed() -> None:
    spec = ModelSpec(tiny(), None)
    nets = [build.assemble(spec, CLASSES, input_shape=SHAPE, seed=s).network for s in (1, 1, 2)]
    kernels = [net.get_layer("first_conv").kernel.numpy() for net in nets]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def slow_norm() -> BackboneNetwork:
    """A network whose statistics move by a thousandth in a step, as those of MobileNets do."""
    layers = _keras.keras().layers
    pixels = _keras.keras().Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(pixels)
    x = layers.BatchNormalization(momentum=0.999, name="slow")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.BatchNormalization(momentum=0.5, name="quick")(x)
    return tk.backbones.from_keras(_keras.keras().Model(pixels, x), preprocessing="unit")


def test_statistics_of_random_weights_arrive_within_tens_of_steps() -> None:
    """With Keras' momentum the network would predict one class for all that it has learned."""
    labels = np.arange(32) % 2
    noise = np.random.default_rng(0).integers(0, 100, (32, *SHAPE))
    pixels = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
    photos = tk.data.from_arrays(pixels, labels, val=0)
    model = tk.TransferModel(slow_norm(), weights=None)
    plan = tk.Plan((tk.Phase(10, tk.freeze.nothing(batch_norm="train"), batch_size=8),))
    trained = model.fit(photos, plan, verbose=0)
    slow = trained.network.get_layer("slow")
    whole = _keras.keras().Model(trained.network.input, slow.input)
    seen = np.asarray(whole(pixels.astype(np.float32))).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(
        slow.moving_mean.numpy(), seen, rtol=0.3
    )  # it was 0, and kernels move
    momenta = [trained.network.get_layer(name).momentum for name in ("slow", "quick")]
    assert momenta == [0.9, 0.5]
    control = tk.TransferModel(slow_norm()).fit(photos, plan, verbose=0).untrained()
    assert control.network.get_layer("slow").momentum == 0.9


def test_norms_of_a_head_move_as_they_were_made_to() -> None:
    made = assembled(spec_of(slow_norm()))
    normed = _keras.keras().layers.BatchNormalization(name="head_norm")(made.network.output)
    whole = _keras.keras().Model(made.network.input, normed)
    build.quicken_norms(whole, made.table)
    momenta = [whole.get_layer(name).momentum for name in ("slow", "quick", "head_norm")]
    assert momenta == [0.9, 0.5, 0.99]


def test_statistics_that_a_source_brings_move_as_keras_has_it() -> None:
    made = assembled(spec_of(slow_norm())).network
    assert made.get_layer("slow").momentum == 0.999


def test_a_copy_predicts_the_same_and_shares_no_variable() -> None:
    made = assembled(spec_of(tiny()))
    twin = build.copy(made.network)
    expected = made.network.predict_on_batch(pictures())
    assert np.array_equal(twin.predict_on_batch(pictures()), expected)
    twin.set_weights([w + 1 for w in twin.get_weights()])
    assert np.array_equal(made.network.predict_on_batch(pictures()), expected)


def test_a_copy_trains_what_a_new_policy_says() -> None:
    made = assembled(spec_of(tiny(), freeze=tk.freeze.backbone()))
    twin = build.copy(made.network)
    build.freeze(twin, made.table, tk.freeze.nothing(batch_norm="train"))
    assert len(twin.trainable_weights) == 9
    assert not np.array_equal(twin(pictures(), training=True), twin(pictures(), training=True))
    assert len(made.network.trainable_weights) == 2


def test_the_logits_stand_before_the_activation() -> None:
    made = assembled(spec_of(tiny()))
    logits = build.logits_of(made.network).predict_on_batch(pictures())
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        made.network.predict_on_batch(pictures()),
        powers / powers.sum(axis=1, keepdims=True),
        rtol=1e-5,
    )


def test_augmentation_becomes_a_layer_that_acts_in_training_only() -> None:
    spec = spec_of(tiny(), augment=(tk.augment.flip(), tk.augment.rotate(20)))
    with_layer = assembled(spec, augment=True).network
    plain = assembled(spec).network
    x = pictures()
    assert np.array_equal(with_layer.predict_on_batch(x), plain.predict_on_batch(x))
    assert "augmentation" in [layer.name for layer in with_layer.layers]
    assert "augmentation" not in [layer.name for layer in plain.layers]
    layer = with_layer.get_layer("augmentation")
    assert not np.array_equal(layer(x, training=True), x)


def test_a_model_builds_a_compiled_network() -> None:
    model = tk.TransferModel(tiny()).freeze(tk.freeze.backbone())
    network = model.build(classes=3)
    result = network.fit(pictures(), one_hot(), verbose=0)
    assert set(result.history) == {"loss", "accuracy"}
    assert float(network.optimizer.learning_rate) == pytest.approx(1e-3)
    assert model.build(classes=["ants", "bees"]).output_shape == (None, 2)
    assert tk.TransferModel(tiny()).head(tk.heads.regression()).build(outputs=4).output_shape == (
        None,
        4,
    )


def test_build_wants_one_of_classes_and_outputs() -> None:
    model = tk.TransferModel(tiny())
    with pytest.raises(SpecError, match="not said, or said twice"):
        model.build()
    with pytest.raises(SpecError, match="not said, or said twice"):
        model.build(classes=3, outputs=3)


def test_a_head_of_another_task_is_refused_with_the_one_that_fits() -> None:
    model = tk.TransferModel(tiny()).head(tk.heads.classification())
    with pytest.raises(SpecError, match=r"tk\.heads\.regression\(\)"):
        model.build(outputs=3)


def test_a_size_that_the_network_cannot_take_is_refused() -> None:
    model = tk.TransferModel("keras:MobileNetV2", weights=None)
    with pytest.raises(BackboneError, match="at least 32"):
        model.build(classes=3, image_size=8)


def test_a_model_is_a_value() -> None:
    model = tk.TransferModel("keras:VGG16")
    other = model.freeze(tk.freeze.backbone()).head(tk.heads.classification(dropout=0.1))
    assert model == tk.TransferModel("VGG16")
    assert hash(model) == hash(tk.TransferModel("VGG16"))
    assert other != model
    assert "dropout=0.1" in repr(other)
    assert "VGG16" in other._repr_html_()
    with pytest.raises(AttributeError, match="TransferModel is a value"):
        model.spec = other.spec
    wrong: Any = 3
    with pytest.raises(SpecError, match="TransferModel: weights cannot be an object of the type"):
        tk.TransferModel("VGG16", weights=wrong)
    with pytest.raises(SpecError, match="weights: weights cannot be an object of the type int"):
        model.weights(wrong)
    with pytest.raises(SpecError, match="int is no backbone"):
        tk.TransferModel(3)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="str is no head"):
        model.head("dense")  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [("ants", "ants"), "flowers", (), 1.5, ("ants", 3)])
def test_what_is_no_list_of_classes_is_refused(classes: Any) -> None:
    with pytest.raises(SpecError, match=r"named twice|no list of classes"):
        tk.TransferModel(tiny()).build(classes=classes)


def test_a_number_of_classes_may_come_from_numpy() -> None:
    count: Any = np.int64(4)
    assert tk.TransferModel(tiny()).build(classes=count).output_shape == (None, 4)


def test_the_class_of_a_head_is_no_head() -> None:
    with pytest.raises(SpecError, match="Classification is no head"):
        tk.TransferModel(tiny()).head(tk.heads.Classification)  # type: ignore[arg-type]


def test_a_model_shows_what_of_its_backbone_trains() -> None:
    total = 3 * 9 * 4 + 4 * 4 + (4 * 9 * 8 + 8) + 4 * 8
    kernels = 4 * 9 * 8 + 8
    model = tk.TransferModel(tiny())
    for policy, moving in (
        (tk.freeze.backbone(), 0),
        (tk.freeze.all_but(tk.select.top_blocks(1)), kernels),
        (tk.freeze.all_but(tk.select.top_blocks(1), batch_norm="train"), kernels + 2 * 8),
    ):
        shown = f"parameters: {total} ({moving} trainable, {total - moving} frozen)"
        assert shown in repr(model.freeze(policy)), policy
        assert f"{moving} trainable" in model.freeze(policy)._repr_html_()


def test_a_model_whose_policy_fits_no_layer_can_still_be_shown() -> None:
    model = tk.TransferModel(tiny()).freeze(tk.freeze.only(tk.select.up_to("frist_conv")))
    assert "first_conv" in repr(model)


def test_a_layer_that_is_thawed_by_kerass_own_means_trains_again() -> None:
    made = assembled(spec_of(tiny(), freeze=tk.freeze.backbone()))
    network = made.network
    for layer in network.layers:
        layer.trainable = True
    network.compile("sgd", "categorical_crossentropy")
    norm = network.get_layer("second_norm")
    before = norm.moving_mean.numpy()
    network.fit(pictures(), one_hot(), verbose=0)
    assert not np.array_equal(before, norm.moving_mean.numpy())
    assert not np.array_equal(
        network(pictures(), training=True), network(pictures(), training=True)
    )


def test_a_model_is_copied_and_pickled() -> None:
    model = tk.TransferModel("keras:VGG16").head(tk.heads.classification(dropout=0.1))
    assert copy.copy(model) == copy.deepcopy(model) == pickle.loads(pickle.dumps(model)) == model


def test_showing_a_model_draws_no_random_number() -> None:
    model = tk.TransferModel(tiny())
    state = random.getstate()
    repr(model)
    assert random.getstate() == state


@pytest.mark.parametrize("engine", ["gpu", tk.plans.fine_tune()])
def test_what_is_no_engine_is_refused(engine: Any) -> None:
    data = tk.data.from_arrays(pictures().astype(np.uint8), [0, 1, 0, 1], val=0)
    with pytest.raises(SpecError, match=r"fit: \w+ is no engine"):
        tk.TransferModel(tiny()).fit(data, engine=engine)


@pytest.mark.parametrize("seed", [-1, None, 0.5, 2**63])
def test_a_seed_that_is_none_is_refused_before_anything_is_built(seed: Any) -> None:
    data = tk.data.from_arrays(pictures().astype(np.uint8), [0, 1, 0, 1], val=0)
    with pytest.raises(SpecError, match="fit: that is no seed"):
        tk.TransferModel(tiny()).fit(data, seed=seed)
