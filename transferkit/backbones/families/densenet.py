"""DenseNet: each layer sees all maps of its stage; transitions between the stages."""

from __future__ import annotations

from transferkit.backbones.blocks import by_pattern
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_DENSENET = Family(
    rule=MODES["torch"],
    strides=(2, 4, 8, 16, 32),
    licence="BSD-3-Clause",
    origin="Cornell, Tsinghua and Facebook AI Research; ported by Keras Applications",
    paper="Huang et al., Densely Connected Convolutional Networks, CVPR 2017",
)


def _densenet(depth: int, params: int, embedding: int, *layers: int) -> Network:
    """A network with so many dense layers in the stages conv2 to conv5."""
    blocks: list[str] = []
    for stage, count in enumerate(layers, start=2):
        blocks += [f"conv{stage}_block{layer}" for layer in range(1, count + 1)]
        blocks += [f"pool{stage}"]  # the transition
    return Network(
        family=_DENSENET,
        size=224,
        params=params,
        embedding=embedding,
        file=WeightFile(f"densenet{depth}_weights_tf_dim_ordering_tf_kernels"),
        blocks=("conv1", *blocks[:-1]),
        divide=by_pattern(r"(conv1|conv\d_block\d+|pool[234])_"),
    )


NETWORKS = {
    "DenseNet121": _densenet(121, 7_037_504, 1024, 6, 12, 24, 16),
    "DenseNet169": _densenet(169, 12_642_880, 1664, 6, 12, 32, 32),
    "DenseNet201": _densenet(201, 18_321_984, 1920, 6, 12, 48, 32),
}
