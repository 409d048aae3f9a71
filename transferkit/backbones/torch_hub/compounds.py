"""What several families put together from `layers`, under the names that torchvision gives it."""

from __future__ import annotations

from typing import NamedTuple

from transferkit._types import Tensor
from transferkit.backbones.torch_hub.layers import (
    EPSILON,
    MOMENTUM,
    activation,
    batch_norm,
    convolution,
    global_average_pool,
    multiply,
)

__all__ = [
    "PYTORCH_NORM",
    "TENSORFLOW_NORM",
    "Norm",
    "divisible",
    "normed_convolution",
    "squeeze_excitation",
]


class Norm(NamedTuple):
    """The settings of a network's batch norms.

    Attributes:
        epsilon: What is added to the variance.
        momentum: The share of a moving statistic that stays.
    """

    epsilon: float = EPSILON
    momentum: float = MOMENTUM


PYTORCH_NORM = Norm()
"""PyTorch's own settings."""
TENSORFLOW_NORM = Norm(epsilon=1e-3, momentum=0.99)
"""TensorFlow's, which networks have that were first trained there."""


def normed_convolution(
    x: Tensor,
    name: str,
    filters: int,
    size: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    norm: Norm = PYTORCH_NORM,
    kind: str | None = None,
) -> Tensor:
    """``Conv2dNormActivation``: a convolution ``name.0``, its norm ``name.1``, an activation.

    Args:
        x: The map.
        name: The module.
        filters: Channels that come out.
        size: Side of the kernel.
        stride: Step in both directions.
        groups: As for `layers.convolution`.
        norm: The norm's settings.
        kind: Keras' name of the activation; none by default.
    """
    x = convolution(x, f"{name}.0", filters, size, stride=stride, groups=groups)
    x = batch_norm(x, f"{name}.1", epsilon=norm.epsilon, momentum=norm.momentum)
    return x if kind is None else activation(x, f"{name}.1", kind)


def squeeze_excitation(
    x: Tensor, name: str, squeezed: int, *, inner: str = "relu", gate: str = "sigmoid"
) -> Tensor:
    """Each channel times a number from 0 to 1 that follows from the averages of all channels.

    ``x * gate(fc2(inner(fc1(mean(x)))))``

    Args:
        x: The map.
        name: The module, whose convolutions are ``name.fc1`` and ``name.fc2``.
        squeezed: Channels between them.
        inner: Keras' name of the activation between them.
        gate: Keras' name of the activation behind them.

    References:
        Hu et al., Squeeze-and-Excitation Networks, CVPR 2018.
    """
    weight = global_average_pool(x, f"{name}.avgpool", keepdims=True)
    weight = convolution(weight, f"{name}.fc1", squeezed, bias=True)
    weight = activation(weight, f"{name}.fc1", inner)
    weight = convolution(weight, f"{name}.fc2", int(x.shape[-1]), bias=True)
    return multiply(name, x, activation(weight, f"{name}.fc2", gate))


def divisible(channels: float) -> int:
    """The nearest multiple of 8, 8 at least, and never less than nine tenths of `channels`."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near
