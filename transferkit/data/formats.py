"""The kinds of picture files that are read, and what other files turn out to be."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ENDINGS",
    "FORMATS",
    "OTHER_PICTURES",
    "READ_NAMES",
    "READ_PICTURES",
    "format_of",
    "what_it_is",
]

FORMATS: Mapping[str, tuple[str, ...]] = {
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "JPEG": (".jfif", ".jpe", ".jpeg", ".jpg"),
    "PNG": (".apng", ".png"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""Pillow's names of the formats that are read, with the endings of their files."""

ENDINGS: Mapping[str, str] = {e: name for name, endings in FORMATS.items() for e in endings}
"""The format of each ending, in small letters."""

READ_NAMES = "JPEG, PNG, GIF, BMP, WebP or TIFF"
READ_PICTURES = frozenset(
    f"a {name} picture" for name in ("JPEG", "PNG", "GIF", "BMP", "WebP", "TIFF")
)
"""What `what_it_is` says of files that begin as they should."""

OTHER_PICTURES = frozenset(
    {".avif", ".cr2", ".cr3", ".dng", ".eps", ".heic", ".heif", ".ico", ".jp2", ".jpf", ".jpx"}
    | {".jxl", ".nef", ".pbm", ".pgm", ".pnm", ".ppm", ".psd", ".svg", ".tga"}
)
"""Endings of pictures that are not read: they are left out by a reason of their own."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"BM", "a BMP picture"),
    (b"GIF8", "a GIF picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a TIFF picture"),
    (b"MM\0+", "a TIFF picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%!PS", "an EPS or PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"%PDF", "a PDF file"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a NumPy array; read it with numpy.load and use tk.data.from_arrays"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)"),
    (b"version https://git-lfs", "a Git LFS pointer: the picture itself was not downloaded"),
)
_BRANDS = {b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"qt  ": "a QuickTime video"}
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def format_of(pillow: str | None) -> str:
    """The format as named here: a phone's MPO is a JPEG with more pictures behind it."""
    return {"MPO": "JPEG", "DIB": "BMP"}.get(str(pillow), str(pillow))


def what_it_is(head: bytes) -> str | None:
    """What a file is by its first bytes, in words; None where they say nothing.

    Args:
        head: The first 512 bytes, or all there are.
    """
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "a HEIC picture" if brand in _HEIC else _BRANDS.get(brand, "a video (MP4)")
    if head[:4] == b"RIFF":
        return "a WebP picture" if head[8:12] == b"WEBP" else "a sound or video (RIFF)"
    if head[128:132] == b"DICM":
        return "a DICOM file; read it with pydicom and use tk.data.from_arrays"
    for start, words in _STARTS:
        if head.startswith(start):
            return words
    return _as_text(head)


def _as_text(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page: the download has failed"
    if start and not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "text"
    return None
