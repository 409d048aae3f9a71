"""EfficientNet and EfficientNetV2: one network, scaled in width, depth and size together.

EfficientNet B0 to B7 have their preprocessing in the network: pixels / 255, a Normalization whose
statistics are in the weight file, and one more factor, which Keras adds only when it is asked for
``weights="imagenet"``. So Keras gives other outputs for the same file by path. Here the statistics
say what was trained, whichever way the file was named:

- the published statistics: what ``weights="imagenet"`` computes, which is the ImageNet mean and
  standard deviation;
- mean 0 and variance 1 (a network that began with ``weights=None`` and was never adapted):
  pixels / 255;
- others: ``(pixels / 255 - mean) / sqrt(variance)``, as Keras without that factor.

Random weights, and a file without a Normalization (one that was saved from here), have the
preprocessing of ImageNet. No Normalization is kept in the network.

References:
    Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019.
    The factor: tensorflow/tensorflow, issue 49930.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transferkit._types import KerasModel
from transferkit.backbones.blocks import by_pattern
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES, Preprocessing

__all__ = ["NETWORKS"]

_MEAN = np.array((0.485, 0.456, 0.406))
_PUBLISHED_VARIANCE = np.array((0.229, 0.224, 0.225))
"""The file has the standard deviations where variances belong; hence the factor."""


def _rule_of(model: KerasModel) -> Preprocessing:
    """The preprocessing that a network of Keras, weights in it, was trained with."""
    layer = model.get_layer("normalization")
    mean, variance = (
        np.asarray(weight, dtype=np.float64).ravel()
        for weight in (layer.adapt_mean, layer.adapt_variance)
    )
    if not mean.any() and np.all(variance == 1):
        return MODES["unit"]
    if mean.shape == (3,) and np.allclose([mean, variance], [_MEAN, _PUBLISHED_VARIANCE], 1e-4):
        return MODES["torch"]
    deviation = np.maximum(np.sqrt(variance), 1e-7)  # Keras' epsilon
    return Preprocessing(
        tuple(float(value) for value in 1 / 255 / deviation),
        tuple(float(value) for value in -mean / deviation),
    )


_V1 = Family(
    rule=MODES["torch"],
    strides=(2, 4, 8, 16, 32),
    licence="Apache-2.0",
    origin="Google; ported by Keras Applications",
    paper="Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "ICML 2019",
    built_in=frozenset({"rescaling", "normalization", "rescaling_1"}),
    read_rule=_rule_of,
)
_V2_B = replace(
    _V1,
    paper="Tan & Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021",
    arguments={"include_preprocessing": False},
    built_in=frozenset(),
    read_rule=None,
)
_V2 = replace(_V2_B, rule=Preprocessing((1 / 128.0,), (-1.0,)))


def _network(
    family: Family, file: str, size: int, params: int, embedding: int, *units: int
) -> Network:
    """A network with so many units in its stages."""
    blocks = tuple(
        f"block{stage}{'abcdefghijklmnopqrstuvwxyz'[unit]}"
        for stage, count in enumerate(units, start=1)
        for unit in range(count)
    )
    return Network(
        family=family,
        size=size,
        params=params,
        embedding=embedding,
        file=WeightFile(file),
        blocks=("stem", *blocks),
        divide=by_pattern(r"(stem|block\d[a-z])_"),
    )


NETWORKS = {
    "EfficientNetB0": _network(_V1, "efficientnetb0", 224, 4_049_564, 1280, 1, 2, 2, 3, 3, 4, 1),
    "EfficientNetB1": _network(_V1, "efficientnetb1", 240, 6_575_232, 1280, 2, 3, 3, 4, 4, 5, 2),
    "EfficientNetB2": _network(_V1, "efficientnetb2", 260, 7_768_562, 1408, 2, 3, 3, 4, 4, 5, 2),
    "EfficientNetB3": _network(_V1, "efficientnetb3", 300, 10_783_528, 1536, 2, 3, 3, 5, 5, 6, 2),
    "EfficientNetB4": _network(_V1, "efficientnetb4", 380, 17_673_816, 1792, 2, 4, 4, 6, 6, 8, 2),
    "EfficientNetB5": _network(_V1, "efficientnetb5", 456, 28_513_520, 2048, 3, 5, 5, 7, 7, 9, 3),
    "EfficientNetB6": _network(_V1, "efficientnetb6", 528, 40_960_136, 2304, 3, 6, 6, 8, 8, 11, 3),
    "EfficientNetB7": _network(
        _V1, "efficientnetb7", 600, 64_097_680, 2560, 4, 7, 7, 10, 10, 13, 4
    ),
    "EfficientNetV2B0": _network(
        _V2_B, "efficientnetv2-b0", 224, 5_919_312, 1280, 1, 2, 2, 3, 5, 8
    ),
    "EfficientNetV2B1": _network(
        _V2_B, "efficientnetv2-b1", 240, 6_931_124, 1280, 2, 3, 3, 4, 6, 9
    ),
    "EfficientNetV2B2": _network(
        _V2_B, "efficientnetv2-b2", 260, 8_769_374, 1408, 2, 3, 3, 4, 6, 10
    ),
    "EfficientNetV2B3": _network(
        _V2_B, "efficientnetv2-b3", 300, 12_930_622, 1536, 2, 3, 3, 5, 7, 12
    ),
    "EfficientNetV2S": _network(_V2, "efficientnetv2-s", 384, 20_331_360, 1280, 2, 4, 4, 6, 9, 15),
    "EfficientNetV2M": _network(
        _V2, "efficientnetv2-m", 480, 53_150_388, 1280, 3, 5, 5, 7, 14, 18, 5
    ),
    "EfficientNetV2L": _network(
        _V2, "efficientnetv2-l", 480, 117_746_848, 1280, 4, 7, 7, 10, 19, 25, 7
    ),
}
