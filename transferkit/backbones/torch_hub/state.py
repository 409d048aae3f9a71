"""State dicts: tensors by name, from a ``.safetensors`` file or one that PyTorch wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit import _optional
from transferkit.backbones.torch_hub import safetensors
from transferkit.backbones.weights import found
from transferkit.errors import MissingExtraError, WeightsError, explain

__all__ = ["ENDINGS", "StateDict", "from_torch", "read", "torch_for"]

Array = np.ndarray[Any, Any]
StateDict = Mapping[str, Array]

SAFETENSORS = ".safetensors"
PICKLES = (".pth", ".pt", ".bin")
ENDINGS = (SAFETENSORS, *PICKLES)
OLDEST = (2, 6)
"""Before PyTorch 2.6 ``weights_only=True`` could be talked into running code (CVE-2025-32434)."""


def read(path: str) -> StateDict:
    """The tensors of a file, by name; nothing in it is run.

    Args:
        path: A ``.safetensors`` file, or a ``.pth``, ``.pt`` or ``.bin`` file of PyTorch, which is
            read by PyTorch with ``weights_only=True`` and never otherwise.

    Raises:
        WeightsNotFoundError: If there is no such file.
        MissingExtraError: If it is PyTorch's and PyTorch is not installed, or is older than 2.6.
        WeightsError: If it is no state dict.
    """
    file = found(path, expected="a .safetensors or .pth file")
    if path.endswith(SAFETENSORS):
        return safetensors.read(file)
    torch = torch_for(f"weights={path!r}")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a stranger's bytes lead to
        raise WeightsError(
            explain(
                "weights",
                f"{file.name} cannot be read without running what is in it "
                f"({type(error).__name__}: {_first_line(error)})",
                expected="a state dict: tensors by name, as torch.save(net.state_dict(), path) has",
                received={"weights": path},
                mend="Have its author save the state dict alone, as .safetensors for preference.",
            )
        ) from error
    return from_torch(content, of=file.name)


def from_torch(content: object, *, of: str) -> StateDict:
    """A state dict of PyTorch's as NumPy arrays.

    Args:
        content: What ``torch.load`` or ``net.state_dict()`` gave.
        of: Where it comes from, for the error.

    Raises:
        WeightsError: If it is no mapping from names to tensors.
    """
    named = content if isinstance(content, Mapping) else {}
    odd = [str(name) for name, value in named.items() if not hasattr(value, "detach")]
    if not named or odd:
        held = f"it holds {', '.join(odd[:3])}" if odd else f"it is a {type(content).__name__}"
        raise WeightsError(
            explain(
                "weights",
                f"{of} is no state dict: {held}",
                expected="tensors by name",
                received={"weights": of},
                mend="torch.save(checkpoint['state_dict'], 'weights.pth') takes one out of a "
                "checkpoint.",
            )
        )
    return {str(name): _array(value) for name, value in named.items()}


def torch_for(purpose: str) -> Any:
    """PyTorch, for what cannot do without it.

    Raises:
        MissingExtraError: If it is not installed, or older than 2.6.
    """
    torch = _optional.require("torch", extra="torch", needed_for=purpose)
    version = str(torch.__version__)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise MissingExtraError(
            explain(
                purpose,
                f"PyTorch {version} can be made to run code by a file of weights",
                expected="PyTorch 2.6 or newer",
                mend="pip install --upgrade 'transferkit[torch]'",
            )
        )
    return torch


def _array(tensor: Any) -> Array:
    plain = tensor.detach().cpu()
    wide = plain.float() if plain.is_floating_point() else plain
    return np.asarray(wide.numpy())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")
