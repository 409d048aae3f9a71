"""The manifest: what is in a bundle, and a digest of every part of it.

The digests notice damage: a truncated copy, a flipped bit, a file edited by hand. They are no
signature. Whoever can write the file can write its digests, so they say nothing about who made it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from transferkit._paths import is_inside
from transferkit.bundle.tensors import DTYPES
from transferkit.errors import DamagedBundleError, ForeignBundleError, NewerBundleError, explain

__all__ = ["FORMAT", "SCHEMA", "Manifest", "Member", "TensorEntry", "parse", "versions"]

FORMAT = "transferkit"
SCHEMA = 2
"""The newest: 1 holds a network and its tensors, 2 programs beside them."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEMBER = re.compile(r"network\.json|tensors/[0-9]{5,}\.npy")
_PROGRAM = re.compile(r"programs/([0-9a-f]{64})/(.+)", re.DOTALL)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the network.

    Attributes:
        path: The variable's path in the network that was saved (``"conv/kernel"``).
        shape: Its shape.
        dtype: Its dtype's name, bfloat16 included.
        member: The member that holds it.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    member: str


@dataclass(frozen=True)
class Member:
    """One part of the archive.

    Attributes:
        sha256: The digest of its content, in hexadecimal.
        size: The length of its content.
    """

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> Member:
        """The entry of a member that holds `data`."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True)
class Manifest:
    """What is in a bundle.

    Attributes:
        facts: What the writer of the bundle put beside the network: class names, preprocessing, ...
        versions: What it was written with, by package.
        tensors: The network's weights, in the order of ``network.weights``.
        members: Every other member of the archive, by name.
    """

    facts: Mapping[str, Any]
    versions: Mapping[str, str]
    tensors: tuple[TensorEntry, ...]
    members: Mapping[str, Member]

    @property
    def schema(self) -> int:
        """The version of the format: the oldest one that can say what is in it."""
        return 2 if self.programs else 1

    @property
    def programs(self) -> dict[str, dict[str, str]]:
        """The members of each program by the path of the file, by the program's digest."""
        found: dict[str, dict[str, str]] = {}
        for name in self.members:
            if program := _PROGRAM.fullmatch(name):
                found.setdefault(program[1], {})[program[2]] = name
        return found

    def to_bytes(self) -> bytes:
        """The member ``manifest.json``."""
        document = {
            "format": FORMAT,
            "schema": self.schema,
            "versions": dict(self.versions),
            "facts": dict(self.facts),
            "tensors": [
                {"path": t.path, "shape": list(t.shape), "dtype": t.dtype, "member": t.member}
                for t in self.tensors
            ],
            "members": {
                name: {"sha256": member.sha256, "bytes": member.size}
                for name, member in self.members.items()
            },
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")


def versions(**frameworks: str) -> dict[str, str]:
    """What a bundle is written with: transferkit, Python and the given packages."""
    return {
        "transferkit": metadata.version("transferkit"),
        **frameworks,
        "python": platform.python_version(),
    }


def parse(data: bytes, *, source: str, marked: bool) -> Manifest:
    """Read ``manifest.json``.

    Args:
        data: Its content.
        source: The bundle's path, for the error.
        marked: Whether the archive carries a bundle's mark: a manifest that makes no sense is then
            a damaged one, and otherwise somebody else's.

    Raises:
        ForeignBundleError: If it is some other program's manifest.
        NewerBundleError: If a newer transferkit wrote it.
        DamagedBundleError: If something in it is not as it was written.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        if marked:
            raise damaged(source, f"its manifest is not JSON ({error})") from error
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ForeignBundleError(
            explain(
                "load",
                f"{source!r} is a zip archive, and its manifest.json is not transferkit's",
                expected="a file that trained.save(path) wrote",
                received={"path": source},
            )
        )
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise _newer(document, source)
    try:
        return _manifest(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(source, f"its manifest makes no sense ({error!r})") from error


def damaged(source: str, happened: str) -> DamagedBundleError:
    """The error of a bundle that was truncated or edited."""
    return DamagedBundleError(
        explain(
            "load",
            f"{source!r} is damaged: {happened}",
            expected="the file as trained.save(path) wrote it",
            received={"path": source},
            mend="Copy it again from where it was saved, or save the model again.",
        )
    )


def _newer(document: Mapping[str, Any], source: str) -> NewerBundleError:
    written = document.get("versions")
    by = written.get("transferkit", "unknown") if isinstance(written, dict) else "unknown"
    return NewerBundleError(
        explain(
            "load",
            f"{source!r} was written by transferkit {by}, which is newer than this one",
            expected=f"bundle schema {SCHEMA} or older",
            received={"schema": document["schema"], "transferkit": metadata.version("transferkit")},
            mend="pip install --upgrade transferkit",
        )
    )


def _manifest(document: Mapping[str, Any]) -> Manifest:
    if not isinstance(document["facts"], dict):
        raise ValueError("facts")
    members = {name: _member(name, entry) for name, entry in document["members"].items()}
    tensors = tuple(_tensor(entry, members) for entry in document["tensors"])
    listed = {entry.member for entry in tensors}
    written = {str(name): str(version) for name, version in document["versions"].items()}
    manifest = Manifest(document["facts"], written, tensors, members)
    others = {name for files in manifest.programs.values() for name in files.values()}
    if len(listed) != len(tensors) or members.keys() - others != listed | {"network.json"}:
        raise ValueError("tensors and members disagree")
    if document["schema"] != manifest.schema:
        raise ValueError("schema")
    return manifest


def _member(name: str, entry: Mapping[str, Any]) -> Member:
    sha256, size = entry["sha256"], entry["bytes"]
    program = _PROGRAM.fullmatch(name)
    known = is_inside(program[2]) if program else _MEMBER.fullmatch(name)
    if not known or not _SHA256.fullmatch(sha256) or not _is_count(size):
        raise ValueError(f"member {name!r}")
    return Member(sha256, size)


def _tensor(entry: Mapping[str, Any], members: Mapping[str, Member]) -> TensorEntry:
    path, shape, dtype, member = (entry[key] for key in ("path", "shape", "dtype", "member"))
    fits = isinstance(path, str) and dtype in DTYPES and member in members
    if not fits or not isinstance(shape, list) or not all(_is_count(side) for side in shape):
        raise ValueError(f"tensor {entry!r}")
    return TensorEntry(path, tuple(shape), dtype, member)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
