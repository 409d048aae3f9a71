"""ViT: a picture's patches as tokens, which look at one another in every encoder block.

A learned class token stands before them; what becomes of it is the features, a vector. The one tap
is the map of the patches before the first block: behind it there is no map that all follows from.
The places of the patches are learned for one size of pictures; published weights fit that alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.backbones.blocks import Division, by_pattern
from transferkit.backbones.torch_hub.families.base import Family, Network
from transferkit.backbones.torch_hub.layers import (
    activation,
    add,
    convolution,
    layer_norm,
    linear,
)
from transferkit.backbones.torch_hub.tokens import class_token, position_embedding, self_attention

__all__ = ["NETWORKS", "TIMM", "ViT"]

_norm = partial(layer_norm, epsilon=1e-6)


@dataclass(frozen=True)
class ViT:
    """The graph.

    Attributes:
        patch: Side of a patch in pixels.
        layers: Encoder blocks.
        width: Length of a token.
        heads: Heads of each attention.
        hidden: Units between the two linear layers of a block.
    """

    patch: int
    layers: int
    width: int
    heads: int
    hidden: int

    @property
    def blocks(self) -> tuple[str, ...]:
        """The embedding of the patches, and each encoder block."""
        return ("conv_proj", *(f"encoder_layer_{n}" for n in range(self.layers)))

    @property
    def divide(self) -> Division:
        """By the names of the encoder blocks; the last norm belongs to the last one."""
        return by_pattern(r"(?:encoder\.layers\.)?(conv_proj$|encoder_layer_\d+)")

    @property
    def embedding(self) -> int:
        """Length of the class token."""
        return self.width

    def features(self, x: Tensor) -> Tensor:
        """The class token behind all blocks and a norm: ``(batch, width)``."""
        x = self._tokens(x)
        for block in range(self.layers):
            x = self._block(x, f"encoder.layers.encoder_layer_{block}")
        return _norm(x, "encoder.ln")[:, 0]

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """One linear layer on the class token."""
        return linear(features, "heads.head", classes)

    def _tokens(self, x: Tensor) -> Tensor:
        """Class token and patches, row after row, with the embeddings of their places."""
        x = convolution(
            x, "conv_proj", self.width, self.patch, stride=self.patch, padding=0, bias=True
        )
        row = _keras.keras().layers.Reshape((-1, self.width), name="conv_proj.row")(x)
        x = class_token()(name="class_token")(row)
        return position_embedding()(name="encoder.pos_embedding")(x)

    def _block(self, x: Tensor, name: str) -> Tensor:
        y = linear(_norm(x, f"{name}.ln_1"), f"{name}.self_attention.in_proj", 3 * self.width)
        y = self_attention()(self.heads, name=f"{name}.self_attention")(y)
        x = add(
            f"{name}.self_attention", linear(y, f"{name}.self_attention.out_proj", self.width), x
        )
        y = linear(_norm(x, f"{name}.ln_2"), f"{name}.mlp.0", self.hidden)
        y = activation(y, f"{name}.mlp.0", "gelu")
        return add(name, linear(y, f"{name}.mlp.3", self.width), x)


_ENDS = {
    "patch_embed.proj": "conv_proj",
    "cls_token": "class_token",
    "pos_embed": "encoder.pos_embedding",
    "norm": "encoder.ln",
    "head": "heads.head",
}
_PARTS = {
    "norm1": "ln_1",
    "norm2": "ln_2",
    "attn.qkv": "self_attention.in_proj",
    "attn.proj": "self_attention.out_proj",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.3",
    "mlp.linear_1": "mlp.0",
    "mlp.linear_2": "mlp.3",
}
_BLOCK = re.compile(r"(?:blocks\.|encoder\.layers\.encoder_layer_)(\d+)\.(.+)[._](weight|bias)")


def _from_others(name: str) -> str:
    """From timm's names, from torchvision's, and from those in its published files."""
    if found := _BLOCK.fullmatch(name):
        block, part, tensor = found.groups()
        return f"encoder.layers.encoder_layer_{block}.{_PARTS.get(part, part)}.{tensor}"
    if name in _ENDS:  # a parameter of the network's own
        return _ENDS[name]
    module, _, tensor = name.rpartition(".")
    return f"{_ENDS[module]}.{tensor}" if module in _ENDS else name


def _family(patch: int) -> Family:
    return Family(
        paper="Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image "
        "Recognition at Scale, ICLR 2021",
        top=("heads",),
        strides=(patch,),
        min_size=patch,
        rename=_from_others,
        places="encoder.pos_embedding",
    )


_BASE, _LARGE, _HUGE = (12, 768, 12, 3072), (24, 1024, 16, 4096), (32, 1280, 16, 5120)


def _network(
    patch: int, sizes: tuple[int, int, int, int], params: int, *files: str, scaled: int = 256
) -> Network:
    return Network(_family(patch), ViT(patch, *sizes), params, files, scaled=(scaled,))


NETWORKS = {
    "vit_b_16": _network(16, _BASE, 85_798_656, "vit_b_16-c867db91.pth"),
    "vit_b_32": _network(32, _BASE, 87_455_232, "vit_b_32-d86f8d99.pth"),
    "vit_l_16": _network(16, _LARGE, 303_301_632, "vit_l_16-852ce7e3.pth", scaled=242),
    "vit_l_32": _network(32, _LARGE, 305_510_400, "vit_l_32-c7638314.pth"),
    "vit_h_14": _network(14, _HUGE, 630_764_800),
}

TIMM = {
    f"vit_{size}_patch{patch}_{side}": f"vit_{size[0]}_{patch}"
    for size, patch, sides in (
        ("base", 16, (224, 384)),
        ("base", 32, (224, 384)),
        ("large", 16, (224, 384)),
        ("large", 32, (224, 384)),
        ("huge", 14, (224,)),
    )
    for side in sides
}
"""timm's names of the same networks."""
