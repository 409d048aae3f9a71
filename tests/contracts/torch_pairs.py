"""Small networks of each family, as torchvision or timm builds them and as we do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torchvision.models as models

from transferkit.backbones.torch_hub.families import resnet
from transferkit.backbones.torch_hub.families.base import Architecture, Family

__all__ = ["CLASSES", "PAIRS", "Pair"]

CLASSES = 7


@dataclass(frozen=True)
class Pair:
    """A PyTorch network and the native one that is to be the same.

    Attributes:
        family: The native one's family.
        architecture: Its graph.
        reference: Makes PyTorch's, with `CLASSES` classes.
        side: Side of the pictures in pixels.
    """

    family: Family
    architecture: Architecture
    reference: Callable[[], Any]
    side: int = 64


def small_resnet(block: Any, **options: Any) -> Any:
    return models.resnet.ResNet(block, [1, 1, 2, 1], num_classes=CLASSES, **options)


BASIC, BOTTLENECK = models.resnet.BasicBlock, models.resnet.Bottleneck
UNITS = (1, 1, 2, 1)

PAIRS = {
    "ResNet-18/34": Pair(
        resnet.NETWORKS["resnet18"].family,
        resnet.ResNet(UNITS, bottleneck=False),
        lambda: small_resnet(BASIC),
    ),
    "ResNet": Pair(
        resnet.NETWORKS["resnet50"].family,
        resnet.ResNet(UNITS),
        lambda: small_resnet(BOTTLENECK),
    ),
    "ResNeXt": Pair(
        resnet.NETWORKS["resnext50_32x4d"].family,
        resnet.ResNet(UNITS, groups=8, group_width=4),
        lambda: small_resnet(BOTTLENECK, groups=8, width_per_group=4),
    ),
    "Wide ResNet": Pair(
        resnet.NETWORKS["wide_resnet50_2"].family,
        resnet.ResNet(UNITS, group_width=128),
        lambda: small_resnet(BOTTLENECK, width_per_group=128),
    ),
}
