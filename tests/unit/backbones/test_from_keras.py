from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit import _keras, backbones, build, bundle
from transferkit.backbones import Preprocessing
from transferkit.errors import (
    BackboneError,
    PluginError,
    SpecError,
    UnknownNameError,
    WeightsError,
    WeightsNotFoundError,
)
from transferkit.spec import BackboneInfo

keras = _keras.keras()
layers = keras.layers
Array = np.ndarray[Any, Any]
SHAPE = (32, 32, 3)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BY_HAND: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x,
    "unit": lambda x: x / 255,
    "tf": lambda x: x / 127.5 - 1,
    "caffe": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    "torch": lambda x: (x / 255 - np.array(MEAN)) / np.array(STD),
}


def pictures(channels: int = 3, *, side: int = 32) -> Array:
    values = np.random.default_rng(0).integers(0, 256, (2, side, side, channels))
    return values.astype(np.float32)


def with_drawn_weights(model: Any, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(-0.5, 0.5, w.shape) for w in model.get_weights()])
    return model


def chain(shape: tuple[int | None, int | None, int] = SHAPE) -> Any:
    """Convolutions only, so that any size will do."""
    pixels = keras.Input(shape, name="picture")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="low_conv")(pixels)
    x = layers.MaxPooling2D(name="low_pool")(x)
    x = layers.Conv2D(6, 3, padding="same", name="high_conv")(x)
    return with_drawn_weights(keras.Model(pixels, x, name="chain"))


def sequential() -> Any:
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, strides=2, name="first"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(5, name="second"),
        ],
        name="stack",
    )
    return with_drawn_weights(model)


def flattening() -> Any:
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(2, 3, strides=4, name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="dense"),
        ],
        name="flattening",
    )
    return with_drawn_weights(model)


def pointwise(channels: int, **options: Any) -> Any:
    """One 1x1 convolution: easily recomputed by hand."""
    pixels = keras.Input((8, 8, channels), name="picture")
    x = layers.Conv2D(5, 1, name="conv", **options)(pixels)
    return with_drawn_weights(keras.Model(pixels, x, name="pointwise"))


def features(backbone: Any, pixels: Array) -> Array:
    return np.asarray(backbone.network(pixels, training=False))


def load(model: Any, shape: tuple[int, int, int] = SHAPE, **options: Any) -> Any:
    weights = options.pop("weights", "pretrained")
    return tk.backbones.from_keras(model, **options).load(input_shape=shape, weights=weights)


# What the loaded backbone is.


@pytest.mark.parametrize("make", [chain, sequential])
def test_a_functional_and_a_sequential_model_keep_their_outputs(make: Callable[[], Any]) -> None:
    model = make()
    backbone = load(model)
    expected = np.asarray(model(pictures()))
    assert expected.std() > 0
    np.testing.assert_allclose(features(backbone, pictures()), expected, rtol=1e-5, atol=1e-4)
    assert backbone.network.input_shape == (None, *SHAPE)
    assert backbone.table.names[1:] == tuple(layer.name for layer in model.layers)[-3:]


def test_a_map_is_averaged_into_the_embedding_and_a_vector_is_it() -> None:
    for model, width in ((chain(), 6), (sequential(), 5)):
        backbone = load(model)
        embed = keras.Model(backbone.network.input, backbone.embedding)
        given = np.asarray(model(pictures()))
        expected = given.mean(axis=(1, 2)) if given.ndim == 4 else given
        assert expected.shape == (2, width)
        np.testing.assert_allclose(embed(pictures()), expected, rtol=1e-4, atol=1e-3)
        assert backbone.info.embedding == width


def test_what_is_known_is_read_from_the_graph() -> None:
    network = tk.backbones.from_keras(
        chain(),
        name="mine",
        preprocessing="tf",
        blocks=r"(low|high)_",
        licence="MIT",
        origin="a night's work",
    )
    assert network.info == BackboneInfo(
        name="mine",
        image_size=(32, 32),
        channels=3,
        preprocessing="x * [0.00784314] + [-1]",
        strides=(1, 2),
        block_names=("low", "high"),
        embedding=6,
        params=(3 * 3 * 3 * 4 + 4) + (3 * 3 * 4 * 6 + 6),
        weights=("pretrained",),
        licence="MIT",
        origin="a night's work",
    )
    assert tk.backbones.from_keras(chain()).info.name == "chain"


def test_a_model_for_any_size_is_known_at_224() -> None:
    network = tk.backbones.from_keras(chain((None, None, 3)))
    assert network.info.image_size == (224, 224)
    assert tk.backbones.load(network).network.input_shape == (None, 224, 224, 3)


def test_nested_models_are_opened_and_keep_their_outputs() -> None:
    inside = keras.Input((16, 16, 4), name="inside")
    y = layers.Conv2D(4, 3, padding="same", name="unit_conv")(inside)
    unit = keras.Model(inside, layers.Add(name="unit_sum")([inside, y]), name="unit")
    stack = keras.Sequential([unit, layers.ReLU(name="relu")], name="stack")
    pixels = keras.Input(SHAPE, name="picture")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(pixels)
    model = with_drawn_weights(keras.Model(pixels, stack(x), name="nest"))
    backbone = load(model, preprocessing="tf")
    assert backbone.table.names == ("picture", "stem", "unit_conv", "unit_sum", "relu")
    flat = ["pixels", "preprocessing", "stem", "unit_conv", "unit_sum", "relu"]
    assert [layer.name for layer in backbone.network.layers] == flat
    expected = np.asarray(model(pictures() / 127.5 - 1))
    np.testing.assert_allclose(features(backbone, pictures()), expected, rtol=1e-4, atol=1e-5)


def test_names_that_are_doubled_once_models_are_opened_are_refused() -> None:
    nested = keras.Sequential([keras.Input(SHAPE), layers.ReLU(name="relu")], name="nested")
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, nested(layers.ReLU(name="relu")(pixels)))
    with pytest.raises(BackboneError, match=r"share a name.*names=\['relu'\]"):
        load(model)


# Preprocessing.


def doing_nothing() -> Any:
    pixels = keras.Input((8, 8, 3))
    return keras.Model(pixels, layers.Activation("linear", name="same")(pixels))


@pytest.mark.parametrize("mode", sorted(BY_HAND))
def test_a_mode_does_to_the_pixels_what_it_says(mode: str) -> None:
    backbone = load(doing_nothing(), (8, 8, 3), preprocessing=mode)
    given = features(backbone, pictures(side=8))
    np.testing.assert_allclose(given, BY_HAND[mode](pictures(side=8)), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_rule_of_ones_own_does_to_the_pixels_what_it_says(order: Any) -> None:
    rule = Preprocessing((0.5, 0.25, 2.0), (1.0, -2.0, 3.0), order)
    backbone = load(doing_nothing(), (8, 8, 3), preprocessing=rule)
    turned = pictures(side=8)[..., ::-1] if order == "bgr" else pictures(side=8)
    expected = np.stack(
        [turned[..., 0] * 0.5 + 1, turned[..., 1] * 0.25 - 2, turned[..., 2] * 2 + 3], axis=-1
    )
    np.testing.assert_allclose(features(backbone, pictures(side=8)), expected, rtol=1e-5, atol=1e-4)


def test_channels_are_turned_round_also_where_nothing_is_scaled() -> None:
    rule = Preprocessing(order="bgr")
    backbone = load(doing_nothing(), (8, 8, 3), preprocessing=rule)
    assert np.array_equal(features(backbone, pictures(side=8)), pictures(side=8)[..., ::-1])


def test_no_preprocessing_adds_no_layer() -> None:
    names = [layer.name for layer in load(chain()).network.layers]
    assert names == ["pixels", "low_conv", "low_pool", "high_conv"]


def test_an_unknown_mode_gets_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"from_keras: .*did you mean 'caffe'.*'cafe'"):
        tk.backbones.from_keras(chain(), preprocessing="cafe")


# Weights, and whose they are.


def test_the_model_is_copied_at_each_load_and_never_changed() -> None:
    model = chain()
    model.get_layer("low_conv").trainable = False
    before = [w.copy() for w in model.get_weights()]
    config = model.get_config()
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    network = tk.backbones.from_keras(model, preprocessing="tf")
    first, second = (network.load(input_shape=SHAPE, weights="pretrained") for _ in range(2))
    variables = [{id(w) for w in net.weights} for net in (model, first.network, second.network)]
    assert [len(ids) for ids in variables] == [4, 4, 4]
    assert len(set.union(*variables)) == 12, "no two of them share a variable"
    built = tk.TransferModel(network).freeze(tk.freeze.nothing()).build(classes=2)
    built.fit(pictures(), np.eye(2), epochs=2, verbose=0)
    first.network.set_weights([w + 1 for w in first.network.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    assert model.get_config() == config
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
    assert not model.get_layer("low_conv").trainable
    for have, want in zip(second.network.get_weights(), before, strict=True):
        assert np.array_equal(have, want)


def test_no_weights_means_random_ones() -> None:
    model = chain()
    random = load(model, weights=None).network.get_layer("high_conv").kernel
    assert random.shape == (3, 3, 4, 6)
    assert not np.allclose(random, model.get_layer("high_conv").kernel)
    other = load(model, weights=None).network.get_layer("high_conv").kernel
    assert not np.allclose(random, other)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_weights_are_read_from_a_file(ending: str, tmp_path: Path) -> None:
    other = with_drawn_weights(chain(), seed=7)
    path = tmp_path / f"other{ending}"
    other.save_weights(path) if ending == ".weights.h5" else other.save(path)
    given = features(load(chain(), weights=str(path)), pictures())
    np.testing.assert_allclose(given, other(pictures()), rtol=1e-5, atol=1e-3)
    assert not np.allclose(given, chain()(pictures()), atol=1)


def test_a_file_that_is_missing_or_of_another_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"no file .*mine\.weights\.h5"):
        load(chain(), weights=str(tmp_path / "mine.weights.h5"))
    path = tmp_path / "stack.weights.h5"
    sequential().save_weights(path)
    with pytest.raises(WeightsError, match=r"stack\.weights\.h5 does not fit chain"):
        load(chain(), weights=str(path))


def test_weights_of_an_unknown_name_are_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load(chain(), weights="imagenet")
    assert str(caught.value) == (
        "weights: chain has no weights called 'imagenet'. Expected 'pretrained' (the model's own), "
        "None, or a path to a weight file. Received: weights='imagenet'."
    )


# Other sizes and channels.


@pytest.mark.parametrize("own", [SHAPE, (None, None, 3)])
def test_a_convolutional_model_takes_another_size(own: tuple[int | None, int | None, int]) -> None:
    model = chain(own)
    backbone = load(model, (64, 48, 3), preprocessing="unit")
    assert backbone.network.input_shape == (None, 64, 48, 3)
    assert backbone.network.output_shape == (None, 32, 24, 6)
    twin = chain((64, 48, 3))
    twin.set_weights(model.get_weights())
    pixels = pictures(side=64)[:, :, :48]
    expected = np.asarray(twin(pixels / 255))
    np.testing.assert_allclose(features(backbone, pixels), expected, rtol=1e-4, atol=1e-5)


def test_a_sequential_model_takes_another_size() -> None:
    backbone = load(sequential(), (64, 64, 3))
    twin = keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(4, 3, strides=2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    twin.set_weights(sequential().get_weights())
    pixels = pictures(side=64)
    np.testing.assert_allclose(features(backbone, pixels), twin(pixels), rtol=1e-4, atol=1e-3)


def test_a_flattening_model_keeps_to_its_size_unless_its_weights_are_given_up() -> None:
    np.testing.assert_allclose(
        features(load(flattening()), pictures()), flattening()(pictures()), rtol=1e-5, atol=1e-3
    )
    with pytest.raises(BackboneError) as caught:
        load(flattening(), (64, 64, 3))
    assert str(caught.value) == (
        "load: the weights of flattening cannot be carried over to this shape. Expected a network "
        "in which one convolution reads the pixels, and pictures of the shape (32, 32, 3). "
        "Received: differing=['flattening/dense/kernel']. weights=None starts from random ones."
    )
    assert load(flattening(), (64, 64, 3), weights=None).network.output_shape == (None, 3)


def test_a_model_that_cannot_be_rebuilt_at_a_size_says_which_it_was_built_for() -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Reshape((16, 16, 12), name="space")(pixels), name="fixed")
    assert load(model).network.output_shape == (None, 16, 16, 12)
    with pytest.raises(BackboneError) as caught:
        load(model, (64, 64, 3))
    text = str(caught.value)
    assert text.startswith("load: fixed cannot be built for these pictures (The total size of the")
    assert "Received: input_shape=(64, 64, 3). image_size=(32, 32) is its own." in text


@pytest.mark.parametrize("shape", [(0, 32, 3), (32, 32, 0)])
def test_pictures_without_sides_or_channels_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(BackboneError, match="cannot take pictures of 0 "):
        load(chain(), shape)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["none", "tf"])
def test_other_channels_take_the_first_kernel_in_a_circle(channels: int, mode: str) -> None:
    model = pointwise(3)
    kernel, bias = model.get_weights()
    backbone = load(model, (8, 8, channels), preprocessing=mode)
    pixels = pictures(channels, side=8)
    scaled = BY_HAND[mode](pixels)
    expected = np.zeros((2, 8, 8, 5)) + bias
    if channels == 1:  # the one channel is seen by all three
        for colour in range(3):
            expected += scaled * kernel[0, 0, colour]
    else:
        for channel in range(channels):
            colour = (0, 1, 2, 0)[channel]
            expected += scaled[..., channel : channel + 1] * kernel[0, 0, colour] * 3 / channels
    np.testing.assert_allclose(features(backbone, pixels), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_means_and_deviations_go_round_in_the_same_circle(channels: int) -> None:
    model = pointwise(3, use_bias=False)
    kernel = model.get_weights()[0]
    backbone = load(model, (8, 8, channels), preprocessing="torch")
    pixels = pictures(channels, side=8)
    expected = np.zeros((2, 8, 8, 5))
    for channel in range(channels):
        colour = (0, 1, 2, 0)[channel]
        scaled = (pixels[..., channel : channel + 1] / 255 - MEAN[colour]) / STD[colour]
        expected += scaled * kernel[0, 0, colour] * 3 / channels
    np.testing.assert_allclose(features(backbone, pixels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 6])
def test_a_picture_of_one_value_gives_the_same_features_in_any_number_of_channels(
    channels: int,
) -> None:
    model = chain()
    flat = np.full((1, 32, 32, channels), 90, np.float32)
    given = features(load(model, (32, 32, channels), preprocessing="unit"), flat)
    expected = np.asarray(model(np.full((1, *SHAPE), 90 / 255, np.float32)))
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_a_grey_model_shows_each_colour_a_third_of_its_kernel() -> None:
    model = pointwise(1)
    kernel, bias = model.get_weights()
    pixels = pictures(side=8)
    expected = pixels.mean(axis=-1, keepdims=True) * kernel[0, 0, 0] + bias
    np.testing.assert_allclose(
        features(load(model, (8, 8, 3)), pixels), expected, rtol=1e-4, atol=1e-3
    )


def test_all_weights_but_the_first_kernel_stay_with_other_channels() -> None:
    model = chain()
    given = load(model, (32, 32, 4)).network.get_weights()
    assert [w.shape for w in given] == [(3, 3, 4, 4), (4,), (3, 3, 4, 6), (6,)]
    for have, want in zip(given[1:], model.get_weights()[1:], strict=True):
        assert np.array_equal(have, want)


# Blocks.


def test_blocks_are_named_by_the_first_group_of_a_pattern() -> None:
    backbone = load(chain(), blocks=r"(low|high)_")
    assert [(row.name, row.block) for row in backbone.table] == [
        ("picture", 0),
        ("low_conv", 0),
        ("low_pool", 0),
        ("high_conv", 1),
    ]
    assert backbone.table.block_names == ("low", "high")
    assert [end.shape[1:] for end in backbone.block_ends] == [(16, 16, 4), (16, 16, 6)]


def test_without_a_pattern_blocks_are_read_from_the_graph() -> None:
    backbone = load(chain())
    assert [row.block for row in backbone.table] == [0, 0, 0, 1]
    assert backbone.table.block_names == ("block_0", "block_1")
    assert [end.shape[1:] for end in backbone.block_ends] == [(16, 16, 4), (16, 16, 6)]


def test_a_pattern_without_a_group_is_an_error_with_one_that_has_one() -> None:
    with pytest.raises(SpecError) as caught:
        tk.backbones.from_keras(chain(), blocks=r"stage\d+_")
    assert str(caught.value) == (
        "from_keras: the blocks pattern has no group. Expected a regular expression whose first "
        r"group names the block. Received: blocks='stage\\d+_'. blocks=r'(stage\d+)_'"
    )


# What is no backbone.


def test_a_model_without_a_readable_graph_is_refused() -> None:
    class Subclassed(keras.Model):  # type: ignore[name-defined]
        def call(self, x: Any) -> Any:
            return x

    for model, kind in (
        (Subclassed(), "Subclassed"),
        (keras.Sequential([layers.Conv2D(2, 3)]), "Sequential"),
        ("MobileNetV2", "str"),
    ):
        with pytest.raises(BackboneError, match=rf"from_keras: {kind} is no functional.*Rebuild"):
            tk.backbones.from_keras(model)


def test_only_one_picture_in_and_one_tensor_out_are_taken() -> None:
    one, two = keras.Input(SHAPE), keras.Input(SHAPE)
    vector = keras.Input((7,))
    conv = layers.Conv2D(2, 3)
    for model in (
        keras.Model([one, two], layers.Add()([one, two]), name="two_in"),
        keras.Model(one, [conv(one), layers.ReLU()(one)], name="two_out"),
        keras.Model(vector, layers.Dense(2)(vector), name="no_picture"),
    ):
        with pytest.raises(BackboneError, match=rf"{model.name} does not go from one picture"):
            tk.backbones.from_keras(model)


# Names.


@pytest.fixture
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's is registered, and what a test registers is gone afterwards."""
    monkeypatch.setattr(backbones._SOURCES, "_things", dict(backbones._SOURCES._things))
    monkeypatch.setattr(backbones._USER, "_things", {})


class Acme:
    """A source as another package would write it."""

    def names(self) -> tuple[str, ...]:
        return ("anvil", "VGG16")

    def info(self, name: str) -> BackboneInfo:
        return BackboneInfo(name=f"acme:{name}", image_size=(8, 8))

    def load(self, name: str, *, input_shape: tuple[int, int, int], weights: str | None) -> Any:
        return load(pointwise(3), input_shape, weights=weights, name=f"acme:{name}")


@pytest.mark.usefixtures("_own_registry")
def test_a_registered_model_is_known_by_its_full_and_its_bare_name() -> None:
    assert tk.backbones.names("user:*") == ()
    tk.backbones.register("digits", tk.backbones.from_keras(chain(), blocks=r"(low|high)_"))
    tk.backbones.register("letters", tk.backbones.from_keras(sequential()))
    assert tk.backbones.names("user:*") == ("user:digits", "user:letters")
    assert tk.backbones.names("*:dig*") == ("user:digits",)
    assert set(tk.backbones.names("keras:*")) < set(tk.backbones.names())
    for name in ("user:digits", "digits"):
        assert tk.backbones.find(name) == ("user", "digits")
        known = tk.backbones.info(name)
        assert (known.image_size, known.channels, known.embedding) == ((32, 32), 3, 6)
        assert (known.strides, known.block_names) == ((1, 2), ("low", "high"))


@pytest.mark.usefixtures("_own_registry")
def test_a_registered_model_loads_at_its_own_size_with_its_own_weights() -> None:
    model = chain()
    tk.backbones.register("digits", tk.backbones.from_keras(model, preprocessing="unit"))
    backbone = tk.backbones.load("digits")
    assert backbone.network.input_shape == (None, *SHAPE)
    expected = np.asarray(model(pictures() / 255))
    np.testing.assert_allclose(features(backbone, pictures()), expected, rtol=1e-4, atol=1e-5)
    other = tk.backbones.load("user:digits", input_shape=(64, 64, 1), weights=None)
    assert other.network.input_shape == (None, 64, 64, 1)
    assert tk.TransferModel("digits").build(classes=4).output_shape == (None, 4)


@pytest.mark.usefixtures("_own_registry")
def test_a_mistyped_name_of_a_registered_model_gets_the_nearest() -> None:
    tk.backbones.register("digits", tk.backbones.from_keras(chain()))
    for name in ("digit", "user:digit"):
        with pytest.raises(UnknownNameError, match=rf"no backbone called '{name}'.*'digits'"):
            tk.backbones.load(name)


@pytest.mark.usefixtures("_own_registry")
def test_a_bare_name_that_two_sources_have_must_be_said_in_full() -> None:
    tk.backbones.register("VGG16", tk.backbones.from_keras(chain()))
    with pytest.raises(SpecError) as caught:
        tk.backbones.info("VGG16")
    assert str(caught.value) == (
        "backbones: several sources have a backbone called 'VGG16'. Expected one of 'keras:VGG16', "
        "'user:VGG16'. Received: name='VGG16'. Say which: 'keras:VGG16'."
    )
    assert not isinstance(caught.value, UnknownNameError)
    assert tk.backbones.info("user:VGG16").embedding == 6
    assert tk.backbones.info("keras:VGG16").embedding == 512


@pytest.mark.usefixtures("_own_registry")
def test_a_taken_name_is_given_anew_only_when_asked() -> None:
    first, second = tk.backbones.from_keras(chain()), tk.backbones.from_keras(sequential())
    tk.backbones.register("digits", first)
    with pytest.raises(SpecError, match=r"the backbone name 'digits' is taken.*replace=True"):
        tk.backbones.register("digits", second)
    assert tk.backbones.info("digits").embedding == 6
    tk.backbones.register("digits", second, replace=True)
    assert tk.backbones.info("digits").embedding == 5
    with pytest.raises(SpecError, match="the backbone source name 'keras' is taken"):
        tk.backbones.register("keras", Acme())


@pytest.mark.usefixtures("_own_registry")
@pytest.mark.parametrize("name", ["", "my:digits"])
def test_a_name_to_register_is_plain(name: str) -> None:
    with pytest.raises(SpecError, match="must not be empty or hold a colon"):
        tk.backbones.register(name, tk.backbones.from_keras(chain()))
    assert tk.backbones.names("user:*") == ()


@pytest.mark.usefixtures("_own_registry")
def test_a_registered_source_stands_beside_the_others() -> None:
    tk.backbones.register("acme", Acme())
    assert tk.backbones.names("acme:*") == ("acme:VGG16", "acme:anvil")
    assert tk.backbones.find("anvil") == ("acme", "anvil")
    assert tk.backbones.info("anvil").name == "acme:anvil"
    backbone = tk.backbones.load("acme:anvil")
    assert backbone.network.output_shape == (None, 8, 8, 5)
    assert backbone.info.name == "acme:anvil"
    with pytest.raises(SpecError, match="several sources have a backbone called 'VGG16'"):
        tk.backbones.find("VGG16")
    with pytest.raises(UnknownNameError, match="'anvil'"):
        tk.backbones.load("acme:anvill")


class Shelf(Acme):
    """An open source: names as Acme has them, and networks at addresses."""

    def network(self, address: str, *, trust: bool) -> tk.backbones.KerasNetwork:
        if not trust:
            raise SpecError(f"shelf: {address} holds a program")
        return tk.backbones.from_keras(chain(), name=f"shelf:{address}")


@pytest.mark.usefixtures("_own_registry")
def test_what_an_open_source_does_not_list_is_an_address() -> None:
    tk.backbones.register("shelf", Shelf())
    assert tk.backbones.find("shelf:a/b:c") == ("shelf", "a/b:c")
    assert tk.backbones.network_at("shelf:anvil") is None
    assert tk.backbones.info("shelf:anvil").name == "acme:anvil"
    at = tk.backbones.network_at("shelf:a/b:c", trust=True)
    assert at is not None
    assert at.info.name == "shelf:a/b:c"
    model = tk.TransferModel("shelf:a/b:c", weights=None, trust=True)
    assert model.build(classes=2, image_size=SHAPE[:2]).output_shape == (None, 2)
    for door in (tk.backbones.info, tk.backbones.load, tk.TransferModel):
        with pytest.raises(SpecError, match="shelf: a/b:c holds a program"):
            door("shelf:a/b:c")
    with pytest.raises(UnknownNameError, match="there is no backbone called 'shelf:'"):
        tk.backbones.find("shelf:")


@pytest.fixture
def _entry_points_read_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For packages that the test installs, whatever earlier tests had read."""
    monkeypatch.setitem(vars(backbones._SOURCES), "_points", {})
    del vars(backbones._SOURCES)["_points"]
    yield
    vars(backbones._SOURCES).pop("_points", None)


ACME = """
    import keras
    import transferkit as tk
    pixels = keras.Input((8, 8, 3))
    anvil = tk.backbones.from_keras(keras.Model(pixels, keras.layers.Conv2D(5, 1)(pixels)))
    class Acme:
        def names(self):
            return ("anvil",)
        def info(self, name):
            return anvil.info
        def load(self, name, *, input_shape, weights):
            return anvil.load(input_shape=input_shape, weights=weights)
    acme = Acme()
"""


@pytest.mark.usefixtures("_own_registry", "_entry_points_read_again")
def test_another_package_brings_a_source_through_its_entry_point(install: Any) -> None:
    install("acme-tools", ACME, "transferkit.backbones: acme = acme_tools:acme")
    assert tk.backbones.info("keras:VGG16").embedding == 512
    assert "acme_tools" not in sys.modules, "what is here already asks nobody else"
    assert tk.backbones.load("acme:anvil").network.output_shape == (None, 8, 8, 5)
    assert "acme:anvil" in tk.backbones.names()


@pytest.mark.usefixtures("_own_registry", "_entry_points_read_again")
def test_a_source_that_cannot_be_used_is_named_and_the_others_are_listed(install: Any) -> None:
    install("acme-tools", ACME, "transferkit.backbones: acme = acme_tools:acme")
    install("broken-nets", "import nothing_at_all", "transferkit.backbones: broken = broken_nets:x")
    install("no-nets", "source = 3", "transferkit.backbones: three = no_nets:source")
    with pytest.warns(UserWarning, match="backbone sources: ") as told:
        names = tk.backbones.names()
    assert {"acme:anvil", "keras:VGG16"} < set(names)
    assert len(told) == 2
    with pytest.raises(PluginError) as caught:
        tk.backbones.load("broken:net")
    assert str(caught.value) == (
        "backbones: the entry point 'broken' of the package broken-nets 1.2 cannot be imported "
        "(ModuleNotFoundError: No module named 'nothing_at_all'). Received: name='broken', "
        "group='transferkit.backbones', value='broken_nets:x'. pip install --upgrade broken-nets"
    )
    with pytest.raises(PluginError) as caught:
        tk.backbones.load("three:net")
    assert str(caught.value) == (
        "backbones: the entry point 'three' of the package no-nets 1.2 gives an instance of int, "
        "which is no backbone source. Expected an object with names(), info(name) and "
        "load(name, input_shape=, weights=). Received: name='three', "
        "group='transferkit.backbones', value='no_nets:source'."
    )


@pytest.mark.usefixtures("_own_registry", "_entry_points_read_again")
def test_a_source_that_cannot_list_its_networks_leaves_the_others(install: Any) -> None:
    source = ACME.replace('return ("anvil",)', 'raise OSError("no list today")')
    install("acme-tools", source, "transferkit.backbones: acme = acme_tools:acme")
    with pytest.warns(UserWarning, match="backbones.names: ") as told:
        assert "keras:VGG16" in tk.backbones.names()
    (warning,) = told
    assert str(warning.message) == (
        "backbones.names: the source 'acme' cannot list its networks (OSError: no list today) and "
        "is left out. Received: source='acme', package='acme-tools'. "
        "pip install --upgrade acme-tools"
    )


# Whole classifiers.


@pytest.mark.usefixtures("_own_registry")
def test_only_keras_has_classifiers() -> None:
    tk.backbones.register("digits", tk.backbones.from_keras(chain()))
    with pytest.raises(SpecError) as caught:
        tk.backbones.classifier("digits")
    assert str(caught.value) == (
        "classifier: user:digits has no top of its own. Expected a network of keras:. "
        "Received: name='digits'."
    )


WITH_TOP = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"


@pytest.mark.usefixtures("_offline")
def test_a_classifier_reads_the_file_in_kerass_folder(keras_home: Path) -> None:
    bare = keras.applications.MobileNetV2(weights=None)
    rng = np.random.default_rng(1)
    for weight in bare.trainable_weights:
        if len(weight.shape) > 1:  # wide enough that the picture reaches the classes
            inputs = weight.shape[:2] if "depthwise" in weight.path else weight.shape[:-1]
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(inputs)), weight.shape))
    bare.save(keras_home / "models" / WITH_TOP)
    network = tk.backbones.classifier("MobileNetV2", weights="imagenet")
    pixels = pictures(side=224)[:1]
    given = np.asarray(network(pixels, training=False))
    expected = np.asarray(bare(pixels / 127.5 - 1, training=False))
    assert given.shape == (1, 1000)
    assert given.max() > 0.01, "no flat row of probabilities"
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("_offline")
def test_a_classifier_that_cannot_be_had_names_the_file_with_its_top(keras_home: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="cannot be downloaded") as caught:
        tk.backbones.classifier("keras:MobileNetV2")
    assert str(keras_home / "models" / WITH_TOP) in str(caught.value)


def test_a_classifier_of_unknown_weights_or_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no weights called 'imagnet'.*'imagenet'"):
        tk.backbones.classifier("MobileNetV2", weights="imagnet")
    with pytest.raises(UnknownNameError, match="'MobileNetV2'"):
        tk.backbones.classifier("MobileNet2")


# -- what once went wrong


def test_statistics_of_a_normalization_come_along_in_every_copy(tmp_path: Path) -> None:
    norm = layers.Normalization(name="norm")
    norm.adapt(pictures())
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Conv2D(4, 3, name="conv")(norm(pixels)), name="adapted")
    expected = model(pictures())
    np.testing.assert_allclose(features(load(model), pictures()), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(build.copy(model)(pictures()), expected, rtol=1e-4, atol=1e-4)
    bundle.write(tmp_path / "m.tkm", model, {})
    again = bundle.read(tmp_path / "m.tkm").network
    np.testing.assert_allclose(again(pictures()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rule", ["none", "unit", "tf", "caffe", "torch"])
def test_a_grey_picture_gives_what_its_repetition_gives(rule: str) -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", name="conv")(pixels)
    model = with_drawn_weights(keras.Model(pixels, x, name="grey"))
    grey = load(model, (32, 32, 1), preprocessing=rule)
    rgb = load(model, preprocessing=rule)
    one = pictures()[..., :1]
    np.testing.assert_allclose(
        features(grey, one), features(rgb, np.repeat(one, 3, axis=-1)), rtol=1e-4, atol=1e-3
    )


def counting(pixels: Any) -> Any:
    """Three numbers, one for each channel, in a layer that no weight belongs to."""
    x = layers.Rescaling([1 / 60, 1 / 50, 1 / 70], [-1.0, -2.0, -3.0], name="scaled")(pixels)
    return layers.Conv2D(4, 3, padding="same", name="conv")(x)


def turning(pixels: Any) -> Any:
    conv = layers.Conv2D(4, 3, padding="same", name="conv")
    return conv(pixels[..., ::-1] / 127.5 - 1.0)


@pytest.mark.parametrize("body", [counting, turning])
def test_a_network_that_knows_its_channels_takes_grey_three_times(body: Any) -> None:
    pixels = keras.Input(SHAPE)
    model = with_drawn_weights(keras.Model(pixels, body(pixels), name="knowing"))
    one = pictures()[..., :1]
    given = features(load(model, (32, 32, 1)), one)
    expected = model(np.repeat(one, 3, axis=-1))
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("weights", ["pretrained", None])
def test_layers_that_count_channels_are_told_before_training(
    channels: int, weights: str | None
) -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, counting(pixels), name="counting")
    with pytest.raises(BackboneError, match="counting cannot be built for these pictures"):
        load(model, (32, 32, channels), weights=weights)


def minus_the_mean(pixels: Any) -> Any:
    x = layers.Subtract(name="less")([pixels, keras.ops.mean(pixels, axis=-1, keepdims=True)])
    return layers.Conv2D(4, 3, name="conv")(x)


@pytest.mark.parametrize("body", [turning, minus_the_mean])
def test_kernels_go_to_other_channels_only_where_each_reads_its_own(body: Any) -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, body(pixels), name="turning")
    with pytest.raises(BackboneError, match="weights of turning cannot be carried over"):
        load(model, (32, 32, 4))


def test_what_leaves_channels_where_they_are_may_stand_before_the_convolution() -> None:
    pixels = keras.Input(SHAPE)
    x = layers.ZeroPadding2D(name="pad")(pixels / 127.5 - 1.0)
    x = layers.Conv2D(4, 3, use_bias=False, name="conv")(x)
    model = with_drawn_weights(keras.Model(pixels, x, name="scaling"))
    four = load(model, (32, 32, 4))
    kernel = np.asarray(four.network.get_layer("conv").kernel)
    wanted = np.asarray(model.get_layer("conv").kernel)[:, :, [0, 1, 2, 0]] * 3 / 4
    np.testing.assert_allclose(kernel, wanted, rtol=1e-6)
    assert features(four, pictures(4)).shape == (2, 32, 32, 4)


def test_more_channels_than_three_keep_the_first_three_in_the_networks_order() -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 1, use_bias=False, name="conv")(pixels)
    model = with_drawn_weights(keras.Model(pixels, x, name="four"))
    kernel = np.asarray(model.get_layer("conv").kernel)[0, 0]
    four = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 4)).astype(np.float32)
    bgr = four[..., [2, 1, 0, 3]] - np.array([103.939, 116.779, 123.68, 103.939])
    expected = bgr @ (kernel[[0, 1, 2, 0]] * 3 / 4)
    given = features(load(model, (32, 32, 4), preprocessing="caffe"), four)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-2)


def separable(pixels: Any) -> Any:
    return layers.SeparableConv2D(4, 3, name="first")(pixels)


def skip(pixels: Any) -> Any:
    x = layers.Conv2D(4, 3, padding="same", name="first")(pixels)
    return layers.Conv2D(4, 3, name="second")(layers.Concatenate(name="both")([pixels, x]))


def depthwise(pixels: Any) -> Any:
    return layers.DepthwiseConv2D(3, name="first")(pixels)


@pytest.mark.parametrize("body", [separable, skip, depthwise])
def test_other_channels_than_one_convolution_can_take_are_refused(body: Any) -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, body(pixels), name="odd")
    for channels in (2, 4):
        with pytest.raises(BackboneError, match="cannot be carried over to this shape"):
            load(model, (32, 32, channels))


def test_negative_scales_keep_their_sign() -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Activation("linear", name="same")(pixels), name="negative")
    rule = Preprocessing((-1.0, -1.0, -1.0), (255.0, 254.0, 253.0))
    given = features(load(model, preprocessing=rule), pictures())
    np.testing.assert_allclose(given, rule(pictures()), rtol=1e-6)
    np.testing.assert_allclose(given[..., 1], 254 - pictures()[..., 1], rtol=1e-6)


def test_an_operation_may_end_a_block_or_the_network() -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", name="stem")(pixels)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    model = with_drawn_weights(keras.Model(pixels, keras.ops.relu(x + y), name="sums"))
    loaded = load(model)
    np.testing.assert_allclose(
        features(loaded, pictures()), model(pictures()), rtol=1e-4, atol=1e-3
    )
    assert len(loaded.block_ends) == loaded.table.block_count
    assert loaded.block_ends[-1] is loaded.network.output
    keras.Model(loaded.block_ends[0], loaded.network.output)


def test_a_layer_that_is_called_twice_ends_no_block_at_its_first_call() -> None:
    pixels = keras.Input(SHAPE)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(pixels)
    x = shared(stem)
    side = layers.Conv2D(4, 3, padding="same", name="side")(x)
    model = keras.Model(pixels, layers.Add(name="sum")([side, shared(x)]), name="twice")
    loaded = load(model)
    assert loaded.table.block_count == len(loaded.block_ends) == 2
    assert loaded.block_ends[-1] is loaded.network.output
    keras.Model(loaded.block_ends[0], loaded.network.output)


@pytest.mark.parametrize("structure", [lambda x: [x], lambda x: {"map": x}])
def test_a_model_with_a_list_or_a_mapping_is_taken(structure: Any) -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(pixels)
    model = with_drawn_weights(keras.Model([pixels], structure(x), name="listed"))
    plain = keras.Model(pixels, x)
    np.testing.assert_allclose(
        features(load(model), pictures()), plain(pictures()), rtol=1e-4, atol=1e-3
    )
    assert load(model, (48, 48, 3)).network.output_shape == (None, 46, 46, 4)


@pytest.mark.parametrize("pattern", ["(stage", "(?:a|b)_", r"\(a", "stage_"])
def test_a_pattern_without_a_group_is_refused_at_once(pattern: str) -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Conv2D(4, 3, name="conv")(pixels))
    with pytest.raises(SpecError, match=r"from_keras: the blocks pattern .*first group names"):
        tk.backbones.from_keras(model, blocks=pattern)


def test_blocks_that_are_no_units_are_refused() -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", name="a_stem")(pixels)
    y = layers.Conv2D(4, 3, padding="same", name="b_branch")(x)
    torn = keras.Model(pixels, layers.Add(name="c_sum")([x, y]), name="torn")
    with pytest.raises(BackboneError, match="more than one tensor leaves 'b'"):
        load(torn, blocks="([abc])_")
    x = layers.Conv2D(4, 3, name="a_one")(pixels)
    x = layers.Conv2D(4, 3, name="b_two")(x)
    x = layers.Conv2D(4, 3, name="a_three")(x)
    with pytest.raises(BackboneError, match="blocks of back are no units: one comes back"):
        load(keras.Model(pixels, x, name="back"), blocks="([abc])_")


def test_names_that_are_ours_are_refused() -> None:
    pixels = keras.Input(SHAPE, name="pixels")  # an input layer gives way, its name is free
    fine = keras.Model(pixels, layers.Conv2D(4, 3, name="conv")(pixels))
    tk.backbones.from_keras(fine)
    for name in ("outputs", "preprocessing", "head_logits"):
        bad = keras.Model(pixels, layers.Conv2D(4, 3, name=name)(pixels))
        with pytest.raises(BackboneError, match=f"names transferkit gives: .'{name}'.*another"):
            tk.backbones.from_keras(bad)


def test_a_row_of_tokens_is_no_map() -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Reshape((64, 48), name="tokens")(pixels))
    with pytest.raises(BackboneError, match=r"a map .* or a vector"):
        tk.backbones.from_keras(model)


def test_a_weight_file_is_fitted_to_other_channels(tmp_path: Path) -> None:
    pixels = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", name="conv")(pixels)
    model = with_drawn_weights(keras.Model(pixels, x, name="filed"))
    model.save_weights(tmp_path / "filed.weights.h5")
    path = str(tmp_path / "filed.weights.h5")
    one = pictures()[..., :1]
    np.testing.assert_allclose(
        features(load(model, (32, 32, 1), weights=path), one),
        features(load(model, (32, 32, 1)), one),
        rtol=1e-6,
    )


def test_a_weight_file_of_just_that_many_channels_is_loaded_as_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "four.weights.h5")
    first = load(chain(), (32, 32, 4), weights=None)
    first.network.save_weights(path)
    again = load(chain(), (32, 32, 4), weights=path)
    pixels = pictures(4)
    np.testing.assert_array_equal(features(again, pixels), features(first, pixels))
    with pytest.raises(WeightsError, match=r"four\.weights\.h5 does not fit chain"):
        load(chain(), (32, 32, 2), weights=path)


def test_a_shape_that_a_layer_cannot_take_is_told_in_our_words() -> None:
    pixels = keras.Input((None, None, 3))
    model = keras.Model(pixels, layers.Conv2D(4, 5, name="conv")(pixels), name="valid")
    with pytest.raises(BackboneError, match="valid cannot be built for these pictures"):
        load(model, (4, 4, 3))


def test_making_a_model_of_a_backbone_does_not_load_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = keras.Input(SHAPE)
    made = tk.backbones.from_keras(
        keras.Model(pixels, layers.Conv2D(4, 3, name="conv")(pixels), name="idle")
    )

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr(type(made), "load", refuse)
    assert tk.TransferModel(made).spec.backbone is made


def test_a_registered_backbone_is_called_by_its_registered_name() -> None:
    pixels = keras.Input(SHAPE)
    model = keras.Model(pixels, layers.Conv2D(4, 3, name="conv")(pixels), name="own_name")
    tk.backbones.register("renamed", tk.backbones.from_keras(model), replace=True)
    assert tk.backbones.info("user:renamed").name == "user:renamed"
