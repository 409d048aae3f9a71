"""The networks of KerasHub that can be loaded, and what has to be known of each.

A family is here because somebody looked at its layers: each one is of Keras, or `opening` says what
stands in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAMILIES", "ROOMS", "TEXTS", "Family"]

_TRANSFORMER = r".*?(transformer_block_\d+|layers_\d+|embedding)"


@dataclass(frozen=True)
class Family:
    """What is known of a class of KerasHub's.

    Attributes:
        room: The folder that it lies in, in KerasHub.
        paper: The publication.
        blocks: A pattern whose first group names the block of a layer; None to read blocks from
            the graph.
    """

    room: str
    paper: str
    blocks: str | None = None

    @property
    def is_transformer(self) -> bool:
        """True if it ends in tokens, one for each patch and some before them."""
        return self.blocks is not None


FAMILIES: Mapping[str, Family] = {
    "CSPNetBackbone": Family("cspnet", "https://arxiv.org/abs/1911.11929"),
    "DenseNetBackbone": Family("densenet", "https://arxiv.org/abs/1608.06993"),
    "EfficientNetBackbone": Family("efficientnet", "https://arxiv.org/abs/1905.11946"),
    "MobileNetBackbone": Family("mobilenet", "https://arxiv.org/abs/1905.02244"),
    "ResNetBackbone": Family("resnet", "https://arxiv.org/abs/1512.03385"),
    "VGGBackbone": Family("vgg", "https://arxiv.org/abs/1409.1556"),
    "DeiTBackbone": Family("deit", "https://arxiv.org/abs/2012.12877", _TRANSFORMER),
    "DINOV2Backbone": Family("dinov2", "https://arxiv.org/abs/2304.07193", _TRANSFORMER),
    "ViTBackbone": Family("vit", "https://arxiv.org/abs/2010.11929", _TRANSFORMER),
}
"""Networks of pictures, by the name of KerasHub's class."""

TEXTS: Mapping[str, str] = {
    "AlbertBackbone": "albert",
    "BertBackbone": "bert",
    "DebertaV3Backbone": "deberta_v3",
    "DistilBertBackbone": "distil_bert",
    "FNetBackbone": "f_net",
    "RobertaBackbone": "roberta",
    "XLMRobertaBackbone": "xlm_roberta",
}
"""Networks of texts, and the folder that each lies in, in KerasHub."""

ROOMS: Mapping[str, str] = {**{name: family.room for name, family in FAMILIES.items()}, **TEXTS}
"""The folder of each, in KerasHub."""
