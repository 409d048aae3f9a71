"""Which tensor of a state dict goes into which weight of a network, by the layers' names alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit._types import KerasModel

__all__ = ["Slot", "slots"]

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]

_KERNEL: Axes = (2, 3, 1, 0)
_BY_CHANNEL: Axes = (2, 3, 0, 1)
_KINDS: Mapping[str, Mapping[str, tuple[str, Axes | None]]] = {
    "Conv2D": {"kernel": ("weight", _KERNEL), "bias": ("bias", None)},
    "GroupedConv2D": {"kernel": ("weight", _KERNEL), "bias": ("bias", None)},
    "DepthwiseConv2D": {"kernel": ("weight", _BY_CHANNEL), "bias": ("bias", None)},
    "Dense": {"kernel": ("weight", (1, 0)), "bias": ("bias", None)},
    "LayerNormalization": {"gamma": ("weight", None), "beta": ("bias", None)},
    "BatchNormalization": {
        "gamma": ("weight", None),
        "beta": ("bias", None),
        "moving_mean": ("running_mean", None),
        "moving_variance": ("running_var", None),
    },
}
"""By a layer's kind and its weight: PyTorch's word, and the order of PyTorch's axes in Keras."""


@dataclass(frozen=True)
class Slot:
    """A weight of a network and the tensor that fills it.

    Attributes:
        tensor: The tensor's name in a state dict.
        weight: The Keras variable.
        axes: How the tensor's axes are ordered there; None for as they are.
    """

    tensor: str
    weight: Any
    axes: Axes | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the tensor is to have."""
        own = tuple(self.weight.shape)
        return own if self.axes is None else tuple(own[self.axes.index(n)] for n in range(len(own)))

    def to_keras(self, tensor: Array) -> Array:
        """The tensor in the weight's layout."""
        return tensor if self.axes is None else tensor.transpose(self.axes)

    def to_torch(self, value: Array) -> Array:
        """The inverse of `to_keras`."""
        return value if self.axes is None else value.transpose(np.argsort(self.axes))


def slots(network: KerasModel) -> Iterator[Slot]:
    """Each weight of a network with the name of its tensor, in the layers' order.

    A layer of our own that holds weights of another kind says itself where they come from: its
    ``torch_slots()`` gives for each weight's name the tensor's whole name and the order of axes, or
    None.

    Args:
        network: A network whose layers are named as PyTorch names its modules.
    """
    for layer in network._flatten_layers(include_self=False):
        for weight in layer.weights:
            tensor, axes = _of(layer)[weight.name]
            yield Slot(tensor, weight, axes)


def _of(layer: Any) -> Mapping[str, tuple[str, Axes | None]]:
    if hasattr(layer, "torch_slots"):
        told: Mapping[str, tuple[str, Axes | None]] = layer.torch_slots()
        return told
    kind = _KINDS[type(layer).__name__]
    return {own: (f"{layer.name}.{word}", axes) for own, (word, axes) in kind.items()}
