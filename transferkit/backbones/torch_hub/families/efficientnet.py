"""EfficientNet and EfficientNetV2: inverted residuals, scaled in width, depth and size together.

V2 has one plain convolution in place of the first two of a unit in its early stages. Networks from
B5 on have norms of their own in torchvision, and other ones in timm: timm's files fit B0 to B4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import NamedTuple

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.info import MODES
from transferkit.backbones.torch_hub.compounds import (
    PYTORCH_NORM,
    TENSORFLOW_NORM,
    Norm,
    divisible,
    normed_convolution,
    squeeze_excitation,
)
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    add,
    global_average_pool,
    linear,
    stochastic_depth,
)

__all__ = ["NETWORKS", "EfficientNet", "Stage"]

ACTIVATION = "silu"
SQUEEZED = 4
"""Excitation squeezes to the channels before a unit, divided by this."""


class Stage(NamedTuple):
    """Units of one width.

    Attributes:
        expansion: How many times its channels a unit widens to.
        size: Side of the kernel.
        stride: The first one's step.
        channels: Channels that come out.
        units: How many there are.
        fused: Whether one plain convolution widens and filters, and there is no excitation.
    """

    expansion: int
    size: int
    stride: int
    channels: int
    units: int
    fused: bool = False


@dataclass(frozen=True)
class EfficientNet:
    """The graph.

    Attributes:
        stages: The units.
        stem: Channels of the first convolution.
        last: Channels of the last one.
        norm: The settings of its norms.
        dropped: Share of the pictures for which a unit's branch is left out in training, at the
            last unit; it grows to that from 0 at the first.
    """

    stages: tuple[Stage, ...]
    stem: int
    last: int
    norm: Norm = PYTORCH_NORM
    dropped: float = 0.2

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each unit; the last convolution belongs to the last one."""
        return ("features.0", *(name for name, *_ in self._units()))

    @property
    def divide(self) -> Division:
        """By the names of the units."""
        return by_pattern(r"(features\.(?:0|\d+\.\d+(?=\.(?:block|add|stochastic))))")

    @property
    def embedding(self) -> int:
        """Channels of the last convolution."""
        return self.last

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 2, the units, and a convolution of one place."""
        x = self._normed(x, "features.0", self.stem, 3, stride=2)
        for number, (name, stage, stride) in enumerate(self._units()):
            y = (self._fused if stage.fused else self._unit)(x, name, stage, stride)
            if stride == 1 and x.shape[-1] == stage.channels:
                rate = self.dropped * number / (len(self.blocks) - 1)
                y = add(name, stochastic_depth(y, name, rate), x)
            x = y
        return self._normed(x, f"features.{len(self.stages) + 1}", self.last)

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the averaged features."""
        return linear(global_average_pool(features, "avgpool"), "classifier.1", classes)

    def _units(self) -> Iterator[tuple[str, Stage, int]]:
        """For each unit its name, its stage and its step."""
        for place, stage in enumerate(self.stages, start=1):
            for unit in range(stage.units):
                yield f"features.{place}.{unit}", stage, stage.stride if unit == 0 else 1

    @property
    def _normed(self) -> partial[Tensor]:
        return partial(normed_convolution, norm=self.norm, kind=ACTIVATION)

    def _unit(self, x: Tensor, name: str, stage: Stage, stride: int) -> Tensor:
        before = int(x.shape[-1])
        wide = divisible(before * stage.expansion)
        parts = iter(f"{name}.block.{place}" for place in range(4))
        y = x if wide == before else self._normed(x, next(parts), wide)
        y = self._normed(y, next(parts), wide, stage.size, stride=stride, groups=wide)
        y = squeeze_excitation(y, next(parts), max(1, before // SQUEEZED), inner=ACTIVATION)
        return self._normed(y, next(parts), stage.channels, kind=None)

    def _fused(self, x: Tensor, name: str, stage: Stage, stride: int) -> Tensor:
        before = int(x.shape[-1])
        wide = divisible(before * stage.expansion)
        if wide == before:
            return self._normed(x, f"{name}.block.0", stage.channels, stage.size, stride=stride)
        y = self._normed(x, f"{name}.block.0", wide, stage.size, stride=stride)
        return self._normed(y, f"{name}.block.1", stage.channels, kind=None)


_NARROW = {"conv_dw": "0.0", "bn1": "0.1", "se": "1", "conv_pw": "2.0", "bn2": "2.1"}
_WIDE = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se": "2"}
_WIDE |= {"conv_pwl": "3.0", "bn3": "3.1"}
_ENDS = {"conv_stem": "features.0.0", "bn1": "features.0.1"}
_ENDS |= {"conv_head": "features.8.0", "bn2": "features.8.1", "classifier": "classifier.1"}
_EXCITATION = {"conv_reduce": "fc1", "conv_expand": "fc2"}
_UNIT = re.compile(r"blocks\.(\d+)\.(\d+)\.(\w+)(?:\.(conv_reduce|conv_expand))?")


def _from_timm(name: str) -> str:
    """Timm counts stages from 0 and calls a unit's parts by other names."""
    module, _, tensor = name.rpartition(".")
    found = _UNIT.fullmatch(module)
    if not found:
        return f"{_ENDS[module]}.{tensor}" if module in _ENDS else name
    stage, unit, part, inner = found.groups()
    place = (_WIDE if int(stage) else _NARROW).get(part, part)
    inside = f".{_EXCITATION[inner]}" if inner else ""
    return f"features.{int(stage) + 1}.{unit}.block.{place}{inside}.{tensor}"


_V1_FROM_B5 = Family(
    paper="Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "ICML 2019",
    top=("classifier",),
)
_V1 = replace(_V1_FROM_B5, rename=_from_timm)
_V2 = Family(
    paper="Tan & Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021",
    top=("classifier",),
)
_V2_L = replace(_V2, rule=MODES["tf"])

_B0 = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)


def _scaled(width: float, depth: float, norm: Norm) -> EfficientNet:
    stages = tuple(
        each._replace(channels=divisible(each.channels * width), units=ceil(each.units * depth))
        for each in _B0
    )
    return EfficientNet(stages, divisible(32 * width), 4 * stages[-1].channels, norm)


def _v1(
    width: float,
    depth: float,
    size: int,
    scaled: int,
    params: int,
    *files: str,
    norm: Norm = PYTORCH_NORM,
) -> Network:
    names = tuple(f"efficientnet_{file}.pth" for file in files)
    family = _V1 if norm == PYTORCH_NORM else _V1_FROM_B5
    network = _scaled(width, depth, norm)
    return Network(family, network, params, names, size, (scaled, 255), ("bicubic", "bilinear"))


_from_b5 = partial(_v1, norm=TENSORFLOW_NORM)


def _v2(stages: tuple[Stage, ...], size: int, params: int, file: str) -> Network:
    stem = stages[0].channels
    network = EfficientNet(stages, stem, 1280, Norm(epsilon=1e-3))
    files = (f"efficientnet_v2_{file}.pth",)
    if file.startswith("l-"):
        return Network(_V2_L, network, params, files, size, (size,), ("bicubic",))
    return Network(_V2, network, params, files, size, (size,))


NETWORKS = {
    "efficientnet_b0": _v1(1.0, 1.0, 224, 256, 4_049_564, "b0_rwightman-7f5810bc"),
    "efficientnet_b1": _v1(1.0, 1.1, 240, 256, 6_575_232, "b1_rwightman-bac287d4", "b1-c27df63c"),
    "efficientnet_b2": _v1(1.1, 1.2, 288, 288, 7_768_562, "b2_rwightman-c35c1473"),
    "efficientnet_b3": _v1(1.2, 1.4, 300, 320, 10_783_528, "b3_rwightman-b3899882"),
    "efficientnet_b4": _v1(1.4, 1.8, 380, 384, 17_673_816, "b4_rwightman-23ab8bcd"),
    "efficientnet_b5": _from_b5(1.6, 2.2, 456, 456, 28_513_520, "b5_lukemelas-1a07897c"),
    "efficientnet_b6": _from_b5(1.8, 2.6, 528, 528, 40_960_136, "b6_lukemelas-24a108a5"),
    "efficientnet_b7": _from_b5(2.0, 3.1, 600, 600, 64_097_680, "b7_lukemelas-c5b4e57e"),
    "efficientnet_v2_s": _v2(
        (
            Stage(1, 3, 1, 24, 2, fused=True),
            Stage(4, 3, 2, 48, 4, fused=True),
            Stage(4, 3, 2, 64, 4, fused=True),
            Stage(4, 3, 2, 128, 6),
            Stage(6, 3, 1, 160, 9),
            Stage(6, 3, 2, 256, 15),
        ),
        384,
        20_331_360,
        "s-dd5fe13b",
    ),
    "efficientnet_v2_m": _v2(
        (
            Stage(1, 3, 1, 24, 3, fused=True),
            Stage(4, 3, 2, 48, 5, fused=True),
            Stage(4, 3, 2, 80, 5, fused=True),
            Stage(4, 3, 2, 160, 7),
            Stage(6, 3, 1, 176, 14),
            Stage(6, 3, 2, 304, 18),
            Stage(6, 3, 1, 512, 5),
        ),
        480,
        53_150_388,
        "m-dc08266a",
    ),
    "efficientnet_v2_l": _v2(
        (
            Stage(1, 3, 1, 32, 4, fused=True),
            Stage(4, 3, 2, 64, 7, fused=True),
            Stage(4, 3, 2, 96, 7, fused=True),
            Stage(4, 3, 2, 192, 10),
            Stage(6, 3, 1, 224, 19),
            Stage(6, 3, 2, 384, 25),
            Stage(6, 3, 1, 640, 7),
        ),
        480,
        117_746_848,
        "l-59c71312",
    ),
}
