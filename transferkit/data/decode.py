"""One decoder and one resize, for training, prediction and everything else: Pillow's."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit._types import ImageSize
from transferkit._types import image_size as as_image_size
from transferkit.data.fitting import Crop, Fit, check_fit, fitted, size_before_crop
from transferkit.data.formats import READ_NAMES, format_of
from transferkit.data.limits import MAX_PIXELS, check_max_pixels
from transferkit.data.modes import MODES, in_mode, kind_of, orientation
from transferkit.data.opening import UnreadableError, opened
from transferkit.data.pixels import check_range
from transferkit.data.reduced import ask_for_less
from transferkit.errors import DecodeError, SpecError, explain

__all__ = [
    "MAX_PIXELS",
    "Found",
    "check_channels",
    "check_file",
    "decode",
    "read_file",
    "resize_array",
]


@dataclass(frozen=True, slots=True)
class Found:
    """What one file turned out to be.

    Attributes:
        height: In pixels, once it is upright.
        width: In pixels, once it is upright.
        kind: How it holds its colours: one of `modes.KINDS`.
        format: Pillow's name of the format, whatever the file's ending says.
        digest: 16 bytes that only files with the same bytes share.
    """

    height: int
    width: int
    kind: str
    format: str
    digest: bytes


def decode(
    picture: Any,
    *,
    image_size: ImageSize | None,
    fit: Fit = "crop",
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray[Any, Any]:
    """Decode a picture and bring it to size.

    Files are JPEG, PNG, GIF, BMP, WebP or TIFF, told by their content and not by their name. Of an
    animation the first frame is taken, of a TIFF with several pages the first. EXIF orientation is
    applied. Transparent pixels are shown on white. 16-bit grey is rounded to 8 bits, of 16-bit
    colour the upper 8 are taken; CMYK becomes RGB as ``(1 - ink) * (1 - black)``, and colour
    profiles are not applied. Resizing is antialiased, and bilinear unless a `Crop` says otherwise.
    Of a JPEG file that is more than twice as large as asked, only a half, a quarter or an eighth of
    each side is decoded, where that leaves twice as much and divides evenly: pixels differ by 0.3
    grey levels on average.

    Args:
        picture: A path, a ``PIL.Image``, or an array ``(height, width[, channels])`` of pixels
            0..255, uint8 or float.
        image_size: A side or (height, width) in pixels; None keeps the picture's own.
        fit: ``"crop"`` what is too long, on both sides alike, so that things keep their proportions
            (as torchvision, fastai and KerasHub do); ``"stretch"`` to the size, so that nothing is
            lost (as Keras' ``image_dataset_from_directory`` does); ``"pad"`` with black;
            or a `Crop`, which cuts off more, and says how pictures are resized.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA); an array may have any number.
        max_pixels: Pictures of more pixels are refused before they are decoded.

    Returns:
        uint8 ``(height, width, channels)``.

    Raises:
        DecodeError: If the picture cannot be read; says which and why.
        SpecError: If `fit` or `channels` is unknown.
    """
    check_fit("decode", fit)
    check_max_pixels("decode", max_pixels)
    size = None if image_size is None else as_image_size(image_size, verb="decode")
    if isinstance(picture, np.ndarray):
        check_range(picture, verb="decode")
        return resize_array(picture, size, fit, channels)
    check_channels("decode", channels)
    if isinstance(picture, Image.Image):
        return _from_picture(picture, size, fit, channels)
    path = _as_path(picture)
    try:
        return read_file(path, size, fit, channels, max_pixels)[0]
    except UnreadableError as error:
        raise _decode_error(f"{path} cannot be read: {error}", error.mend) from error


def _as_path(picture: Any) -> Path:
    if isinstance(picture, str | os.PathLike):
        return Path(picture)
    mend = "tk.data.decode(PIL.Image.open(io.BytesIO(content)), ...) takes the bytes of a file."
    raise DecodeError(
        explain(
            "decode",
            f"{type(picture).__name__} is no picture",
            expected="a path, a PIL.Image or an array",
            mend=mend if isinstance(picture, bytes | io.IOBase) else None,
        )
    )


def read_file(
    path: Path, size: tuple[int, int] | None, fit: Fit, channels: int, max_pixels: int
) -> tuple[np.ndarray[Any, Any], Found]:
    """Decode a file and say what it is; the arguments are those of `decode`, checked.

    Raises:
        UnreadableError: With the reason.
    """
    with opened(path, max_pixels) as (file, digest):
        least = None if size is None else size_before_crop(size, fit)
        kind, factor = kind_of(file), ask_for_less(file, least)
        picture = in_mode(file, channels)
        height, width = picture.height * factor, picture.width * factor
        found = Found(height, width, kind, format_of(file.format), digest)
        return _pixels(picture, size, fit), found


def check_file(path: Path, max_pixels: int) -> Found:
    """Read all of a file to see whether it can be decoded, and keep no pixels.

    Of a JPEG all is read and an eighth of each side is computed, which takes half the time.

    Raises:
        UnreadableError: Whenever `read_file` would.
    """
    with opened(path, max_pixels) as (file, digest):
        (width, height), kind, form = file.size, kind_of(file), format_of(file.format)
        if form == "JPEG":
            file.draft(file.mode, (1, 1))
            file.load()
            if orientation(file) >= 5:
                width, height = height, width
        else:
            picture = in_mode(file, 3)
            width, height = picture.size
        return Found(height, width, kind, form, digest)


def check_channels(verb: str, channels: Any) -> None:
    """Refuse a number of channels that picture files do not give.

    Raises:
        SpecError: Naming those they do.
    """
    if channels not in MODES:
        raise SpecError(
            explain(
                verb,
                f"picture files do not give {channels} channels",
                expected="1 (grey), 3 (RGB) or 4 (RGBA)",
                received={"channels": channels},
                mend="tk.data.from_arrays takes any number of channels.",
            )
        )


def resize_array(
    array: np.ndarray[Any, Any], size: tuple[int, int] | None, fit: Fit, channels: int
) -> np.ndarray[Any, Any]:
    """Bring an array to size, the range of its pixels having been checked.

    Whether a picture is 0..1 or very dark cannot be told from one alone, so that a batch is checked
    as a whole where it comes in.

    Args:
        array: ``(height, width)`` or ``(height, width, channels)``, 0..255.
        size: (height, width), or None. An array that has it stays as it is.
        fit: See `decode`.
        channels: How many there have to be; one becomes three.

    Returns:
        ``(height, width, channels)``, of the dtype that came in; float32 for other floats.

    Raises:
        DecodeError: If it is no picture, or has other channels.
    """
    pixels = array if array.ndim == 3 else array[..., None]
    if array.ndim not in (2, 3):
        raise DecodeError(
            explain(
                "decode",
                "the array is no picture",
                expected="(height, width) or (height, width, channels)",
                received={"shape": array.shape},
            )
        )
    if pixels.shape[-1] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=-1)
    if pixels.shape[-1] != channels:
        raise DecodeError(
            explain(
                "decode",
                f"the array has {pixels.shape[-1]} channels",
                expected=f"{channels} channels",
                received={"shape": array.shape},
            )
        )
    if size is None or pixels.shape[:2] == size:
        return pixels
    # Bytes stay bytes: Pillow's own rounding makes an array and its file give the same pixels.
    kept = np.uint8 if array.dtype == np.uint8 else np.float32
    planes = [
        np.asarray(fitted(Image.fromarray(pixels[..., c].astype(kept)), size, fit))
        for c in range(channels)
    ]
    made = np.stack(planes, axis=-1)
    # Of bytes Pillow cuts off what a bicubic filter adds at an edge, of floats it does not.
    return made.clip(0, 255) if isinstance(fit, Crop) else made


def _from_picture(
    picture: Image.Image, size: tuple[int, int] | None, fit: Fit, channels: int
) -> np.ndarray[Any, Any]:
    try:
        return _pixels(in_mode(picture, channels), size, fit)
    except UnreadableError as error:
        raise _decode_error(f"the picture cannot be used: {error}", error.mend) from error


def _pixels(picture: Image.Image, size: tuple[int, int] | None, fit: Fit) -> np.ndarray[Any, Any]:
    pixels = np.asarray(fitted(picture, size, fit))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _decode_error(what: str, mend: str | None) -> DecodeError:
    todo = mend or "Delete or replace the file"
    return DecodeError(
        explain(
            "decode",
            what,
            expected=f"a whole {READ_NAMES} picture",
            mend=f"{todo}, or pass on_bad='skip' to from_directory.",
        )
    )
