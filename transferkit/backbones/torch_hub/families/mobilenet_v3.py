"""MobileNetV3: inverted residuals with squeeze and excitation, and hard versions of the swish.

timm trains the same graph with other norms than torchvision: networks with timm's own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.compounds import (
    PYTORCH_NORM,
    TENSORFLOW_NORM,
    Norm,
    divisible,
    normed_convolution,
    squeeze_excitation,
)
from transferkit.backbones.torch_hub.families.base import Family, Network, modules_called
from transferkit.backbones.torch_hub.layers import (
    activation,
    add,
    global_average_pool,
    linear,
)

__all__ = ["NETWORKS", "MobileNetV3", "Unit"]

HARD_SWISH = "hard_silu"
"""Keras' name of ``nn.Hardswish``: x * relu6(x + 3) / 6."""


class Unit(NamedTuple):
    """One inverted residual.

    Attributes:
        size: Side of the kernel that filters each channel.
        wide: Channels that it widens to.
        channels: Channels that come out.
        excited: Whether channels are weighted by squeeze and excitation.
        kind: Keras' name of the activation.
        stride: Its step.
    """

    size: int
    wide: int
    channels: int
    excited: bool
    kind: str
    stride: int


@dataclass(frozen=True)
class MobileNetV3:
    """The graph.

    Attributes:
        units: The units.
        hidden: Units of the hidden layer of the top.
        norm: The settings of its norms.
        stem: Channels of the first convolution.
    """

    units: tuple[Unit, ...]
    hidden: int
    norm: Norm = TENSORFLOW_NORM
    stem: int = 16

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each unit; the last convolution belongs to the last one."""
        return tuple(f"features.{place}" for place in range(len(self.units) + 1))

    @property
    def divide(self) -> Division:
        """By the names of the units."""
        return by_pattern(r"(features\.(?:0|\d+(?=\.(?:block|add))))")

    @property
    def embedding(self) -> int:
        """Channels of the last convolution."""
        return 6 * self.units[-1].channels

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 2, the units, and a convolution of one place."""
        x = self._normed(x, "features.0", self.stem, 3, stride=2, kind=HARD_SWISH)
        for place, unit in enumerate(self.units, start=1):
            x = self._unit(x, f"features.{place}", unit)
        return self._normed(x, f"features.{len(self.blocks)}", self.embedding, kind=HARD_SWISH)

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """Two linear layers on the averaged features."""
        x = linear(global_average_pool(features, "avgpool"), "classifier.0", self.hidden)
        return linear(activation(x, "classifier.0", HARD_SWISH), "classifier.3", classes)

    @property
    def _normed(self) -> partial[Tensor]:
        return partial(normed_convolution, norm=self.norm)

    def _unit(self, x: Tensor, name: str, unit: Unit) -> Tensor:
        before, wide, kind = int(x.shape[-1]), unit.wide, unit.kind
        parts = iter(f"{name}.block.{place}" for place in range(4))
        y = x
        if wide != before:
            y = self._normed(y, next(parts), wide, kind=kind)
        y = self._normed(
            y, next(parts), wide, unit.size, stride=unit.stride, groups=wide, kind=kind
        )
        if unit.excited:
            y = squeeze_excitation(y, next(parts), divisible(wide // 4), gate="hard_sigmoid")
        y = self._normed(y, next(parts), unit.channels)
        return add(name, y, x) if unit.stride == 1 and before == unit.channels else y


def _units(*rows: tuple[int, int, int, bool, str, int]) -> tuple[Unit, ...]:
    kinds = {"RE": "relu", "HS": HARD_SWISH}
    made = (Unit(*row) for row in rows)
    return tuple(unit._replace(kind=kinds[unit.kind]) for unit in made)


# side of the kernel, channels inside and behind, excitation, activation, step
_LARGE = _units(
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
)
_SMALL = _units(
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)


def _timm_modules(units: tuple[Unit, ...], stages: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Timm counts units by stages, and calls their parts by other names.

    Args:
        units: The units.
        stages: How many there are in each of timm's stages; the one of the first is not widened.
    """
    last = len(units) + 1
    yield from {"conv_stem": "features.0.0", "bn1": "features.0.1"}.items()
    yield f"blocks.{len(stages)}.0.conv", f"features.{last}.0"
    yield f"blocks.{len(stages)}.0.bn1", f"features.{last}.1"
    yield from {"conv_head": "classifier.0", "classifier": "classifier.3"}.items()
    firsts = accumulate(stages, initial=0)
    for stage, (first, count) in enumerate(zip(firsts, stages, strict=False)):
        for number, unit in enumerate(units[first : first + count]):
            for theirs, ours in _timm_parts(unit, widened=stage > 0):
                place = f"features.{first + number + 1}.block.{ours}"
                yield f"blocks.{stage}.{number}.{theirs}", place


def _timm_parts(unit: Unit, *, widened: bool) -> Iterator[tuple[str, str]]:
    convolutions = ("conv_pw", "conv_dw", "conv_pwl") if widened else ("conv_dw", "conv_pw")
    for place, convolution in enumerate(convolutions):
        ours = place + (unit.excited and place == len(convolutions) - 1)
        yield from ((convolution, f"{ours}.0"), (f"bn{place + 1}", f"{ours}.1"))
    for theirs, inner in {"conv_reduce": "fc1", "conv_expand": "fc2"}.items():
        yield f"se.{theirs}", f"{len(convolutions) - 1}.{inner}"


_MOBILENET_V3 = Family(
    paper="Howard et al., Searching for MobileNetV3, ICCV 2019", top=("classifier",)
)


def _of_timm(units: tuple[Unit, ...], hidden: int, params: int, *stages: int) -> Network:
    rename = modules_called(dict(_timm_modules(units, stages)))
    family = replace(_MOBILENET_V3, rename=rename, licence="Apache-2.0", origin="timm")
    return Network(family, MobileNetV3(units, hidden, PYTORCH_NORM), params)


NETWORKS = {
    "mobilenet_v3_large": Network(
        _MOBILENET_V3,
        MobileNetV3(_LARGE, 1280),
        2_996_352,
        ("mobilenet_v3_large-8738ca79.pth", "mobilenet_v3_large-5c1a4163.pth"),
    ),
    "mobilenet_v3_small": Network(
        _MOBILENET_V3, MobileNetV3(_SMALL, 1024), 939_120, ("mobilenet_v3_small-047dcff4.pth",)
    ),
    "mobilenetv3_large_100": _of_timm(_LARGE, 1280, 2_996_352, 1, 2, 3, 4, 2, 3),
    "mobilenetv3_small_100": _of_timm(_SMALL, 1024, 939_120, 1, 2, 3, 2, 3),
}
