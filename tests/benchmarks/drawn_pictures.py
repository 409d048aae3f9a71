"""Pictures from a seed, so that nobody needs a data set: smooth colours in JPEG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["array", "folder"]

Array = np.ndarray[Any, Any]

SIZES = ((500, 375), (375, 500), (500, 333), (320, 240))
"""Width and height, as photos on the web have them."""


def folder(root: Path, classes: int, count: int, *, seed: int = 0, scale: float = 1.0) -> Path:
    """A folder of ``class_0/`` and so on with `count` JPEG files in all.

    Args:
        root: The folder to fill; it is made.
        classes: How many folders are in it.
        count: How many pictures, dealt out to the classes in turn.
        seed: Decides the pixels.
        scale: Factor of the pictures' sides.
    """
    draw = np.random.default_rng(seed)
    for number in range(count):
        width, height = (round(scale * side) for side in SIZES[number % len(SIZES)])
        place = root / f"class_{number % classes}"
        place.mkdir(parents=True, exist_ok=True)
        _smooth(draw, width, height).save(place / f"{number:05}.jpg", quality=90)
    return root


def array(count: int, side: int, *, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Pictures as uint8 pixels ``(count, side, side, 3)``, and a class id for each."""
    draw = np.random.default_rng(seed)
    pixels = np.empty((count, side, side, 3), np.uint8)
    for place in range(count):
        pixels[place] = np.asarray(_smooth(draw, side, side))
    return pixels, (np.arange(count) % classes).astype(np.int64)


def _smooth(draw: np.random.Generator, width: int, height: int) -> Image.Image:
    spots = Image.fromarray(draw.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return spots.resize((width, height), Image.Resampling.BICUBIC)
