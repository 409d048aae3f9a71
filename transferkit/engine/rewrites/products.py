"""Stand-ins for layers that multiply with a kernel, a frozen norm behind them folded in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.engine.rewrites.stand_in import StandIn

__all__ = ["PRODUCTS", "Product", "scale_and_shift"]

keras, tf = _keras.keras(), _keras.tf()


def _of_convolution(layer: Any) -> dict[str, Any]:
    return {
        "strides": tuple(layer.strides),
        "padding": layer.padding,
        "dilation_rate": tuple(layer.dilation_rate),
        "data_format": layer.data_format,
    }


def _convolved(layer: Any, x: Tensor, kernel: Tensor) -> Tensor:
    return keras.ops.conv(x, kernel, **_of_convolution(layer))


def _by_channel(layer: Any, x: Tensor, kernel: Tensor) -> Tensor:
    return keras.ops.depthwise_conv(x, kernel, **_of_convolution(layer))


def _separably(layer: Any, x: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
    return keras.ops.separable_conv(x, depthwise, pointwise, **_of_convolution(layer))


def _as_matrix(layer: Any, x: Tensor, kernel: Tensor) -> Tensor:
    return keras.ops.matmul(x, kernel)


@dataclass(frozen=True)
class _Kind:
    """How one kind of layer multiplies.

    Attributes:
        kernels: Names of its kernels; the last one decides the output's channels.
        multiply: (layer, inputs, *kernels) to the product.
    """

    kernels: tuple[str, ...]
    multiply: Callable[..., Tensor]


PRODUCTS: Mapping[str, _Kind] = {
    "Conv2D": _Kind(("kernel",), _convolved),
    "DepthwiseConv2D": _Kind(("kernel",), _by_channel),
    "SeparableConv2D": _Kind(("depthwise_kernel", "pointwise_kernel"), _separably),
    "Dense": _Kind(("kernel",), _as_matrix),
}


class Product(StandIn):
    """``activation(x * kernel + bias)``, the norm behind it, if there is one, in both of them.

    Kernels and bias are put together in float32 and cast once.
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The product; `training` is taken because Dense takes it, and changes nothing."""
        layer, recipe = self.recipe.layers[0], self.recipe
        kind = PRODUCTS[type(layer).__name__]
        kernels, bias = self._weights(layer, kind)
        cast = [tf.cast(kernel, recipe.compute) for kernel in kernels]
        x = (recipe.multiply or kind.multiply)(layer, self.entering(inputs), *cast)
        if bias is not None:
            x = tf.nn.bias_add(x, tf.cast(bias, x.dtype))
        return self.leaving(x if layer.activation is None else layer.activation(x))

    def _weights(self, layer: Any, kind: _Kind) -> tuple[list[Tensor], Tensor | None]:
        read = tf.convert_to_tensor
        *first, last = [read(getattr(layer, name)) for name in kind.kernels]
        bias = read(layer.bias) if layer.use_bias else None
        for norm in self.recipe.layers[1:]:
            scale, shift = scale_and_shift(norm)
            bias = shift if bias is None else bias * scale + shift
            if type(layer).__name__ == "DepthwiseConv2D":  # (height, width, channels, multiplier)
                scale = tf.reshape(scale, last.shape[2:])
            last = last * scale
        return [*first, last], bias


def scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """What a norm in inference multiplies with and adds: ``gamma (x - mean) / sd + beta``.

    Args:
        norm: A ``BatchNormalization``, its statistics the moving ones.

    Returns:
        Two vectors (channels,) in float32.
    """
    read = tf.convert_to_tensor
    scale = tf.math.rsqrt(read(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale *= read(norm.gamma)
    shift = -read(norm.moving_mean) * scale
    return scale, shift + read(norm.beta) if norm.center else shift
