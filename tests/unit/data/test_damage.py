"""Damaged files: cut anywhere, bytes changed at random. An error that names the file, or a picture.

PNG has checksums, so that no changed byte of one passes. The other formats have none: there a
changed byte may give changed pixels, and what is asked is a picture of the right shape or an error.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from transferkit.data import decode
from transferkit.data.decode import check_file
from transferkit.data.opening import UnreadableError
from transferkit.errors import DecodeError

SIDE = 28, 40
RNG = np.random.default_rng(11)
# Smooth, as photographs are, and without two rows that are alike.
RAMP = np.add.outer(np.arange(SIDE[0]) * 5, np.arange(SIDE[1]) * 2)
PIXELS = np.stack([RAMP % 256, RAMP[::-1] % 256, RAMP[:, ::-1] * 2 % 256], axis=-1).astype(np.uint8)
RGB = Image.fromarray(PIXELS)
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg-grey": ("JPEG", "L", {}),
    "jpeg-cmyk": ("JPEG", "CMYK", {}),
    "jpeg-progressive": ("JPEG", "RGB", {"progressive": True}),
    **{f"png-{mode}": ("PNG", mode, {}) for mode in MODES[:-1]},
    "gif": ("GIF", "P", {}),
    "gif-moving": ("GIF", "P", {"save_all": True, "append_images": [RGB.rotate(90).convert("P")]}),
    **{f"bmp-{mode}": ("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")},
    "webp": ("WEBP", "RGB", {}),
    "webp-lossless": ("WEBP", "RGBA", {"lossless": True}),
    **{f"tiff-{mode}": ("TIFF", mode, {}) for mode in MODES},
    **{
        f"tiff-{name}": ("TIFF", "RGB", {"compression": name})
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    },
    "tiff-group4": ("TIFF", "1", {"compression": "group4"}),
}


def written(case: str) -> bytes:
    form, mode, keywords = CASES[case]
    file = io.BytesIO()
    RGB.convert(mode).save(file, form, **keywords)
    return file.getvalue()


def outcome(path: Path, content: bytes) -> np.ndarray[Any, Any] | str:
    """The picture, or the reason why there is none; the same from both ways of reading."""
    path.write_bytes(content)
    try:
        checked = check_file(path, 10**6)
    except UnreadableError as error:
        reason = str(error)
        assert reason
        assert "\n" not in reason
        with pytest.raises(DecodeError, match="cannot be read: ") as caught:
            decode(path, image_size=None, max_pixels=10**6)
        assert str(path) in str(caught.value)
        return reason
    found = decode(path, image_size=None, max_pixels=10**6)
    assert found.shape == (checked.height, checked.width, 3)
    assert found.dtype == np.uint8
    return found


def is_whole(found: np.ndarray[Any, Any] | str, whole: np.ndarray[Any, Any] | str) -> bool:
    return not isinstance(found, str) and np.array_equal(found, whole)


@pytest.mark.parametrize("case", CASES)
def test_a_file_cut_anywhere_is_an_error_or_whole(tmp_path: Path, case: str) -> None:
    content, path = written(case), tmp_path / "a.jpg"
    whole = outcome(path, content)
    assert not isinstance(whole, str)
    ends = {*range(24), *range(len(content) - 24, len(content))}
    ends |= {int(n) for n in RNG.integers(0, len(content), 40)}
    for end in sorted(ends):
        found = outcome(path, content[:end])
        assert isinstance(found, str) or is_whole(found, whole), f"cut after {end} bytes"
        if CASES[case][0] == "PNG":
            assert isinstance(found, str), f"cut after {end} bytes"


def changed(content: bytes, generator: np.random.Generator) -> bytes:
    """A few bytes changed, or some left out or put in."""
    made = bytearray(content)
    for at in generator.integers(0, len(made), generator.integers(1, 5)):
        made[at] = generator.integers(0, 256)
    at, length = (int(n) for n in generator.integers(0, (len(made), 30)))
    what = generator.integers(0, 4)
    if what == 0:
        del made[at : at + length]
    elif what == 1:
        made[at:at] = generator.bytes(length)
    return bytes(made)


def fuzz(path: Path, case: str, rounds: int, seed: int) -> None:
    content, generator = written(case), np.random.default_rng(seed)
    whole = outcome(path, content)
    for _ in range(rounds):
        damaged = changed(content, generator)
        found = outcome(path, damaged)
        if CASES[case][0] == "PNG" and damaged != content:
            assert isinstance(found, str) or is_whole(found, whole)


@pytest.mark.parametrize("case", CASES)
def test_bytes_changed_at_random_give_an_error_or_a_picture(tmp_path: Path, case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuzz(tmp_path / "a.jpg", case, rounds=40, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_bytes_changed_at_random_for_long(tmp_path: Path, case: str) -> None:
    fuzz(tmp_path / "a.jpg", case, rounds=1000, seed=2)


@pytest.mark.slow
def test_real_photos_cut_or_changed(tmp_path: Path, assets: Path) -> None:
    photos = sorted((assets / "hymenoptera" / "val" / "bees").glob("*.jpg"))[:10]
    path = tmp_path / "a.jpg"
    for number, photo in enumerate(photos):
        content, generator = photo.read_bytes(), np.random.default_rng(number)
        whole = outcome(path, content)
        for end in generator.integers(0, len(content), 20):
            found = outcome(path, content[:end])
            assert isinstance(found, str) or is_whole(found, whole)
        for _ in range(20):
            outcome(path, changed(content, generator))


# ------------------------------------------------------------------- what each damage is called


def refusal(path: Path, **keywords: Any) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(path, image_size=4, **keywords)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_png_with_one_changed_pixel_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    content = bytearray(written("png-RGB"))
    content[content.index(b"IDAT") + 40] ^= 1
    path.write_bytes(content)
    assert "the file is damaged: b'IDAT' has a wrong checksum" in refusal(path)
    path.write_bytes(written("png-RGB")[:-12])
    assert "the file is truncated" in refusal(path)


def test_codes_of_pillow_are_put_in_words(tmp_path: Path) -> None:
    content = bytearray(written("tiff-tiff_adobe_deflate"))
    content[8:200] = bytes(192)
    (tmp_path / "a.tif").write_bytes(content)
    assert "cannot be read: its pixels are damaged (decoder error -" in refusal(tmp_path / "a.tif")


def test_lenience_that_others_have_set_does_not_reach_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for case in ("jpeg", "png-RGB", "bmp-RGB", "gif"):
        path = tmp_path / "a.jpg"
        path.write_bytes(written(case)[:-60])
        with Image.open(path) as picture:
            picture.load()
        assert "truncated" in refusal(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES, "as it was for everybody else"


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
STRANGERS = {
    "heic": (HEIC, "it is a HEIC picture"),
    "avif": (HEIC.replace(b"ftypheic", b"ftypavif"), "it is an AVIF picture"),
    "mp4": (HEIC.replace(b"ftypheic", b"ftypisom"), "it is a video (MP4)"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "it is a JPEG 2000 picture"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="x">', "it is an SVG drawing"),
    "html": (b"\n<!DOCTYPE html><title>404", "it is a web page: the download has failed"),
    "psd": (b"8BPS\0\1\0\0", "it is a Photoshop file"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is an EPS"),
    "ico": (b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0", "it is an icon (ICO)"),
    "zip": (b"PK\3\4\x14\0", "it is a zip archive"),
    "npy": (b"\x93NUMPY\1\0", "it is a NumPy array; read it with numpy.load"),
    "dicom": (b"\0" * 128 + b"DICM", "it is a DICOM file; read it with pydicom"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", "it is a sound or video (RIFF)"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
    "text": (b"1,2,3\n", "it is text"),
    "noise": (b"\7\7\0\1\2" * 9, "it is no picture that Pillow knows"),
    "half": (b"GIF89a\1", "it begins as a GIF picture, but is damaged or of a kind that"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_picture_of_ours_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    content, words = STRANGERS[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    text = refusal(path)
    assert words in text
    assert "Expected a whole JPEG, PNG, GIF, BMP, WebP or TIFF picture" in text
    foreign = name not in ("noise", "half")
    assert ("Save it as PNG or JPEG, or delete it" in text) == foreign


@pytest.mark.parametrize("form", ["ICO", "EPS", "PPM", "TGA", "JPEG2000", "PCX", "AVIF"])
def test_pillows_other_formats_stay_shut(tmp_path: Path, form: str) -> None:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    RGB.save(tmp_path / "a.jpg", form)
    refusal(tmp_path / "a.jpg")


def test_a_folder_and_a_missing_file_are_no_picture(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(tmp_path)
    assert "there is no such file" in refusal(tmp_path / "a.jpg")
    assert "it is no file" in refusal(Path("/dev/null"))


# ------------------------------------------------------------------- files that claim to be huge


def huge_png() -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunks + b"\0\0\0\0IEND\xaeB`\x82"


def huge_webp() -> bytes:
    content = bytearray(written("webp"))
    at = content.index(b"\x9d\x01\x2a") + 3
    content[at : at + 4] = struct.pack("<HH", 16383, 16383)
    return bytes(content)


def resized(case: str, at: int, form: str) -> Callable[[], bytes]:
    def make() -> bytes:
        content = bytearray(written(case))
        content[at : at + struct.calcsize(form)] = struct.pack(form, *[60000] * len(form[1:]))
        return bytes(content)

    return make


def huge_tiff() -> bytes:
    content = bytearray(written("tiff-RGB"))
    for tag in (256, 257):  # a value of 16 or 32 bits, and the high half is zero
        at = content.index(
            struct.pack("<HH", tag, 4 if struct.pack("<HH", tag, 4) in content else 3)
        )
        content[at + 8 : at + 12] = struct.pack("<I", 60000)
    return bytes(content)


def huge_jpeg() -> bytes:
    content = bytearray(written("jpeg"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 60000, 60000)
    return bytes(content)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": huge_png,
    "webp": huge_webp,
    "bmp": resized("bmp-RGB", 18, "<ii"),
    "gif": resized("gif", 6, "<HH"),
    "tiff": huge_tiff,
    "jpeg": huge_jpeg,
}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_claims_much_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(BOMBS[name]())
    code = (
        "from pathlib import Path\nfrom transferkit.data.decode import decode\n"
        f"path = Path({str(path)!r})\n"
        "def peak():\n    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.split('VmHWM:')[1].split()[0]) // 1024\n"
        "before = peak()\n"
        "try:\n    decode(path, image_size=8)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told, grown = done.stdout.splitlines()
    assert told.startswith("DecodeError ")
    assert "are more than max_pixels=100,000,000" in told
    assert int(grown) < 40, "mebibytes"
