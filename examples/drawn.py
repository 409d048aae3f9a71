"""Pictures that the examples draw for themselves: shapes, on a rough ground or on a striped one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray[Any, Any]

KINDS = ("circle", "cross", "square", "star", "triangle")


def picture(
    kinds: str | Sequence[str], rng: np.random.Generator, side: int = 64, *, striped: bool = False
) -> Image.Image:
    """Draw one shape of each kind, anywhere, at any size and angle, in any bright colour.

    Args:
        kinds: One of `KINDS`, or some of them; what is drawn last lies on top.
        rng: Decides everything else.
        side: Height and width in pixels.
        striped: Whether the ground has slanting stripes of some colour, or only noise.
    """
    ground = rng.normal(rng.uniform(40, 110), 12, size=(side, side, 3))
    if striped:
        slope, width = rng.uniform(-1, 1), rng.uniform(0.1, 0.2) * side
        rows, columns = np.mgrid[:side, :side]
        wave = np.sin(2 * np.pi * (columns + slope * rows) / width)
        ground += 30 * wave[..., None] * rng.uniform(0, 1, size=3)
    made = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        place = rng.uniform(0.35, 0.65, size=2) * side
        add(made, kind, place, rng.uniform(0.18, 0.3) * side, rng)
    return made


def several(kinds: Sequence[str], rng: np.random.Generator, side: int = 64) -> Image.Image:
    """Draw one small shape of each kind, at most four, each in a quarter of the picture."""
    made = picture([], rng, side)
    quarters = rng.permutation([(0.28, 0.28), (0.28, 0.72), (0.72, 0.28), (0.72, 0.72)])
    for kind, place in zip(kinds, quarters, strict=False):
        add(made, kind, place * side, rng.uniform(0.12, 0.18) * side, rng)
    return made


def add(
    made: Image.Image, kind: str, place: Array, radius: float, rng: np.random.Generator
) -> None:
    """Draw one shape around `place`, (x, y) in pixels, into a picture."""
    colour = tuple(int(level) for level in rng.uniform(140, 255, size=3))
    pen = ImageDraw.Draw(made)
    if kind == "circle":
        (left, upper), (right, lower) = place - radius, place + radius
        pen.ellipse((left, upper, right, lower), fill=colour)
        return
    corners = outline(kind) * radius
    turn = rng.uniform(0, 2 * np.pi)
    rotated = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pen.polygon([(float(x), float(y)) for x, y in rotated + place], fill=colour)


def outline(kind: str) -> Array:
    """The corners ``(n, 2)`` of a shape around the origin, at most 1 away from it."""
    if kind == "cross":
        arm = np.array([(1, 0.3), (0.3, 0.3), (0.3, 1)])
        turns = [np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), k) for k in range(4)]
        return np.concatenate([arm @ turn for turn in turns])
    points = {"square": 4, "star": 10, "triangle": 3}[kind]
    angles = 2 * np.pi * np.arange(points) / points
    radii = np.where(np.arange(points) % 2, 0.4, 1.0) if kind == "star" else np.ones(points)
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)


def batch(
    kinds: Sequence[str], count: int, seed: int, side: int = 64, *, striped: bool = False
) -> tuple[Array, Array]:
    """Pictures ``(n, side, side, 3)`` in uint8, `count` of each kind, and their class ids."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(kinds)), count)
    pixels = np.stack(
        [np.asarray(picture(kinds[int(k)], rng, side, striped=striped)) for k in labels]
    )
    return pixels, labels


def folder(path: Path, kinds: Sequence[str], count: int, seed: int, side: int = 64) -> Path:
    """Write `count` PNG files of each kind into ``path/<kind>/``; returns `path`."""
    rng = np.random.default_rng(seed)
    for kind in kinds:
        (path / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(kind, rng, side).save(path / kind / f"{number:03}.png")
    return path


def add_photo_options(parser: argparse.ArgumentParser) -> None:
    """``--data`` and ``--weights``, for examples that run on real photos as well."""
    parser.add_argument(
        "--data",
        type=Path,
        help="a folder with one folder of pictures for each class; shapes are drawn without it",
    )
    parser.add_argument(
        "--weights",
        default="imagenet",
        help="the weights of MobileNetV2 if --data is given: imagenet, or a weight file "
        "(default: %(default)s)",
    )
