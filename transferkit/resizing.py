"""The same layers, with the same weights, on pictures of another size."""

from __future__ import annotations

from typing import Any

from transferkit import _keras, build
from transferkit._types import KerasModel
from transferkit.errors import BackboneError, explain

__all__ = ["resized"]

keras = _keras.keras()


def resized(network: KerasModel, image_size: tuple[int, int]) -> KerasModel:
    """A network with equal, but own, variables that takes pictures of another size.

    Every layer keeps its configuration, so that a stride of 2 is padded as it was at the size that
    the network was first built for.

    Args:
        network: From pixels to outputs, of whatever size.
        image_size: (height, width) in pixels.

    Returns:
        The network, neither frozen nor compiled.

    Raises:
        BackboneError: If a layer cannot take that size, or holds weights of the old one.
    """
    entry = network.inputs[0]
    shape = (*image_size, int(entry.shape[-1]))
    pixels = keras.Input(shape, dtype=entry.dtype, name=entry._keras_history.operation.name)
    try:
        with build.seeded(0):
            twin = keras.models.clone_model(network, input_tensors=pixels)
    except Exception as error:  # whatever Keras and TensorFlow say of a graph that cannot be
        raise _cannot(network, image_size, _keras.reason_of(error)) from error
    pairs = zip(network.weights, twin.weights, strict=True)
    tied = [own.path for own, new in pairs if own.shape != new.shape]
    if tied:
        raise _cannot(network, image_size, f"{', '.join(tied)} would have another shape")
    _keras.set_weights(twin, network.get_weights())
    return twin


def _cannot(network: KerasModel, image_size: tuple[int, int], why: str) -> BackboneError:
    own: Any = tuple(network.inputs[0].shape[1:3])
    return BackboneError(
        explain(
            "resized",
            f"the network cannot take pictures of {image_size[0]} x {image_size[1]} pixels ({why})",
            expected="a size that every layer can take, and layers whose weights do not depend on "
            "it: a head that pools, no position embeddings",
            received={"image_size": image_size},
            mend=f"image_size={own} is what it was trained at; TransferModel(...).fit("
            f"photos.resized({image_size})) trains another one at that size.",
        )
    )
