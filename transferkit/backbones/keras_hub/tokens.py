"""The layer of a vision transformer that neither Keras nor the other sources have: registers."""

from __future__ import annotations

import functools
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["own_layers", "register_tokens"]

Shape = tuple[int | None, ...]


@functools.cache
def register_tokens() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class RegisterTokens(base):
        """Puts learned tokens behind the class token, without a place of their own.

        Args:
            count: How many.
            after: How many tokens stay before them.
            **kwargs: ``name`` and the like, for ``keras.layers.Layer``.

        References:
            Darcet et al., Vision Transformers Need Registers, ICLR 2024.
        """

        def __init__(self, count: int, after: int = 1, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.count, self.after = count, after

        def build(self, shape: Shape) -> None:
            """Make the tokens: ``(1, count, width)``."""
            normal = keras.initializers.RandomNormal(stddev=0.02)
            size = (1, self.count, shape[-1])
            self.tokens = self.add_weight(shape=size, initializer=normal, name="tokens")

        def call(self, x: Tensor) -> Tensor:
            """``(batch, tokens + count, width)``."""
            ops = keras.ops
            size = (ops.shape(x)[0], self.count, x.shape[-1])
            registers = ops.cast(ops.broadcast_to(self.tokens, size), x.dtype)
            return ops.concatenate([x[:, : self.after], registers, x[:, self.after :]], axis=1)

        def compute_output_shape(self, shape: Shape) -> Shape:
            """As many tokens more."""
            batch, tokens, width = shape
            return batch, None if tokens is None else tokens + self.count, width

        def get_config(self) -> dict[str, Any]:
            """What makes the layer again."""
            return {**super().get_config(), "count": self.count, "after": self.after}

    return RegisterTokens


def own_layers() -> dict[str, Any]:
    """Our own layer in these networks, by the name that Keras registered it under."""
    return {"transferkit>RegisterTokens": register_tokens()}
