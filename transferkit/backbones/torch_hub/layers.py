"""The layers that all families are made of, in PyTorch's arithmetic and under PyTorch's names.

A layer is named as PyTorch names the module (``layer1.0.conv1``), so that one rule finds the
tensors of every network (see `mapping`). What holds no tensors is named after the module before it
(``layer1.0.conv1.pad``, ``layer1.0.bn1.relu``).

Each function takes a map ``(batch, height, width, channels)`` and a name first, and gives a map.
"""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.backbones.torch_hub.grouped import grouped_convolution

__all__ = [
    "activation",
    "adaptive_average_pool",
    "add",
    "average_pool",
    "batch_norm",
    "concatenate",
    "convolution",
    "dropout",
    "flatten",
    "global_average_pool",
    "layer_norm",
    "linear",
    "max_pool",
    "multiply",
    "pad",
    "relu",
    "stochastic_depth",
]

EPSILON = 1e-5
"""What PyTorch's norms add to the variance."""
MOMENTUM = 0.9
"""The share of a moving statistic that stays: PyTorch's momentum, 0.1, is the share that is new."""


def pad(x: Tensor, name: str, before: int, after: int | None = None) -> Tensor:
    """Rows and columns of zeros.

    Args:
        x: The map.
        name: The module that reads it.
        before: How many above and on the left.
        after: How many below and on the right; as many by default.
    """
    both = (before, before if after is None else after)
    return x if both == (0, 0) else _layers().ZeroPadding2D((both, both), name=f"{name}.pad")(x)


def convolution(
    x: Tensor,
    name: str,
    filters: int,
    size: int = 1,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    bias: bool = False,
) -> Tensor:
    """``nn.Conv2d``: zeros are put around alike on both sides, whatever the stride.

    Keras' ``"same"`` pads like that at stride 1 only; at stride 2 it puts one row less above, and
    every map would be shifted.

    Args:
        x: The map.
        name: The module.
        filters: Channels that come out.
        size: Side of the kernel, odd or even.
        stride: Step in both directions.
        padding: Rows and columns of zeros on each side; ``(size - 1) // 2`` by default.
        groups: Channels are divided into so many groups, each with kernels of its own. As many as
            there are channels make a depthwise convolution.
        bias: Whether a bias is added.
    """
    layers = _layers()
    around = (size - 1) // 2 if padding is None else padding
    same = stride == 1 and size == 2 * around + 1
    x = x if same else pad(x, name, around)
    given: dict[str, Any] = {
        "strides": stride,
        "padding": "same" if same else "valid",
        "use_bias": bias,
        "name": name,
    }
    channels = int(x.shape[-1])
    if groups == channels == filters and groups > 1:
        return layers.DepthwiseConv2D(size, **given)(x)
    if groups > 1:
        return grouped_convolution()(filters, size, groups=groups, **given)(x)
    return layers.Conv2D(filters, size, **given)(x)


def batch_norm(
    x: Tensor, name: str, *, epsilon: float = EPSILON, momentum: float = MOMENTUM
) -> Tensor:
    """``nn.BatchNorm2d``; `momentum` is the share of a statistic that stays."""
    return _layers().BatchNormalization(epsilon=epsilon, momentum=momentum, name=name)(x)


def layer_norm(x: Tensor, name: str, *, epsilon: float) -> Tensor:
    """``nn.LayerNorm`` over the channels of each place by itself."""
    return _layers().LayerNormalization(epsilon=epsilon, name=name)(x)


def activation(x: Tensor, name: str, kind: str) -> Tensor:
    """Keras' activation called `kind` behind the module `name`."""
    return _layers().Activation(kind, name=f"{name}.{kind}")(x)


def relu(x: Tensor, name: str) -> Tensor:
    """``nn.ReLU`` behind the module `name`."""
    return activation(x, name, "relu")


def max_pool(
    x: Tensor, name: str, size: int, stride: int, *, padding: int = 0, ceil: bool = False
) -> Tensor:
    """``nn.MaxPool2d`` of what is not negative, as behind a ReLU.

    There a row of zeros changes no maximum, and stands for PyTorch's row of minus infinity.

    Args:
        x: The map, without negative values if `padding` or `ceil` is given.
        name: The module.
        size: Side of the window.
        stride: Step in both directions.
        padding: Rows and columns around it on each side.
        ceil: Whether a last window that is cut off by the border counts (``ceil_mode``).
    """
    x = pad(x, name, padding, padding + (stride - 1 if ceil else 0))
    return _layers().MaxPooling2D(size, stride, name=name)(x)


def average_pool(x: Tensor, name: str, size: int) -> Tensor:
    """``nn.AvgPool2d`` with windows side by side; what is left over at the border is dropped."""
    return _layers().AveragePooling2D(size, name=name)(x)


def global_average_pool(x: Tensor, name: str, *, keepdims: bool = False) -> Tensor:
    """``nn.AdaptiveAvgPool2d(1)``: (batch, channels), or a map of one place with `keepdims`."""
    return _layers().GlobalAveragePooling2D(keepdims=keepdims, name=name)(x)


def adaptive_average_pool(x: Tensor, name: str, size: int) -> Tensor:
    """``nn.AdaptiveAvgPool2d(size)``: a map of size x size places, whatever comes in."""
    return _layers().AdaptiveAveragePooling2D(size, name=name)(x)


def flatten(x: Tensor, name: str) -> Tensor:
    """``torch.flatten(x, 1)`` for the module `name`: channel after channel, as PyTorch has maps."""
    turned = _layers().Permute((3, 1, 2), name=f"{name}.channels_first")(x)
    return _layers().Flatten(name=f"{name}.flatten")(turned)


def linear(x: Tensor, name: str, units: int, *, bias: bool = True) -> Tensor:
    """``nn.Linear`` on the last axis."""
    return _layers().Dense(units, use_bias=bias, name=name)(x)


def dropout(x: Tensor, name: str, rate: float) -> Tensor:
    """``nn.Dropout``."""
    return _layers().Dropout(rate, name=name)(x)


def stochastic_depth(x: Tensor, name: str, rate: float) -> Tensor:
    """``StochasticDepth(mode="row")``: in training a branch is left out for some pictures.

    What is left is divided by the share that stays. A layer that is frozen draws nothing.

    Args:
        x: What a residual branch gives.
        name: The unit.
        rate: Share of the pictures for which it is left out; at 0 there is no such layer.

    References:
        Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
    """
    if rate == 0:
        return x
    per_picture = (None, 1, 1, 1)
    return _layers().Dropout(rate, noise_shape=per_picture, name=f"{name}.stochastic_depth")(x)


def add(name: str, *branches: Tensor) -> Tensor:
    """The sum of maps of one shape, where branches of the module `name` meet again."""
    return _layers().Add(name=f"{name}.add")(list(branches))


def multiply(name: str, *factors: Tensor) -> Tensor:
    """The product of maps, channel by channel."""
    return _layers().Multiply(name=f"{name}.multiply")(list(factors))


def concatenate(name: str, *branches: Tensor) -> Tensor:
    """The channels of maps of one size behind one another."""
    return _layers().Concatenate(name=f"{name}.concat")(list(branches))


def _layers() -> Any:
    return _keras.keras().layers
