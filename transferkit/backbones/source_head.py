"""The source head: the layer that turns a network's averaged features into its own classes."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit._types import KerasModel, Tensor
from transferkit.backbones import classifier, find
from transferkit.backbones.weights import found
from transferkit.errors import BackboneError, SpecError, WeightsError, WeightsNotFoundError, explain

__all__ = ["SourceHead", "source_head"]

Array = np.ndarray[Any, Any]
TABLE = ".npz"
_BEHIND = ("Activation", "Softmax", "Reshape", "Flatten")


@dataclass(frozen=True, eq=False)
class SourceHead:
    """``features @ kernel + bias`` are the logits of the source's classes.

    Attributes:
        kernel: float32 (channels, source classes).
        bias: float32 (source classes,).
    """

    kernel: Array
    bias: Array


def source_head(name: str, weights: str, *, verb: str) -> SourceHead:
    """Read the source head of a backbone.

    Args:
        name: The backbone, ``source:name``.
        weights: A name of weights (``"imagenet"``), a weight file of a network of ``keras:`` with
            its top, or for any backbone an ``.npz`` file that holds `kernel` and `bias`.
        verb: The call the user typed, for errors.

    Raises:
        WeightsNotFoundError: If there is no such file.
        WeightsError: If the file has no top, or holds no kernel and bias that fit each other.
        SpecError: If the backbone is none of ``keras:``, and `weights` no ``.npz`` file.
        BackboneError: If there is more between features and classes than one linear layer.
    """
    if weights.endswith(TABLE):
        return _from_table(weights, verb)
    if not name.startswith("keras:"):
        raise SpecError(
            explain(
                verb,
                f"the source head of {name} cannot be read from {weights!r}",
                expected="an .npz file: only networks of keras: have a top that is known",
                received={"head": weights},
                mend="np.savez('head.npz', kernel=kernel, bias=bias), and head='head.npz'",
            )
        )
    top = _linear_top(_network(name, weights, verb))
    if top is None:
        raise BackboneError(
            explain(
                verb,
                f"the top of {name} is more than one linear layer on averaged features",
                expected="a network as keras:ResNet50, keras:MobileNetV2 or keras:EfficientNetB0",
                received={"backbone": name},
            )
        )
    channels, classes = top.kernel.shape[-2:]  # MobileNet's is a convolution of one place
    kernel = np.asarray(top.kernel, np.float32).reshape(channels, classes)
    bias = np.asarray(top.bias if top.use_bias else np.zeros(classes), np.float32)
    return SourceHead(kernel, bias)


def _network(name: str, weights: str, verb: str) -> KerasModel:
    """The whole network with its top."""
    try:
        return classifier(":".join(find(name)), weights=weights)
    except (WeightsError, WeightsNotFoundError) as error:
        raise type(error)(
            explain(
                verb,
                f"the source head of {name} cannot be read ({error})",
                expected="weights with a top",
                received={"head": weights},
                mend=f"tk.objectives.{verb}(head='with_top.weights.h5') names a file with a top.",
            )
        ) from error


def _linear_top(network: KerasModel) -> Any:
    """The one layer between the averaged features and the end; None if it is not so."""
    read = _before(network.outputs[0], _BEHIND)
    top = _maker(read)
    kind = type(top).__name__
    if kind != "Dense" and not (kind == "Conv2D" and tuple(top.kernel_size) == (1, 1)):
        return None
    below = _before(_input(read), ("Dropout",))
    return top if type(_maker(below)).__name__ == "GlobalAveragePooling2D" else None


def _before(tensor: Tensor, kinds: Collection[str]) -> Tensor:
    """The tensor before layers of some kinds."""
    while type(_maker(tensor)).__name__ in kinds:
        tensor = _input(tensor)
    return tensor


def _maker(tensor: Tensor) -> Any:
    return tensor._keras_history.operation


def _input(tensor: Tensor) -> Tensor:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors[0]


def _from_table(path: str, verb: str) -> SourceHead:
    file = found(path, expected="an .npz file that holds kernel and bias")
    try:
        with np.load(file, allow_pickle=False) as table:
            kernel, bias = (np.asarray(table[key], np.float32) for key in ("kernel", "bias"))
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise _no_table(path, verb, f"it holds no kernel and bias ({error})") from error
    if kernel.ndim != 2 or bias.shape != (kernel.shape[-1],):
        shapes = f"kernel {kernel.shape} and bias {bias.shape}"
        raise _no_table(path, verb, f"{shapes} do not fit each other")
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise _no_table(path, verb, "its numbers are not all finite")
    return SourceHead(kernel, bias)


def _no_table(path: str, verb: str, happened: str) -> WeightsError:
    return WeightsError(
        explain(
            verb,
            f"{path} is no source head: {happened}",
            expected="kernel (channels, source classes) and bias (source classes,)",
            received={"head": path},
            mend="np.savez('head.npz', kernel=kernel, bias=bias)",
        )
    )
