from __future__ import annotations

from typing import Any

import pytest

from transferkit import _keras, backbones
from transferkit.engine import rules
from transferkit.engine.machine import Machine
from transferkit.running import Engine

OLD = Machine("cpu", False, "Old, 2 cores", 2)
NEW = Machine("cpu", True, "New, 2 cores", 2, "2026.1")
GPU = Machine("gpu", True, "NVIDIA, bfloat16", 16)
RESNET = frozenset({"Conv2D", "BatchNormalization", "Activation", "Add"})
MOBILE = RESNET | {"DepthwiseConv2D"}
GATED = MOBILE | {"Multiply", "Reshape"}
EFFICIENT = GATED | {"Dropout"}
VGG = frozenset({"Conv2D", "MaxPooling2D", "Flatten"})
HEAD = frozenset({"Dense", "Dropout", "GlobalAveragePooling2D"})


@pytest.mark.parametrize(
    ("machine", "layers", "prefix", "tail"),
    [
        (OLD, RESNET, "float32", "float32"),
        (NEW, RESNET, "bfloat16", "bfloat16"),
        (NEW, VGG, "bfloat16", "bfloat16"),
        (NEW, MOBILE, "bfloat16", "float32"),
        (NEW, HEAD, "bfloat16", "float32"),
        (NEW, frozenset({"Rescaling"}), "float32", "float32"),
        (GPU, MOBILE, "bfloat16", "bfloat16"),
    ],
)
def test_precision(machine: Machine, layers: frozenset[str], prefix: str, tail: str) -> None:
    assert rules.prefix_precision(Engine(), machine, layers).value == prefix
    assert rules.tail_precision(Engine(), machine, layers).value == tail


def test_a_precision_that_was_asked_for_is_kept_and_its_price_named() -> None:
    engine = Engine(precision="bfloat16")
    for rule in (rules.prefix_precision, rules.tail_precision):
        assert rule(engine, NEW, MOBILE).value == "bfloat16"
        found = rule(engine, OLD, MOBILE)
        assert found.value == "bfloat16"
        assert "slower than float32 here" in found.why
        assert rule(Engine(precision="float32"), NEW, RESNET).value == "float32"


@pytest.mark.parametrize(
    ("engine", "machine", "layers", "backend"),
    [
        (Engine(), OLD, RESNET, "tensorflow"),
        (Engine(), NEW, RESNET, "openvino"),
        (Engine(), NEW, MOBILE, "openvino"),
        (Engine(), NEW, VGG, "tensorflow"),
        (Engine(precision="float32"), NEW, VGG, "openvino"),
        (Engine(precision="float32"), NEW, MOBILE, "openvino"),
        (Engine(precision="float32"), NEW, EFFICIENT, "tensorflow"),
        (Engine(precision="float32"), NEW, EFFICIENT | {"ReLU"}, "openvino"),
        (Engine(precision="float32", prefix="openvino"), NEW, EFFICIENT, "openvino"),
        (Engine(), NEW, EFFICIENT, "openvino"),
        (Engine(precision="float32"), NEW, GATED, "openvino"),
        (Engine(xla=True), NEW, MOBILE, "tensorflow"),
        (Engine(prefix="tensorflow"), NEW, RESNET, "tensorflow"),
        (Engine(prefix="openvino"), OLD, VGG, "openvino"),
        (Engine(), GPU, RESNET, "tensorflow"),
    ],
)
def test_backend(engine: Engine, machine: Machine, layers: frozenset[str], backend: str) -> None:
    precision = rules.prefix_precision(engine, machine, layers).value
    assert rules.prefix_backend(engine, machine, layers, precision).value == backend


@pytest.mark.parametrize(
    ("machine", "stage", "layers", "options", "value"),
    [
        (NEW, "head epochs", HEAD, {}, True),
        (NEW, "head epochs", HEAD | {"Mine"}, {}, False),
        (NEW, "tail", RESNET, {}, False),
        (NEW, "prefix", RESNET, {}, False),
        (NEW, "prefix", MOBILE, {}, True),
        (NEW, "prefix", MOBILE, {"images": 500}, False),
        (NEW, "prefix", MOBILE, {"precision": "bfloat16"}, False),
        (NEW, "prefix", RESNET | {"SeparableConv2D"}, {}, False),
        (GPU, "tail", RESNET, {}, True),
        (GPU, "tail", RESNET | {"Mine"}, {}, False),
    ],
)
def test_xla(
    machine: Machine, stage: Any, layers: frozenset[str], options: Any, value: bool
) -> None:
    found = rules.xla(Engine(), machine, stage, layers, **options)
    assert found.value is value
    assert found.why
    for asked in (True, False):
        assert rules.xla(Engine(xla=asked), machine, stage, layers, **options).value is asked


def test_fused_batch_norm_is_for_those_who_have_one() -> None:
    assert rules.fused_batch_norm(RESNET).value
    assert not rules.fused_batch_norm(VGG).value


def test_kinds_are_those_of_nested_networks_too() -> None:
    layers = _keras.keras().layers
    inner = _keras.keras().Sequential([layers.Input((4,)), layers.Dense(2)])
    outer = _keras.keras().Sequential([layers.Input((4,)), inner, layers.ReLU()])
    assert rules.kinds(outer) >= {"Dense", "ReLU"}
    assert "Sequential" not in rules.kinds(outer)


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("keras:EfficientNetB0", "tensorflow"),
        ("keras:EfficientNetV2B0", "tensorflow"),
        ("torch:efficientnet_b0", "tensorflow"),
        ("keras:MobileNetV3Small", "openvino"),
        ("torch:mobilenet_v3_small", "openvino"),
        ("keras:MobileNetV2", "openvino"),
    ],
)
def test_the_kinds_of_real_networks_tell_which_openvino_runs_fast(name: str, backend: str) -> None:
    body = backbones.load(name, weights=None, input_shape=(32, 32, 3))
    seen = {rules.kinds(body.network), frozenset(layer.kind for layer in body.table)}
    for layers in seen:
        assert rules.prefix_backend(Engine(), NEW, layers, "float32").value == backend
