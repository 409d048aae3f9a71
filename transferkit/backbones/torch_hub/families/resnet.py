"""ResNet, ResNeXt and Wide ResNet: four stages of residual units.

A unit adds to what comes in what two or three convolutions make of it. Where a stage begins with a
step of 2, torchvision takes it in the 3 x 3 convolution (v1.5) and not in the 1 x 1 before it, as
the paper and Keras Applications do.
"""

from __future__ import annotations

from dataclasses import dataclass

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    add,
    batch_norm,
    convolution,
    global_average_pool,
    linear,
    max_pool,
    relu,
)

__all__ = ["NETWORKS", "ResNet"]

EXPANSION = 4
"""A bottleneck gives so many times the channels of its stage."""


@dataclass(frozen=True)
class ResNet:
    """The graph.

    Attributes:
        units: Units in each stage.
        bottleneck: Whether a unit is 1 x 1, 3 x 3, 1 x 1 convolutions, or two of 3 x 3.
        groups: Groups of the 3 x 3 convolution of a bottleneck: ResNeXt's cardinality.
        group_width: Its channels in a group, for each 64 channels of the stage; 128 in one group
            makes it twice as wide.
        channels: Channels of the first stage; each next one has twice as many.
    """

    units: tuple[int, ...]
    bottleneck: bool = True
    groups: int = 1
    group_width: int = 64
    channels: int = 64

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each unit."""
        stages = enumerate(self.units, start=1)
        return ("conv1", *(f"layer{n}.{unit}" for n, count in stages for unit in range(count)))

    @property
    def divide(self) -> Division:
        """By the names of the units."""
        return by_pattern(r"(conv1|layer\d\.\d+)")

    @property
    def embedding(self) -> int:
        """Channels of the last stage."""
        last: int = self.channels * 2 ** (len(self.units) - 1)
        return last * EXPANSION if self.bottleneck else last

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 4 and the stages, all but the first of stride 2."""
        x = convolution(x, "conv1", self.channels, 7, stride=2)
        x = relu(batch_norm(x, "bn1"), "bn1")
        x = max_pool(x, "maxpool", 3, 2, padding=1)
        for stage, count in enumerate(self.units):
            for unit in range(count):
                stride = 2 if stage > 0 and unit == 0 else 1
                x = self._unit(x, f"layer{stage + 1}.{unit}", self.channels * 2**stage, stride)
        return x

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the averaged features."""
        return linear(global_average_pool(features, "avgpool"), "fc", classes)

    def _unit(self, x: Tensor, name: str, channels: int, stride: int) -> Tensor:
        branch = self._bottleneck if self.bottleneck else self._basic
        made = branch(x, name, channels, stride)
        if made.shape[-1] != x.shape[-1] or stride > 1:
            x = convolution(x, f"{name}.downsample.0", int(made.shape[-1]), stride=stride)
            x = batch_norm(x, f"{name}.downsample.1")
        return relu(add(name, made, x), name)

    def _basic(self, x: Tensor, name: str, channels: int, stride: int) -> Tensor:
        x = convolution(x, f"{name}.conv1", channels, 3, stride=stride)
        x = relu(batch_norm(x, f"{name}.bn1"), f"{name}.bn1")
        x = convolution(x, f"{name}.conv2", channels, 3)
        return batch_norm(x, f"{name}.bn2")

    def _bottleneck(self, x: Tensor, name: str, channels: int, stride: int) -> Tensor:
        width = channels * self.group_width // 64 * self.groups
        x = convolution(x, f"{name}.conv1", width)
        x = relu(batch_norm(x, f"{name}.bn1"), f"{name}.bn1")
        x = convolution(x, f"{name}.conv2", width, 3, stride=stride, groups=self.groups)
        x = relu(batch_norm(x, f"{name}.bn2"), f"{name}.bn2")
        x = convolution(x, f"{name}.conv3", channels * EXPANSION)
        return batch_norm(x, f"{name}.bn3")


_RESNET = Family(
    paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
    top=("fc",),
)
_RESNEXT = Family(
    paper="Xie et al., Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017",
    top=_RESNET.top,
)
_WIDE = Family(
    paper="Zagoruyko & Komodakis, Wide Residual Networks, BMVC 2016",
    top=_RESNET.top,
)

_18, _50, _101, _152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

NETWORKS = {
    "resnet18": Network(
        _RESNET, ResNet(_18, bottleneck=False), 11_186_112, ("resnet18-f37072fd.pth",)
    ),
    "resnet34": Network(
        _RESNET, ResNet(_50, bottleneck=False), 21_301_696, ("resnet34-b627a593.pth",)
    ),
    "resnet50": Network(
        _RESNET, ResNet(_50), 23_561_152, ("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")
    ),
    "resnet101": Network(
        _RESNET, ResNet(_101), 42_605_504, ("resnet101-63fe2227.pth", "resnet101-cd907fc2.pth")
    ),
    "resnet152": Network(
        _RESNET, ResNet(_152), 58_295_232, ("resnet152-394f9c45.pth", "resnet152-f82ba261.pth")
    ),
    "resnext50_32x4d": Network(
        _RESNEXT,
        ResNet(_50, groups=32, group_width=4),
        23_048_128,
        ("resnext50_32x4d-7cdf4587.pth", "resnext50_32x4d-1a0047aa.pth"),
    ),
    "resnext101_32x8d": Network(
        _RESNEXT,
        ResNet(_101, groups=32, group_width=8),
        86_945_216,
        ("resnext101_32x8d-8ba56ff5.pth", "resnext101_32x8d-110c445d.pth"),
    ),
    "resnext101_64x4d": Network(
        _RESNEXT,
        ResNet(_101, groups=64, group_width=4),
        81_609_152,
        ("resnext101_64x4d-173b62eb.pth",),
        scaled=(232,),
    ),
    "wide_resnet50_2": Network(
        _WIDE,
        ResNet(_50, group_width=128),
        66_902_464,
        ("wide_resnet50_2-95faca4d.pth", "wide_resnet50_2-9ba9bcbe.pth"),
    ),
    "wide_resnet101_2": Network(
        _WIDE,
        ResNet(_101, group_width=128),
        124_975_552,
        ("wide_resnet101_2-32ee1156.pth", "wide_resnet101_2-d733dc28.pth"),
    ),
}
