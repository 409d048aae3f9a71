"""InceptionV3, InceptionResNetV2 and Xception: modules of several branches.

The convolutions of the first two do not pad, so a tap is a little smaller than the picture's side
divided by its stride: 73, 35, 17 and 8 for 299 and the strides 4, 8, 16 and 32.
"""

from __future__ import annotations

from transferkit.backbones.blocks import by_ends
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_INCEPTION_V3 = Family(
    rule=MODES["tf"],
    strides=(2, 4, 8, 16, 32),
    min_size=75,
    licence="Apache-2.0",
    origin="Google; ported by Keras Applications",
    paper="Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016",
)
_INCEPTION_RESNET = Family(
    rule=MODES["tf"],
    strides=(2, 4, 8, 16, 32),
    min_size=75,
    licence="Apache-2.0",
    origin="Google; ported by Keras Applications",
    paper="Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections "
    "on Learning, AAAI 2017",
)
_XCEPTION = Family(
    rule=MODES["tf"],
    strides=(2, 4, 8, 16, 32),
    min_size=71,
    licence="MIT",
    origin="Google; Keras Applications",
    paper="Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017",
)

_V3_ENDS = {"stem": "max_pooling2d_1", **{f"mixed{i}": f"mixed{i}" for i in range(11)}}
_RESNET_ENDS = {
    "stem": "max_pooling2d_1",
    "mixed_5b": "mixed_5b",
    **{f"block35_{i}": f"block35_{i}_ac" for i in range(1, 11)},
    "mixed_6a": "mixed_6a",
    **{f"block17_{i}": f"block17_{i}_ac" for i in range(1, 21)},
    "mixed_7a": "mixed_7a",
    **{f"block8_{i}": f"block8_{i}_ac" for i in range(1, 10)},
    "block8_10": "custom_scale_layer_39",  # the last unit has no activation
}
_XCEPTION_ENDS = {
    "block1": "block1_conv2_act",
    "block2": "add",
    **{f"block{i}": f"add_{i - 2}" for i in range(3, 14)},
    "block14": "block14_sepconv2_act",
}


def _network(
    family: Family, file: str, params: int, embedding: int, ends: dict[str, str]
) -> Network:
    return Network(
        family=family,
        size=299,
        params=params,
        embedding=embedding,
        file=WeightFile(f"{file}_weights_tf_dim_ordering_tf_kernels"),
        blocks=tuple(ends),
        divide=by_ends(ends),
    )


NETWORKS = {
    "InceptionV3": _network(_INCEPTION_V3, "inception_v3", 21_802_784, 2048, _V3_ENDS),
    "InceptionResNetV2": _network(
        _INCEPTION_RESNET, "inception_resnet_v2", 54_336_736, 1536, _RESNET_ENDS
    ),
    "Xception": _network(_XCEPTION, "xception", 20_861_480, 2048, _XCEPTION_ENDS),
}
