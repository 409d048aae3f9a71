"""ConvNeXt: residual units of a wide depthwise convolution and two linear layers on each place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    activation,
    add,
    convolution,
    global_average_pool,
    layer_norm,
    linear,
    stochastic_depth,
)
from transferkit.backbones.torch_hub.scale import layer_scale

__all__ = ["NETWORKS", "ConvNeXt"]

WIDER = 4
"""A unit's first linear layer gives so many times its channels."""

_norm = partial(layer_norm, epsilon=1e-6)


@dataclass(frozen=True)
class ConvNeXt:
    """The graph.

    Attributes:
        units: Units in each stage.
        channels: Channels of each stage.
        dropped: Share of the pictures for which a unit's branch is left out in training, at the
            last unit; it grows to that from 0 at the first.
    """

    units: tuple[int, ...]
    channels: tuple[int, ...]
    dropped: float = 0.1

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem, each unit, and each downsampling between the stages."""
        names: list[str] = []
        for stage, count in enumerate(self.units):
            names += [f"features.{2 * stage}"]
            names += [f"features.{2 * stage + 1}.{unit}" for unit in range(count)]
        return tuple(names)

    @property
    def divide(self) -> Division:
        """By the names of stem and downsamplings, whose modules have two numbers, and of units."""
        return by_pattern(r"(features\.\d+(?=\.\d+$)|features\.\d+\.\d+)")

    @property
    def embedding(self) -> int:
        """Channels of the last stage."""
        return self.channels[-1]

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 4, and stages with a downsampling of stride 2 between them."""
        steps = sum(self.units) - 1
        rates = (self.dropped * number / steps for number in range(steps + 1))
        for stage, (count, channels) in enumerate(zip(self.units, self.channels, strict=True)):
            name = f"features.{2 * stage}"
            x = _downsampled(x, name, channels) if stage else _stem(x, name, channels)
            for unit in range(count):
                x = _unit(x, f"features.{2 * stage + 1}.{unit}", next(rates))
        return x

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """A norm and one linear layer on the averaged features."""
        x = _norm(global_average_pool(features, "avgpool"), "classifier.0")
        return linear(x, "classifier.2", classes)


def _stem(x: Tensor, name: str, channels: int) -> Tensor:
    x = convolution(x, f"{name}.0", channels, 4, stride=4, padding=0, bias=True)
    return _norm(x, f"{name}.1")


def _downsampled(x: Tensor, name: str, channels: int) -> Tensor:
    x = _norm(x, f"{name}.0")
    return convolution(x, f"{name}.1", channels, 2, stride=2, padding=0, bias=True)


def _unit(x: Tensor, name: str, dropped: float) -> Tensor:
    channels = int(x.shape[-1])
    y = convolution(x, f"{name}.block.0", channels, 7, groups=channels, bias=True)
    y = linear(_norm(y, f"{name}.block.2"), f"{name}.block.3", WIDER * channels)
    y = linear(activation(y, f"{name}.block.3", "gelu"), f"{name}.block.5", channels)
    y = layer_scale()(name=f"{name}.layer_scale")(y)
    return add(name, stochastic_depth(y, name, dropped), x)


_PARTS = {"conv_dw": "block.0", "norm": "block.2", "mlp.fc1": "block.3", "mlp.fc2": "block.5"}
_UNIT = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)\.(\w+)")
_DOWNSAMPLING = re.compile(r"stages\.(\d+)\.downsample\.(.+)")
_FACTORS = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.gamma")
_ENDS = {"stem": "features.0", "head.norm": "classifier.0", "head.fc": "classifier.2"}


def _from_timm(name: str) -> str:
    """Timm counts stages without the downsamplings, and calls a unit's parts by other names."""
    if found := _FACTORS.fullmatch(name):
        return f"features.{2 * int(found[1]) + 1}.{found[2]}.layer_scale"
    if found := _UNIT.fullmatch(name):
        stage, unit, part, tensor = found.groups()
        return f"features.{2 * int(stage) + 1}.{unit}.{_PARTS.get(part, part)}.{tensor}"
    if found := _DOWNSAMPLING.fullmatch(name):
        return f"features.{2 * int(found[1])}.{found[2]}"
    theirs = next((each for each in _ENDS if name.startswith(f"{each}.")), None)
    return name if theirs is None else _ENDS[theirs] + name.removeprefix(theirs)


_CONVNEXT = Family(
    paper="Liu et al., A ConvNet for the 2020s, CVPR 2022",
    top=("classifier",),
    strides=(4, 8, 16, 32),
    rename=_from_timm,
)

_TINY, _OTHER = (3, 3, 9, 3), (3, 3, 27, 3)


def _network(
    units: tuple[int, ...], width: int, dropped: float, params: int, file: str, scaled: int
) -> Network:
    channels = tuple(width * 2**stage for stage in range(len(units)))
    files = (f"convnext_{file}.pth",)
    architecture = ConvNeXt(units, channels, dropped)
    return Network(_CONVNEXT, architecture, params, files, scaled=(scaled,))


NETWORKS = {
    "convnext_tiny": _network(_TINY, 96, 0.1, 27_818_592, "tiny-983f1562", 236),
    "convnext_small": _network(_OTHER, 96, 0.4, 49_453_152, "small-0c510722", 230),
    "convnext_base": _network(_OTHER, 128, 0.5, 87_564_416, "base-6075fbad", 232),
    "convnext_large": _network(_OTHER, 192, 0.5, 196_227_264, "large-ea097f82", 232),
}
