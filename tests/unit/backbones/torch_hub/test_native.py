"""Native networks: filled from state dicts, refused where they do not fit, at each address."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.backbones.torch_hub import families, published, timm_folder
from transferkit.backbones.torch_hub.filling import recognised
from transferkit.backbones.torch_hub.mapping import slots
from transferkit.errors import SpecError, UnknownNameError, WeightsError, WeightsNotFoundError
from transferkit.testing.subjects import draw_weights

SMALL = "torch:squeezenet1_1"
SHAPE = (33, 33, 3)
Tensors = Mapping[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def drawn() -> Any:
    """A small network with drawn weights."""
    network = tk.backbones.load(SMALL, input_shape=SHAPE, weights=None).network
    draw_weights(network, seed=1)
    return network


@pytest.fixture(scope="module")
def tensors(drawn: Any) -> Tensors:
    """Its weights as PyTorch has them, and a top."""
    found = {s.tensor: s.to_torch(np.asarray(s.weight)) for s in slots(drawn)}
    top = {"weight": (1000, 512, 1, 1), "bias": (1000,)}
    return {
        **found,
        **{f"classifier.1.{n}": np.zeros(s, np.float32) for n, s in top.items()},
    }


def save(tensors: Tensors, path: Path) -> Path:
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor, np.float32).tobytes()
        places = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": places}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def outputs(network: Any, channels: int = 3) -> Any:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 33, 33, channels))
    return np.asarray(network(pictures.astype(np.float32), training=False))


def test_a_file_fills_the_network_by_its_modules_names(
    drawn: Any, tensors: Tensors, tmp_path: Path
) -> None:
    file = save(tensors, tmp_path / "w.safetensors")
    expected = outputs(drawn)
    loaded = tk.backbones.load(SMALL, input_shape=SHAPE, weights=file)
    np.testing.assert_array_equal(outputs(loaded.network), expected)
    at = tk.TransferModel(f"torch:{file}").spec.backbone
    assert not isinstance(at, str)
    assert at.info.name == f"torch:{file}"
    assert at.info.params == tk.backbones.info(SMALL).params
    own = at.load(input_shape=SHAPE, weights="pretrained")
    np.testing.assert_array_equal(outputs(own.network), expected)
    with pytest.raises(UnknownNameError, match=r"has no weights called 'imagenet'"):
        at.load(input_shape=SHAPE, weights="imagenet")


def test_other_channels_are_fitted(drawn: Any, tensors: Tensors, tmp_path: Path) -> None:
    file = save(tensors, tmp_path / "w.safetensors")
    five = tk.backbones.load(SMALL, input_shape=(33, 33, 5), weights=file).network
    kernel = np.asarray(drawn.get_layer("features.0").kernel)
    fitted = np.asarray(five.get_layer("features.0").kernel)
    np.testing.assert_allclose(fitted, kernel[:, :, [0, 1, 2, 0, 1]] * 3 / 5, rtol=1e-6)
    grey = tk.backbones.load(SMALL, input_shape=(33, 33, 1), weights=file).network
    picture = np.random.default_rng(0).integers(0, 256, (1, 33, 33, 1)).astype(np.float32)
    shown = np.asarray(drawn(np.repeat(picture, 3, axis=-1), training=False))
    np.testing.assert_allclose(np.asarray(grey(picture, training=False)), shown, rtol=1e-5)


def test_what_does_not_fit_is_named(tensors: Tensors, tmp_path: Path) -> None:
    odd = dict(tensors)
    odd["features.0.weight"] = odd["features.0.weight"][:, :1]
    odd["left.weight"] = odd.pop("features.3.squeeze.weight")
    file = save(odd, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError) as caught:
        tk.backbones.load(SMALL, input_shape=SHAPE, weights=file)
    told = str(caught.value)
    assert "do not fit squeezenet1_1: 1 missing (features.3.squeeze.weight); 1 surplus" in told
    assert "(left.weight); 1 misshapen (features.0.weight (64, 1, 3, 3) for (64, 3, 3, 3))" in told
    save(tensors, file)
    with pytest.raises(WeightsError, match=r"missing .* and \d+ more\).*as torch:squeezenet1_1"):
        tk.backbones.load("torch:squeezenet1_0", input_shape=SHAPE, weights=file)
    with pytest.raises(WeightsError, match=r"the 1 tensors of .* are of no network that is known"):
        tk.backbones.info(f"torch:{save({'a': np.zeros(3)}, tmp_path / 'a.safetensors')}")


def test_published_files_are_looked_for_where_pytorch_keeps_them(
    tensors: Tensors, drawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFoundError) as caught:
        tk.backbones.load("torch:resnet50", weights="imagenet-v2")
    wanted = tmp_path / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
    assert f"Expected the file {wanted}." in str(caught.value)
    assert "https://download.pytorch.org/models/resnet50-11ad3fa6.pth" in str(caught.value)
    with pytest.raises(WeightsNotFoundError, match=r"resnet50-0676ba61.pth"):
        tk.backbones.load("torch:resnet50")
    with pytest.raises(
        UnknownNameError, match=r"torch:resnet18 has no weights called 'imagenet-v2'"
    ):
        tk.backbones.load("torch:resnet18", weights="imagenet-v2")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert published.checkpoints() == Path("/cache/torch/hub/checkpoints")


def folder_of_timm(folder: Path, config: object) -> str:
    folder.mkdir(exist_ok=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text)
    return f"torch:{folder}"


def test_a_folder_of_timm_says_its_own_preprocessing(tmp_path: Path) -> None:
    told = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 0.5], "input_size": [3, 160, 192]}
    name = folder_of_timm(
        tmp_path / "model", {"architecture": "regnetx_004", "pretrained_cfg": told}
    )
    info = tk.backbones.info(name)
    assert info.image_size == (160, 192)
    assert info.block_names == tk.backbones.info("torch:regnet_x_400mf").block_names
    pixels = np.array([0.0, 255.0, 51.0])
    rule = timm_folder.network_in(tmp_path / "model", name="model").rule
    np.testing.assert_allclose(rule(pixels), (pixels / 255 - 0.5) / [0.25, 0.5, 0.5], rtol=1e-5)
    with pytest.raises(WeightsNotFoundError, match=r"holds no weights. Expected model.safetensors"):
        tk.backbones.load(name)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("{", "its config.json is not JSON"),
        ({}, "its config.json names no architecture"),
        ({"architecture": "resnet18", "std": [1, 1, 1]}, "its mean is not three numbers"),
        (
            {"architecture": "resnet18", "mean": [0, 0, 0], "std": [1, 0, 1]},
            "its std is not positive",
        ),
        ({"architecture": "resnet18", "input_size": [3, 0, 4]}, "its input_size is no"),
        ({"architecture": "resnet18", "crop_pct": 1.2}, "its crop_pct is no share of a picture"),
        ({"architecture": "resnet18", "crop_pct": None}, "its crop_pct is no share of a picture"),
        ({"architecture": "resnet18", "interpolation": "random"}, "its interpolation is none of "),
        ({"architecture": "resnet18", "interpolation": ["box"]}, "its interpolation is none of "),
    ],
)
def test_a_config_that_is_none_is_refused(config: object, text: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"is no folder of timm's: {text}"):
        tk.backbones.info(folder_of_timm(tmp_path, config))


def test_an_architecture_that_is_not_built_is_said_to_be_none(tmp_path: Path) -> None:
    name = folder_of_timm(tmp_path, {"architecture": "swin_tiny"})
    for address in (name, "torch:pytorch/vision:swin_t", "torch:pytorch/vision:v0.10.0:raft"):
        with pytest.raises(UnknownNameError, match="is not supported: there is no native network"):
            tk.backbones.info(address)


def test_addresses_lead_to_networks_or_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resnet = tk.backbones.info("torch:resnet18")
    for address in ("pytorch/vision:resnet18", "pytorch/vision:v0.10.0:resnet18"):
        assert tk.backbones.info(f"torch:{address}") == resnet
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFoundError, match=r"timm/resnet18.a1_in1k is not on this machine"):
        tk.backbones.info("torch:timm/resnet18.a1_in1k")
    cached = tmp_path / "hub/models--timm--resnet18.a1_in1k/snapshots/abc"
    cached.mkdir(parents=True)
    folder_of_timm(cached, {"architecture": "resnet18"})
    assert tk.backbones.info("torch:timm/resnet18.a1_in1k").origin == "timm"
    with pytest.raises(UnknownNameError, match=r"'resnet19' is no network of torch:.*resnet18"):
        tk.TransferModel("torch:resnet19")
    with pytest.raises(UnknownNameError, match=r"holds no network. Expected a folder with config"):
        tk.TransferModel(f"torch:{tmp_path}")


def test_a_program_runs_only_where_it_is_trusted(
    tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = tmp_path / "was_run"
    (tmp_path / "hubconf.py").write_text(
        f"open({str(sign)!r}, 'w').close()\n"
        "import numpy, torch\n"
        "class Network:\n"
        "    def state_dict(self):\n"
        f"        read = numpy.load({str(tmp_path / 'w.npz')!r})\n"
        "        return {name: torch.from_numpy(read[name]) for name in read}\n"
        "def small(pretrained=False):\n"
        "    return Network() if pretrained else None\n"
    )
    for address in (f"{tmp_path}:small", "someone/networks:small"):
        with pytest.raises(SpecError, match=r"is a program, and loading it would run it.*trust"):
            tk.TransferModel(f"torch:{address}")
    with pytest.raises(SpecError, match=r"is a hub folder, and it is not said which"):
        tk.TransferModel(f"torch:{tmp_path}")
    model = tk.TransferModel(f"torch:{tmp_path}:small", trust=True)
    assert not sign.exists()  # not before something of it is asked for
    pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsNotFoundError, match=r"someone/networks is not on this machine"):
        tk.backbones.network_at("torch:someone/networks:small", trust=True).info  # type: ignore[union-attr] # noqa: B018
    np.savez(tmp_path / "w.npz", **tensors)  # type: ignore[arg-type]
    assert model.spec.backbone.info.params == tk.backbones.info(SMALL).params  # type: ignore[union-attr]
    assert sign.exists()
    with pytest.raises(WeightsError, match=r"large of .* gave no network: AttributeError"):
        tk.backbones.network_at(f"torch:{tmp_path}:large", trust=True).info  # type: ignore[union-attr] # noqa: B018


def test_older_and_timms_names_mean_the_same_tensors() -> None:
    dense = families.NETWORKS["densenet121"].family.rename
    assert dense("features.denseblock1.denselayer12.norm.2.weight") == (
        "features.denseblock1.denselayer12.norm2.weight"
    )
    regnet = families.NETWORKS["regnet_y_400mf"].family.rename
    unit = "trunk_output.block2.block2-0"
    for theirs, ours in {
        "stem.conv.weight": "stem.0.weight",
        "s2.b1.conv2.bn.running_var": f"{unit}.f.b.1.running_var",
        "s2.b1.se.fc1.bias": f"{unit}.f.se.fc1.bias",
        "s2.b1.downsample.conv.weight": f"{unit}.proj.0.weight",
        "head.fc.bias": "fc.bias",
    }.items():
        assert regnet(theirs) == ours
        assert regnet(ours) == ours
    assert families.NETWORKS["vgg11"].family.rename("head.fc.bias") == "classifier.6.bias"


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (
            "mobilenet_v2",
            {
                "conv_stem.weight": "features.0.0.weight",
                "blocks.0.0.conv_pw.weight": "features.1.conv.1.weight",
                "blocks.2.1.bn2.running_mean": "features.5.conv.1.1.running_mean",
                "bn2.bias": "features.18.1.bias",
                "classifier.bias": "classifier.1.bias",
            },
        ),
        (
            "mobilenetv3_small_100",
            {
                "blocks.0.0.se.conv_reduce.weight": "features.1.block.1.fc1.weight",
                "blocks.0.0.bn2.bias": "features.1.block.2.1.bias",
                "blocks.1.1.conv_pwl.weight": "features.3.block.2.0.weight",
                "blocks.4.2.bn3.weight": "features.11.block.3.1.weight",
                "blocks.5.0.conv.weight": "features.12.0.weight",
                "conv_head.bias": "classifier.0.bias",
            },
        ),
        (
            "efficientnet_b0",
            {
                "blocks.0.0.conv_pw.weight": "features.1.0.block.2.0.weight",
                "blocks.3.2.se.conv_expand.bias": "features.4.2.block.2.fc2.bias",
                "blocks.6.0.bn3.running_var": "features.7.0.block.3.1.running_var",
                "conv_head.weight": "features.8.0.weight",
            },
        ),
        (
            "convnext_tiny",
            {
                "stem.1.bias": "features.0.1.bias",
                "stages.2.downsample.1.weight": "features.4.1.weight",
                "stages.2.blocks.8.mlp.fc2.weight": "features.5.8.block.5.weight",
                "stages.0.blocks.1.gamma": "features.1.1.layer_scale",
                "head.norm.weight": "classifier.0.weight",
            },
        ),
        (
            "vit_b_16",
            {
                "cls_token": "class_token",
                "pos_embed": "encoder.pos_embedding",
                "patch_embed.proj.bias": "conv_proj.bias",
                "norm.weight": "encoder.ln.weight",
                "blocks.11.attn.qkv.bias": "encoder.layers.encoder_layer_11"
                ".self_attention.in_proj.bias",
                "encoder.layers.encoder_layer_3.self_attention.in_proj_weight": "encoder.layers"
                ".encoder_layer_3.self_attention.in_proj.weight",
                "encoder.layers.encoder_layer_3.mlp.linear_2.bias": "encoder.layers"
                ".encoder_layer_3.mlp.3.bias",
            },
        ),
    ],
)
def test_timms_names_mean_the_same_tensors(network: str, names: Mapping[str, str]) -> None:
    rename = families.NETWORKS[network].family.rename
    for theirs, ours in names.items():
        assert rename(theirs) == ours
        assert rename(ours) == ours


def test_which_norms_a_mobilenet_v3_has_is_told_by_its_names() -> None:
    """timm's file has as many numbers as torchvision's, and was trained with other norms."""
    net = tk.backbones.load("torch:mobilenet_v3_small", input_shape=SHAPE, weights=None).network
    tensors = {slot.tensor: np.zeros(slot.shape, np.float32) for slot in slots(net)}
    assert recognised(tensors) == "mobilenet_v3_small"
    rename = families.NETWORKS["mobilenetv3_small_100"].family.rename
    parts = ("conv_pw", "conv_dw", "conv_pwl", "conv", "bn1", "bn2", "bn3", "se.conv_reduce")
    units = [f"blocks.{stage}.{unit}." for stage in range(6) for unit in range(3)]
    modules = [unit + part for unit in units for part in (*parts, "se.conv_expand")]
    theirs = {rename(f"{each}.bias"): each for each in (*modules, "conv_stem", "bn1")}
    named = {}
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        named[f"{theirs[f'{module}.bias']}.{kind}"] = tensor
    named["conv_head.weight"] = np.zeros((1024, 576, 1, 1), np.float32)
    assert recognised(named) == "mobilenetv3_small_100"
