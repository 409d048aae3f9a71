"""SavedModels as backbones: what they compute, what trains in them, what is refused."""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hub_models import (
    MOMENTUM,
    PENALTY,
    VECTOR,
    WIDTH,
    features_by_hand,
    numbers,
    save_hub,
    save_signature,
)

import transferkit as tk
from transferkit import _keras, build
from transferkit.backbones.fetching import digest_of
from transferkit.backbones.tf_hub import addresses
from transferkit.backbones.tf_hub import layer as layers
from transferkit.backbones.tf_hub import network as hub_network
from transferkit.backbones.tf_hub.convention import Convention, read_convention
from transferkit.backbones.tf_hub.layer import programs_of
from transferkit.backbones.tf_hub.program import Program, known_program
from transferkit.engine import optimizers
from transferkit.errors import (
    BackboneError,
    MissingExtraError,
    SpecError,
    UnknownNameError,
    WeightsNotFoundError,
)
from transferkit.spec import BackboneInfo

keras, tf = _keras.keras(), _keras.tf()
Array = np.ndarray[Any, Any]
SHAPE = (16, 16, 3)
PARTS = ("block_1.conv", "block_1.norm", "block_2.dense")
DENSE = tk.select.where("^block_2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reusable SavedModel that gives a map and a vector."""
    return save_hub(tmp_path_factory.mktemp("hub") / "both", gives="both")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with a signature, and nothing else."""
    return save_signature(tmp_path_factory.mktemp("signed") / "vector")


@pytest.fixture
def network(folder: Path) -> Any:
    return tk.backbones.from_tf_hub(folder, trust=True, output="pooled")


def pictures(count: int = 4) -> Array:
    values = np.random.default_rng(0).integers(0, 256, (count, *SHAPE))
    return values.astype(np.float32)


def run(model: Any, pixels: Array, **options: Any) -> Array:
    return np.asarray(model(pixels, **{"training": False, **options}))


def load(network: Any, weights: str | None = "pretrained", shape: Any = SHAPE) -> Any:
    return network.load(input_shape=shape, weights=weights)


def message(network: Any) -> str:
    with pytest.raises(BackboneError) as caught:
        _ = network.info
    return str(caught.value)


# What it computes.


def test_it_gives_what_the_saved_model_gives_on_pixels_from_0_to_1(
    network: Any, folder: Path
) -> None:
    given = run(load(network).network, pictures())
    original = tf.saved_model.load(str(folder))(pictures() / 255, False)["pooled"]
    np.testing.assert_allclose(given, original, rtol=0, atol=1e-5)
    np.testing.assert_allclose(given, features_by_hand(pictures()), rtol=1e-4, atol=1e-5)


def test_another_range_of_pixels_is_said(folder: Path) -> None:
    plain = tk.backbones.from_tf_hub(folder, trust=True, output="pooled", preprocessing="none")
    given = run(load(plain).network, pictures() / 255)
    np.testing.assert_allclose(given, features_by_hand(pictures()), rtol=1e-4, atol=1e-5)
    with pytest.raises(SpecError, match=r"from_tf_hub: that is no preprocessing\..*'units'"):
        tk.backbones.from_tf_hub(folder, trust=True, preprocessing="units")


def test_what_is_known_is_read_off_the_program(network: Any, folder: Path) -> None:
    assert network.info == BackboneInfo(
        name=f"tfhub:{folder}",
        image_size=(224, 224),
        preprocessing="x * [0.00392157] + [0]",
        block_names=("all",),
        embedding=VECTOR,
        params=sum(value.size for value in numbers().values()),
        weights=("pretrained",),
        origin="a SavedModel of TensorFlow Hub's kind",
    )
    maps = tk.backbones.from_tf_hub(folder, trust=True, output="map", image_size=(32, 48))
    assert (maps.info.strides, maps.info.embedding, maps.info.image_size) == ((2,), WIDTH, (32, 48))
    assert maps.load(input_shape=SHAPE, weights=None).taps[2].shape == (None, 8, 8, WIDTH)


def test_a_signature_is_run_and_nothing_in_it_trains(signed: Path) -> None:
    backbone = load(tk.backbones.from_tf_hub(signed, trust=True))
    given = run(backbone.network, pictures())
    np.testing.assert_allclose(given, features_by_hand(pictures()), rtol=1e-4, atol=1e-5)
    assert backbone.network.trainable_variables == []
    assert len(backbone.network.non_trainable_variables) == len(numbers())
    assert {row.kind for row in tuple(backbone.table)[2:]} == {"VariableScope"}


# What trains in it.


def test_each_scope_of_variables_has_a_row_behind_its_layer(network: Any) -> None:
    backbone = load(network)
    rows = [(row.name, row.kind, row.params) for row in backbone.table]
    assert rows == [
        ("picture", "InputLayer", 0),
        ("saved_model", "SavedModelLayer", 0),
        ("block_1.conv", "VariableScope", 12 * WIDTH),
        ("block_1.norm", "StatisticsScope", 3 * WIDTH),
        ("block_2.dense", "VariableScope", (WIDTH + 1) * VECTOR),
    ]
    for weight, value in zip(backbone.network.weights, numbers().values(), strict=True):
        assert np.array_equal(weight, value)


def policies() -> dict[str, tuple[tk.freeze.Freeze, set[str]]]:
    """Policies, and the parts that they leave to train."""
    train: Any = {"batch_norm": "train"}
    return {
        "all": (tk.freeze.backbone(), set()),
        "some": (tk.freeze.all_but(DENSE), {"block_2.dense"}),
        "most": (tk.freeze.only(DENSE, **train), {"block_1.conv", "block_1.norm"}),
        "norms": (tk.freeze.nothing(), {"block_1.conv", "block_2.dense"}),
        "none": (tk.freeze.nothing(**train), set(PARTS)),
    }


@pytest.fixture(scope="module")
def assembled(folder: Path) -> Any:
    network = tk.backbones.from_tf_hub(folder, trust=True, output="pooled")
    return network.load(input_shape=SHAPE, weights="pretrained")


@pytest.mark.parametrize("name", policies())  # "none" comes last, and moves statistics
def test_policies_freeze_by_scope_and_gradients_reach_the_rest(assembled: Any, name: str) -> None:
    policy, moving = policies()[name]
    network = assembled.network
    build.freeze(network, assembled.table, policy)
    expected = [
        key
        for key in numbers()
        if "moving" not in key and key.rpartition("/")[0].replace("/", ".") in moving
    ]
    found = [each.path.removeprefix("saved_model/") for each in network.trainable_variables]
    assert found == [key.replace("/", ".", 1) for key in expected]
    with tf.GradientTape() as tape:
        given = network(pictures(), training=True)
        total = tf.reduce_sum(tf.square(given))
    gradients = tape.gradient(total, network.trainable_variables)
    assert all(np.abs(each).max() > 0 for each in gradients)
    kept = np.allclose(given, features_by_hand(pictures()), rtol=1e-4, atol=1e-5)
    assert kept == (name != "none"), "training mode only where nothing in it is frozen"
    layer = network.get_layer("saved_model")
    assert layer.trainable == bool(moving)
    assert len(network.losses) == bool(moving), "its penalty counts as long as something trains"
    assert build.is_held_in_inference(layer) == (name in ("all", "some"))


def test_statistics_move_where_everything_trains_and_the_penalty_is_a_loss(network: Any) -> None:
    backbone = load(network)
    build.freeze(backbone.network, backbone.table, policies()["none"][0])
    run(backbone.network, pictures(), training=True)
    tiles = (pictures() / 255).reshape(4, 8, 2, 8, 2, 3)
    seen = np.einsum("nhawbc,abcd->nhwd", tiles, numbers()["block_1/conv/kernel"])
    moved = MOMENTUM * numbers()["block_1/norm/moving_mean"]
    moved = moved + (1 - MOMENTUM) * seen.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(backbone.network.weights[2], moved, rtol=1e-4, atol=1e-5)
    penalty = PENALTY * np.square(numbers()["block_2/dense/kernel"]).sum()
    np.testing.assert_allclose(backbone.network.losses[0], penalty, rtol=1e-4)


def test_learning_rates_go_by_scope(network: Any) -> None:
    backbone = load(network)
    owners = optimizers._owners(backbone.network, backbone.table)
    assert [owners[id(weight)] for weight in backbone.network.weights] == [
        key.rpartition("/")[0].replace("/", ".") for key in numbers()
    ]


# Copies, weights and other numbers.


def test_a_copy_has_equal_but_own_numbers(network: Any) -> None:
    original = load(network).network
    copied = build.copy(original)
    assert not {id(each._value) for each in original.weights} & {
        id(each._value) for each in copied.weights
    }
    before = run(original, pictures())
    assert np.array_equal(run(copied, pictures()), before)
    copied.set_weights([value + 1 for value in copied.get_weights()])
    assert np.array_equal(run(original, pictures()), before)


def test_weights_none_draws_kernels_and_settles_vectors(network: Any) -> None:
    with build.seeded(3):
        first = load(network, None).network
    with build.seeded(3):
        again = load(network, None).network
    named = dict(zip(numbers(), first.get_weights(), strict=True))
    for left, right in zip(first.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(left, right)
    assert 0.6 < named["block_1/conv/kernel"].std() * np.sqrt(12 / 2) < 1.4
    assert 0.6 < named["block_2/dense/kernel"].std() * np.sqrt(WIDTH / 2) < 1.4
    for ones in ("gamma", "moving_variance"):
        assert np.array_equal(named[f"block_1/norm/{ones}"], np.ones(WIDTH))
    for zeros in ("block_1/norm/moving_mean", "block_2/dense/bias"):
        assert not named[zeros].any()


def test_weights_are_read_from_a_file_and_other_names_are_refused(
    network: Any, tmp_path: Path
) -> None:
    drawn = load(network, None).network
    drawn.save_weights(tmp_path / "own.weights.h5")
    given = load(network, str(tmp_path / "own.weights.h5")).network
    assert np.array_equal(run(given, pictures()), run(drawn, pictures()))
    with pytest.raises(WeightsNotFoundError, match=r"no file .*none\.weights\.h5"):
        load(network, str(tmp_path / "none.weights.h5"))
    with pytest.raises(UnknownNameError) as caught:
        load(network, "imagenet")
    assert str(caught.value) == (
        f"weights: {network.info.name} has no weights called 'imagenet'. Expected 'pretrained' "
        "(its own), None, or a path to a .weights.h5 file saved from it. Received: "
        "weights='imagenet'."
    )


def test_a_configuration_needs_its_program_at_hand(network: Any) -> None:
    layer = load(network).network.get_layer("saved_model")
    digest = layer.get_config()["program"]
    assert known_program(digest).digest == digest
    with pytest.raises(BackboneError) as caught:
        known_program("0" * 64)
    assert str(caught.value) == (
        "tfhub: a layer runs a SavedModel that is not at hand. Expected a network whose SavedModel "
        f"was loaded in this process. Received: program='{'0' * 64}'. "
        'trained.save("model.tkm") takes it along, and tk.load("model.tkm", trust=True) brings it '
        "back."
    )


# Sizes and channels.


def test_grey_is_shown_three_times_and_other_channels_are_refused(network: Any) -> None:
    grey = pictures()[..., :1]
    given = run(load(network, shape=(16, 16, 1)).network, grey)
    expected = features_by_hand(grey.repeat(3, axis=-1))
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(BackboneError) as caught:
        load(network, shape=(16, 16, 4))
    assert str(caught.value) == (
        f"load: {network.info.name} takes pictures of 3 channels, and its kernels cannot be fitted "
        "to others: what is in it is not to be seen. Expected 3 channels, or 1. Received: "
        "channels=4."
    )


def test_a_saved_model_for_one_size_is_known_at_it_and_refuses_others(tmp_path: Path) -> None:
    save_hub(tmp_path / "fixed", size=16)
    fixed = tk.backbones.from_tf_hub(tmp_path / "fixed", trust=True)
    assert fixed.info.image_size == (16, 16)
    with pytest.raises(BackboneError) as caught:
        load(fixed, shape=(32, 32, 3))
    text = str(caught.value)
    assert text.startswith(f"load: {fixed.info.name} cannot take pictures of 32 x 32 pixels (")
    assert text.endswith("Received: input_shape=(32, 32, 3). image_size=(16, 16)")
    wrong = tk.backbones.from_tf_hub(tmp_path / "fixed", trust=True, image_size=32, name="fixed")
    assert message(wrong) == (
        "from_tf_hub: fixed takes pictures of 16 x 16 pixels only. Expected image_size=(16, 16), "
        "or none. Received: image_size=(32, 32)."
    )


# What it does not take.


def test_without_trust_nothing_is_looked_at() -> None:
    for door in (tk.TransferModel, tk.backbones.info, tk.backbones.load):
        with pytest.raises(SpecError) as caught:
            door("tfhub:no/such/folder")
        assert str(caught.value) == (
            "from_tf_hub: the SavedModel 'no/such/folder' is a program, and it runs only if you "
            "say that you trust whoever made it. Expected trust=True. Received: trust=False. "
            'TransferModel("tfhub:no/such/folder", trust=True), or '
            'tk.backbones.from_tf_hub("no/such/folder", trust=True)'
        )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"address": 3}, "that is no address of a SavedModel"),
        ({"address": ""}, "that is no address of a SavedModel"),
        ({"address": "ftp://host/x"}, "that is no address of a SavedModel"),
        ({"sha256": "abc"}, "that is no SHA-256"),
        ({"limit": 0}, "the limit is no size"),
        ({"image_size": 0}, "the image size is not a size"),
    ],
)
def test_arguments_that_are_none_are_refused(options: dict[str, Any], text: str) -> None:
    given = {"address": "folder", "trust": True, **options}
    with pytest.raises(SpecError, match=f"^from_tf_hub: {text}"):
        tk.backbones.from_tf_hub(**given)


def test_a_folder_that_is_none_or_no_saved_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert message(tk.backbones.from_tf_hub(tmp_path, trust=True)) == (
        f"tfhub: {str(tmp_path)!r} is no SavedModel: there is no saved_model.pb in it. Expected a "
        "folder with saved_model.pb and variables/, as tf.saved_model.save writes it. Received: "
        "files=['notes.txt']. A .keras or .h5 file is loaded with tk.backbones.from_keras."
    )
    (tmp_path / "saved_model.pb").write_bytes(b"\xff no graph")
    assert "its saved_model.pb cannot be read (" in message(
        tk.backbones.from_tf_hub(tmp_path, trust=True)
    )
    with pytest.raises(WeightsNotFoundError) as caught:
        _ = tk.backbones.from_tf_hub("no/such/folder", trust=True).info
    assert str(caught.value).startswith(
        "from_tf_hub: there is no folder, file or handle 'no/such/folder'. Expected the folder of "
        "a SavedModel, a .tar.gz file of one, a URL, or a handle of Kaggle's as "
    )


def test_a_module_of_tensorflow_1_is_refused_with_the_reason(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "old"))
        with tf.compat.v1.Session() as session:
            for tags in ([], ["train"]):
                add = builder.add_meta_graph if tags else builder.add_meta_graph_and_variables
                add(*(() if tags else (session,)), tags=tags)
        builder.save()
    (tmp_path / "old" / "tfhub_module.pb").touch()
    assert message(tk.backbones.from_tf_hub(tmp_path / "old", trust=True)) == (
        f"tfhub: {str(tmp_path / 'old')!r} cannot be loaded: it is a module of TensorFlow 1: "
        "graphs for sessions, from which no variable can be had that trains (its graphs are ['', "
        "'train']). Expected a SavedModel of TensorFlow 2, which most of these networks were "
        f"published as, too. Received: folder={str(tmp_path / 'old')!r}."
    )


def test_a_signature_without_pictures_is_refused(tmp_path: Path) -> None:
    spec = tf.TensorSpec((None,), tf.string, name="text")
    save_signature(tmp_path / "text", name="serving_default", spec=spec)
    assert message(tk.backbones.from_tf_hub(tmp_path / "text", trust=True)) == (
        "tfhub: the signature 'serving_default' takes no pictures. Expected one input: floating "
        "numbers (batch, height, width, channels). Received: inputs=['string(None,)']."
    )


def test_a_saved_model_that_nothing_calls_is_refused() -> None:
    with pytest.raises(BackboneError) as caught:
        read_convention(SimpleNamespace(signatures={"encode": None, "decode": None}))
    assert str(caught.value) == (
        "tfhub: the SavedModel can be called in no way that is known. Expected one that is "
        "callable itself, or has a signature 'default' or 'serving_default'. Received: "
        "signatures=['decode', 'encode']."
    )


def giving(make: Any) -> Convention:
    """A program that any function stands for."""
    return Convention(make, frozenset(), (None, None, 3), tf.float32)


def test_what_is_neither_a_vector_nor_a_map_is_refused() -> None:
    with pytest.raises(BackboneError) as caught:
        hub_network._features(giving(lambda x: x[..., 0]), SHAPE)
    assert str(caught.value) == (
        "tfhub: the SavedModel gives neither a vector nor a map. Expected (batch, channels) or "
        "(batch, height, width, channels). Received: output=(None, 16, 16). output='...' takes "
        "another one of its outputs, if it has several."
    )
    with pytest.raises(BackboneError, match=r"Expected one of \['2 without names'\]"):
        giving(lambda x: (x, x))(pictures())


def test_a_stride_is_one_that_larger_pictures_keep() -> None:
    pooled = giving(lambda x: tf.nn.max_pool2d(x, 4, 4, "VALID"))
    assert hub_network._stride(pooled, (17, 17, 3), (4, 4, 3)) == 4
    squeezed = giving(lambda x: tf.image.resize(x, (4, 4)))
    assert hub_network._stride(squeezed, SHAPE, (4, 4, 3)) == 0


@pytest.mark.parametrize(
    ("variable", "scope"),
    [
        ("a/b/kernel:0", "a.b"),
        ("kernel:0", "kernel"),
        ("/", "variable"),
        ("outputs/w", "outputs.scope"),
    ],
)
def test_a_scope_is_named_after_its_variables(variable: str, scope: str) -> None:
    assert layers._scope(SimpleNamespace(name=variable)) == scope


def test_the_output_has_to_be_one_that_there_is(folder: Path) -> None:
    assert message(tk.backbones.from_tf_hub(folder, trust=True)) == (
        "tfhub: it is not said which of several outputs is the features. Expected one of ['map', "
        "'pooled']. Received: output=None. tk.backbones.from_tf_hub(address, trust=True, "
        "output='...') takes one."
    )
    assert "tfhub: there is no output 'pool'. Expected one of ['map', 'pooled']." in message(
        tk.backbones.from_tf_hub(folder, trust=True, output="pool")
    )


def test_a_folder_that_changes_is_noticed(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    program = Program.at(tmp_path / "copy")
    assert set(program.paths()) == set(program.files)
    (tmp_path / "copy" / "variables" / "variables.index").write_bytes(b"")
    with pytest.raises(BackboneError) as caught:
        program.load()
    assert str(caught.value) == (
        f"tfhub: the SavedModel in {str(tmp_path / 'copy')!r} is gone, or is no longer what it was "
        "when this model was made. Expected the folder as it was: it is read again for every copy "
        f"of the model, and when the model is saved. Received: folder={str(tmp_path / 'copy')!r}. "
        "Put it back. A model that was saved before holds it inside."
    )


def test_several_devices_at_once_are_refused(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = SimpleNamespace(num_replicas_in_sync=2)
    with monkeypatch.context() as patch:
        patch.setattr(tf.distribute, "get_strategy", lambda: two)
        with pytest.raises(BackboneError) as caught:
            Program.at(signed).load()
    assert str(caught.value) == (
        "tfhub: a SavedModel cannot train on 2 devices at once: its functions read the variables "
        "of one. Expected an engine without a strategy, or one with a single device. Received: "
        "devices=2. tk.Engine(strategy=None)"
    )


# Archives, URLs and handles.


def test_an_archive_and_its_url_are_the_same_program(tmp_path: Path, signed: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(signed, "nested")
    digest = digest_of(archive)
    places = [str(archive), archive.as_uri()]
    networks = [tk.backbones.from_tf_hub(at, trust=True, sha256=digest) for at in places]
    programs = [Program.at(signed), *(each.program for each in networks)]
    assert len({program.digest for program in programs}) == 1
    unpacked = tk.cache.folder() / "downloads" / "unpacked" / digest[:32] / "nested"
    assert {program.folder for program in programs[1:]} == {unpacked}
    archive.unlink()
    assert tk.backbones.from_tf_hub(places[1], trust=True).program.folder == unpacked


def test_an_archive_of_another_digest_or_size_is_refused(tmp_path: Path, signed: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(signed, "nested")
    other = tk.backbones.from_tf_hub(archive, trust=True, sha256="0" * 64)
    assert "is not the file that was meant" in message(other)
    assert "makes it larger than 1 kB" in message(
        tk.backbones.from_tf_hub(archive, trust=True, limit=1000)
    )
    with pytest.raises(SpecError) as caught:
        _ = tk.backbones.from_tf_hub(signed, trust=True, sha256="0" * 64).info
    assert str(caught.value).startswith(
        f"from_tf_hub: {str(signed)!r} is no archive, and only archives have a digest. Expected a "
        ".tar.gz file or a URL beside sha256=."
    )


def test_a_page_of_hub_is_asked_for_its_archive() -> None:
    page = "https://tfhub.dev/google/imagenet/mobilenet_v2_100_224/feature_vector/5"
    assert addresses._direct(page) == f"{page}?tf-hub-format=compressed"
    assert addresses._direct("https://host/model.tar.gz") == "https://host/model.tar.gz"
    assert addresses._file_name(page) == "5.tar.gz"
    assert addresses._file_name("https://host/a b.tgz") == "a_b.tgz"


def test_a_handle_of_kaggle_goes_through_its_package(
    monkeypatch: pytest.MonkeyPatch, signed: Path
) -> None:
    handle = "google/mobilenet-v2/tensorFlow2/100-224-feature-vector"
    asked: list[str] = []

    def model_download(name: str) -> str:
        asked.append(name)
        return str(signed)

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=model_download))
    assert tk.backbones.from_tf_hub(handle, trust=True).program.folder == signed
    assert asked == [handle]
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingExtraError, match=r"^tfhub:google/.*'transferkit\[kaggle\]'"):
        _ = tk.backbones.from_tf_hub(handle, trust=True).program


def test_the_program_of_a_network_is_found(network: Any) -> None:
    found = programs_of(load(network).network)
    assert found == {network.program.digest: network.program}
