"""Writes a network with its facts into one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel, PathLike
from transferkit.bundle import config as configs
from transferkit.bundle import tensors
from transferkit.bundle.archive import NETWORK, Writer
from transferkit.bundle.atomic import replacing
from transferkit.bundle.manifest import Manifest, TensorEntry, versions
from transferkit.bundle.rules import WritingRules
from transferkit.errors import SaveError, explain

__all__ = ["write"]

_NONE: Mapping[str, Mapping[str, Path]] = MappingProxyType({})


def write(
    path: PathLike,
    network: KerasModel,
    facts: Mapping[str, Any],
    *,
    programs: Mapping[str, Mapping[str, Path]] = _NONE,
) -> None:
    """Write a network and its facts into one file.

    The file appears whole or not at all: an old one stays until the new one is complete. The same
    network and facts give the same bytes, on any day.

    Stored are ``network.weights`` in their order: kernels, biases and BatchNormalization's moving
    statistics. Not stored are the states of random seeds, the optimizer and metrics.

    Args:
        path: Where to; customarily ``.tkm``. Its folder has to exist.
        network: A built functional or sequential ``keras.Model``.
        facts: What belongs to it: mappings with text as keys, lists, texts, numbers, booleans and
            None, nested as you like.
        programs: The files of each program that its layers run, by their path below the program's
            folder, by the program's digest.

    Raises:
        SaveError: If it cannot be written, or could not be loaded again.
    """
    target = str(path)
    entry = json.loads(_json(_serialized(network, target), target, "network"))
    description = _json(configs.clean(entry, WritingRules(target)), target, "network")
    weights = _weights(network, target)
    _check_keys(facts, target)
    needed = sum(_size(weight) + 512 for weight in weights) + len(description)
    needed += len(_json(dict(facts), target, "facts"))
    files = {
        f"programs/{digest}/{name}": file
        for digest, folder in programs.items()
        for name, file in folder.items()
    }
    needed += sum(file.stat().st_size + 512 for file in files.values())
    with replacing(path, needed=needed) as file, Writer(file) as writer:
        listed = tuple(_add(writer, index, weight) for index, weight in enumerate(weights))
        writer.add(NETWORK, description)
        for member, source in files.items():
            writer.add(member, _content(source))
        frameworks = {
            "keras": str(_keras.keras().__version__),
            "tensorflow": str(_keras.tf().__version__),
            "numpy": np.__version__,
        }
        writer.finish(Manifest(facts, versions(**frameworks), listed, dict(writer.members)))


def _serialized(network: KerasModel, target: str) -> Any:
    keras = _keras.keras()
    if isinstance(network, keras.Model) and network.built:
        try:
            entry = keras.saving.serialize_keras_object(network)
        except NotImplementedError:  # a subclass that does not say how it was made
            entry = {}
        if isinstance(entry.get("config"), dict) and "layers" in entry["config"]:
            return entry
    raise SaveError(
        explain(
            "save",
            "the network is not a built functional or sequential model",
            expected="a network whose layers are known without calling it",
            received={"network": type(network).__name__, "path": target},
            mend="keras.Model(inputs, outputs) makes one.",
        )
    )


def _weights(network: KerasModel, target: str) -> list[Any]:
    keras = _keras.keras()
    for weight in network.weights:
        if keras.backend.standardize_dtype(weight.dtype) not in tensors.DTYPES:
            raise SaveError(
                explain(
                    "save",
                    f"the weight {weight.path!r} is of a dtype that a bundle cannot hold",
                    expected="one of " + ", ".join(sorted(tensors.DTYPES)),
                    received={"dtype": str(weight.dtype), "path": target},
                )
            )
    return list(network.weights)


def _add(writer: Writer, index: int, weight: Any) -> TensorEntry:
    array = np.asarray(weight.value)
    member = f"tensors/{index:05d}.npy"
    writer.add(member, *tensors.encode(array))
    return TensorEntry(weight.path, tuple(array.shape), array.dtype.name, member)


def _content(file: Path) -> Any:
    """A file's bytes, mapped: it may be as large as the network."""
    return np.memmap(file, np.uint8, "r") if file.stat().st_size else b""


def _size(weight: Any) -> int:
    name = _keras.keras().backend.standardize_dtype(weight.dtype)
    return int(np.prod(weight.shape, dtype=object)) * tensors.stored_dtype(name).itemsize


def _json(value: Any, target: str, what: str) -> bytes:
    try:
        # Names of files that are not UTF-8 hold surrogates; JSON readers of Python take them back.
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        raise SaveError(
            explain(
                "save",
                f"the {what} cannot be written as JSON ({error})",
                expected="mappings, lists, texts, numbers, booleans and None",
                received={"path": target},
            )
        ) from error


def _check_keys(value: Any, target: str) -> None:
    # json.dumps would turn the key 1 into "1" without a word.
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise SaveError(
                    explain(
                        "save",
                        "the facts have a key that is not text",
                        expected="mappings with text as keys",
                        received={"key": key, "path": target},
                    )
                )
            _check_keys(item, target)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item, target)
