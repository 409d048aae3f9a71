"""Pictures in, activated outputs out: what every prediction and evaluation goes through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit import _keras
from transferkit._types import KerasModel, Tensor, whole
from transferkit.data.files import READ, why_not_read
from transferkit.data.pixels import check_extremes, check_range, checked_range, scaled
from transferkit.errors import DataError, DataNotFoundError, SpecError, explain

__all__ = ["checked_batch_size", "forward", "outputs", "pictures"]

Forward = Callable[[Tensor], Tensor]


def pictures(given: Any, pixel_range: tuple[float, float] = (0, 255)) -> tuple[bool, list[Any]]:
    """What a caller may hand to ``predict``, as a list of files, Pillow's pictures and arrays.

    Args:
        given: A path, a folder, a ``PIL.Image``, an array or tensor ``(height, width[, channels])``
            or ``(n, height, width, channels)`` of pixels 0..255, or an iterable of such things.
        pixel_range: What the darkest and the brightest value of arrays are.

    Returns:
        Whether one picture was given, and all of them; arrays are 0..255.

    Raises:
        DataNotFoundError: If there is no such file, or no picture in the folder.
        DataError: If something is no picture, or pixels are not in their range.
        SpecError: If `pixel_range` is none.
    """
    ends = checked_range("predict", pixel_range)
    if isinstance(given, str | os.PathLike):
        return _on_disk(Path(given))
    if isinstance(given, Image.Image):
        return True, [given]
    if hasattr(given, "__array__"):
        array = np.asarray(given)
        if array.ndim in (2, 3, 4):
            array = _in_range(array, ends)
            return array.ndim < 4, list(array) if array.ndim == 4 else [array]
    elif isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | memoryview):
        return False, [picture for item in given for picture in pictures(item, ends)[1]]
    shape = getattr(given, "shape", None)
    raise DataError(
        explain(
            "predict",
            f"{type(given).__name__} is no picture" + (f" in shape {shape}" if shape else ""),
            expected="a path, a folder, a PIL image, an array (height, width, channels) or "
            "(n, height, width, channels) of pixels 0..255, or a list of such things",
            received={"pictures": given},
            mend="trained.predict(photos.val.pixels()) predicts a split, "
            "trained.predict(PIL.Image.open(io.BytesIO(data))) the bytes of a file.",
        )
    )


def _in_range(array: np.ndarray[Any, Any], ends: tuple[float, float]) -> np.ndarray[Any, Any]:
    if ends == (0, 255) or not array.size:
        check_range(array, verb="predict")
        return array
    check_extremes("predict", array.min(), array.max(), array.dtype, ends)
    return scaled(array, ends)


def _on_disk(path: Path) -> tuple[bool, list[Any]]:
    if not path.is_dir():
        if path.exists():
            return True, [path]
        raise DataNotFoundError(
            explain(
                "predict",
                f"there is no file {str(path)!r}",
                expected="a picture or a folder of pictures",
                received={"pictures": str(path)},
            )
        )
    found = sorted(entry for entry in path.iterdir() if why_not_read(entry) is None)
    if not found:
        raise DataNotFoundError(
            explain(
                "predict",
                f"there are no pictures in {str(path)!r}",
                expected=f"files that end in {', '.join(sorted(READ))}",
                received={"pictures": str(path)},
            )
        )
    return False, list(found)


def checked_batch_size(verb: str, value: Any) -> int:
    """A number of pictures at a time.

    Raises:
        SpecError: If it is no whole number above 0.
    """
    size = whole(value)
    if size is None or size < 1:
        raise SpecError(
            explain(
                verb,
                "batch_size is out of range",
                expected="a whole number of 1 or more",
                received={"batch_size": value},
                mend=f"trained.{verb}(..., batch_size=32)",
            )
        )
    return size


def forward(network: KerasModel) -> Forward:
    """The network in inference mode, compiled once for batches of any size.

    Keras' own ``predict`` runs a network that was made under a distribution strategy once on every
    replica, and so answers each picture twice on two of them.

    Args:
        network: Raw pixels to activated outputs.
    """

    def run(pixels: Tensor) -> Tensor:
        return network(pixels, training=False)

    compiled: Forward = _keras.compiled(run)
    return compiled


def outputs(run: Forward, pixels: Any, *, batch_size: int) -> np.ndarray[Any, Any]:
    """Run pictures through a network, a batch at a time.

    Args:
        run: What `forward` gave.
        pixels: ``(n, height, width, channels)``, 0..255; an array, or anything that gives one for
            ``pixels[indices]``.
        batch_size: Pictures at a time.

    Returns:
        float32 ``(n, outputs)``.
    """
    tf = _keras.tf()
    rows = [
        np.asarray(run(tf.constant(pixels[chosen], tf.float32)))
        for chosen in _places(len(pixels), batch_size)
    ]
    return np.concatenate(rows).astype(np.float32, copy=False)


def _places(count: int, size: int) -> Iterator[np.ndarray[Any, Any]]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
