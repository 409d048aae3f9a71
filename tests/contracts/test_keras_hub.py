"""What holds for every network of ``hub:``, on tiny presets; it runs where KerasHub is."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_presets import (
    PRESETS,
    SIDE,
    TRANSFORMERS,
    pictures,
    preprocessed,
    save_preset,
    save_vit_of_hugging_face,
)
from make_workplace import make_pictures

import transferkit as tk
from transferkit import TransferModel, _keras, testing
from transferkit.backbones.keras_hub.families import FAMILIES
from transferkit.errors import BackboneError, WeightsError, WeightsNotFoundError

pytest.importorskip("keras_hub")
keras = _keras.keras()
ENGINE = tk.Engine(precision="float32", prefix="tensorflow")
QUICK = ("resnet", "vit")
"""Tried in the usual run; the slow one has all."""


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    """Presets by name as the argument of a test."""
    slow = pytest.mark.slow
    cases = [pytest.param(name, marks=() if name in QUICK else slow) for name in names]
    return pytest.mark.parametrize("name", cases)


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A preset's folder and KerasHub's own network, made when it is first asked for."""
    made: dict[str, tuple[Path, Any]] = {}
    root = tmp_path_factory.mktemp("presets")

    def preset(name: str) -> tuple[Path, Any]:
        if name not in made:
            made[name] = (root / name, save_preset(root / name, name))
        return made[name]

    return preset


def loaded(folder: Path, side: int = SIDE, weights: str | None = "pretrained") -> Any:
    return tk.backbones.load(f"hub:{folder}", input_shape=(side, side, 3), weights=weights)


def run(network: Any, pixels: Any) -> Any:
    entry = network.input  # KerasHub's DINOv2 takes a mapping
    given = dict.fromkeys(entry, pixels) if isinstance(entry, dict) else pixels
    return np.asarray(network(given, training=False))


def run_alone(*arguments: str) -> str:
    """What Python says in a process of its own."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def close(got: Any, wanted: Any) -> None:
    scale = np.abs(wanted).max()
    assert scale > 1e-3
    np.testing.assert_allclose(got / scale, wanted / scale, rtol=0, atol=1e-5)


def test_every_family_is_tried_here() -> None:
    assert {kind for kind, _ in PRESETS.values()} == FAMILIES.keys()


@each(name for name in PRESETS if name not in TRANSFORMERS)
def test_a_convolutional_network_gives_what_keras_hubs_own_gives(presets: Any, name: str) -> None:
    folder, author = presets(name)
    close(run(loaded(folder).network, pictures()), run(author, preprocessed(pictures())))


def test_the_quickstart_of_the_page_runs_on_a_preset_that_is_here(
    presets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs/howto/keras-hub.md").read_text("utf-8")
    block = re.findall(r"```text\n(.*?)```", page, re.DOTALL)[0]
    folder, _ = presets("vit")
    mine, named = f"hub:{folder}", "hub:vit_base_patch16_224_imagenet"
    make_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block.replace(named, mine), names)
    assert named in block
    trained = names["trained"]
    assert len(trained.history.epochs) == 8
    assert trained.predict("unknown.jpg").label in {"daisy", "rose", "sunflower"}


@each(TRANSFORMERS)
def test_a_transformer_gives_its_class_token_and_its_tap_is_the_patches(
    presets: Any, name: str
) -> None:
    folder, author = presets(name)
    wanted = run(author, preprocessed(pictures()))
    backbone = loaded(folder)
    assert backbone.info.strides == (16,)
    assert backbone.taps[16].shape == (None, SIDE // 16, SIDE // 16, 16)
    close(run(backbone.network, pictures()), wanted[:, 0])


@each(["densenet", "efficientnet", "resnet"])
def test_taps_are_keras_hubs_pyramid(presets: Any, name: str) -> None:
    folder, author = presets(name)
    pyramid = {2 ** int(level[1:]): out for level, out in author.pyramid_outputs.items()}
    backbone = loaded(folder)
    strides = sorted(set(pyramid) & set(backbone.taps))
    assert strides
    assert max(pyramid) in strides
    (entry,) = backbone.network.inputs
    got = keras.Model(entry, [backbone.taps[s] for s in strides])(pictures(), training=False)
    wanted = keras.Model(author.inputs, [pyramid[s] for s in strides])(
        [preprocessed(pictures())], training=False
    )
    for one, other in zip(got, wanted, strict=True):
        close(np.asarray(one), np.asarray(other))


@each(PRESETS)
def test_all_its_layers_are_keras_own_or_ours(presets: Any, name: str) -> None:
    folder, _ = presets(name)
    rooms = {type(layer).__module__.split(".")[0] for layer in loaded(folder).network.layers}
    assert rooms <= {"keras", "transferkit"}


@each(TRANSFORMERS)
def test_the_blocks_of_a_transformer_are_its_blocks(presets: Any, name: str) -> None:
    folder, _ = presets(name)
    names = loaded(folder).info.block_names
    assert len(names) == 3
    assert names[0] == "embedding"


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_positions_are_scaled_to_another_size_of_picture(presets: Any, name: str) -> None:
    folder, _ = presets(name)
    small, own = loaded(folder, side=32), loaded(folder)
    assert run(small.network, pictures(32)).shape == (2, 16)
    (scaled, given) = (
        np.asarray(next(w for w in each.network.weights if w.path.endswith("/places")))
        for each in (small, own)
    )
    extra = scaled.shape[1] - 4
    assert given.shape[1] == 16 + extra
    np.testing.assert_array_equal(scaled[:, :extra], given[:, :extra])
    assert np.ptp(scaled[:, extra:], axis=1).max() > 0


@pytest.mark.slow
def test_positions_for_another_size_of_dinov2_are_those_of_keras_hub(presets: Any) -> None:
    import keras_hub

    folder, _ = presets("dinov2")
    author = keras_hub.models.Backbone.from_preset(str(folder), image_shape=(96, 96, 3))
    wanted = run(author, preprocessed(pictures(96)))[:, 0]
    close(run(loaded(folder, side=96).network, pictures(96)), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet", "vit"])
def test_a_preset_keeps_the_backbone_contract(presets: Any, name: str) -> None:
    folder, _ = presets(name)
    testing.check_backbone(f"hub:{folder}", image_size=SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dinov2", "efficientnetv2", "mobilenet", "resnetv2"])
def test_fine_tuning_lowers_the_loss_and_the_file_predicts_the_same(
    presets: Any, name: str, tmp_path: Path
) -> None:
    folder, _ = presets(name)
    pixels = np.random.default_rng(5).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(12) % 3
    pixels[labels == 1] //= 3
    photos = tk.data.from_arrays(pixels, labels, val=0.25, seed=0)
    plan = tk.plans.fine_tune(epochs=4, unfreeze=tk.select.top_blocks(1), learning_rate=1e-3)
    trained = TransferModel(f"hub:{folder}").fit(photos, plan, seed=0, engine=ENGINE, verbose=0)
    losses = trained.history.metrics["loss"]
    assert losses[-1] < losses[0]
    trained.save(tmp_path / "model.tkm")
    again = tk.load(tmp_path / "model.tkm")
    close(
        run(again.network, pixels.astype(np.float32)),
        run(trained.network, pixels.astype(np.float32)),
    )


@pytest.mark.slow
def test_the_file_is_opened_without_keras_hub_and_the_preset(presets: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(presets("vit")[0], tmp_path / "preset")
    model = TransferModel(f"hub:{folder}").freeze(tk.freeze.backbone())
    pixels = np.random.default_rng(5).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    photos = tk.data.from_arrays(pixels, np.arange(8) % 2, val=0.25, seed=0)
    plan = tk.plans.feature_extraction(epochs=1)
    model.fit(photos, plan, seed=0, engine=ENGINE, verbose=0).save(tmp_path / "model.tkm")
    shutil.rmtree(folder)
    program = (
        "import sys; sys.modules['keras_hub'] = None; import transferkit as tk;"
        f"print(tk.load({str(tmp_path / 'model.tkm')!r}).about['backbone'])"
    )
    assert f"hub:{folder}" in run_alone("-c", program)


def test_a_folder_of_hugging_face_has_the_preprocessing_of_its_own_file(tmp_path: Path) -> None:
    import keras_hub

    save_vit_of_hugging_face(tmp_path / "vit")
    author = keras_hub.models.Backbone.from_preset(str(tmp_path / "vit"))
    pixels = pictures()
    by_hand = (pixels / 255 - np.array([0.5, 0.4, 0.3])) / np.array([0.25, 0.2, 0.5])
    close(run(loaded(tmp_path / "vit").network, pixels), run(author, by_hand)[:, 0])


@pytest.mark.skipif(
    not all(importlib.util.find_spec(each) for each in ("timm", "torch")),
    reason="timm and PyTorch are not installed",
)
@pytest.mark.slow
def test_a_folder_of_timm_gives_what_timm_gives(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", pictures())
    run_alone(str(Path(__file__).with_name("timm_folder.py")), str(tmp_path))
    assert tk.backbones.info(f"hub:{tmp_path}").image_size == (SIDE, SIDE)
    close(run(loaded(tmp_path).network, pictures()), np.load(tmp_path / "features.npy"))


@pytest.mark.slow
def test_random_weights_need_no_weight_file(presets: Any, tmp_path: Path) -> None:
    folder, author = presets("resnet")
    for file in ("config.json", "image_converter.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    drawn = run(loaded(tmp_path, weights=None).network, pictures())
    assert np.abs(drawn - run(author, preprocessed(pictures()))).max() > 1e-3
    with pytest.raises(WeightsNotFoundError, match="is not there") as caught:
        loaded(tmp_path)
    assert "model.weights.h5 or model.safetensors" in str(caught.value)
    assert "weights=None needs no weights" in str(caught.value)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(presets: Any, tmp_path: Path) -> None:
    folder, _ = presets("resnet")
    for file in ("config.json", "image_converter.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    other = presets("vgg")[0] / "model.weights.h5"
    (tmp_path / "model.weights.h5").write_bytes(other.read_bytes())
    with pytest.raises(WeightsError, match="its weights cannot be read"):
        loaded(tmp_path)


def test_a_network_of_text_is_refused(tmp_path: Path) -> None:
    import keras_hub

    author = keras_hub.models.BertBackbone(
        vocabulary_size=20, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8
    )
    author.save_to_preset(str(tmp_path))
    with pytest.raises(BackboneError, match="is a BertBackbone, which is no network of pictures"):
        loaded(tmp_path)


def test_a_network_that_keras_hub_cannot_build_is_refused(tmp_path: Path) -> None:
    config = {"architecture": "swin_tiny", "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match=r"KerasHub cannot build it .*no converter"):
        loaded(tmp_path, weights=None)


def test_a_size_that_patches_do_not_divide_is_refused(presets: Any) -> None:
    folder, _ = presets("vit")
    with pytest.raises(BackboneError, match="40 x 40 pixels cannot be cut") as caught:
        loaded(folder, side=40)
    assert "image_size=(32, 32)" in str(caught.value)


@pytest.mark.slow
def test_grey_pictures_are_shown_three_times(presets: Any) -> None:
    folder, _ = presets("vit")
    grey = pictures()[..., :1]
    backbone = tk.backbones.load(f"hub:{folder}", input_shape=(SIDE, SIDE, 1))
    close(run(backbone.network, grey), run(loaded(folder).network, np.repeat(grey, 3, axis=-1)))


def test_the_names_are_those_of_keras_hub() -> None:
    import keras_hub

    names = [name.removeprefix("hub:") for name in tk.backbones.names("hub:*")]
    assert names
    assert set(names) <= keras_hub.models.Backbone.presets.keys()
    for kind in FAMILIES:
        assert getattr(keras_hub.models, kind).presets.keys() <= set(names)
