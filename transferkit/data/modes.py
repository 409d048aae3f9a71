"""From whatever Pillow has decoded to grey, RGB or RGBA of 8 bits, or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from transferkit.data.opening import UnreadableError

__all__ = ["KINDS", "check_range_known", "in_mode", "kind_of", "orientation", "upright"]

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for so many channels."""

_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLES = 0x0112, 258, 262, 339  # tags of EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WORDS = {"1": "1-bit", "L": "grey", "La": "LA", "P": "palette", "PA": "palette", "RGBa": "RGBA"}
_CLEAR = " with transparency"
KINDS = (
    "grey",
    "RGB",
    "RGBA",
    "palette",
    "palette" + _CLEAR,
    "LA",
    "CMYK",
    "1-bit",
    "16-bit grey",
    "16-bit RGB",
    "16-bit RGBA",
    "YCbCr",
    "LAB",
    "other",
)
"""What `kind_of` answers."""


def kind_of(picture: Image.Image) -> str:
    """How a file that was opened, and not decoded yet, holds its colours."""
    mode = picture.mode
    if mode.startswith("I"):
        return "16-bit grey"
    kind = _WORDS.get(mode, mode)
    if mode == "PA" or (mode == "P" and "transparency" in picture.info):
        kind += _CLEAR
    if mode in ("RGB", "RGBA") and ";16" in _raw(picture):
        kind = f"16-bit {mode}"
    return kind if kind in KINDS else "other"


def check_range_known(picture: Image.Image) -> None:
    """Refuse numbers of which nobody can say what is black and what is white.

    Raises:
        UnreadableError: For floats, signed numbers and those of 32 bits.
    """
    samples = _tag(picture, _SAMPLES, (1,))
    if picture.mode == "F" or 3 in samples:
        raise _unknown_range("floats")
    if 2 in samples:
        raise _unknown_range("signed numbers")
    if picture.mode == "I" and picture.format != "PNG":  # Pillow before 11.3: a PNG of 16 bits
        raise _unknown_range("numbers of 32 bits")


def orientation(picture: Image.Image) -> int:
    """How the picture was held, 1 to 8 as EXIF has it; 1 where that says nothing sensible."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # metadata may hold anything
        return 1
    return found if found in _TURNS else 1


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says."""
    picture.load()  # Pillow turns a TIFF here by itself, and forgets the orientation
    found = orientation(picture)
    return picture.transpose(_TURNS[found]) if found in _TURNS else picture


def in_mode(picture: Image.Image, channels: int) -> Image.Image:
    """Upright, in the mode that has so many channels, transparent pixels on white.

    Raises:
        UnreadableError: See `check_range_known`.
    """
    check_range_known(picture)
    _scale_colour_key(picture)
    turned = upright(picture)
    if turned.mode.startswith("I"):
        bits = int(_tag(picture, _BITS, (16,))[0])
        turned = _eight_bits(turned, bits, white_is_zero=_tag(picture, _PHOTOMETRIC, 1) == 0)
    if (
        picture.format == "BMP"
        and turned.mode == "RGBA"
        and turned.getchannel("A").getextrema() == (0, 0)
    ):
        turned = turned.convert("RGB")  # many programs leave the fourth byte empty
    if turned.mode in ("La", "RGBa"):
        turned = turned.convert("LA" if turned.mode == "La" else "RGBA")
    if channels != 4 and ("A" in turned.getbands() or "transparency" in turned.info):
        clear = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    mode = MODES[channels]
    return turned if turned.mode == mode else turned.convert(mode)  # which would copy


def _eight_bits(deep: Image.Image, bits: int, *, white_is_zero: bool) -> Image.Image:
    """Grey of 16 bits, or of the 12 a TIFF may have, rounded to 8; its colour key as alpha."""
    values = np.asarray(deep, dtype=np.uint16)
    levels = np.clip(np.rint(values * (255.0 / (2**bits - 1))), 0, 255).astype(np.uint8)
    if white_is_zero:  # which Pillow minds in 8 bits only
        levels = 255 - levels
    key = deep.info.get("transparency")
    if not isinstance(key, int):
        return Image.fromarray(levels)
    shown = np.where(values == key, 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray(levels), Image.fromarray(shown)))


def _scale_colour_key(picture: Image.Image) -> None:
    """Bring the one colour that is transparent to 8 bits, as Pillow does with the pixels alone."""
    key, raw = picture.info.get("transparency"), _raw(picture)
    if isinstance(key, int) and raw in ("L;2", "L;4"):
        picture.info["transparency"] = key * (85 if raw == "L;2" else 17)
    elif isinstance(key, tuple) and raw == "RGB;16B":
        picture.info["transparency"] = tuple(value >> 8 for value in key)


def _raw(picture: Image.Image) -> str:
    """Pillow's name for how a file that was opened and not decoded yet holds its pixels."""
    tiles = getattr(picture, "tile", ())
    args = tiles[0][3] if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _tag(picture: Image.Image, number: int, default: Any) -> Any:
    return picture.tag_v2.get(number, default) if hasattr(picture, "tag_v2") else default


def _unknown_range(numbers: str) -> UnreadableError:
    return UnreadableError(
        f"its pixels are {numbers}, of which nobody can say what is black and what is white",
        "Scale them yourself and pass them to tk.data.from_arrays, or save the file with 8 bits",
    )
