"""A transformer's first layers: patches, tokens before them, positions for any size of picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.backbones.keras_hub.tokens import register_tokens
from transferkit.backbones.torch_hub.tokens import class_token, position_embedding
from transferkit.errors import BackboneError, explain

__all__ = ["Embedding", "of_deit", "of_dinov2", "of_vit"]

Array = np.ndarray[Any, Any]


def of_vit(layer: Any) -> Embedding:
    """ViT's: a class token, or none."""
    classes = {"class_token": layer.class_token} if layer.use_class_token else {}
    positions = np.asarray(layer.position_embedding.embeddings)[None]
    return Embedding(layer, layer.patch_embedding, positions, classes)


def of_deit(layer: Any) -> Embedding:
    """DeiT's: a class token and one for distillation."""
    classes = {
        "class_token": layer.class_token,
        "distillation_token": layer.distillation_token,
    }
    positions = np.asarray(layer.position_embedding)
    return Embedding(layer, layer.patch_embedding, positions, classes, dropout=layer.dropout)


def of_dinov2(layer: Any) -> Embedding:
    """DINOv2's: a class token, and registers without a position."""
    return Embedding(
        layer,
        layer.patch_embeddings.projection,
        np.asarray(layer.position_embeddings),
        classes={"class_token": layer.cls_token},
        registers=layer.register_tokens if layer.num_register_tokens else None,
        dropout=layer.dropout,
        antialias=layer.antialias_in_interpolation,
    )


@dataclass(frozen=True, eq=False)
class Embedding:
    """What is called in the place of a transformer's first layer.

    Attributes:
        layer: KerasHub's, for its name and the grid of its positions.
        convolution: Makes the patches.
        positions: (1, classes + patches, channels).
        classes: Tokens with a position, each (1, 1, channels), by name, in their order.
        registers: Tokens without one, (1, registers, channels); None for none.
        dropout: What comes last; None for nothing.
        antialias: Whether positions are smoothed where they are scaled down.
    """

    layer: Any
    convolution: Any
    positions: Array
    classes: Mapping[str, Any]
    registers: Any = None
    dropout: Any = None
    antialias: bool = False

    def __call__(self, picture: Tensor) -> Tensor:
        """Patches as tokens, with those before them and the positions.

        Args:
            picture: (batch, height, width, channels).

        Raises:
            BackboneError: If its sides are no multiples of the patch's.
        """
        _check_sides(picture, self.convolution.kernel_size)
        patches = self._renamed(self.convolution, "patches")(picture)
        height, width, channels = patches.shape[1:]
        reshape = _keras.keras().layers.Reshape
        tokens = reshape((height * width, channels), name=f"{self.layer.name}_tokens")(patches)
        out = self._positioned(tokens, (height, width))
        return out if self.dropout is None else self._renamed(self.dropout, "dropout")(out)

    def _positioned(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        name = self.layer.name
        for part, token in reversed([*self.classes.items()]):
            x = _filled(class_token()(name=f"{name}_{part}"), x, token)
        x = _filled(position_embedding()(name=f"{name}_positions"), x, self._scaled(grid))
        if self.registers is None:
            return x
        count, after = self.registers.shape[1], len(self.classes)
        return _filled(register_tokens()(count, after, name=f"{name}_registers"), x, self.registers)

    def _scaled(self, want: tuple[int, int]) -> Array:
        """The positions of patches, scaled bicubically to another grid."""
        have, channels, classes = _grid(self.layer), self.positions.shape[-1], len(self.classes)
        if have == want:
            return self.positions
        scaled = _keras.keras().ops.image.resize(
            self.positions[:, classes:].reshape(1, *have, channels),
            want,
            interpolation="bicubic",
            antialias=self.antialias,
            data_format="channels_last",
        )
        rest = np.asarray(scaled).reshape(1, -1, channels)
        return np.concatenate([self.positions[:, :classes], rest], axis=1)

    def _renamed(self, layer: Any, name: str) -> Any:
        layer.name = f"{self.layer.name}_{name}"
        return layer


def _filled(layer: Any, x: Tensor, weight: Any) -> Tensor:
    """What a layer of one weight makes of `x`."""
    out = layer(x)
    layer.set_weights([np.asarray(weight)])
    return out


def _grid(layer: Any) -> tuple[int, int]:
    """(rows, columns) of the patches that the layer has positions for."""
    size = getattr(layer, "position_embedding_shape", None) or layer.image_size
    patch = layer.patch_size
    height, width = (patch, patch) if isinstance(patch, int) else patch
    return int(size[0]) // int(height), int(size[1]) // int(width)


def _check_sides(picture: Tensor, patch: tuple[int, int]) -> None:
    height, width = picture.shape[1:3]
    if height % patch[0] or width % patch[1]:
        raise BackboneError(
            explain(
                "load",
                f"pictures of {height} x {width} pixels cannot be cut into patches of "
                f"{patch[0]} x {patch[1]}",
                expected="sides that are multiples of the patch's",
                received={"image_size": (height, width)},
                mend=f"image_size=({_rounded(height, patch[0])}, {_rounded(width, patch[1])})",
            )
        )


def _rounded(side: int, patch: int) -> int:
    return max(patch, side // patch * patch)
