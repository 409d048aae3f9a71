"""MobileNetV2: inverted residuals, which widen the channels, filter each, and narrow them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.compounds import normed_convolution
from transferkit.backbones.torch_hub.families.base import Family, Network, modules_called
from transferkit.backbones.torch_hub.layers import (
    add,
    batch_norm,
    convolution,
    global_average_pool,
    linear,
)

__all__ = ["NETWORKS", "TIMM", "MobileNetV2", "Stage"]

ACTIVATION = "relu6"


class Stage(NamedTuple):
    """Units of one width.

    Attributes:
        expansion: How many times its channels a unit widens to.
        channels: Channels that come out.
        units: How many there are.
        stride: The first one's step.
    """

    expansion: int
    channels: int
    units: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


@dataclass(frozen=True)
class MobileNetV2:
    """The graph.

    Attributes:
        stages: The units.
        stem: Channels of the first convolution.
        last: Channels of the last one.
    """

    stages: tuple[Stage, ...] = STAGES
    stem: int = 32
    last: int = 1280

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each unit; the last convolution belongs to the last one."""
        units = sum(stage.units for stage in self.stages)
        return tuple(f"features.{place}" for place in range(units + 1))

    @property
    def divide(self) -> Division:
        """By the names of the units."""
        return by_pattern(r"(features\.(?:0|\d+(?=\.(?:conv|add))))")

    @property
    def embedding(self) -> int:
        """Channels of the last convolution."""
        return self.last

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 2, the units, and a convolution of one place."""
        x = normed_convolution(x, "features.0", self.stem, 3, stride=2, kind=ACTIVATION)
        for place, (stage, stride) in enumerate(self._units(), start=1):
            x = _unit(x, f"features.{place}", stage, stride)
        return normed_convolution(x, f"features.{len(self.blocks)}", self.last, kind=ACTIVATION)

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the averaged features."""
        return linear(global_average_pool(features, "avgpool"), "classifier.1", classes)

    def _units(self) -> Iterator[tuple[Stage, int]]:
        """For each unit, its stage and its step."""
        for stage in self.stages:
            for unit in range(stage.units):
                yield stage, stage.stride if unit == 0 else 1


def _unit(x: Tensor, name: str, stage: Stage, stride: int) -> Tensor:
    before = int(x.shape[-1])
    wide = before * stage.expansion
    y, place = x, 0
    if stage.expansion > 1:
        y, place = normed_convolution(x, f"{name}.conv.0", wide, kind=ACTIVATION), 1
    y = normed_convolution(
        y, f"{name}.conv.{place}", wide, 3, stride=stride, groups=wide, kind=ACTIVATION
    )
    y = convolution(y, f"{name}.conv.{place + 1}", stage.channels)
    y = batch_norm(y, f"{name}.conv.{place + 2}")
    return add(name, y, x) if stride == 1 and before == stage.channels else y


_NARROW = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
_WIDE = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2"}
_WIDE |= {"bn3": "3"}


def _timm_modules() -> Iterator[tuple[str, str]]:
    """Timm counts units by stages, and calls their parts by other names."""
    place = 1
    for stage, (expansion, _, units, _) in enumerate(STAGES):
        for unit in range(units):
            for part, ours in (_WIDE if expansion > 1 else _NARROW).items():
                yield f"blocks.{stage}.{unit}.{part}", f"features.{place}.conv.{ours}"
            place += 1
    for part, ours in {
        "conv_stem": "0.0",
        "bn1": "0.1",
        "conv_head": "18.0",
        "bn2": "18.1",
    }.items():
        yield part, f"features.{ours}"
    yield "classifier", "classifier.1"


_MOBILENET_V2 = Family(
    paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
    top=("classifier",),
    rename=modules_called(dict(_timm_modules())),
)

NETWORKS = {
    "mobilenet_v2": Network(
        _MOBILENET_V2,
        MobileNetV2(),
        2_257_984,
        ("mobilenet_v2-b0353104.pth", "mobilenet_v2-7ebf99e0.pth"),
    )
}

TIMM = {"mobilenetv2_100": "mobilenet_v2"}
"""timm's name of the same network."""
