"""The files that torchvision publishes, where PyTorch keeps what it has downloaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from transferkit.backbones.weights import unknown_weights
from transferkit.errors import WeightsNotFoundError, did_you_mean, explain

__all__ = ["checkpoints", "published_file"]

URL = "https://download.pytorch.org/models/"


def checkpoints() -> Path:
    """PyTorch's folder of downloaded weights, found the way PyTorch finds it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub/checkpoints"


def published_file(name: str, files: Mapping[str, str], weights: str) -> str:
    """The file of published weights on this machine; nothing is downloaded.

    Args:
        name: The network's full name, for errors.
        files: The published files by the names that ``weights=`` takes.
        weights: One of these names, or ``"pretrained"`` for the first one.

    Raises:
        UnknownNameError: If there are no such weights.
        WeightsNotFoundError: If the file is not there; says where it comes from and belongs.
    """
    asked = next(iter(files), weights) if weights == "pretrained" else weights
    if asked not in files:
        near = did_you_mean(weights, files or ("pretrained",))
        raise unknown_weights(name, weights, expected=near)
    file = checkpoints() / files[asked]
    if not file.is_file():
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"the weights {asked!r} of {name} are not on this machine",
                expected=f"the file {file}",
                received={"weights": weights},
                mend=f"Put {URL}{file.name} into {file.parent} (TORCH_HOME moves that folder), or "
                "pass weights='path/to/file.safetensors', or weights=None to start from random "
                "ones.",
            )
        )
    return str(file)
