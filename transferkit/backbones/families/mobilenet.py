"""MobileNet 1 to 3: depthwise separable convolutions, then inverted residuals."""

from __future__ import annotations

from dataclasses import replace

from transferkit.backbones.blocks import by_ends, by_pattern
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_V1 = Family(
    rule=MODES["tf"],
    strides=(2, 4, 8, 16, 32),
    licence="Apache-2.0",
    origin="Google; Keras Applications",
    paper="Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
    "Applications, 2017",
)
_V2 = replace(
    _V1, paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, 2018"
)
_V3 = replace(
    _V1,
    paper="Howard et al., Searching for MobileNetV3, ICCV 2019",
    arguments={"include_preprocessing": False},
)

_V1_ENDS = {"conv1": "conv1_relu", **{f"block_{i}": f"conv_pw_{i}_relu" for i in range(1, 14)}}


def _v3(size: str, params: int, embedding: int, units: int) -> Network:
    return Network(
        family=_V3,
        size=224,
        params=params,
        embedding=embedding,
        file=WeightFile(f"weights_mobilenet_v3_{size}_224_1.0_float", "_no_top_v2"),
        blocks=("conv", "expanded_conv", *(f"expanded_conv_{i}" for i in range(1, units))),
        divide=by_pattern(r"(conv|expanded_conv(?:_\d+)?)(?:$|_[a-z])"),
    )


NETWORKS = {
    "MobileNet": Network(
        family=_V1,
        size=224,
        params=3_228_864,
        embedding=1024,
        file=WeightFile("mobilenet_1_0_{side}_tf", "_no_top", (128, 160, 192, 224)),
        blocks=tuple(_V1_ENDS),
        divide=by_ends(_V1_ENDS),
    ),
    "MobileNetV2": Network(
        family=_V2,
        size=224,
        params=2_257_984,
        embedding=1280,
        file=WeightFile(
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{side}",
            "_no_top",
            (96, 128, 160, 192, 224),
        ),
        blocks=("Conv1", "expanded_conv", *(f"block_{i}" for i in range(1, 17))),
        divide=by_pattern(r"(?:bn_)?(Conv1|expanded_conv|block_\d+)"),
    ),
    "MobileNetV3Small": _v3("small", 939_120, 576, units=11),
    "MobileNetV3Large": _v3("large", 2_996_352, 960, units=15),
}
