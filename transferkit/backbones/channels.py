"""Trained weights for pictures of another number of channels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import graph
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.weights import is_path
from transferkit.errors import BackboneError, WeightsError, explain

__all__ = ["copy_weights", "fit_channels"]

Shape = tuple[int, int, int]
Filled = tuple[KerasModel, Preprocessing]

_CHANNEL_BY_CHANNEL = frozenset(
    {
        *("InputLayer", "Identity", "Cast", "Rescaling", "Normalization", "Resizing"),
        *("ZeroPadding2D", "Cropping2D", "UpSampling2D", "AveragePooling2D", "MaxPooling2D"),
        *("Activation", "ReLU", "Dropout", "GaussianNoise", "GaussianDropout"),
        *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Negative"),
    }
)
"""Kinds of layers and operations that leave each channel where it is."""


def fit_channels(
    fill: Callable[[Shape, str | None], Filled],
    shape: Shape,
    weights: str | None,
    *,
    own: int = 3,
) -> Filled:
    """A network with its weights in it, for pictures of any number of channels.

    Args:
        fill: Makes the network on preprocessed pixels of a shape, with weights or, for None, with
            random ones, and says which preprocessing these want.
        shape: (height, width, channels) of the pictures.
        weights: As for `fill`. A file may be of just that many channels.
        own: How many channels the weights are of else; see `copy_weights`.

    Returns:
        The network and its preprocessing. It takes three channels where `network.assemble` has to
        show grey three times, as the preprocessing does not treat channels alike.

    Raises:
        BackboneError: If they do not fit; see `copy_weights`.
    """
    height, width, channels = shape
    if weights is None or channels == own:
        return fill(shape, weights)
    if is_path(weights):
        with contextlib.suppress(WeightsError):
            return fill(shape, weights)
    trained, rule = fill((height, width, own), weights)
    if (channels, own) == (1, 3) and not rule.is_uniform:
        return trained, rule
    adapted, _ = fill(shape, None)
    copy_weights(trained, adapted)
    return adapted, rule


def copy_weights(source: KerasModel, target: KerasModel) -> None:
    """Copy a network's weights into a twin that may take another number of channels.

    The kernel of its first convolution is then summed over its channels for one; else these are
    taken in a circle and scaled by own / n, so that the mean activation stays.

    Raises:
        BackboneError: If anything but the kernel of one convolution on the pixels differs.
    """
    values = [np.asarray(weight) for weight in source.weights]
    wanted = [tuple(weight.shape) for weight in target.weights]
    differing = [i for i, value in enumerate(values) if value.shape != wanted[i]]
    if differing:
        channels = int(target.inputs[0].shape[-1])
        place = differing[0]
        kernel = source.weights[place]
        shape = (*kernel.shape[:2], channels, *kernel.shape[3:])
        fits = len(differing) == 1 and wanted[place] == shape
        if not (fits and _reads_pixels(kernel, source, target)):
            raise BackboneError(
                explain(
                    "load",
                    f"the weights of {source.name} cannot be carried over to this shape",
                    expected="a network in which one convolution reads the pixels, and pictures of "
                    f"the shape {tuple(source.inputs[0].shape[1:])}",
                    received={"differing": [source.weights[i].path for i in differing]},
                    mend="weights=None starts from random ones.",
                )
            )
        values[place] = _fit_kernel(values[place], channels)
    _keras.set_weights(target, values)


def _reads_pixels(kernel: Any, source: KerasModel, target: KerasModel) -> bool:
    """Whether it is a convolution's whose every input channel is the same one of the pixels."""
    if kernel.shape[2] != source.inputs[0].shape[-1]:
        return False
    owners = [
        layer.name
        for layer in source._flatten_layers()
        if type(layer).__name__ == "Conv2D"
        if any(kernel is weight for weight in layer.weights)
    ]
    return bool(owners) and graph.kinds_before(target, owners[0]) <= _CHANNEL_BY_CHANNEL


def _fit_kernel(kernel: np.ndarray[Any, Any], channels: int) -> np.ndarray[Any, Any]:
    given = kernel.shape[2]
    if channels == 1:
        return np.asarray(kernel.sum(axis=2, keepdims=True))
    return np.asarray(kernel[:, :, np.arange(channels) % given] * (given / channels))
