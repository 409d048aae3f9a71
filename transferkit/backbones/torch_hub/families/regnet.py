"""RegNet X and Y: four stages of residual bottlenecks whose widths follow one line.

The widths of a stage are what the paper's rule gives, written out; Y has squeeze and excitation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.compounds import normed_convolution, squeeze_excitation
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import add, global_average_pool, linear, relu

__all__ = ["NETWORKS", "TIMM", "RegNet"]

Sizes = tuple[int, ...]

SQUEEZED = 0.25
"""Share of a unit's channels that its excitation squeezes them to."""


@dataclass(frozen=True)
class RegNet:
    """The graph.

    Attributes:
        units: Units in each stage.
        widths: Channels of each stage.
        group_width: Channels in a group of the 3 x 3 convolution, if the stage has so many.
        excitation: Whether channels are weighted by squeeze and excitation: Y, and not X.
        stem: Channels of the stem.
    """

    units: tuple[int, ...]
    widths: tuple[int, ...]
    group_width: int
    excitation: bool = False
    stem: int = 32

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each unit."""
        stages = enumerate(self.units, start=1)
        return ("stem", *(f"block{n}-{unit}" for n, count in stages for unit in range(count)))

    @property
    def divide(self) -> Division:
        """By the names of the units."""
        return by_pattern(r"(?:trunk_output\.block\d\.)?(stem|block\d-\d+)")

    @property
    def embedding(self) -> int:
        """Channels of the last stage."""
        return self.widths[-1]

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 2 and stages of stride 2."""
        x = relu(normed_convolution(x, "stem", self.stem, 3, stride=2), "stem")
        for stage, (count, width) in enumerate(zip(self.units, self.widths, strict=True), start=1):
            for unit in range(count):
                name = f"trunk_output.block{stage}.block{stage}-{unit}"
                x = self._unit(x, name, width, stride=2 if unit == 0 else 1)
        return x

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the averaged features."""
        return linear(global_average_pool(features, "avgpool"), "fc", classes)

    def _unit(self, x: Tensor, name: str, width: int, stride: int) -> Tensor:
        squeezed = round(SQUEEZED * int(x.shape[-1]))
        groups = width // min(self.group_width, width)
        y = relu(normed_convolution(x, f"{name}.f.a", width), f"{name}.f.a")
        y = normed_convolution(y, f"{name}.f.b", width, 3, stride=stride, groups=groups)
        y = relu(y, f"{name}.f.b")
        y = squeeze_excitation(y, f"{name}.f.se", squeezed) if self.excitation else y
        y = normed_convolution(y, f"{name}.f.c", width)
        if x.shape[-1] != width or stride > 1:
            x = normed_convolution(x, f"{name}.proj", width, stride=stride)
        return relu(add(name, x, y), name)


_PARTS = {"conv": "0", "bn": "1", "conv1": "f.a", "conv2": "f.b", "conv3": "f.c"}
_PARTS |= {"se": "f.se", "downsample": "proj"}
_UNIT = re.compile(r"s(\d+)\.b(\d+)\.(.+)")


def _from_timm(name: str) -> str:
    """Timm counts units from 1 and calls their parts by other names."""
    if name.startswith("head.fc."):
        return name.removeprefix("head.")
    found = _UNIT.fullmatch(name)
    prefix, rest = "", name
    if found:
        stage, unit, rest = found.groups()
        prefix = f"trunk_output.block{stage}.block{stage}-{int(unit) - 1}."
    if not found and not name.startswith("stem."):
        return name
    return prefix + ".".join(_PARTS.get(part, part) for part in rest.split("."))


_REGNET = Family(
    paper="Radosavovic et al., Designing Network Design Spaces, CVPR 2020",
    top=("fc",),
    rename=_from_timm,
)


def _network(
    name: str, units: Sizes, widths: Sizes, group_width: int, params: int, hashes: tuple[str, ...]
) -> Network:
    architecture = RegNet(units, widths, group_width, excitation=name.startswith("y"))
    files = tuple(f"regnet_{name}-{each}.pth" for each in hashes)
    return Network(_REGNET, architecture, params, files)


# name: units, widths, width of a group, parameters, hashes of the published files
_TABLE: Mapping[str, tuple[Sizes, Sizes, int, int, tuple[str, ...]]] = {
    "y_400mf": ((1, 3, 6, 6), (48, 104, 208, 440), 8, 3_930_296, ("c65dace8", "e6988f5f")),
    "y_800mf": ((1, 3, 8, 2), (64, 144, 320, 784), 16, 5_677_944, ("1b27b58c", "58fc7688")),
    "y_1_6gf": (
        (2, 6, 17, 2),
        (48, 120, 336, 888),
        24,
        10_366_102,
        ("b11a554e", "0d7bc02a"),
    ),
    "y_3_2gf": (
        (2, 5, 13, 1),
        (72, 216, 576, 1512),
        24,
        17_989_498,
        ("b5a9779c", "9180c971"),
    ),
    "y_8gf": (
        (2, 4, 10, 1),
        (224, 448, 896, 2016),
        56,
        37_451_000,
        ("d0d0e4a8", "dc2b1b54"),
    ),
    "y_16gf": (
        (2, 4, 11, 1),
        (224, 448, 1232, 3024),
        112,
        80_687_956,
        ("9e6ed7dd", "3e4a00f9"),
    ),
    "y_32gf": (
        (2, 5, 12, 1),
        (232, 696, 1392, 3712),
        232,
        141_492_058,
        ("4dee3f7a", "8db6d4b5"),
    ),
    "y_128gf": ((2, 7, 17, 1), (528, 1056, 2904, 7392), 264, 637_834_966, ()),
    "x_400mf": ((1, 2, 7, 12), (32, 64, 160, 400), 16, 5_132_832, ("adf1edd5", "62229a5f")),
    "x_800mf": ((1, 3, 7, 5), (64, 128, 288, 672), 16, 6_623_968, ("ad17e45c", "94a99ebd")),
    "x_1_6gf": ((2, 4, 10, 2), (72, 168, 408, 912), 24, 8_320_640, ("e3633e7f", "a12f2b72")),
    "x_3_2gf": (
        (2, 6, 15, 2),
        (96, 192, 432, 1008),
        48,
        14_350_112,
        ("f342aeae", "7071aa85"),
    ),
    "x_8gf": (
        (2, 5, 15, 1),
        (80, 240, 720, 1920),
        120,
        37_742_112,
        ("03ceed89", "2b70d774"),
    ),
    "x_16gf": (
        (2, 6, 13, 1),
        (256, 512, 896, 2048),
        128,
        52_340_704,
        ("2007eb11", "ba3796d7"),
    ),
    "x_32gf": (
        (2, 7, 13, 1),
        (336, 672, 1344, 2520),
        168,
        105_452_576,
        ("9d47f8d0", "6eb8fdc6"),
    ),
}

NETWORKS = {f"regnet_{name}": _network(name, *row) for name, row in _TABLE.items()}

_SIZES = {"004": "400mf", "008": "800mf", "016": "1_6gf", "032": "3_2gf"}
_SIZES |= {"080": "8gf", "160": "16gf", "320": "32gf", "1280": "128gf"}
TIMM = {f"regnet{kind}_{n}": f"regnet_{kind}_{size}" for kind in "xy" for n, size in _SIZES.items()}
"""timm's names of the same networks."""
