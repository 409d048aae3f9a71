"""The written rules: what a stage computes in, who runs it, what XLA compiles, and why.

Pure functions of the engine, the machine and the kinds of layers in the stage. Nothing is timed, so
that a run repeats; what the rules rest on stands in `MEASURED`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from transferkit._types import KerasModel
from transferkit.engine.machine import Machine
from transferkit.running import Engine

__all__ = [
    "MEASURED",
    "Choice",
    "Measured",
    "fused_batch_norm",
    "kinds",
    "prefix_backend",
    "prefix_precision",
    "tail_precision",
    "xla",
]

Stage = Literal["prefix", "tail", "head epochs", "predict"]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Choice(Generic[Value]):
    """What a rule says.

    Attributes:
        value: What is to be done.
        why: The reason, for the engine's report.
    """

    value: Value
    why: str


@dataclass(frozen=True)
class Measured:
    """How many times faster something was.

    Attributes:
        device: ``"cpu"``, ``"gpu"`` or ``"tpu"``.
        network: What it was measured on.
        what: What was compared.
        ratio: Above 1 if it won.
        command: What measured it, or "by hand".
    """

    device: str
    network: str
    what: str
    ratio: float
    command: str = "by hand"


FORWARD = "nox -s bench -- forward forward-openvino"
LOWERED = "nox -s bench -- xla-depthwise"
TEN = "nox -s bench -- xla-forward"
PAIRS = "by hand, nine pairs on a processor without bfloat16"
MEASURED = (
    Measured("cpu", "ResNet50", "forward, constants against keras predict", 1.8),
    Measured("cpu", "MobileNetV2", "forward, constants against keras predict", 2.8),
    Measured("cpu", "EfficientNetB0", "forward, constants against keras predict", 1.3),
    Measured("cpu", "VGG16", "forward, constants against keras predict", 1.1),
    Measured("cpu", "ResNet50", "forward, bfloat16 against float32 constants", 1.94),
    Measured("cpu", "MobileNetV2", "forward, bfloat16 against float32 constants", 1.46),
    Measured("cpu", "EfficientNetB0", "forward, bfloat16 against float32 constants", 1.85),
    Measured("cpu", "VGG16", "forward, bfloat16 against float32 constants", 2.0),
    Measured("cpu", "ResNet50", "forward, OpenVINO against TensorFlow, both bfloat16", 1.31),
    Measured("cpu", "MobileNetV2", "forward, OpenVINO against TensorFlow, both bfloat16", 2.27),
    Measured("cpu", "EfficientNetB0", "forward, OpenVINO against TensorFlow, both bfloat16", 1.67),
    Measured("cpu", "VGG16", "forward, OpenVINO against TensorFlow, both bfloat16", 1.0),
    Measured("cpu", "MobileNetV2", "forward, XLA with lowered depthwise against constants", 1.19),
    Measured("cpu", "MobileNetV2", "forward, XLA without lowering against without XLA", 0.06),
    Measured("cpu", "MobileNetV2", "training step, XLA with lowered depthwise", 0.39),
    Measured("cpu", "ResNet50", "training step, XLA", 0.67),
    Measured("cpu", "head on 1280 features", "whole epochs, XLA against without", 1.37),
    Measured("cpu", "ResNet50", "training step, bfloat16 against float32, both fused", 1.9),
    Measured("cpu", "MobileNetV2", "training step, bfloat16 against float32, both fused", 1.0),
    Measured("cpu", "ResNet50", "training step, fused norm against Keras' own", 1.2),
    Measured("cpu", "MobileNetV2", "training step, fused norm against Keras' own", 1.67),
    Measured("cpu", "EfficientNetB0", "training step, fused norm against Keras' own", 1.31),
    Measured("cpu", "VGG16", "forward in float32, OpenVINO against TensorFlow", 1.20, FORWARD),
    Measured("cpu", "ResNet50", "forward in float32, OpenVINO against TensorFlow", 1.30, FORWARD),
    Measured(
        "cpu", "MobileNetV2", "forward in float32, OpenVINO against TensorFlow", 1.83, FORWARD
    ),
    Measured(
        "cpu", "EfficientNetB0", "forward in float32, OpenVINO against TensorFlow", 0.99, PAIRS
    ),
    Measured(
        "cpu", "MobileNetV3Large", "forward in float32, OpenVINO against TensorFlow", 1.65, PAIRS
    ),
    *(
        Measured("cpu", name, "forward in float32, OpenVINO against TensorFlow", ratio)
        for name, ratio in {
            "EfficientNetB0": 0.47,
            "EfficientNetV2B0": 0.40,
            "MobileNetV3Large": 1.37,
            "MobileNetV2": 1.38,
            "torch:efficientnet_b0": 0.43,
            "torch:mobilenet_v3_large": 1.66,
        }.items()
    ),
    Measured("cpu", "MobileNetV2", "forward in float32, XLA with lowered depthwise", 1.13, LOWERED),
    Measured(
        "cpu", "MobileNetV3Large", "forward in float32, XLA with lowered depthwise", 1.02, LOWERED
    ),
    Measured(
        "cpu", "EfficientNetB0", "forward in float32, XLA with lowered depthwise", 1.29, LOWERED
    ),
    Measured("cpu", "MobileNet", "forward in float32 at 96, XLA against without", 1.28, TEN),
    Measured("cpu", "EfficientNetV2B0", "forward in float32 at 96, XLA against without", 1.19, TEN),
    Measured("cpu", "VGG16", "forward in float32 at 96, XLA against without", 0.95, TEN),
    Measured("cpu", "ResNet50V2", "forward in float32 at 96, XLA against without", 1.10, TEN),
    Measured("cpu", "InceptionV3", "forward in float32 at 128, XLA against without", 0.69, TEN),
)
"""What the rules rest on: 2 cores, TensorFlow 2.21. What says just "by hand" comes from processors
with AVX-512 bfloat16, the benchmark's from those that `docs/performance.md` names; OpenVINO against
TensorFlow is there the quotient of two rows."""

DEPTHWISE = frozenset({"DepthwiseConv2D", "SeparableConv2D", "DepthwiseConv1D", "SeparableConv1D"})
EFFICIENT_NETS = frozenset({"Activation", "DepthwiseConv2D", "Dropout", "Multiply"})
"""Squeeze-and-excitation with stochastic depth. A MobileNetV3 has no `Dropout` before its head, and
Keras' has `ReLU`; OpenVINO runs its hard swish fast."""
CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D"})
PRODUCTS = CONVOLUTIONS | DEPTHWISE | {"Dense", "EinsumDense", "MultiHeadAttention"}
NORMS = frozenset({"BatchNormalization", "GroupNormalization", "LayerNormalization"})
SHAPES = frozenset(
    {"Cropping2D", "Flatten", "InputLayer", "Permute", "Reshape", "Rescaling", "ZeroPadding2D"}
)
SIMPLE = frozenset(
    {"Activation", "Add", "Average", "Concatenate", "Dense", "Dropout", "ELU", "GaussianNoise"}
    | {"GlobalAveragePooling2D", "GlobalMaxPooling2D", "LeakyReLU", "Maximum", "Multiply", "PReLU"}
    | {"ReLU", "Softmax", "SpatialDropout2D", "Subtract"}
)
MANY_STEPS = 5_000
"""A head's steps from which on XLA is worth compiling. It takes 0.5 to 0.7 s, and a step gained 46
microseconds by it on one processor (5,821 steps in a second without, 7,948 with) and 170 on another
(2,600 and 4,000): worth it from 3,000 or from 15,000 steps on."""

MANY_IMAGES = 10_000
"""Pictures from which on XLA is worth compiling for a forward pass of depthwise convolutions."""

HEADS = SIMPLE | NORMS | SHAPES
"""What heads are made of; XLA compiles it well on every device."""

POOLING = frozenset({"AveragePooling2D", "MaxPooling2D", "UpSampling2D"})
KNOWN = HEADS | POOLING | PRODUCTS
"""What is known to compile under XLA on accelerators."""


def kinds(model: KerasModel) -> frozenset[str]:
    """The classes of a network's layers by name, those of nested networks included."""
    return frozenset(type(layer).__name__ for layer in _leaves(model))


def _leaves(model: KerasModel) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer)
        else:
            yield layer


def prefix_precision(engine: Engine, machine: Machine, layers: Collection[str]) -> Choice[str]:
    """What the frozen layers compute in."""
    if engine.precision != "auto":
        return _asked_precision(engine, machine)
    if not machine.bfloat16:
        return Choice("float32", f"{machine.name} has no bfloat16")
    if not PRODUCTS & set(layers):
        return Choice("float32", "there is no matrix product that bfloat16 would make faster")
    return Choice("bfloat16", f"{machine.name} multiplies faster in bfloat16")


def tail_precision(engine: Engine, machine: Machine, layers: Collection[str]) -> Choice[str]:
    """What the layers that train compute in; loss and head are float32 whatever it says."""
    found = set(layers)
    if engine.precision != "auto":
        return _asked_precision(engine, machine)
    if not machine.bfloat16:
        return Choice("float32", f"{machine.name} has no bfloat16")
    if not CONVOLUTIONS & found:
        return Choice("float32", "no convolution trains")
    if machine.device == "cpu" and DEPTHWISE & found:
        return Choice("float32", "bfloat16 was measured to gain nothing on depthwise convolutions")
    return Choice("bfloat16", "dense convolutions train, and those gain from bfloat16")


def prefix_backend(
    engine: Engine, machine: Machine, layers: Collection[str], precision: str
) -> Choice[str]:
    """What runs the frozen layers, in the precision that they compute in."""
    found = set(layers)
    if engine.prefix != "auto":
        return Choice(engine.prefix, f'prefix="{engine.prefix}" was asked for')
    if machine.openvino is None:
        return Choice("tensorflow", "OpenVINO is not installed")
    if machine.device != "cpu" or engine.strategy is not None:
        return Choice("tensorflow", "OpenVINO runs on the processor of one machine only")
    if engine.xla is True:
        return Choice("tensorflow", "xla=True was asked for")
    if precision == "bfloat16" and not {"BatchNormalization", *DEPTHWISE} & found:
        return Choice("tensorflow", "OpenVINO was no faster in bfloat16 on plain convolutions")
    if precision == "float32" and found >= EFFICIENT_NETS and "ReLU" not in found:
        return Choice("tensorflow", "OpenVINO was slower in float32 on EfficientNets")
    return Choice("openvino", f"OpenVINO {machine.openvino} was measured to be faster")


def xla(
    engine: Engine,
    machine: Machine,
    stage: Stage,
    layers: Collection[str],
    *,
    precision: str = "float32",
    steps: int = MANY_STEPS,
    images: int = MANY_IMAGES,
) -> Choice[bool]:
    """Whether XLA compiles a stage.

    Args:
        engine: What the user says.
        machine: What it runs on.
        stage: ``"prefix"`` and ``"predict"`` are forward passes, ``"tail"`` is a training step,
            ``"head epochs"`` many steps on cached features in one call.
        layers: The kinds of layers in it, as `kinds` gives them.
        precision: What it computes in.
        steps: How many steps the stage makes in all.
        images: How many pictures pass through it in all, where it is a forward pass.
    """
    found = set(layers)
    if engine.xla != "auto":
        return Choice(engine.xla, f"xla={engine.xla} was asked for")
    if machine.device != "cpu":
        unknown = sorted(found - KNOWN)
        if unknown:
            return Choice(False, f"it is not known how XLA compiles {', '.join(unknown)}")
        return Choice(True, f"XLA is right for all of it on a {machine.device.upper()}")
    if stage == "head epochs":
        if steps < MANY_STEPS:
            return Choice(False, f"compiling for XLA takes longer than {steps:,} steps gain by it")
        if found <= HEADS:
            return Choice(True, "heads on cached features are faster under XLA")
        return Choice(False, f"it is not known how XLA compiles {', '.join(sorted(found - HEADS))}")
    if stage == "tail":
        return Choice(False, "oneDNN is faster at the backward pass of convolutions")
    if "DepthwiseConv2D" not in found or precision != "float32":
        return Choice(False, "oneDNN is as fast or faster at this forward pass")
    if images < MANY_IMAGES:
        return Choice(False, f"compiling for XLA takes longer than {images:,} pictures gain by it")
    return Choice(True, "depthwise convolutions written for XLA are faster under it")


def fused_batch_norm(layers: Collection[str]) -> Choice[bool]:
    """Whether batch normalisation that trains is computed by one fused operation."""
    if "BatchNormalization" in layers:
        return Choice(True, "fused batch normalisation was faster on every network measured")
    return Choice(False, "there is no batch normalisation")


def _asked_precision(engine: Engine, machine: Machine) -> Choice[str]:
    why = f'precision="{engine.precision}" was asked for'
    if engine.precision == "bfloat16" and not machine.bfloat16:
        why += f"; it is slower than float32 here, as {machine.name} has no bfloat16"
    return Choice(engine.precision, why)
