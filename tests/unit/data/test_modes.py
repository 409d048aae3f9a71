"""Every format in every mode it has, against the array that was written."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit.data import decode
from transferkit.data.modes import KINDS, kind_of
from transferkit.errors import DecodeError

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
CLEAR = np.dstack([COLOUR, RNG.integers(0, 256, (6, 9), dtype=np.uint8)])
INK = RNG.integers(0, 256, (6, 9, 4), dtype=np.uint8)
BITS = RNG.integers(0, 2, (6, 9)).astype(bool)
# Blocks that a JPEG holds exactly but for rounding.
FLAT = np.repeat(np.repeat(RNG.integers(30, 220, (2, 3, 4), dtype=np.uint8), 16, 0), 16, 1)

LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {},
    "gif": {},
    "bmp": {},
    "webp": {"lossless": True, "exact": True},
    "tif": {},
    "tiff": {"compression": "tiff_lzw"},
    "TIF": {"compression": "tiff_adobe_deflate"},
}


def on_white(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    colour, share = pixels[..., :-1].astype(float), pixels[..., -1:] / 255.0
    return colour * share + 255 * (1 - share)


def from_ink(ink: np.ndarray[Any, Any]) -> Any:
    return (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:]) / 255


def close(found: Any, expected: Any, most: float = 0) -> None:
    expected = np.broadcast_to(np.asarray(expected, float), found.shape)
    assert np.abs(found.astype(float) - expected).max() <= most


def kind(path: Path) -> str:
    with Image.open(path) as picture:
        return kind_of(picture)


@pytest.mark.parametrize("ending", LOSSLESS)
def test_grey_and_colour_come_back_bit_for_bit(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(GREY).save(path, **LOSSLESS[ending])
    close(decode(path, image_size=None), GREY[..., None])
    close(decode(path, image_size=None, channels=1), GREY[..., None])
    if ending != "gif":
        Image.fromarray(COLOUR).save(path, **LOSSLESS[ending])
        close(decode(path, image_size=None), COLOUR)
        assert kind(path) == "RGB"


@pytest.mark.parametrize("ending", [e for e in LOSSLESS if e not in ("gif", "bmp")])
def test_transparency_is_white_or_kept(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(CLEAR).save(path, **LOSSLESS[ending])
    close(decode(path, image_size=None), on_white(CLEAR), 1)
    close(decode(path, image_size=None, channels=4), CLEAR)
    assert kind(path) == "RGBA"


@pytest.mark.parametrize("ending", ["png", "tif", "tiff"])
def test_grey_with_transparency(tmp_path: Path, ending: str) -> None:
    path, pixels = tmp_path / f"a.{ending}", CLEAR[..., 2:]
    Image.fromarray(pixels, "LA").save(path, **LOSSLESS[ending])
    close(decode(path, image_size=None), on_white(pixels), 1)
    close(decode(path, image_size=None, channels=1), on_white(pixels), 1)
    assert kind(path) == "LA"


@pytest.mark.parametrize("ending", ["png", "gif", "bmp", "tif", "tiff"])
def test_one_bit_is_black_and_white(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(BITS).save(path)
    close(decode(path, image_size=None), 255.0 * BITS[..., None])


@pytest.mark.parametrize(
    ("ending", "clear"),
    [(ending, False) for ending in ("png", "gif", "bmp", "tif", "tiff")]
    + [("png", True), ("gif", True)],
)
def test_a_palette_is_looked_up(tmp_path: Path, ending: str, clear: bool) -> None:
    colours = RNG.integers(0, 256, (7, 3), dtype=np.uint8)
    indices = RNG.integers(0, 7, (6, 9), dtype=np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colours.tobytes())
    path = tmp_path / f"a.{ending}"
    keywords: dict[str, Any] = {"transparency": 3} if clear else {}
    picture.save(path, **keywords)
    expected = np.where((indices == 3)[..., None] & clear, 255, colours[indices])
    close(decode(path, image_size=None), expected)
    assert kind(path) == "palette" + " with transparency" * clear
    if clear:
        alpha = decode(path, image_size=None, channels=4)[..., 3]
        np.testing.assert_array_equal(alpha, np.where(indices == 3, 0, 255))


def test_a_palette_with_shades_of_transparency(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, (4, 3), dtype=np.uint8)
    indices = RNG.integers(0, 4, (6, 9), dtype=np.uint8)
    shares = np.asarray([0, 100, 200, 255], np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colours.tobytes())
    picture.save(tmp_path / "a.png", transparency=shares.tobytes())
    pixels = np.dstack([colours[indices], shares[indices]])
    close(decode(tmp_path / "a.png", image_size=None), on_white(pixels), 1)


@pytest.mark.parametrize("ending", ["tif", "tiff"])
def test_ink_becomes_light(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(INK, "CMYK").save(path, **LOSSLESS[ending])
    close(decode(path, image_size=None), from_ink(INK), 1)
    assert kind(path) == "CMYK"


def test_a_jpeg_of_ink_as_adobe_writes_it_is_no_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(FLAT, "CMYK").save(path, quality=100)
    assert b"Adobe" in path.read_bytes()
    close(decode(path, image_size=None), from_ink(FLAT), 4)


@pytest.mark.parametrize("keywords", [{}, {"progressive": True}, {"subsampling": 2}])
def test_jpegs_of_every_kind_are_near(tmp_path: Path, keywords: dict[str, Any]) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(FLAT[..., :3].copy()).save(path, quality=100, **keywords)
    middles = slice(8, None, 16)  # at the edges of a block the colours of two run together
    close(decode(path, image_size=None)[middles, middles], FLAT[middles, middles, :3], 4)
    Image.fromarray(FLAT[..., 0].copy()).save(path, quality=100, **keywords)
    close(decode(path, image_size=None, channels=1), FLAT[..., :1], 2)
    assert kind(path) == "grey"


def test_lossy_webp_is_near(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    Image.fromarray(FLAT[..., :3].copy()).save(path, quality=100)
    close(decode(path, image_size=None)[8::16, 8::16], FLAT[8::16, 8::16, :3], 6)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colours_of_tiff_become_rgb(
    tmp_path: Path, mode: str, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    picture = Image.fromarray(COLOUR)
    if mode == "LAB":
        picture = Image.frombytes("LAB", (9, 6), COLOUR.tobytes())
        expected = np.asarray(picture.convert("RGB"))
    else:
        picture, expected = picture.convert("YCbCr"), COLOUR
    picture.save(path, compression=compression)
    close(decode(path, image_size=None), expected, 3)
    assert kind(path) == (mode if compression is None or mode == "LAB" else "RGB")


# --------------------------------------------------------------------------- more than 8 bits

DEEP = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)


@pytest.mark.parametrize("ending", ["png", "tif", "tiff"])
def test_sixteen_bits_of_grey_are_rounded_to_eight(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(DEEP).save(path, **LOSSLESS[ending])
    close(decode(path, image_size=None, channels=1), np.rint(DEEP / 257.0)[..., None])
    assert kind(path) == "16-bit grey"


def png(header: tuple[int, int, int, int], rows: list[bytes], *more: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand: width, height, bits, colour type; rows without a filter."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + checksum

    made = chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))
    made += b"".join(chunk(*one) for one in more)
    made += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + made + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bits_of_colour_give_their_upper_eight(
    tmp_path: Path, colour_type: int, channels: int
) -> None:
    deep = RNG.integers(0, 65536, (6, 9, channels)).astype(">u2")
    path = tmp_path / "a.png"
    path.write_bytes(png((9, 6, 16, colour_type), [row.tobytes() for row in deep]))
    close(decode(path, image_size=None, channels=channels), deep >> 8)
    assert kind(path) == ("16-bit RGB" if channels == 3 else "16-bit RGBA")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_reach_from_black_to_white(tmp_path: Path, bits: int) -> None:
    values = RNG.integers(0, 2**bits, (6, 8))
    packed = [
        np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).ravel().astype(np.uint8))
        for row in values
    ]
    path = tmp_path / "a.png"
    rows = [row.tobytes() for row in packed]
    path.write_bytes(png((8, 6, bits, 0), rows))
    shades = values * 255 // (2**bits - 1)
    close(decode(path, image_size=None, channels=1), shades[..., None])
    path.write_bytes(png((8, 6, bits, 0), rows, (b"tRNS", struct.pack(">H", 1))))
    close(decode(path, image_size=None), np.where(values == 1, 255, shades)[..., None])


def test_the_transparent_colour_of_a_png_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    body = COLOUR[2, 3].astype(">u2").tobytes()
    path.write_bytes(png((9, 6, 8, 2), [row.tobytes() for row in COLOUR], (b"tRNS", body)))
    expected = COLOUR.copy()
    expected[(COLOUR[2, 3] == COLOUR).all(-1)] = 255
    close(decode(path, image_size=None), expected)
    grey = DEEP.astype(">u2")
    key = (b"tRNS", struct.pack(">H", grey[1, 1]))
    path.write_bytes(png((9, 6, 16, 0), [row.tobytes() for row in grey], key))
    shades = np.where(DEEP[1, 1] == DEEP, 255, np.rint(DEEP / 257.0))
    close(decode(path, image_size=None, channels=1), shades[..., None])
    deep = RNG.integers(0, 65536, (6, 9, 3)).astype(">u2")
    key = (b"tRNS", deep[4, 4].tobytes())
    path.write_bytes(png((9, 6, 16, 2), [row.tobytes() for row in deep], key))
    expected = (deep >> 8).astype(np.uint8)
    expected[4, 4] = 255
    close(decode(path, image_size=None), expected)


def tiff(pixels: np.ndarray[Any, Any], bits: int, photometric: int, form: int = 1) -> bytes:
    """An uncompressed TIFF of one channel by hand."""
    body = pixels.tobytes()
    height, width = pixels.shape
    if bits == 12:
        flat = pixels.ravel().astype(int)
        first, second = flat[::2], flat[1::2]
        triples = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
        body = np.stack(triples, axis=1).astype(np.uint8).tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, height), (279, len(body)), (339, form)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    ifd = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + ifd


def test_twelve_bits_of_a_tiff_reach_to_white(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (6, 8), dtype=np.uint16)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, 12, 1))
    close(decode(path, image_size=None, channels=1), np.rint(values / 4095 * 255)[..., None])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_that_is_zero_is_white(tmp_path: Path, dtype: Any) -> None:
    values = RNG.integers(0, np.iinfo(dtype).max, (6, 9)).astype(dtype)
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, 8 * values.itemsize, 0))
    shades = np.rint(values / np.iinfo(dtype).max * 255)
    close(decode(path, image_size=None, channels=1), 255 - shades[..., None])


@pytest.mark.parametrize(
    ("pixels", "form", "words"),
    [
        (np.linspace(0, 1, 54, dtype="<f4").reshape(6, 9), 3, "floats"),
        (np.arange(54, dtype="<u4").reshape(6, 9), 1, "numbers of 32 bits"),
        (np.arange(-20, 34, dtype="<i4").reshape(6, 9), 2, "signed numbers"),
        (np.arange(-20, 34, dtype="<i2").reshape(6, 9), 2, "signed numbers"),
        (np.arange(-20, 34, dtype="i1").reshape(6, 9), 2, "signed numbers"),
    ],
)
@pytest.mark.parametrize("opened", [False, True])
def test_numbers_without_a_range_are_refused(
    tmp_path: Path, pixels: Any, form: int, words: str, opened: bool
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(pixels, 8 * pixels.itemsize, 1, form))
    with Image.open(path) as picture, pytest.raises(DecodeError) as caught:
        decode(picture if opened else path, image_size=4)
    assert f"its pixels are {words}, of which nobody can say what is black" in str(caught.value)
    assert "tk.data.from_arrays" in str(caught.value)
    assert ("the picture cannot be used" if opened else f"{path} cannot be read") in str(
        caught.value
    )


# --------------------------------------------------------------------------- frames, EXIF


def test_warnings_of_pillow_spoil_no_picture(tmp_path: Path) -> None:
    path, rows = tmp_path / "a.png", [row.tobytes() for row in COLOUR]
    path.write_bytes(png((9, 6, 8, 2), rows, (b"acTL", struct.pack(">II", 0, 0))))
    with pytest.warns(UserWarning, match="Invalid APNG"), Image.open(path):
        pass
    close(decode(path, image_size=None), COLOUR)  # here every warning is an error


MOVING = [Image.fromarray(np.full((6, 9), shade, np.uint8)) for shade in (40, 90, 200)]


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_the_first_frame_or_page_is_taken(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    keywords: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    MOVING[0].save(path, save_all=True, append_images=MOVING[1:], **keywords)
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == 3
    close(decode(path, image_size=None), 40, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "tiff"])
def test_every_exif_orientation_is_applied_once(
    tmp_path: Path, ending: str, orientation: int
) -> None:
    upright = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path, pixels = tmp_path / f"a.{ending}", FLAT[..., :3].copy()
    keywords = {"quality": 100, "subsampling": 0} if ending == "jpg" else LOSSLESS[ending]
    Image.fromarray(pixels).save(path, exif=exif, **keywords)
    close(decode(path, image_size=None), upright[orientation](pixels), 3 * (ending == "jpg"))
    with Image.open(path) as picture:
        close(decode(picture, image_size=None), upright[orientation](pixels), 3)


def test_every_kind_has_a_name() -> None:
    for mode in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB"):
        assert kind_of(Image.new(mode, (2, 2))) in set(KINDS) - {"other"}
    assert kind_of(Image.new("HSV", (2, 2))) == "other"


@pytest.mark.parametrize(("alpha", "shown"), [((0, 0), (10, 10)), ((255, 0), (10, 255))])
def test_the_alpha_of_a_bmp_counts_unless_it_is_empty(
    tmp_path: Path, alpha: tuple[int, int], shown: tuple[int, int]
) -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, 2, 2, 1, 32, 3, 16, 0, 0, 0, 0) + masks
    pixels = b"".join(bytes((10, 10, 10, a)) for a in alpha) * 2
    head = b"BM" + struct.pack("<IHHI", 138, 0, 0, 122)
    (tmp_path / "a.bmp").write_bytes(head + info.ljust(108, b"\0") + pixels)
    found = decode(tmp_path / "a.bmp", image_size=None)
    assert found[0, :, 0].tolist() == list(shown)
    clear = decode(tmp_path / "a.bmp", image_size=None, channels=4)
    assert clear[0, :, 3].tolist() == ([255, 255] if alpha == (0, 0) else list(alpha))
