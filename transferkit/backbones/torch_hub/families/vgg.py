"""VGG: stages of plain 3 x 3 convolutions, each ended by a pooling; with or without norms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_ends
from transferkit.backbones.torch_hub.families.base import Family, Network, modules_called
from transferkit.backbones.torch_hub.layers import (
    adaptive_average_pool,
    batch_norm,
    convolution,
    flatten,
    linear,
    max_pool,
    relu,
)

__all__ = ["NETWORKS", "VGG"]


@dataclass(frozen=True)
class VGG:
    """The graph.

    Attributes:
        convolutions: How many there are in each of the five stages.
        norms: Whether a batch norm follows each.
        channels: Channels of each stage.
        hidden: Units of the two hidden layers of the top.
    """

    convolutions: tuple[int, ...]
    norms: bool = False
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 4096

    @property
    def blocks(self) -> tuple[str, ...]:
        """Each stage."""
        return tuple(f"stage{n}" for n, _ in enumerate(self.convolutions, start=1))

    @property
    def divide(self) -> Division:
        """By the poolings that end the stages."""
        ends = (f"features.{places[-1]}" for places in self._places())
        return by_ends(dict(zip(self.blocks, ends, strict=True)))

    @property
    def embedding(self) -> int:
        """Channels of the last stage."""
        return self.channels[-1]

    def features(self, x: Tensor) -> Tensor:
        """The stages; all modules are numbered in one row."""
        for places, channels in zip(self._places(), self.channels, strict=True):
            *convolutions, pooling = places
            for place in convolutions:
                name = f"features.{place}"
                x = convolution(x, name, channels, 3, bias=True)
                x = batch_norm(x, f"features.{place + 1}") if self.norms else x
                x = relu(x, name)
            x = max_pool(x, f"features.{pooling}", 2, 2)
        return x

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """Three linear layers on the features, averaged down to 7 x 7 places."""
        x = flatten(adaptive_average_pool(features, "avgpool", 7), "classifier")
        for place in (0, 3):
            x = relu(linear(x, f"classifier.{place}", self.hidden), f"classifier.{place}")
        return linear(x, "classifier.6", classes)

    def _places(self) -> Iterator[tuple[int, ...]]:
        """For each stage, the numbers of its convolutions and, last, of its pooling."""
        step = 3 if self.norms else 2
        first = 0
        for count in self.convolutions:
            pooling = first + step * count
            yield (*range(first, pooling, step), pooling)
            first = pooling + 1


_TIMM = {
    "pre_logits.fc1": "classifier.0",
    "pre_logits.fc2": "classifier.3",
    "head.fc": "classifier.6",
}
"""The top's first two layers are convolutions in timm, under names of its own."""


_VGG = Family(
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks, ICLR 2015",
    top=("classifier",),
    strides=(1, 2, 4, 8, 16, 32),
    rename=modules_called(_TIMM),
)
_11, _13, _16, _19 = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)

NETWORKS = {
    "vgg11": Network(_VGG, VGG(_11), 9_220_480, ("vgg11-8a719046.pth",)),
    "vgg13": Network(_VGG, VGG(_13), 9_404_992, ("vgg13-19584684.pth",)),
    "vgg16": Network(_VGG, VGG(_16), 14_714_688, ("vgg16-397923af.pth",)),
    "vgg19": Network(_VGG, VGG(_19), 20_024_384, ("vgg19-dcbb9e9d.pth",)),
    "vgg11_bn": Network(_VGG, VGG(_11, norms=True), 9_231_488, ("vgg11_bn-6002323d.pth",)),
    "vgg13_bn": Network(_VGG, VGG(_13, norms=True), 9_416_768, ("vgg13_bn-abd245e5.pth",)),
    "vgg16_bn": Network(_VGG, VGG(_16, norms=True), 14_731_584, ("vgg16_bn-6c64b313.pth",)),
    "vgg19_bn": Network(_VGG, VGG(_19, norms=True), 20_046_400, ("vgg19_bn-c79401a0.pth",)),
}
