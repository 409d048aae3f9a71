"""``torch:``: networks of PyTorch Hub and timm as native Keras graphs with converted weights.

A family is one file in `families`, and a line in its ``__init__``. What a network needs beyond the
layers of `layers` is a layer of our own, which `own_layers` names so that saved files may hold it.
"""

from __future__ import annotations

from typing import Any

from transferkit.backbones.torch_hub.grouped import grouped_convolution
from transferkit.backbones.torch_hub.scale import layer_scale
from transferkit.backbones.torch_hub.source import TorchHub
from transferkit.backbones.torch_hub.tokens import class_token, position_embedding, self_attention

__all__ = ["TorchHub", "own_layers"]


def own_layers() -> dict[str, Any]:
    """Our own layers in these networks, by the names that Keras registered them under."""
    return {
        "transferkit>GroupedConv2D": grouped_convolution(),
        "transferkit>LayerScale": layer_scale(),
        "transferkit>ClassToken": class_token(),
        "transferkit>PositionEmbedding": position_embedding(),
        "transferkit>SelfAttention": self_attention(),
    }
