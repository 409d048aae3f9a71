"""The layers of a vision transformer that Keras does not have: on tokens (batch, tokens, width)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["class_token", "position_embedding", "self_attention"]

Shape = tuple[int | None, ...]


@functools.cache
def class_token() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class ClassToken(base):
        """Puts a learned token before the others."""

        def build(self, shape: Shape) -> None:
            """Make the token: ``(1, 1, width)``."""
            self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="zeros", name="token")

        def call(self, x: Tensor) -> Tensor:
            """``(batch, tokens + 1, width)``."""
            ops = keras.ops
            token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
            return ops.concatenate([ops.cast(token, x.dtype), x], axis=1)

        def compute_output_shape(self, shape: Shape) -> Shape:
            """One token more."""
            batch, tokens, width = shape
            return batch, None if tokens is None else tokens + 1, width

        def torch_slots(self) -> Mapping[str, tuple[str, None]]:
            """PyTorch has the token as a parameter, and no module of its own."""
            return {"token": (self.name, None)}

    return ClassToken


@functools.cache
def position_embedding() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class PositionEmbedding(base):
        """Adds to each token a learned vector of its place."""

        def build(self, shape: Shape) -> None:
            """Make the vectors: ``(1, tokens, width)``."""
            normal = keras.initializers.RandomNormal(stddev=0.02)
            self.places = self.add_weight(shape=(1, *shape[1:]), initializer=normal, name="places")

        def call(self, x: Tensor) -> Tensor:
            """``x + places``."""
            return x + self.places

        def torch_slots(self) -> Mapping[str, tuple[str, None]]:
            """PyTorch has the vectors as a parameter, and no module of their own."""
            return {"places": (self.name, None)}

    return PositionEmbedding


@functools.cache
def self_attention() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class SelfAttention(base):
        """Each token becomes a mean of the values of all, weighted by query times key.

        ``softmax(q k^T / sqrt(width / heads)) v`` for each head; it holds no weights.

        Args:
            heads: In how many parts the width is looked at.
            **kwargs: ``name`` and the like, for ``keras.layers.Layer``.

        References:
            Vaswani et al., Attention Is All You Need, NeurIPS 2017.
        """

        def __init__(self, heads: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.heads = heads

        def call(self, x: Tensor) -> Tensor:
            """Queries, keys and values ``(batch, tokens, 3 * width)`` in, ``width`` out."""
            ops = keras.ops
            tokens, wide = x.shape[1], int(x.shape[-1]) // 3
            each = wide // self.heads
            parts = ops.reshape(x, (-1, tokens, 3, self.heads, each))
            query, key, value = (parts[:, :, place] for place in range(3))
            scores = ops.einsum("bqhd,bkhd->bhqk", query * each**-0.5, key)
            mixed = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores, axis=-1), value)
            return ops.reshape(mixed, (-1, tokens, wide))

        def compute_output_shape(self, shape: Shape) -> Shape:
            """A third of the width."""
            return *shape[:-1], int(shape[-1] or 0) // 3

        def get_config(self) -> dict[str, Any]:
            """What makes the layer again."""
            return {**super().get_config(), "heads": self.heads}

    return SelfAttention
