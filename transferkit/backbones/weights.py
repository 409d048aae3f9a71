"""Where weights come from: a name that Keras knows, or a file."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.errors import (
    UnknownNameError,
    WeightsError,
    WeightsNotFoundError,
    did_you_mean,
    explain,
)

__all__ = ["found", "is_path", "keras_home", "load_file", "load_named", "unknown_weights"]

_KERAS = (".weights.h5", ".h5", ".keras")
_TORCH = (".safetensors", ".pth", ".pt", ".bin")
_ENDINGS = (*_KERAS, *_TORCH)
_KEPT = 128 * 2**20
"""Bytes of a file's numbers that are kept: the trials of a search read one file over and over."""
_last: dict[tuple[object, ...], list[np.ndarray[Any, Any]]] = {}
"""The numbers of the file that was read last, by what it was and what it was read into."""


def is_path(weights: str) -> bool:
    """True if `weights` is a file rather than a name."""
    return weights.endswith(_ENDINGS) or os.sep in weights


def keras_home() -> Path:
    """The folder that Keras downloads into, read the way Keras reads it."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def found(path: str, *, expected: str = "a .weights.h5, .h5 or .keras file") -> Path:
    """A weight file that is there; asked before a network is built for it.

    Args:
        path: The file.
        expected: What it is to be, for the error.

    Raises:
        WeightsNotFoundError: If there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"there is no file {str(file)!r}",
                expected=expected,
                received={"weights": path},
                mend=_neighbours(file),
            )
        )
    return file


def load_file(network: KerasModel, path: str) -> None:
    """Load a weight file into a bare network.

    A ``.keras`` archive gives its weights only; its configuration is never deserialised, because
    that would run what it names. The file that was read last is not read again, unless it changed.

    Args:
        network: The bare network, built.
        path: A ``.weights.h5``, ``.h5`` or ``.keras`` file.

    Raises:
        WeightsNotFoundError: If there is no such file.
        WeightsError: If it is not a weight file of this network.
    """
    file = found(path)
    key = _identity(network, file)
    if key in _last:
        _keras.set_weights(network, _last[key])
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a file with a top fits a network without
            network.load_weights(str(file))
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            explain(
                "weights",
                f"{file.name} does not fit {network.name}: {reason}",
                expected=f"a weight file of {network.name} with {len(network.weights)} tensors",
                received={"weights": path},
                mend=_mend(file),
            )
        ) from error
    _last.clear()
    if sum(_nbytes(each) for each in network.weights) <= _KEPT:
        _last[key] = [np.array(each) for each in network.get_weights()]


def _identity(network: KerasModel, file: Path) -> tuple[object, ...]:
    """What was read, and into what."""
    seen = file.stat()
    state = seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
    into = ((each.path, tuple(each.shape), str(each.dtype)) for each in network.weights)
    return (str(file.resolve()), *state, *into)


def _nbytes(weight: Any) -> int:
    size: int = _keras.tf().as_dtype(weight.dtype).size
    return int(math.prod(weight.shape)) * size


def _mend(file: Path) -> str:
    if file.name.endswith(".h5") and not file.name.endswith(".weights.h5"):
        return (
            "A .h5 file with a top fits tk.backbones.classifier only; save it as .weights.h5. "
            "weights=None starts from random weights."
        )
    return "weights=None starts from random weights."


def load_named(
    make: Callable[[], Any], *, name: str, weights: str, known: tuple[str, ...], file_name: str
) -> Any:
    """Let Keras find, or download, the weights it knows under a name.

    Args:
        make: Calls the Keras constructor.
        name: The backbone's name, for errors.
        weights: The name that was asked for.
        known: The names there are.
        file_name: The file that Keras looks for.

    Raises:
        UnknownNameError: If no such weights are known.
        WeightsNotFoundError: If the file is neither there nor to be had; it says where to put it.
    """
    if weights not in known:
        raise unknown_weights(name, weights, expected=did_you_mean(weights, known))
    wanted = keras_home() / "models" / file_name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of sizes it was not trained at
            return make()
    except Exception as error:
        # Keras raises a bare Exception when a download fails; anything else is a bad file.
        if "fetch failure" not in str(error) and wanted.is_file():
            raise WeightsError(
                explain(
                    "weights",
                    f"{wanted} does not fit {name}: {error}",
                    expected="the file as Keras publishes it",
                    received={"weights": weights},
                    mend=f"Delete {wanted} and try again.",
                )
            ) from error
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"the ImageNet weights of {name} are not on this machine and cannot be downloaded",
                expected=f"the file {wanted}",
                received={"weights": weights},
                mend=(
                    f"Put {file_name} into {wanted.parent} (KERAS_HOME moves that folder), or pass "
                    "weights='path/to/file.weights.h5', or weights=None to start from random ones."
                ),
            )
        ) from error


def unknown_weights(
    name: str, weights: str, *, expected: str, file: str = "a weight file"
) -> UnknownNameError:
    """The error for a name of weights that a backbone does not have.

    Args:
        name: The backbone's name.
        weights: What was asked for.
        expected: The names there are.
        file: What a path may lead to.
    """
    return UnknownNameError(
        explain(
            "weights",
            f"{name} has no weights called {weights!r}",
            expected=f"{expected}, None, or a path to {file}",
            received={"weights": weights},
        )
    )


def _neighbours(file: Path) -> str | None:
    folder = file.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either."
    near = sorted(p.name for p in folder.iterdir() if p.name.endswith(_ENDINGS))[:5]
    return f"In that folder: {', '.join(near)}." if near else None
