"""What holds for every backbone of ``torch:``; parity with PyTorch runs where PyTorch is."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import transferkit as tk
from transferkit import _keras, testing
from transferkit.backbones.torch_hub.families import NETWORKS

keras = _keras.keras()

USUAL = ("resnet18", "vgg11_bn", "squeezenet1_0", "mobilenet_v2")
"""Built in the usual run; the slow one has `IN_FULL`, the exhaustive one all."""
IN_FULL = (
    *("resnet18", "vgg11_bn", "densenet121", "squeezenet1_1", "regnet_y_400mf", "mobilenet_v2"),
    *("mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vit_b_32"),
)
PAIRS = (
    *("ResNet-18/34", "ResNet", "ResNeXt", "Wide ResNet", "VGG", "VGG with norms", "DenseNet"),
    *("SqueezeNet 1.0", "SqueezeNet 1.1", "RegNet X", "RegNet Y", "RegNet Y of timm"),
    *("MobileNetV2", "MobileNetV2 of timm", "MobileNetV3", "MobileNetV3 of timm"),
    *("ConvNeXt", "ConvNeXt of timm", "EfficientNet", "EfficientNet of timm", "EfficientNetV2"),
    *("ViT", "ViT of timm"),
)
SINGLE = ("MobileNetV3", "ConvNeXt", "ViT")
"""Keras' GELU and the gradient of PyTorch's hard sigmoid hold a constant of single precision."""


def marks(name: str) -> Any:
    if name in USUAL:
        return ()
    return pytest.mark.slow if name in IN_FULL else pytest.mark.exhaustive


@pytest.fixture
def _initial_weights_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed here: Keras' own draws are left out."""
    initializers = importlib.import_module("keras.src.initializers.random_initializers")
    kind = initializers.VarianceScaling
    monkeypatch.setattr(kind, "__call__", lambda self, s, dtype=None: keras.ops.zeros(s, dtype))


@pytest.mark.usefixtures("_initial_weights_cost_nothing")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=marks(n)) for n in NETWORKS],
)
def test_what_is_written_down_of_a_network_is_true(name: str) -> None:
    if NETWORKS[name].params > 130_000_000:
        pytest.skip("half a gigabyte and more; its graph is that of its smaller relatives")
    promised = tk.backbones.info(f"torch:{name}")
    size = promised.image_size if NETWORKS[name].family.places else (64, 64)  # counted among params
    loaded = tk.backbones.load(f"torch:{name}", input_shape=(*size, 3), weights=None)
    assert loaded.info == promised


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n == "resnet18" else pytest.mark.exhaustive)
        for n in IN_FULL
    ],
)
def test_a_network_keeps_the_contract(name: str) -> None:
    size = None if NETWORKS[name].family.places else 33  # counted among the parameters
    testing.check_backbone(f"torch:{name}", image_size=size)


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """What `torch_parity` finds, in a process of its own."""
    script, file = Path(__file__).with_name("torch_parity.py"), tmp_path_factory.mktemp("parity")
    command = [sys.executable, str(script), "--json", str(file / "errors.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((file / "errors.json").read_text(encoding="utf-8"))["torch"])


@pytest.mark.skipif(
    not all(importlib.util.find_spec(each) for each in ("torch", "torchvision", "timm")),
    reason="PyTorch, torchvision and timm are not installed",
)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_family_computes_what_pytorch_does(
    pair: str, parity: dict[str, dict[str, float]]
) -> None:
    assert set(parity) == set(PAIRS)
    rounding = 1e-7 if pair.startswith(SINGLE) else 1e-9  # in double precision
    assert max(parity[pair].values()) < rounding
