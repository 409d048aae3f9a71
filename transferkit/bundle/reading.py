"""Makes a network again from the file it was written to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, PathLike
from transferkit.bundle import config as configs
from transferkit.bundle import tensors
from transferkit.bundle.archive import NETWORK, Archive, opened
from transferkit.bundle.manifest import Manifest, TensorEntry, damaged
from transferkit.bundle.rules import ReadingRules

__all__ = ["Bundle", "read", "read_manifest"]


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds.

    Attributes:
        network: A ``keras.Model`` with its weights, not compiled, computing in float32.
        facts: What was written beside it.
        versions: What it was written with, by package.
    """

    network: KerasModel
    facts: dict[str, Any]
    versions: dict[str, str]


def read_manifest(path: PathLike) -> Manifest:
    """Look inside a bundle without TensorFlow.

    The manifest is checked, and the list of members with their lengths; the tensors are not read.

    Raises:
        BundleNotFoundError: If there is no such file.
        ForeignBundleError: If it is something else than a bundle.
        NewerBundleError: If a newer transferkit wrote it.
        DamagedBundleError: If it was truncated or edited.
    """
    with opened(path) as archive:
        return archive.manifest


def read(
    path: PathLike,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    own_objects: Mapping[str, Any] | None = None,
) -> Bundle:
    """Make the network of a bundle again.

    Every class that the file names is compared with a list before Keras sees any of it; nothing in
    the file is unpickled, evaluated or imported.

    Args:
        path: The file.
        custom_objects: Classes and functions of yours that the network uses, by name.
        own_objects: transferkit's own layers by registered name (``"transferkit>Name"``).

    Raises:
        BundleNotFoundError: If there is no such file.
        ForeignBundleError: If it is something else than a bundle.
        NewerBundleError: If a newer transferkit wrote it.
        UnsafeBundleError: If the network names a class that is on no list.
        DamagedBundleError: If the file was truncated or edited, or its network and its tensors do
            not fit each other.
    """
    with opened(path) as archive:
        rules = ReadingRules(
            archive.source,
            own_objects or {},
            custom_objects or {},
            frozenset(_keras.keras().saving.get_custom_objects()),
        )
        network = _network(archive, rules)
        _fill(network, archive)
    manifest = archive.manifest
    return Bundle(network, dict(manifest.facts), dict(manifest.versions))


def _network(archive: Archive, rules: ReadingRules) -> KerasModel:
    text = archive.read(NETWORK)
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(archive.source, f"its network is not JSON ({error})") from error
    cleaned = configs.clean(entry, rules)
    try:
        network = _keras.keras().saving.deserialize_keras_object(
            cleaned, custom_objects=rules.objects, safe_mode=True
        )
    except Exception as error:
        written = archive.manifest.versions.get("keras", "unknown")
        running = _keras.keras().__version__
        raise damaged(
            archive.source,
            f"Keras {running} cannot make its network, written with Keras {written} ({error})",
        ) from error
    if not isinstance(network, _keras.keras().Model):
        raise damaged(archive.source, "its network is no keras.Model")
    return network


def _fill(network: KerasModel, archive: Archive) -> None:
    weights, listed = network.weights, archive.manifest.tensors
    if len(weights) != len(listed):
        raise damaged(
            archive.source,
            f"its network has {len(weights)} weights and the file {len(listed)} tensors",
        )
    for weight, entry in zip(weights, listed, strict=True):
        if _stem(weight.path) != _stem(entry.path) or tuple(weight.shape) != entry.shape:
            raise damaged(
                archive.source,
                f"the tensor {entry.path!r} {entry.shape} does not fit the weight "
                f"{weight.path!r} {tuple(weight.shape)}",
            )
    _keras.set_weights(network, (_tensor(archive, entry) for entry in listed))


def _tensor(archive: Archive, entry: TensorEntry) -> tensors.Array:
    data = archive.read(entry.member)
    try:
        return tensors.decode(data, shape=entry.shape, dtype=entry.dtype)
    except ValueError as error:
        raise damaged(
            archive.source, f"the tensor {entry.path!r} cannot be read ({error})"
        ) from error


def _stem(path: str) -> str:
    # Keras numbers what was given no name ("dense_7/kernel"), and counts anew in every process.
    return re.sub(r"_[0-9]+$", "", path.rpartition("/")[2])
