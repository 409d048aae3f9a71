"""Batch normalisation: folded into the layer before it where it is frozen, or one fused kernel."""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.rewrites.nodes import Calls, rebuilt
from transferkit.engine.rewrites.norms import FrozenNorm, TrainingNorm
from transferkit.engine.rewrites.products import PRODUCTS, Product
from transferkit.engine.rewrites.stand_in import Recipe, StandIn, is_one

__all__ = ["fold_batch_norm", "fuse_batch_norm"]

NORM = "BatchNormalization"
SMALLEST_EPSILON = 1.001e-5
"""Below it cuDNN's kernel normalises with this one; PyTorch's networks have 1e-5."""


def fold_batch_norm(model: KerasModel) -> KerasModel:
    """Frozen batch norms disappear in the convolution or dense layer before them.

    A frozen norm maps each channel by ``s y + t``, and a convolution gives ``y = k * x + b``, which
    is linear in its kernel: together they are ``(s k) * x + (s b + t)``. That holds at every pixel
    whatever stands at the border, as padding is put around ``x`` and the norm comes behind; a
    padding between the two would be normalised itself, and nothing is folded through it. Where the
    convolution trains, the gradient runs through ``s k``.

    A norm is folded if nothing else reads the convolution's output and no activation lies between.
    The other frozen ones become one multiplication and one addition, or a fused kernel.

    Args:
        model: A functional model, frozen as the phase wants it.
    """
    calls = Calls(model)
    instead: dict[Any, Any] = {}
    made: dict[tuple[int, ...], StandIn] = {}
    for node in calls.nodes:
        if is_one(node, NORM) and not node.operation.trainable and not node.operation.renorm:
            source = calls.before(node)
            layers = [node.operation]
            if source is not None and source not in instead and _takes_in(source, node):
                instead[source] = None
                layers.insert(0, source.operation)
            key = tuple(id(layer) for layer in layers)
            kind = FrozenNorm if len(layers) == 1 else Product
            instead[node] = made.setdefault(key, kind(Recipe.of(*layers)))
    return rebuilt(model, instead)


def fuse_batch_norm(model: KerasModel) -> KerasModel:
    """Batch norms that train on pictures, channels last, become TensorFlow's fused kernel.

    The same result as Keras': outputs, gradients, and moving statistics, whose variance Keras
    averages over n values where the kernel gives n - 1. With a mask, with renorm, synchronised
    over replicas or, where there is a GPU, with an epsilon that cuDNN would raise, a norm stays
    Keras'.

    Args:
        model: A functional model, frozen as the phase wants it.
    """
    made: dict[int, StandIn] = {}
    instead = {
        node: made.setdefault(id(node.operation), TrainingNorm(Recipe.of(node.operation)))
        for node in Calls(model).nodes
        if is_one(node, NORM) and _fits_kernel(node)
    }
    return rebuilt(model, instead)


def _takes_in(source: Any, norm: Any) -> bool:
    """Whether a call is that of a layer whose kernel can hold the norm behind it."""
    layer, axis = source.operation, norm.operation.axis
    return (
        is_one(source, *PRODUCTS)
        and getattr(layer.activation, "__name__", "linear") == "linear"
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and axis in (-1, len(norm.input_tensors[0].shape) - 1)
        and layer.compute_dtype == norm.operation.compute_dtype
    )


def _has_gpu() -> bool:
    return bool(_keras.tf().config.list_physical_devices("GPU"))


def _fits_kernel(node: Any) -> bool:
    norm = node.operation
    return (
        norm.trainable
        and len(node.input_tensors[0].shape) == 4
        and norm.axis in (-1, 3)
        and not norm.renorm
        and not norm.synchronized
        and (norm.epsilon >= SMALLEST_EPSILON or not _has_gpu())
        and norm.compute_dtype != "float64"
    )
