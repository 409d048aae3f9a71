"""KerasHub's composite layers opened, until a network is one flat graph of layers that Keras has.

KerasHub writes a block as one layer: a transformer's whole encoder is one. So no policy could
freeze half of it, no selector find a norm in it, and no file hold it, since many of these layers
cannot be made again from their configuration. But what such a layer does, it does by calling
others: run on symbolic tensors with itself replaced by a stand-in (`_Opened`), its own ``call``
writes those calls into the graph.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.backbones.keras_hub import embeddings
from transferkit.backbones.torch_hub.grouped import grouped_convolution
from transferkit.backbones.torch_hub.scale import layer_scale
from transferkit.errors import BackboneError, explain

__all__ = ["opened"]

_COMPOSITES = """
    CBABlock ConvBnActBlock DINOV2Attention DINOV2Encoder DINOV2Layer DINOV2MLP DINOV2SwiGLUFFN
    DeiTEncoder DeiTEncoderBlock DeiTIntermediate DeiTOutput DepthwiseConvBlock FusedMBConvBlock
    InvertedResidualBlock MBConvBlock MLP SqueezeAndExcite2D ViTEncoder ViTEncoderBlock
"""
_OPENED = frozenset(_COMPOSITES.split())
"""Layers that own no weight, and whose ``call`` does the same in training and out of it."""


def opened(
    backbone: Any, ends: Sequence[Tensor], shape: tuple[int, int, int]
) -> tuple[Tensor, list[Tensor]]:
    """Run a network of KerasHub's again, with its composite layers opened.

    Args:
        backbone: A ``keras_hub.models.Backbone``. Its layers get names under that of the layer
            that they were in.
        ends: Tensors of its graph.
        shape: (height, width, channels) of the preprocessed pixels.

    Returns:
        The entry, and the ends that follow from it.

    Raises:
        BackboneError: If it has a layer of KerasHub's that is not known here.
    """
    keras, opening = _keras.keras(), _Opening()
    entry = keras.Input(shape, name="input")
    part = keras.Model(backbone.inputs, list(ends))
    return entry, list(part._run_through_graph([entry], operation_fn=opening.seen))


class _Opening:
    """One run through a network; what stands for a layer is made once."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def seen(self, layer: Any) -> Any:
        """What is called in the place of a layer or operation."""
        if id(layer) not in self._made:
            self._made[id(layer)] = self._in_place_of(layer)
        return self._made[id(layer)]

    def _in_place_of(self, layer: Any) -> Any:
        kind = type(layer).__name__
        if type(layer).__module__.startswith("keras_hub."):
            if kind in _OPENED:
                return _Opened(layer, self)
            if kind in _REPLACED:
                return _REPLACED[kind](layer)
            raise _not_known(layer)
        if kind == "Identity":  # one that was given a dtype policy cannot be made again
            return _keras.keras().layers.Identity(name=layer.name)
        return _regrouped(layer) if kind == "Conv2D" and layer.groups > 1 else layer


class _Opened:
    """Stands for a composite layer in its own ``call``, and shows it what it holds opened too."""

    def __init__(self, layer: Any, opening: _Opening) -> None:
        self._layer, self._opening = layer, opening

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return type(self._layer).call(self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return self._shown(getattr(self._layer, name))

    def _shown(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._shown(each) for each in value]
        if inspect.ismethod(value) and value.__self__ is self._layer:
            return types.MethodType(value.__func__, self)
        if not isinstance(value, _keras.keras().layers.Layer):
            return value
        return self._opening.seen(_named_under(self._layer, value))


def _named_under(parent: Any, layer: Any) -> Any:
    """The layer, with a name that is its own in the whole network."""
    if not layer.name.startswith(parent.name):
        layer.name = f"{parent.name}_{layer.name}"
    return layer


def _regrouped(convolution: Any) -> Any:
    """A convolution in groups as a layer that trains on a CPU; see `grouped_convolution`."""
    config, kernel = convolution.get_config(), convolution.kernel
    channels = kernel.shape[2] * convolution.groups
    if convolution.groups == channels == convolution.filters:
        return _depthwise(convolution)
    twin = grouped_convolution().from_config(config)
    twin.build((None, None, None, channels))
    twin.set_weights(convolution.get_weights())
    return twin


def _depthwise(convolution: Any) -> Any:
    """One group for each channel, as the layer that Keras has for it."""
    twin = _keras.keras().layers.DepthwiseConv2D(
        convolution.kernel_size,
        strides=convolution.strides,
        padding=convolution.padding,
        use_bias=convolution.use_bias,
        activation=convolution.activation,
        name=convolution.name,
    )
    twin.build((None, None, None, convolution.filters))
    kernel, *bias = convolution.get_weights()
    twin.set_weights([kernel.transpose(0, 1, 3, 2), *bias])
    return twin


def _scale(layer: Any) -> Any:
    twin = layer_scale()(name=layer.name)
    twin.build((None, None, layer.hidden_dim))
    twin.set_weights(layer.get_weights())
    return twin


def _drop_path(layer: Any) -> Any:
    # KerasHub 0.32 adds noise without rounding it, which drops no path; this is what it stands for.
    return _keras.keras().layers.Dropout(layer.rate, noise_shape=(None, 1, 1), name=layer.name)


_REPLACED: Mapping[str, Callable[[Any], Any]] = {
    "DINOV2DropPath": _drop_path,
    "DINOV2Embedding": embeddings.of_dinov2,
    "DINOV2LayerScale": _scale,
    "DeiTEmbeddings": embeddings.of_deit,
    "ViTPatchingAndEmbedding": embeddings.of_vit,
}
"""What stands in the place of layers that own weights, or draw."""


def _not_known(layer: Any) -> BackboneError:
    return BackboneError(
        explain(
            "load",
            f"the network has a layer {type(layer).__name__} of KerasHub's, which is not known "
            "here",
            expected="layers of Keras, and of the networks that 'hub:' lists",
            received={"layer": layer.name},
            mend="pip install --upgrade 'transferkit[hub]'",
        )
    )
