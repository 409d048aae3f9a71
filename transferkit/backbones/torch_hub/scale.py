"""LayerScale: a residual branch whose channels begin small."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["layer_scale"]


@functools.cache
def layer_scale() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then."""
    keras = _keras.keras()
    base: Any = keras.layers.Layer

    @keras.saving.register_keras_serializable(package="transferkit")
    class LayerScale(base):
        """Each channel times a factor of its own, which is learned.

        Args:
            initial: The factors of a fresh network.
            **kwargs: ``name`` and the like, for ``keras.layers.Layer``.

        References:
            Touvron et al., Going deeper with Image Transformers, ICCV 2021.
        """

        def __init__(self, initial: float = 1e-6, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.initial = initial

        def build(self, shape: tuple[int | None, ...]) -> None:
            """Make the factors, one for each channel of ``(batch, ..., channels)``."""
            constant = keras.initializers.Constant(self.initial)
            self.factors = self.add_weight(shape=shape[-1:], initializer=constant, name="factors")

        def call(self, x: Tensor) -> Tensor:
            """``x * factors``."""
            return x * self.factors

        def get_config(self) -> dict[str, Any]:
            """What makes the layer again."""
            return {**super().get_config(), "initial": self.initial}

        def torch_slots(self) -> Mapping[str, tuple[str, None]]:
            """PyTorch has the factors as a parameter of the unit, which is no module."""
            return {"factors": (self.name, None)}

    return LayerScale
