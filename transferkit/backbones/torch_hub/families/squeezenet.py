"""SqueezeNet: fire modules, which squeeze the channels and expand them by two convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    concatenate,
    convolution,
    global_average_pool,
    max_pool,
    relu,
)

__all__ = ["NETWORKS", "SqueezeNet"]


@dataclass(frozen=True)
class SqueezeNet:
    """The graph.

    Attributes:
        stem: Channels and side of the first convolution.
        pooled: The fire modules before which a pooling stands, counted from 0.
        squeeze: Channels that each fire module squeezes to; it gives eight times as many.
    """

    stem: tuple[int, int]
    pooled: tuple[int, ...]
    squeeze: tuple[int, ...] = (16, 16, 32, 32, 48, 48, 64, 64)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The stem and each fire module."""
        return ("features.0", *(f"features.{place}" for place in self._places()))

    @property
    def divide(self) -> Division:
        """By the names of the fire modules; a pooling belongs to the one before it."""
        return by_pattern(r"(features\.(?:0|\d+(?=\.(?:squeeze|expand|concat|relu))))")

    @property
    def embedding(self) -> int:
        """Channels of the last fire module."""
        return 8 * self.squeeze[-1]

    def features(self, x: Tensor) -> Tensor:
        """The stem and the fire modules; a pooling keeps a last window that is cut off."""
        channels, side = self.stem
        x = convolution(x, "features.0", channels, side, stride=2, padding=0, bias=True)
        x = relu(x, "features.0")
        for fire, (place, squeeze) in enumerate(zip(self._places(), self.squeeze, strict=True)):
            if fire in self.pooled:
                x = max_pool(x, f"features.{place - 1}", 3, 2, ceil=True)
            x = self._fire(x, f"features.{place}", squeeze)
        return x

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """A convolution of one place to the classes, averaged."""
        x = convolution(features, "classifier.1", classes, bias=True)
        return global_average_pool(relu(x, "classifier.1"), "classifier.3")

    def _places(self) -> tuple[int, ...]:
        """The fire modules' numbers in the row of all modules, of which ReLU and stem are two."""
        poolings = (sum(each <= fire for each in self.pooled) for fire in range(len(self.squeeze)))
        return tuple(2 + fire + before for fire, before in enumerate(poolings))

    def _fire(self, x: Tensor, name: str, squeeze: int) -> Tensor:
        x = relu(convolution(x, f"{name}.squeeze", squeeze, bias=True), f"{name}.squeeze")
        expanded = (
            convolution(x, f"{name}.expand{side}x{side}", 4 * squeeze, side, bias=True)
            for side in (1, 3)
        )
        return relu(concatenate(name, *expanded), name)


_SQUEEZENET = Family(
    paper="Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, 2016",
    top=("classifier",),
    strides=(2, 4, 8, 16),
)

NETWORKS = {
    "squeezenet1_0": Network(
        _SQUEEZENET, SqueezeNet((96, 7), (0, 3, 7)), 735_424, ("squeezenet1_0-b66bff10.pth",)
    ),
    "squeezenet1_1": Network(
        _SQUEEZENET, SqueezeNet((64, 3), (0, 2, 4)), 722_496, ("squeezenet1_1-b8a52dc0.pth",)
    ),
}
