"""Where a SavedModel lies: a folder, an archive, a URL, or a handle of Kaggle's."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from transferkit._optional import require
from transferkit._types import PathLike, whole
from transferkit.backbones.fetching import check_sha256, digest_of, fetch, unpack
from transferkit.cache import places
from transferkit.errors import SpecError, WeightsNotFoundError, explain

__all__ = ["LIMIT", "checked_address", "folder_at"]

LIMIT = 4 * 10**9
"""Bytes that an archive, and what is in it, may have unless somebody says otherwise."""

_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_HANDLE = re.compile(r"[\w.-]+/[\w.-]+/tensorflow2/[\w.-]+(/\d+)?", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SCHEMES = ("http", "https", "file")


def checked_address(address: PathLike, sha256: str | None, limit: int, *, verb: str) -> str:
    """An address as text; nothing is looked up.

    Raises:
        SpecError: If it can be none, or the digest or the limit is none.
    """
    text = os.fspath(address) if isinstance(address, str | os.PathLike) else ""
    scheme = text.partition("://")[0] if "://" in text else "file"
    if not isinstance(text, str) or not text or scheme not in _SCHEMES:
        raise _wrong(
            verb,
            "that is no address of a SavedModel",
            "a folder, a .tar.gz file, a URL (http, https or file) or a handle of Kaggle's",
            {"address": address},
        )
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise _wrong(verb, "that is no SHA-256", "64 hexadecimal digits", {"sha256": sha256})
    if (whole(limit) or 0) < 1:
        raise _wrong(verb, "the limit is no size", "bytes, 1 or more", {"limit": limit})
    return text


def folder_at(address: str, *, sha256: str | None = None, limit: int = LIMIT) -> Path:
    """The folder that an address means, downloaded and unpacked where it has to be.

    Downloads lie below ``tk.cache.folder()``, each under its URL, and what was unpacked lies beside
    them under the archive's digest.

    Args:
        address: As `checked_address` gives it.
        sha256: The digest that the archive has to have; None for any.
        limit: The most bytes of an archive, and of what is in it.

    Raises:
        WeightsNotFoundError: If nothing lies there, or it cannot be downloaded.
        BackboneError: If the archive is too large, another one, or unsafe.
        SpecError: If a digest is given for what is no archive.
        MissingExtraError: If it is a handle of Kaggle's and kagglehub is not installed.
    """
    if "://" in address:
        url = _direct(address)
        into = _downloads() / hashlib.sha256(url.encode()).hexdigest()[:16] / _file_name(url)
        return _unpacked(fetch(url, into=into, limit_bytes=limit, sha256=sha256), limit)
    path = Path(address).expanduser()
    if path.is_file():
        check_sha256(path, sha256)
        return _unpacked(path, limit)
    if sha256 is not None:
        raise _wrong(
            "from_tf_hub",
            f"{address!r} is no archive, and only archives have a digest",
            "a .tar.gz file or a URL beside sha256=",
            {"sha256": sha256},
        )
    if path.is_dir():
        return path
    if _HANDLE.fullmatch(address):
        hub = require("kagglehub", extra="kaggle", needed_for=f"tfhub:{address}")
        return Path(hub.model_download(address))
    raise _nothing_at(address)


def _unpacked(archive: Path, limit: int) -> Path:
    into = _downloads() / "unpacked" / digest_of(archive)[:32]
    return unpack(archive, into, limit_bytes=limit)


def _downloads() -> Path:
    return places.folder() / "downloads"


def _direct(url: str) -> str:
    """The archive's own URL: tfhub.dev shows people a page unless it is asked for the archive."""
    parts = urlsplit(url)
    if parts.hostname == "tfhub.dev" and not parts.query:
        return urlunsplit(parts._replace(query="tf-hub-format=compressed"))
    return url


def _file_name(url: str) -> str:
    name = re.sub(r"[^\w.-]", "_", Path(urlsplit(url).path).name) or "model"
    return name if name.endswith(_ARCHIVES) else f"{name}.tar.gz"


def _nothing_at(address: str) -> WeightsNotFoundError:
    return WeightsNotFoundError(
        explain(
            "from_tf_hub",
            f"there is no folder, file or handle {address!r}",
            expected="the folder of a SavedModel, a .tar.gz file of one, a URL, or a handle of "
            "Kaggle's as 'google/mobilenet-v2/tensorFlow2/100-224-feature-vector'",
            received={"address": address},
            mend=f"Looked for in {str(Path.cwd())!r}; an absolute path is looked for as it stands.",
        )
    )


def _wrong(verb: str, happened: str, expected: str, received: dict[str, object]) -> SpecError:
    return SpecError(explain(verb, happened, expected=expected, received=received))
