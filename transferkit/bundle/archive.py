"""The archive: a zip without compression, opened with suspicion.

Nothing in it is compressed (trained weights do not compress), so a member is never larger than its
share of the file, and the sizes are compared before anything is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from transferkit._types import PathLike
from transferkit.bundle.manifest import Manifest, Member, damaged, parse
from transferkit.errors import (
    BundleNotFoundError,
    ForeignBundleError,
    did_you_mean,
    explain,
)

__all__ = ["Archive", "Writer", "opened"]

MANIFEST = "manifest.json"
NETWORK = "network.json"

_MARK = b"transferkit bundle, sha256 of manifest.json: "
_MOST_JSON = 256 * 2**20
# What zipfile raises where the archive's tables are wrong (OSError: where they point outside).
_BROKEN = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class Writer:
    """Writes the members of a bundle; the same members give the same bytes.

    Use it in a ``with`` statement, so that it lets go of the file even if writing fails.

    Args:
        file: A new file that can seek.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # After a failure this fails again; left open, the archive would try once more when it is
        # collected, with the file gone.
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()

    def add(self, name: str, *parts: Any) -> None:
        """Write a member from its parts (bytes, or flat uint8 arrays)."""
        info = zipfile.ZipInfo(name)  # its time is 1980 for every file: no clock in the bytes
        info.create_system, info.external_attr = 3, 0o644 << 16
        info.file_size = sum(len(part) for part in parts)
        digest = hashlib.sha256()
        with self._zip.open(info, "w") as member:
            for part in parts:
                digest.update(part)
                member.write(part)
        self.members[name] = Member(digest.hexdigest(), info.file_size)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and close the archive."""
        data = manifest.to_bytes()
        self.add(MANIFEST, data)
        self._zip.comment = _MARK + Member.of(data).sha256.encode()
        self._zip.close()


@dataclass(frozen=True)
class Archive:
    """An open bundle whose list of members has been checked.

    Attributes:
        source: Its path.
        manifest: What is in it.
    """

    source: str
    manifest: Manifest
    _zip: zipfile.ZipFile

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            DamagedBundleError: If it is not what the manifest says.
        """
        data = _content(self._zip, self._zip.getinfo(name), self.source)
        if Member.of(data) != self.manifest.members[name]:
            raise damaged(self.source, f"the member {name!r} is not what was written")
        return data


@contextlib.contextmanager
def opened(path: PathLike) -> Iterator[Archive]:
    """Open a bundle, read its manifest and compare its list of members with it.

    Raises:
        BundleNotFoundError: If there is no such file.
        ForeignBundleError: If it is something else than a bundle.
        NewerBundleError: If a newer transferkit wrote it.
        DamagedBundleError: If it was truncated or edited.
    """
    source = os.fspath(path)
    with _open(Path(path)) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise damaged(
                source, f"the end of the archive is missing or wrong ({error})"
            ) from error
        with archive:
            yield Archive(source, _checked_manifest(archive, source), archive)


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        what = "a SavedModel folder" if (path / "saved_model.pb").exists() else "a folder"
        raise _foreign(str(path), what)
    try:
        file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_found(path) from error
    start = file.read(8)
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return file
    file.close()
    if not start:
        raise damaged(str(path), "it is empty")
    hdf5 = start.startswith(b"\x89HDF\r\n\x1a\n")
    raise _foreign(str(path), "an HDF5 file (.h5)" if hdf5 else "no zip archive")


def _checked_manifest(archive: zipfile.ZipFile, source: str) -> Manifest:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    marked = archive.comment.startswith(_MARK)
    if MANIFEST not in names:
        if marked:
            raise damaged(source, f"the member {MANIFEST!r} is missing")
        raise _foreign(source, _kind_of_zip(names))
    info = archive.getinfo(MANIFEST)
    if not marked and _is_odd(info):
        raise _foreign(source, "a zip archive of another program")
    data = _content(archive, info, source)
    manifest = parse(data, source=source, marked=marked)
    if archive.comment != _MARK + Member.of(data).sha256.encode():
        raise damaged(source, f"the member {MANIFEST!r} is not what was written")
    _check_members(infos, manifest, source)
    return manifest


def _check_members(infos: list[zipfile.ZipInfo], manifest: Manifest, source: str) -> None:
    names = [info.filename for info in infos]
    expected = {MANIFEST, *manifest.members}
    twice = (
        sorted({name for name in names if names.count(name) > 1})
        if len(set(names)) < len(names)
        else []
    )
    if twice:
        raise damaged(source, f"the member {twice[0]!r} is there twice")
    if set(names) != expected:
        wrong = min(set(names) ^ expected)
        raise damaged(
            source,
            f"the member {wrong!r} is " + ("missing" if wrong in expected else "in no list of it"),
        )
    for info in infos:
        listed = manifest.members.get(info.filename)
        if listed is not None and listed.size != info.file_size:
            raise damaged(source, f"the member {info.filename!r} has the wrong length")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str) -> bytes:
    if _is_odd(info):
        raise damaged(source, f"the member {info.filename!r} is compressed, encrypted or too large")
    try:
        return archive.read(info)
    except _BROKEN as error:
        raise damaged(source, f"the member {info.filename!r} cannot be read ({error})") from error


def _is_odd(info: zipfile.ZipInfo) -> bool:
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    too_large = info.filename.endswith(".json") and info.file_size > _MOST_JSON
    return not stored or bool(info.flag_bits & 1) or too_large


def _kind_of_zip(names: list[str]) -> str:
    if {"config.json", "model.weights.h5"} <= set(names):
        return "a Keras file (.keras)"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy file (.npz)"
    return "a zip archive of another program"


def _foreign(source: str, what: str) -> ForeignBundleError:
    mend = "keras.saving.load_model(path) opens it." if "Keras" in what else None
    return ForeignBundleError(
        explain(
            "load",
            f"{source!r} is {what}, not a transferkit bundle",
            expected="a file that trained.save(path) wrote",
            received={"path": source},
            mend=mend,
        )
    )


def _not_found(path: Path) -> BundleNotFoundError:
    folder = path.parent
    if folder.is_dir():
        beside = [entry.name for entry in folder.iterdir() if entry.is_file()]
        expected = did_you_mean(path.name, beside) if beside else "a file, and its folder is empty"
    else:
        expected = f"a folder {str(folder)!r}, and there is none"
    return BundleNotFoundError(
        explain(
            "load",
            f"there is no file {str(path)!r}",
            expected=expected,
            received={"path": str(path)},
        )
    )
