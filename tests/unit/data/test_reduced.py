"""JPEG files decoded smaller: nearly the same pixels, upright, and still checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from transferkit.data.decode import decode, read_file
from transferkit.data.opening import opened
from transferkit.data.reduced import ask_for_less
from transferkit.errors import DecodeError


def landscape(height: int, width: int) -> Image.Image:
    """Smooth hills with some grain, so that every side looks different."""
    y, x = np.mgrid[:height, :width] / 40.0
    waves = [np.sin(x + k) * np.cos(y * (k + 1) / 2) + x / 20 for k in range(3)]
    grain = np.random.default_rng(0).normal(0, 3, (height, width, 3))
    return Image.fromarray(np.clip(np.stack(waves, -1) * 60 + 110 + grain, 0, 255).astype(np.uint8))


def saved(path: Path, height: int, width: int, **more: Any) -> Path:
    landscape(height, width).save(path, quality=92, **more)
    return path


@pytest.mark.parametrize(
    ("sides", "size", "factor"),
    [
        ((64, 96), (16, 16), 2),
        ((64, 96), (17, 16), 1),
        ((64, 96), (32, 32), 1),
        ((128, 256), (16, 20), 2),  # upright or not, 20 has to fit twice
        ((128, 256), (16, 16), 4),
        ((256, 256), (16, 16), 8),
        ((260, 256), (16, 16), 4),  # an eighth of 260 is no whole number
        ((255, 256), (16, 16), 1),
        ((256, 256), None, 1),
    ],
)
def test_twice_the_size_stays_and_sides_divide_evenly(
    tmp_path: Path, sides: Any, size: Any, factor: int
) -> None:
    path = saved(tmp_path / "a.jpg", *sides)
    with opened(path, 10**6) as (picture, _):
        assert ask_for_less(picture, size) == factor
        picture.load()
        assert picture.size == (sides[1] // factor, sides[0] // factor)


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_it_looks_as_if_it_had_been_decoded_in_full(
    tmp_path: Path, fit: Any, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.jpg", 192, 256, exif=exif)
    whole = ImageOps.exif_transpose(Image.open(path))
    found = decode(path, image_size=(24, 30), fit=fit)
    expected = decode(whole, image_size=(24, 30), fit=fit)
    difference = np.abs(found.astype(int) - expected)
    assert 0 < difference.max() <= 4
    assert difference.mean() < 0.5
    assert (found.astype(int) - expected).mean() < 0.1


def test_the_report_has_the_sides_of_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", 192, 256, exif=exif)
    pixels, found = read_file(path, (16, 16), "crop", 3, 10**6)
    assert pixels.shape == (16, 16, 3)
    assert (found.height, found.width) == (256, 192)


def test_a_picture_of_pillow_is_read_in_full_and_stays_as_it_is(tmp_path: Path) -> None:
    picture = Image.open(saved(tmp_path / "a.jpg", 192, 256))
    decode(picture, image_size=16)
    assert picture.size == (256, 192)


def test_other_formats_are_decoded_in_full(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    landscape(128, 128).save(path)
    with opened(path, 10**6) as (picture, _):
        assert ask_for_less(picture, (8, 8)) == 1


def test_a_phones_picture_with_more_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    landscape(128, 128).save(path, "MPO", save_all=True, append_images=[landscape(64, 64)])
    alone = saved(tmp_path / "b.jpg", 128, 128)
    with opened(path, 10**6) as (picture, _):
        assert picture.format == "MPO"
        assert ask_for_less(picture, (8, 8)) == 8
    found = decode(path, image_size=8).astype(int)
    assert np.abs(found - decode(alone, image_size=8)).max() <= 6


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_still_refused(tmp_path: Path, kept: float) -> None:
    path = saved(tmp_path / "a.jpg", 256, 256)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DecodeError, match=r"a\.jpg cannot be read: .*truncated"):
        decode(path, image_size=16)


def test_real_photos_differ_by_less_than_two_decoders_do(assets: Path) -> None:
    reduced = 0
    for path in sorted((assets / "hymenoptera" / "val" / "ants").glob("*.jpg")):
        with opened(path, 10**8) as (picture, _):
            reduced += ask_for_less(picture, (64, 64)) > 1
        whole = decode(Image.open(path), image_size=64).astype(int)
        difference = np.abs(decode(path, image_size=64) - whole)
        assert difference.mean() < 1.0
        assert difference.max() <= 12
    assert reduced > 10
