"""The networks of Keras Applications as the papers and Keras' documentation have them, by hand.

Nothing here is read from the code under test or from a network: block names, how many layers Keras
makes of each block (the input layer counted with the first), strides, widths and sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["caffe", "tf", "torch", "minus one to one by 128"]
CONV = 3
"""A convolution with its norm and its activation."""


@dataclass(frozen=True)
class Case:
    """One network.

    Attributes:
        blocks: Its blocks; how many layers each has, for those that are checked in full.
        width: Length of the pooled vector.
        mode: What happens to pixels.
        module: Where Keras has its `preprocess_input`, which does nothing for those that scale
            inside.
        size: The side of the pictures that it was trained on.
        smallest: The smallest side that Keras takes.
        strides: The strides of its taps.
    """

    blocks: dict[str, int] | tuple[str, ...]
    width: int
    mode: Mode
    module: str
    size: int = 224
    smallest: int = 32
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)

    @property
    def in_full(self) -> bool:
        """Whether it is the smallest of its family."""
        return isinstance(self.blocks, dict)


def stages(name: str, *counts: int, first: int = 1) -> list[str]:
    """``conv2_block1 conv2_block2 ... conv3_block1 ...``."""
    return [
        name.format(stage=stage, unit=unit, letter=chr(96 + unit))
        for stage, count in enumerate(counts, start=first)
        for unit in range(1, count + 1)
    ]


def resnet(*units: int) -> tuple[str, ...]:
    return ("conv1", *stages("conv{stage}_block{unit}", *units, first=2))


def resnet50() -> dict[str, int]:
    """Seven layers in the stem; ten in a bottleneck, two more where it has a projection."""
    blocks = dict.fromkeys(resnet(3, 4, 6, 3), 10)
    return blocks | {"conv1": 7} | {f"conv{stage}_block1": 12 for stage in (2, 3, 4, 5)}


def resnet50v2() -> dict[str, int]:
    """One more for the shortcut of a stage's first unit and of its last, which is strided."""
    blocks = dict.fromkeys(resnet(3, 4, 6, 3), 11)
    blocks |= {f"conv{stage}_block1": 12 for stage in (2, 3, 4, 5)}
    blocks |= {"conv2_block3": 12, "conv3_block4": 12, "conv4_block6": 12}
    return blocks | {"conv1": 5, "conv5_block3": 13}  # with the last norm and activation


def densenet(*layers: int) -> tuple[str, ...]:
    names = ["conv1"]
    for stage, count in enumerate(layers, start=2):
        names += [f"conv{stage}_block{layer}" for layer in range(1, count + 1)]
        names += [f"pool{stage}"] if stage < 5 else []
    return tuple(names)


def densenet121() -> dict[str, int]:
    blocks = {name: 4 if "pool" in name else 7 for name in densenet(6, 12, 24, 16)}
    return blocks | {"conv5_block16": 9}  # with the last norm and activation


INCEPTION_STEM = 1 + 5 * CONV + 2
INCEPTION_V3 = {
    "stem": INCEPTION_STEM,
    "mixed0": 7 * CONV + 2,  # a pooling and the concatenation
    "mixed1": 7 * CONV + 2,
    "mixed2": 7 * CONV + 2,
    "mixed3": 4 * CONV + 2,
    "mixed4": 10 * CONV + 2,
    "mixed5": 10 * CONV + 2,
    "mixed6": 10 * CONV + 2,
    "mixed7": 10 * CONV + 2,
    "mixed8": 6 * CONV + 2,
    "mixed9": 9 * CONV + 4,  # two branches are concatenations themselves
    "mixed10": 9 * CONV + 4,
}
INCEPTION_RESNET_V2 = {
    "stem": INCEPTION_STEM,
    "mixed_5b": 7 * CONV + 2,
    **{f"block35_{unit}": 6 * CONV + 4 for unit in range(1, 11)},
    "mixed_6a": 4 * CONV + 2,
    **{f"block17_{unit}": 4 * CONV + 4 for unit in range(1, 21)},
    "mixed_7a": 7 * CONV + 2,
    **{f"block8_{unit}": 4 * CONV + 4 for unit in range(1, 10)},
    "block8_10": 4 * CONV + 3 + CONV,  # no activation, and the last convolution
}
XCEPTION = {
    "block1": 1 + 2 * CONV,
    "block2": 9,  # begins without an activation
    **{f"block{module}": 10 for module in range(3, 14)},
    "block14": 2 * CONV,
}
MOBILENET = {
    "conv1": 1 + CONV,
    **{f"block_{unit}": 2 * CONV for unit in range(1, 14)},
    **{f"block_{unit}": 2 * CONV + 1 for unit in (2, 4, 6, 12)},  # padded, for a stride of 2
}
MOBILENET_V2 = {
    "Conv1": 4,
    "expanded_conv": 5,
    **{f"block_{unit}": 9 for unit in range(1, 17)},  # padded for its stride, or added
    "block_10": 8,  # neither
    "block_16": 8 + CONV,
}
SQUEEZE = 6
MOBILENET_V3_SMALL = {
    "conv": 4,
    "expanded_conv": 6 + SQUEEZE,
    "expanded_conv_1": 9,
    "expanded_conv_2": 9,
    **{f"expanded_conv_{unit}": 9 + SQUEEZE for unit in range(3, 11)},
    "expanded_conv_6": 8 + SQUEEZE,  # neither padded nor added
    "expanded_conv_10": 9 + SQUEEZE + CONV,
}
SEPARABLE = 6  # twice activation, separable convolution, norm
NORMAL_CELL = 3 + 5 * SEPARABLE + 3 + 5 + 1  # poolings, sums, concatenation
REDUCTION_CELL = 3 + 1 + (4 * (SEPARABLE + 1) + SEPARABLE) + 4 + 5 + 1
PROJECTED, REDUCED = 3, 9  # how the cell before the last is brought to size
NASNET_MOBILE = {
    "stem": 3,
    "cells": 12 * NORMAL_CELL
    + 4 * REDUCTION_CELL
    + 1  # the last activation
    + 11 * PROJECTED
    + 4 * REDUCED,
}


def efficientnet(*units: int) -> tuple[str, ...]:
    return ("stem", *stages("block{stage}{letter}", *units))


def efficientnet_b0() -> dict[str, int]:
    blocks = dict.fromkeys(efficientnet(1, 2, 2, 3, 3, 4, 1), 15)  # dropped and added
    blocks |= dict.fromkeys(("block2a", "block3a", "block4a", "block6a"), 14)  # padded
    return blocks | {"stem": 5, "block1a": 10, "block5a": 13, "block7a": 13 + CONV}


def efficientnet_v2_b0() -> dict[str, int]:
    blocks = dict.fromkeys(efficientnet(1, 2, 2, 3, 5, 8), 15)
    blocks |= dict.fromkeys(("block4a", "block5a", "block6a"), 13)
    blocks |= {"block2a": 5, "block2b": 7, "block3a": 5, "block3b": 7}  # one convolution for two
    return blocks | {"stem": 4, "block1a": 3, "block6h": 15 + CONV}


def convnext(*units: int) -> tuple[str, ...]:
    names = ["stem"]
    for stage, count in enumerate(units):
        names += [f"downsampling_{stage - 1}"] if stage else []
        names += [f"stage_{stage}_block_{unit}" for unit in range(count)]
    return tuple(names)


def convnext_tiny() -> dict[str, int]:
    blocks = {name: 2 if "downsampling" in name else 7 for name in convnext(3, 3, 9, 3)}
    return blocks | {"stem": 3, "stage_3_block_2": 8}  # with the last norm


def convnext_case(blocks: dict[str, int] | tuple[str, ...], width: int) -> Case:
    return Case(blocks, width, "torch", "convnext", strides=(4, 8, 16, 32))


VGG_STRIDES = (1, 2, 4, 8, 16, 32)
VGG_BLOCKS = ("block1", "block2", "block3", "block4", "block5")
INSIDE: Mode = "torch"
BY_128: Mode = "minus one to one by 128"

CASES: dict[str, Case] = {
    "VGG16": Case(
        {"block1": 4, "block2": 3, "block3": 4, "block4": 4, "block5": 4},
        512,
        "caffe",
        "vgg16",
        strides=VGG_STRIDES,
    ),
    "VGG19": Case(VGG_BLOCKS, 512, "caffe", "vgg19", strides=VGG_STRIDES),
    "ResNet50": Case(resnet50(), 2048, "caffe", "resnet50"),
    "ResNet101": Case(resnet(3, 4, 23, 3), 2048, "caffe", "resnet"),
    "ResNet152": Case(resnet(3, 8, 36, 3), 2048, "caffe", "resnet"),
    "ResNet50V2": Case(resnet50v2(), 2048, "tf", "resnet_v2"),
    "ResNet101V2": Case(resnet(3, 4, 23, 3), 2048, "tf", "resnet_v2"),
    "ResNet152V2": Case(resnet(3, 8, 36, 3), 2048, "tf", "resnet_v2"),
    "InceptionV3": Case(INCEPTION_V3, 2048, "tf", "inception_v3", 299, 75),
    "InceptionResNetV2": Case(INCEPTION_RESNET_V2, 1536, "tf", "inception_resnet_v2", 299, 75),
    "Xception": Case(XCEPTION, 2048, "tf", "xception", 299, 71),
    "MobileNet": Case(MOBILENET, 1024, "tf", "mobilenet"),
    "MobileNetV2": Case(MOBILENET_V2, 1280, "tf", "mobilenet_v2"),
    "MobileNetV3Small": Case(MOBILENET_V3_SMALL, 576, "tf", "mobilenet_v3"),
    "MobileNetV3Large": Case(
        ("conv", "expanded_conv", *(f"expanded_conv_{unit}" for unit in range(1, 15))),
        960,
        "tf",
        "mobilenet_v3",
    ),
    "DenseNet121": Case(densenet121(), 1024, "torch", "densenet"),
    "DenseNet169": Case(densenet(6, 12, 32, 32), 1664, "torch", "densenet"),
    "DenseNet201": Case(densenet(6, 12, 48, 32), 1920, "torch", "densenet"),
    "NASNetMobile": Case(NASNET_MOBILE, 1056, "tf", "nasnet", strides=(2, 32)),
    "NASNetLarge": Case(("stem", "cells"), 4032, "tf", "nasnet", 331, strides=(2, 32)),
    "EfficientNetB0": Case(efficientnet_b0(), 1280, INSIDE, "efficientnet"),
    "EfficientNetB1": Case(efficientnet(2, 3, 3, 4, 4, 5, 2), 1280, INSIDE, "efficientnet", 240),
    "EfficientNetB2": Case(efficientnet(2, 3, 3, 4, 4, 5, 2), 1408, INSIDE, "efficientnet", 260),
    "EfficientNetB3": Case(efficientnet(2, 3, 3, 5, 5, 6, 2), 1536, INSIDE, "efficientnet", 300),
    "EfficientNetB4": Case(efficientnet(2, 4, 4, 6, 6, 8, 2), 1792, INSIDE, "efficientnet", 380),
    "EfficientNetB5": Case(efficientnet(3, 5, 5, 7, 7, 9, 3), 2048, INSIDE, "efficientnet", 456),
    "EfficientNetB6": Case(efficientnet(3, 6, 6, 8, 8, 11, 3), 2304, INSIDE, "efficientnet", 528),
    "EfficientNetB7": Case(efficientnet(4, 7, 7, 10, 10, 13, 4), 2560, INSIDE, "efficientnet", 600),
    "EfficientNetV2B0": Case(efficientnet_v2_b0(), 1280, INSIDE, "efficientnet_v2"),
    "EfficientNetV2B1": Case(efficientnet(2, 3, 3, 4, 6, 9), 1280, INSIDE, "efficientnet_v2", 240),
    "EfficientNetV2B2": Case(efficientnet(2, 3, 3, 4, 6, 10), 1408, INSIDE, "efficientnet_v2", 260),
    "EfficientNetV2B3": Case(efficientnet(2, 3, 3, 5, 7, 12), 1536, INSIDE, "efficientnet_v2", 300),
    "EfficientNetV2S": Case(efficientnet(2, 4, 4, 6, 9, 15), 1280, BY_128, "efficientnet_v2", 384),
    "EfficientNetV2M": Case(
        efficientnet(3, 5, 5, 7, 14, 18, 5), 1280, BY_128, "efficientnet_v2", 480
    ),
    "EfficientNetV2L": Case(
        efficientnet(4, 7, 7, 10, 19, 25, 7), 1280, BY_128, "efficientnet_v2", 480
    ),
    "ConvNeXtTiny": convnext_case(convnext_tiny(), 768),
    "ConvNeXtSmall": convnext_case(convnext(3, 3, 27, 3), 768),
    "ConvNeXtBase": convnext_case(convnext(3, 3, 27, 3), 1024),
    "ConvNeXtLarge": convnext_case(convnext(3, 3, 27, 3), 1536),
    "ConvNeXtXLarge": convnext_case(convnext(3, 3, 27, 3), 2048),
}
"""Every constructor of Keras Applications 3.15."""
