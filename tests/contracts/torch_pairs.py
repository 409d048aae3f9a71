"""Small networks of each family, as torchvision or timm builds them and as we do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch
import torchvision.models as models

from transferkit.backbones.torch_hub.compounds import TENSORFLOW_NORM
from transferkit.backbones.torch_hub.families import (
    convnext,
    densenet,
    efficientnet,
    mobilenet_v2,
    mobilenet_v3,
    regnet,
    resnet,
    squeezenet,
    vgg,
    vit,
)
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


def small_vgg(*, norms: bool) -> Any:
    plan = [8, "M", 16, "M", 16, 16, "M", 24, "M", 32, "M"]
    network = models.VGG(models.vgg.make_layers(plan, norms), CLASSES, init_weights=False)
    widths = [(32 * 49, 16), (16, 16), (16, CLASSES)]
    for place, (before, behind) in zip((0, 3, 6), widths, strict=True):
        network.classifier[place] = torch.nn.Linear(before, behind)
    return network


def small_regnet(excitation: float | None) -> Any:
    sizes = {"depths": [1, 1, 2, 1], "widths": [8, 16, 32, 48], "group_widths": [8, 16, 16, 16]}
    ones, twos = [1.0] * 4, [2] * 4
    parameters = models.regnet.BlockParams(
        **sizes, bottleneck_multipliers=ones, strides=twos, se_ratio=excitation
    )
    return models.RegNet(parameters, CLASSES)


def timm_regnet() -> Any:
    shape = {"depth": 6, "w0": 16, "wa": 16.0, "wm": 2.0, "group_size": 16, "se_ratio": 0.25}
    return timm.models.regnet.RegNet(timm.models.regnet.RegNetCfg(**shape), num_classes=CLASSES)


def small_mobilenet_v2() -> Any:
    return models.MobileNetV2(CLASSES, inverted_residual_setting=[list(s) for s in INVERTED])


def small_mobilenet_v3() -> Any:
    row = models.mobilenetv3.InvertedResidualConfig
    before = (16, *(unit.channels for unit in HARD))
    kinds = {"relu": "RE", "hard_silu": "HS"}
    setting = [
        row(n, u.size, u.wide, u.channels, u.excited, kinds[u.kind], u.stride, 1, 1.0)
        for n, u in zip(before, HARD, strict=False)
    ]
    return models.MobileNetV3(setting, 24, num_classes=CLASSES)


def small_efficientnet(network: efficientnet.EfficientNet, **options: Any) -> Any:
    before = (network.stem, *(stage.channels for stage in network.stages))
    setting = [
        (
            models.efficientnet.FusedMBConvConfig
            if stage.fused
            else models.efficientnet.MBConvConfig
        )(stage.expansion, stage.size, stage.stride, channels, stage.channels, stage.units)
        for channels, stage in zip(before, network.stages, strict=False)
    ]
    return models.EfficientNet(
        setting, 0.2, num_classes=CLASSES, last_channel=network.last, **options
    )


def small_convnext() -> Any:
    rows = zip(NEXT.channels, (*NEXT.channels[1:], None), NEXT.units, strict=True)
    setting = [models.convnext.CNBlockConfig(*row) for row in rows]
    return models.ConvNeXt(setting, NEXT.dropped, num_classes=CLASSES)


def small_vit() -> Any:
    return models.VisionTransformer(
        64, SIGHT.patch, SIGHT.layers, SIGHT.heads, SIGHT.width, SIGHT.hidden, num_classes=CLASSES
    )


def timm_vit() -> Any:
    return timm.models.VisionTransformer(
        img_size=64,
        patch_size=SIGHT.patch,
        num_classes=CLASSES,
        embed_dim=SIGHT.width,
        depth=SIGHT.layers,
        num_heads=SIGHT.heads,
        mlp_ratio=SIGHT.hidden / SIGHT.width,
    )


Inverted, Scaled = mobilenet_v2.Stage, efficientnet.Stage
INVERTED = (
    Inverted(1, 16, 1, 1),
    Inverted(6, 24, 2, 2),
    Inverted(6, 32, 1, 2),
    Inverted(3, 40, 1, 2),
    Inverted(3, 40, 1, 2),
)
HARD = (
    mobilenet_v3.Unit(3, 16, 16, False, "relu", 1),
    mobilenet_v3.Unit(3, 72, 24, True, "relu", 2),
    mobilenet_v3.Unit(5, 88, 24, False, "hard_silu", 1),
    mobilenet_v3.Unit(5, 96, 40, True, "hard_silu", 2),
    mobilenet_v3.Unit(3, 120, 48, True, "hard_silu", 2),
    mobilenet_v3.Unit(3, 144, 48, True, "hard_silu", 2),
)
V1_STAGES = (
    Scaled(1, 3, 1, 16, 2),
    Scaled(6, 3, 2, 24, 2),
    Scaled(6, 5, 2, 40, 1),
    Scaled(6, 3, 2, 48, 1),
    Scaled(6, 5, 2, 64, 2),
)
V2_STAGES = (
    Scaled(1, 3, 1, 24, 2, True),
    Scaled(4, 3, 2, 32, 2, True),
    Scaled(4, 3, 2, 48, 1),
    Scaled(6, 3, 2, 64, 2),
    Scaled(6, 3, 2, 64, 1),
)
SCALED = efficientnet.EfficientNet(V1_STAGES, 32, 160)
SCALED_V2 = efficientnet.EfficientNet(V2_STAGES, 24, 160, TENSORFLOW_NORM)
NEXT = convnext.ConvNeXt((1, 2, 2, 1), (16, 24, 32, 48))
SIGHT = vit.ViT(16, 2, 32, 4, 64)

BASIC, BOTTLENECK = models.resnet.BasicBlock, models.resnet.Bottleneck
UNITS, STAGES = (1, 1, 2, 1), (8, 16, 16, 24, 32)

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
    "VGG": Pair(
        vgg.NETWORKS["vgg11"].family,
        vgg.VGG((1, 1, 2, 1, 1), channels=STAGES, hidden=16),
        lambda: small_vgg(norms=False),
    ),
    "VGG with norms": Pair(
        vgg.NETWORKS["vgg11_bn"].family,
        vgg.VGG((1, 1, 2, 1, 1), norms=True, channels=STAGES, hidden=16),
        lambda: small_vgg(norms=True),
    ),
    "DenseNet": Pair(
        densenet.NETWORKS["densenet121"].family,
        densenet.DenseNet((2, 1, 2, 1), growth=8, channels=16),
        lambda: models.DenseNet(8, (2, 1, 2, 1), 16, num_classes=CLASSES),
    ),
    "SqueezeNet 1.0": Pair(
        squeezenet.NETWORKS["squeezenet1_0"].family,
        squeezenet.NETWORKS["squeezenet1_0"].architecture,
        lambda: models.squeezenet1_0(num_classes=CLASSES),
    ),
    "SqueezeNet 1.1": Pair(
        squeezenet.NETWORKS["squeezenet1_1"].family,
        squeezenet.NETWORKS["squeezenet1_1"].architecture,
        lambda: models.squeezenet1_1(num_classes=CLASSES),
    ),
    "RegNet X": Pair(
        regnet.NETWORKS["regnet_x_400mf"].family,
        regnet.RegNet((1, 1, 2, 1), (8, 16, 32, 48), 16),
        lambda: small_regnet(None),
    ),
    "RegNet Y": Pair(
        regnet.NETWORKS["regnet_y_400mf"].family,
        regnet.RegNet((1, 1, 2, 1), (8, 16, 32, 48), 16, excitation=True),
        lambda: small_regnet(0.25),
    ),
    "RegNet Y of timm": Pair(
        regnet.NETWORKS["regnet_y_400mf"].family,
        regnet.RegNet((1, 1, 3, 1), (16, 32, 64, 128), 16, excitation=True),
        timm_regnet,
    ),
    "MobileNetV2": Pair(
        mobilenet_v2.NETWORKS["mobilenet_v2"].family,
        mobilenet_v2.MobileNetV2(INVERTED),
        small_mobilenet_v2,
    ),
    "MobileNetV2 of timm": Pair(
        mobilenet_v2.NETWORKS["mobilenet_v2"].family,
        mobilenet_v2.NETWORKS["mobilenet_v2"].architecture,
        lambda: timm.create_model("mobilenetv2_100", num_classes=CLASSES),
    ),
    "MobileNetV3": Pair(
        mobilenet_v3.NETWORKS["mobilenet_v3_small"].family,
        mobilenet_v3.MobileNetV3(HARD, 24),
        small_mobilenet_v3,
    ),
    "MobileNetV3 of timm": Pair(
        mobilenet_v3.NETWORKS["mobilenetv3_small_100"].family,
        mobilenet_v3.NETWORKS["mobilenetv3_small_100"].architecture,
        lambda: timm.create_model("mobilenetv3_small_100", num_classes=CLASSES),
    ),
    "ConvNeXt": Pair(convnext.NETWORKS["convnext_tiny"].family, NEXT, small_convnext),
    "ConvNeXt of timm": Pair(
        convnext.NETWORKS["convnext_tiny"].family,
        NEXT,
        lambda: timm.models.ConvNeXt(num_classes=CLASSES, depths=NEXT.units, dims=NEXT.channels),
    ),
    "EfficientNet": Pair(
        efficientnet.NETWORKS["efficientnet_b0"].family, SCALED, lambda: small_efficientnet(SCALED)
    ),
    "EfficientNet of timm": Pair(
        efficientnet.NETWORKS["efficientnet_b0"].family,
        efficientnet.NETWORKS["efficientnet_b0"].architecture,
        lambda: timm.create_model("efficientnet_b0", num_classes=CLASSES),
    ),
    "EfficientNetV2": Pair(
        efficientnet.NETWORKS["efficientnet_v2_s"].family,
        SCALED_V2,
        lambda: small_efficientnet(
            SCALED_V2, norm_layer=partial(torch.nn.BatchNorm2d, eps=TENSORFLOW_NORM.epsilon)
        ),
    ),
    "ViT": Pair(vit.NETWORKS["vit_b_16"].family, SIGHT, small_vit),
    "ViT of timm": Pair(vit.NETWORKS["vit_b_16"].family, SIGHT, timm_vit),
}
