"""ResNet and ResNetV2: stages of residual bottlenecks."""

from __future__ import annotations

from dataclasses import replace

from transferkit.backbones.blocks import by_pattern
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_V1 = Family(
    rule=MODES["caffe"],
    strides=(2, 4, 8, 16, 32),
    licence="MIT",
    origin="Microsoft Research; ported by Keras Applications",
    paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
)
_V2 = replace(
    _V1,
    rule=MODES["tf"],
    paper="He et al., Identity Mappings in Deep Residual Networks, ECCV 2016",
)


def _resnet(family: Family, file: str, params: int, *units: int) -> Network:
    """A network with so many units in the stages conv2 to conv5."""
    blocks = tuple(
        f"conv{stage}_block{unit}"
        for stage, count in enumerate(units, start=2)
        for unit in range(1, count + 1)
    )
    return Network(
        family=family,
        size=224,
        params=params,
        embedding=2048,
        file=WeightFile(f"{file}_weights_tf_dim_ordering_tf_kernels"),
        blocks=("conv1", *blocks),
        divide=by_pattern(r"(conv1|conv[2-5]_block\d+)_"),
    )


NETWORKS = {
    "ResNet50": _resnet(_V1, "resnet50", 23_587_712, 3, 4, 6, 3),
    "ResNet101": _resnet(_V1, "resnet101", 42_658_176, 3, 4, 23, 3),
    "ResNet152": _resnet(_V1, "resnet152", 58_370_944, 3, 8, 36, 3),
    "ResNet50V2": _resnet(_V2, "resnet50v2", 23_564_800, 3, 4, 6, 3),
    "ResNet101V2": _resnet(_V2, "resnet101v2", 42_626_560, 3, 4, 23, 3),
    "ResNet152V2": _resnet(_V2, "resnet152v2", 58_331_648, 3, 8, 36, 3),
}
