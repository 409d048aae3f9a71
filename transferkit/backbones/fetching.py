"""Files from elsewhere: downloaded and unpacked whole or not at all, within limits."""

from __future__ import annotations

import hashlib
import http.client
import os
import secrets
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

from transferkit._paths import is_inside
from transferkit._text import byte_size
from transferkit.errors import BackboneError, WeightsNotFoundError, explain

__all__ = ["check_sha256", "digest_of", "fetch", "unpack"]

_PIECE = 2**20
_PATIENCE = 60.0
"""Seconds without a byte after which a server is given up."""


def fetch(url: str, *, into: Path, limit_bytes: int, sha256: str | None = None) -> Path:
    """Download one file; what is there already is not downloaded again.

    Args:
        url: ``http://``, ``https://`` or ``file://``.
        into: The file to write; its folder is made. It appears whole or not at all.
        limit_bytes: What is larger is given up as soon as that is known.
        sha256: The digest that the file has to have, in hexadecimal; None for any.

    Returns:
        `into`.

    Raises:
        WeightsNotFoundError: If it cannot be downloaded; says where to put it by hand.
        BackboneError: If it is too large, or has another digest.
    """
    if into.is_file():
        check_sha256(into, sha256)
        return into
    into.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(into)
    try:
        _download(url, temporary, into, limit_bytes)
        check_sha256(temporary, sha256, called=url)
        os.replace(temporary, into)
    finally:
        temporary.unlink(missing_ok=True)
    return into


def _beside(into: Path) -> Path:
    """Where something is made before it takes its place."""
    return into.with_name(f".{into.name[:40]}.{secrets.token_hex(4)}.tmp")


def digest_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_sha256(file: Path, sha256: str | None, *, called: str | None = None) -> None:
    """Refuse a file with another digest.

    Args:
        file: The file.
        sha256: What it should be, in hexadecimal; None for anything.
        called: What to call the file in the error; by default its path.

    Raises:
        BackboneError: If it is another one.
    """
    if sha256 is None or (found := digest_of(file)) == sha256.lower():
        return
    raise BackboneError(
        explain(
            "fetch",
            f"{called or file} is not the file that was meant: its SHA-256 is {found}",
            expected=f"sha256={sha256!r}",
            received={"file": called or str(file)},
            mend="Ask who gave you the digest"
            + ("." if called else f", or delete {file} to have it downloaded again."),
        )
    )


def _download(url: str, temporary: Path, into: Path, limit: int) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "transferkit"})
    try:
        with (
            urllib.request.urlopen(request, timeout=_PATIENCE) as answer,
            temporary.open("wb") as file,
        ):
            announced = int(answer.headers.get("Content-Length") or 0)
            _check_size(url, announced, limit)
            written = 0
            while piece := answer.read(_PIECE):
                written += len(piece)
                _check_size(url, written, limit)
                file.write(piece)
        if written < announced:
            raise OSError(f"{written} of {announced} bytes came")
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, BackboneError):
            raise
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection, and tracebacks hold it
        raise WeightsNotFoundError(
            explain(
                "fetch",
                f"{url} cannot be downloaded ({error})",
                expected=f"the file {str(into)!r}, or a way to it",
                received={"url": url},
                mend=f"Download it on another machine, and put it there as {into.name!r}.",
            )
        ) from error


def _check_size(url: str, size: int, limit: int) -> None:
    if size > limit:
        raise BackboneError(
            explain(
                "fetch",
                f"{url} is larger than it may be",
                expected=f"at most {byte_size(limit)}",
                received={"bytes": size},
                mend=f"limit={size} lets it in, if that is what you want.",
            )
        )


def unpack(archive: Path, into: Path, *, limit_bytes: int) -> Path:
    """Unpack a tar archive, compressed or not, into a new folder.

    Every member is looked at before one is written: plain files and folders below the archive's own
    root are taken, and an archive that holds anything else is refused as a whole.

    Args:
        archive: The file.
        into: The folder; it appears whole or not at all. One that is there already is kept.
        limit_bytes: The most that all files together may hold.

    Returns:
        `into`.

    Raises:
        BackboneError: If the archive cannot be read, is too large, or has a member that leaves the
            folder, or is a link or a device.
    """
    if into.is_dir():
        return into
    into.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(into)
    try:
        _extract(archive, temporary, limit_bytes)
        _take_its_place(temporary, into)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return into


def _extract(archive: Path, into: Path, limit: int) -> None:
    try:
        with tarfile.open(archive) as opened:
            members = list(_checked(opened, archive, limit))
            into.mkdir()
            for member in members:
                _write(opened, member, into / member.name)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise BackboneError(
            explain(
                "unpack",
                f"{archive} is no tar archive that can be read ({error})",
                expected="a .tar.gz, .tgz or .tar file, whole",
                received={"archive": str(archive)},
                mend=f"Delete {archive}, and fetch it again.",
            )
        ) from error


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """The content alone: neither owner nor rights nor times come out of an archive."""
    content = archive.extractfile(member)
    (target if content is None else target.parent).mkdir(parents=True, exist_ok=True)
    if content is not None:
        with content, target.open("xb") as file:
            shutil.copyfileobj(content, file, _PIECE)


def _take_its_place(temporary: Path, into: Path) -> None:
    try:
        os.replace(temporary, into)
    except OSError:
        if not into.is_dir():  # else another process was first
            raise


def _checked(opened: tarfile.TarFile, archive: Path, limit: int) -> Iterator[tarfile.TarInfo]:
    total = 0
    for member in opened:
        total += member.size
        if not (member.isreg() or member.isdir()):
            raise _refused(archive, member.name, "is neither a file nor a folder")
        if not is_inside(member.name):
            raise _refused(archive, member.name, "would leave the folder")
        if total > limit:
            raise _refused(archive, member.name, f"makes it larger than {byte_size(limit)}")
        yield member


def _refused(archive: Path, member: str, why: str) -> BackboneError:
    return BackboneError(
        explain(
            "unpack",
            f"the member {member!r} of {archive.name} {why}",
            expected="plain files and folders below the archive's root, within the limit",
            received={"archive": str(archive)},
            mend="Nothing was unpacked. Ask where the archive comes from.",
        )
    )
