"""Two layers of our own for transformers: tokens with their positions, and a learned scale.

KerasHub has layers for both. Its own cannot be made again from their configuration (0.32 writes
what its constructors do not take), and the positions are of one size of picture.
"""

from __future__ import annotations

import functools
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["own_layers", "positioned_tokens", "token_scale"]


@functools.cache
def positioned_tokens() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    ops = keras.ops
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class PositionedTokens(base):
        """Puts class tokens before the tokens of patches, adds positions, and puts registers in.

        From (batch, patches, channels) to (batch, classes + registers + patches, channels).

        Args:
            classes: How many tokens stand before the patches and have a position: the class token,
                and DeiT's for distillation.
            registers: How many stand behind those, without a position.
            **kwargs: ``name`` and the like, for ``keras.layers.Layer``.
        """

        def __init__(self, classes: int, registers: int = 0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.classes, self.registers = int(classes), int(registers)

        def build(self, shape: tuple[int | None, int, int]) -> None:
            """Make its weights, for that many patches."""
            _, patches, channels = shape
            self.class_tokens = self._tokens("class_tokens", self.classes, channels)
            self.register_tokens = self._tokens("register_tokens", self.registers, channels)
            self.positions = self._tokens("positions", self.classes + patches, channels)
            self.built = True

        def _tokens(self, name: str, count: int, channels: int) -> Any:
            if not count:
                return None
            drawn = keras.initializers.TruncatedNormal(stddev=0.02)
            return self.add_weight(shape=(1, count, channels), initializer=drawn, name=name)

        def call(self, patches: Tensor) -> Tensor:
            """The tokens that a transformer reads."""
            tokens = self._before(self.class_tokens, patches) + self.positions
            if not self.registers:
                return tokens
            head, rest = tokens[:, : self.classes], tokens[:, self.classes :]
            return ops.concatenate([head, self._before(self.register_tokens, rest)], axis=1)

        def _before(self, learned: Any, tokens: Tensor) -> Tensor:
            if learned is None:
                return tokens
            repeated = ops.tile(learned, (ops.shape(tokens)[0], 1, 1))
            return ops.concatenate([ops.cast(repeated, tokens.dtype), tokens], axis=1)

        def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
            """(batch, tokens, channels)."""
            return (shape[0], shape[1] + self.classes + self.registers, shape[2])

        def get_config(self) -> dict[str, Any]:
            """The arguments."""
            own = {"classes": self.classes, "registers": self.registers}
            config: dict[str, Any] = super().get_config() | own
            return config

    return PositionedTokens


@functools.cache
def token_scale() -> Any:
    """The class of the layer that multiplies each channel with a number that is learned."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class TokenScale(base):
        """``x * scale``, one number for each channel; it begins at 1.

        References:
            Touvron et al., Going deeper with Image Transformers, 2021: LayerScale.
        """

        def build(self, shape: tuple[Any, ...]) -> None:
            """Make its weight."""
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
            self.built = True

        def call(self, x: Tensor) -> Tensor:
            """The product."""
            return x * self.scale

        def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
            """That of the input."""
            return shape

    return TokenScale


def own_layers() -> dict[str, Any]:
    """Our own layers in these networks, by the names that Keras registered them under."""
    return {
        "transferkit>PositionedTokens": positioned_tokens(),
        "transferkit>TokenScale": token_scale(),
    }
