"""DenseNet: each layer sees all maps of its stage; transitions between the stages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    average_pool,
    batch_norm,
    concatenate,
    convolution,
    global_average_pool,
    linear,
    max_pool,
    relu,
)

__all__ = ["NETWORKS", "DenseNet"]

BOTTLENECK = 4
"""A dense layer's 1 x 1 convolution gives so many times the channels of its 3 x 3 one."""


@dataclass(frozen=True)
class DenseNet:
    """The graph.

    Attributes:
        layers: Dense layers in each stage.
        growth: Channels that each of them adds.
        channels: Channels of the stem.
    """

    layers: tuple[int, ...]
    growth: int = 32
    channels: int = 64

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem, each dense layer and each transition."""
        names = ["conv0"]
        for stage, count in enumerate(self.layers, start=1):
            stem = f"denseblock{stage}.denselayer"
            names += [f"{stem}{layer}" for layer in range(1, count + 1)]
            names += [f"transition{stage}"]
        return tuple(names[:-1])  # no transition behind the last stage

    @property
    def divide(self) -> Division:
        """By the names of the dense layers and transitions."""
        return by_pattern(r"features\.(conv0|denseblock\d+\.denselayer\d+|transition\d+)")

    @property
    def embedding(self) -> int:
        """Channels behind the last stage."""
        channels = self.channels
        for count in self.layers[:-1]:
            channels = (channels + count * self.growth) // 2
        return channels + self.layers[-1] * self.growth

    def features(self, x: Tensor) -> Tensor:
        """A stem of stride 4, and stages with a transition that halves channels and sides."""
        x = convolution(x, "features.conv0", self.channels, 7, stride=2)
        x = relu(batch_norm(x, "features.norm0"), "features.norm0")
        x = max_pool(x, "features.pool0", 3, 2, padding=1)
        for stage, count in enumerate(self.layers, start=1):
            for layer in range(1, count + 1):
                x = self._dense_layer(x, f"features.denseblock{stage}.denselayer{layer}")
            if stage < len(self.layers):
                x = self._transition(x, f"features.transition{stage}")
        return relu(batch_norm(x, "features.norm5"), "features.norm5")

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the averaged features."""
        return linear(global_average_pool(features, "avgpool"), "classifier", classes)

    def _dense_layer(self, x: Tensor, name: str) -> Tensor:
        y = relu(batch_norm(x, f"{name}.norm1"), f"{name}.norm1")
        y = convolution(y, f"{name}.conv1", BOTTLENECK * self.growth)
        y = relu(batch_norm(y, f"{name}.norm2"), f"{name}.norm2")
        return concatenate(name, x, convolution(y, f"{name}.conv2", self.growth, 3))

    def _transition(self, x: Tensor, name: str) -> Tensor:
        x = relu(batch_norm(x, f"{name}.norm"), f"{name}.norm")
        return average_pool(
            convolution(x, f"{name}.conv", int(x.shape[-1]) // 2), f"{name}.pool", 2
        )


def _without_inner_dot(name: str) -> str:
    """The published files are older than the modules' names: ``norm.1`` for ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


_DENSENET = Family(
    paper="Huang et al., Densely Connected Convolutional Networks, CVPR 2017",
    top=("classifier",),
    rename=_without_inner_dot,
)

NETWORKS = {
    "densenet121": Network(
        _DENSENET, DenseNet((6, 12, 24, 16)), 7_037_504, ("densenet121-a639ec97.pth",)
    ),
    "densenet161": Network(
        _DENSENET,
        DenseNet((6, 12, 36, 24), growth=48, channels=96),
        26_691_936,
        ("densenet161-8d451a50.pth",),
    ),
    "densenet169": Network(
        _DENSENET, DenseNet((6, 12, 32, 32)), 12_642_880, ("densenet169-b2777c0a.pth",)
    ),
    "densenet201": Network(
        _DENSENET, DenseNet((6, 12, 48, 32)), 18_321_984, ("densenet201-c1103571.pth",)
    ),
}
