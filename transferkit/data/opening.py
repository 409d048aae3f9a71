"""A picture's file opened with suspicion: what it is, how large, whether it is whole.

Pillow decodes; this module keeps it to the formats that `formats` names, and to its own rules
whatever the rest of the program has set: no limit of Pillow's, no lenience with truncated files,
no warnings.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

# Formats that are asked for by name are looked up among the plug-ins that were imported.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from transferkit.data.formats import FORMATS, READ_PICTURES, what_it_is

__all__ = ["UnreadableError", "opened"]

_PLUG_INS = (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
_IN_MEMORY = 1 << 26  # bytes of a file that are read at once; a larger one is read piece by piece
_PNG = b"\x89PNG\r\n\x1a\n"


class UnreadableError(Exception):
    """Why a file cannot be read, in words that follow its name; `mend` is what to do, if known."""

    def __init__(self, reason: str, mend: str | None = None) -> None:
        super().__init__(reason)
        self.mend = mend


@contextmanager
def opened(path: Path, max_pixels: int) -> Iterator[tuple[Image.Image, bytes]]:
    """A picture whose header has been read and found sane, and the digest of the file's bytes.

    Whatever goes wrong inside the block as well becomes an `UnreadableError`.

    Args:
        path: The file.
        max_pixels: Pictures of more pixels are refused before any is decoded.

    Raises:
        UnreadableError: With the reason.
    """
    try:
        with _Pillow(), _bytes_of(path) as (stream, digest):
            _check_checksums(stream)
            with _identified(stream) as picture:
                _check_size(picture.size, max_pixels)
                yield picture, digest
    except UnreadableError:
        raise
    except FileNotFoundError as error:
        raise UnreadableError("there is no such file") from error
    except PermissionError as error:
        raise UnreadableError("this user may not read it") from error
    except Exception as error:  # Pillow's plug-ins raise whatever a broken file leads them to
        raise UnreadableError(_in_words(error)) from error


def _in_words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return f"its pixels are damaged ({text})" if text.startswith("decoder error") else text


@contextmanager
def _bytes_of(path: Path) -> Iterator[tuple[BinaryIO, bytes]]:
    """The file's bytes, read once where they fit, and their digest."""
    kind = path.stat()
    if not stat.S_ISREG(kind.st_mode):  # opening a pipe would wait for ever
        raise UnreadableError("it is a folder" if stat.S_ISDIR(kind.st_mode) else "it is no file")
    if not kind.st_size:
        raise UnreadableError("the file is empty")
    with path.open("rb") as file:
        if kind.st_size > _IN_MEMORY:
            made = hashlib.file_digest(file, _hash)
            file.seek(0)
            yield file, made.digest()
        else:
            content = file.read()
            yield io.BytesIO(content), _hash(content).digest()


def _hash(content: bytes = b"") -> Any:
    return hashlib.blake2b(content, digest_size=16)


def _identified(stream: BinaryIO) -> Image.Image:
    stream.seek(0)
    try:
        return Image.open(stream, formats=tuple(FORMATS))
    except UnidentifiedImageError as error:
        stream.seek(0)
        what = what_it_is(stream.read(512))
        if what is None:
            raise UnreadableError("it is no picture that Pillow knows") from error
        if what in READ_PICTURES:
            told = f"it begins as {what}, but is damaged or of a kind that Pillow does not read"
            raise UnreadableError(told) from error
        raise UnreadableError(f"it is {what}", "Save it as PNG or JPEG, or delete it") from error


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UnreadableError(f"{height} x {width} pixels are more than max_pixels={max_pixels:,}")
    if min(width, height) < 2:
        raise UnreadableError(f"{height} x {width} pixels show nothing")


def _check_checksums(stream: BinaryIO) -> None:
    """Refuse a PNG whose chunks are not what was written: Pillow passes over those of the pixels.

    The other formats have no checksums.
    """
    if stream.read(len(_PNG)) != _PNG:
        return
    size = stream.seek(0, io.SEEK_END)
    at = stream.seek(len(_PNG))
    kind = b""
    while kind != b"IEND":
        head = stream.read(8)
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (size, b"")
        at += 12 + length
        if at > size:
            raise UnreadableError("the file is truncated")
        if zlib.crc32(kind + stream.read(length)).to_bytes(4, "big") != stream.read(4):
            raise UnreadableError(f"the file is damaged: {kind!r} has a wrong checksum")


class _Pillow:
    """Pillow's settings as they have to be while any thread decodes, and afterwards as they were.

    They belong to the process. The first thread that comes in changes them and the last one out
    puts them back, so that none undoes them under another.
    """

    lock = threading.Lock()
    inside = 0
    before: tuple[Any, Any] = (None, False)
    quiet = ("ignore", None, Warning, re.compile(r"PIL(\.|$)"), 0)

    def __enter__(self) -> None:
        with _Pillow.lock:
            _Pillow.inside += 1
            if _Pillow.inside > 1:
                return
            _Pillow.before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
            cast("list[Any]", warnings.filters).insert(0, self.quiet)

    def __exit__(self, *error: object) -> None:
        with _Pillow.lock:
            _Pillow.inside -= 1
            if _Pillow.inside:
                return
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = _Pillow.before
            filters = cast("list[Any]", warnings.filters)
            if self.quiet in filters:  # somebody else may have put back filters of their own
                filters.remove(self.quiet)
