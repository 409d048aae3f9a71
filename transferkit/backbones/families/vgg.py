"""VGG: stages of plain 3 x 3 convolutions, each ended by a pooling."""

from __future__ import annotations

from transferkit.backbones.blocks import by_pattern
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_VGG = Family(
    rule=MODES["caffe"],
    strides=(1, 2, 4, 8, 16, 32),
    licence="CC-BY-4.0",
    origin="Visual Geometry Group, Oxford; ported by Keras Applications",
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks, ICLR 2015",
)


def _vgg(depth: int, params: int) -> Network:
    return Network(
        family=_VGG,
        size=224,
        params=params,
        embedding=512,
        file=WeightFile(f"vgg{depth}_weights_tf_dim_ordering_tf_kernels"),
        blocks=("block1", "block2", "block3", "block4", "block5"),
        divide=by_pattern(r"(block\d+)_"),
    )


NETWORKS = {"VGG16": _vgg(16, 14_714_688), "VGG19": _vgg(19, 20_024_384)}
