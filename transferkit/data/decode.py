"""One decoder and one resize, for training, prediction and everything else: Pillow's."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transferkit._types import ImageSize
from transferkit._types import image_size as as_image_size
from transferkit.errors import DataError, DecodeError, SpecError, did_you_mean, explain

__all__ = ["FITS", "MAX_PIXELS", "Fit", "check_range", "decode", "resize_array"]

Fit = Literal["crop", "stretch", "pad"]
FITS = ("crop", "stretch", "pad")
MAX_PIXELS = 100_000_000
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_OPENING = threading.Lock()  # warning filters belong to the process, and a pool of threads decodes


def decode(
    picture: Any,
    *,
    image_size: ImageSize | None,
    fit: Fit = "crop",
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray[Any, Any]:
    """Decode a picture and bring it to size.

    EXIF orientation is applied. Transparent pixels are shown on white. 16-bit grey is scaled to 8.
    Resizing is bilinear and antialiased.

    Args:
        picture: A path, a ``PIL.Image``, or an array ``(height, width[, channels])`` of pixels
            0..255, uint8 or float.
        image_size: A side or (height, width) in pixels; None keeps the picture's own.
        fit: ``"crop"`` what is too long, on both sides alike, so that things keep their proportions
            (as torchvision, fastai and KerasHub do); ``"stretch"`` to the size, so that nothing is
            lost (as Keras' ``image_dataset_from_directory`` does); or ``"pad"`` with black.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA); an array may have any number.
        max_pixels: Pictures of more pixels are refused before they are decoded.

    Returns:
        uint8 ``(height, width, channels)``.

    Raises:
        DecodeError: If the picture cannot be read; says which and why.
        SpecError: If `fit` or `channels` is unknown.
    """
    check_fit("decode", fit)
    size = None if image_size is None else as_image_size(image_size, verb="decode")
    if isinstance(picture, np.ndarray):
        check_range(picture, verb="decode")
        return resize_array(picture, size, fit, channels)
    if channels not in _MODES:
        raise SpecError(
            explain(
                "decode",
                f"picture files do not give {channels} channels",
                expected="1 (grey), 3 (RGB) or 4 (RGBA)",
                received={"channels": channels},
                mend="tk.data.from_arrays takes any number of channels.",
            )
        )
    if isinstance(picture, Image.Image):
        turned = _in_mode(picture, channels)
        return np.asarray(_fitted(turned, size, fit)).reshape(*_hw(size, turned), -1)
    return _from_file(Path(picture), size, fit, channels, max_pixels)


def check_fit(verb: str, fit: Any) -> None:
    """Refuse a way of fitting that is none.

    Raises:
        SpecError: Naming those there are.
    """
    if fit not in FITS:
        raise SpecError(
            explain(
                verb,
                "the fit is unknown",
                expected=did_you_mean(str(fit), FITS),
                received={"fit": fit},
                mend=f"{verb}(..., fit='crop')",
            )
        )


def opened(path: Path) -> Image.Image:
    """A picture's file, its header read. Its size is for the caller to check, and not for Pillow.

    Raises:
        OSError: As Pillow does.
    """
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def upright(picture: Image.Image) -> Image.Image:
    """A picture turned as its EXIF says; as it lies where that says nothing that makes sense."""
    try:
        return ImageOps.exif_transpose(picture)
    except OSError:  # of the pixels
        raise
    except Exception:  # of the metadata, which may hold anything
        return picture


def check_range(images: np.ndarray[Any, Any], *, verb: str) -> None:
    """Refuse pixels that are not 0..255.

    Raises:
        DataError: Saying what they look like.
    """
    if images.dtype == np.uint8 or not images.size:
        return
    if images.dtype.kind not in "fiu":
        raise DataError(
            explain(
                verb,
                f"pixels of type {images.dtype} are no pixels",
                expected="uint8, or floats 0..255",
                received={"dtype": str(images.dtype)},
            )
        )
    low, high = float(images.min()), float(images.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(explain(verb, "some pixels are NaN or infinite", expected="pixels 0..255"))
    if low < 0 or high > 255:
        raise DataError(
            explain(
                verb,
                "pixels lie outside 0..255",
                expected="raw pixels 0..255; the network scales them itself",
                received={"lowest": low, "highest": high},
                mend="Undo your own scaling, or pass pixel_range=(low, high) to from_arrays or "
                "from_dataset.",
            )
        )
    if images.dtype.kind == "f" and 0 < high <= 1:
        raise DataError(
            explain(
                verb,
                "pixels look like 0..1",
                expected="raw pixels 0..255; the network scales them itself",
                received={"lowest": low, "highest": high},
                mend="Pass images * 255, or pixel_range=(0, 1) to from_arrays or from_dataset.",
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
        size: (height, width), or None.
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
        np.asarray(_fitted(Image.fromarray(pixels[..., c].astype(kept)), size, fit))
        for c in range(channels)
    ]
    return np.stack(planes, axis=-1)


def _from_file(
    path: Path, size: tuple[int, int] | None, fit: Fit, channels: int, max_pixels: int
) -> np.ndarray[Any, Any]:
    try:
        with opened(path) as picture_file:
            _check_size(path, picture_file.size, max_pixels)
            picture = _in_mode(picture_file, channels)
            return np.asarray(_fitted(picture, size, fit)).reshape(*_hw(size, picture), -1)
    except DecodeError:
        raise
    except FileNotFoundError as error:
        raise _unreadable(path, "there is no such file") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        reason = "the file is empty" if empty else "it is no picture that Pillow knows"
        raise _unreadable(path, reason) from error
    except Exception as error:  # Pillow's plug-ins raise whatever a broken file leads them to
        raise _unreadable(path, str(error) or type(error).__name__) from error


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _unreadable(
            path, f"{height} x {width} pixels are more than max_pixels={max_pixels:,}"
        )
    if min(width, height) < 2:
        raise _unreadable(path, f"{height} x {width} pixels show nothing")


def _in_mode(picture: Image.Image, channels: int) -> Image.Image:
    """Upright, and in the mode that has so many channels."""
    turned = upright(picture)
    if turned.mode.startswith("I;16") or turned.mode == "I":
        values = np.asarray(turned, dtype=np.float64) / 257.0
        turned = Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
    if channels != 4 and ("A" in turned.getbands() or "transparency" in turned.info):
        clear = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return turned.convert(_MODES[channels])


def _fitted(picture: Image.Image, size: tuple[int, int] | None, fit: Fit) -> Image.Image:
    if size is None or picture.size == size[::-1]:
        return picture
    bilinear = Image.Resampling.BILINEAR
    if fit == "stretch":
        return picture.resize(size[::-1], bilinear)
    if fit == "crop":
        return ImageOps.fit(picture, size[::-1], bilinear)
    return ImageOps.pad(picture, size[::-1], bilinear)


def _hw(size: tuple[int, int] | None, picture: Image.Image) -> tuple[int, int]:
    return size if size is not None else (picture.height, picture.width)


def _unreadable(path: Path, reason: str) -> DecodeError:
    return DecodeError(
        explain(
            "decode",
            f"{path} cannot be read: {reason}",
            expected="a whole JPEG, PNG, BMP or WebP picture",
            mend="Delete or replace the file, or pass on_bad='skip' to from_directory.",
        )
    )
