"""`Crop`: how much of a picture is kept, with Pillow and NumPy as the oracles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit.data import Crop, decode
from transferkit.data.fitting import FITS, fit_from_config, fit_to_config, size_before_crop
from transferkit.errors import SpecError

RNG = np.random.default_rng(3)
NOISE = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_shorter_side_is_scaled_and_the_middle_kept(interpolation: Any) -> None:
    picture = Image.fromarray(NOISE)
    filter_of_pillow = Image.Resampling[interpolation.upper()]
    whole = np.asarray(picture.resize((15, 10), filter_of_pillow))
    found = decode(picture, image_size=8, fit=Crop(0.8, interpolation))
    np.testing.assert_array_equal(found, whole[1:9, 4:12])  # 3.5 columns are 4, as in torchvision
    turned = picture.transpose(Image.Transpose.TRANSPOSE)
    upright = decode(turned, image_size=8, fit=Crop(0.8, interpolation)).transpose(1, 0, 2)
    # Pillow rounds after each of its two passes, of which the first is always along the rows.
    np.testing.assert_allclose(upright.astype(int), whole[1:9, 4:12], atol=1)


@pytest.mark.parametrize(
    ("size", "scaled"), [((12, 8), (15, 22)), ((4, 16), (13, 20)), ((8, 12), (10, 15))]
)
def test_both_sides_of_a_size_are_covered(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    whole = Image.fromarray(NOISE).resize(scaled[::-1], Image.Resampling.BILINEAR)
    top, left = (round((have - kept) / 2) for have, kept in zip(scaled, size, strict=True))
    found = decode(Image.fromarray(NOISE), image_size=size, fit=Crop(0.8))
    wanted = np.asarray(whole)[top : top + size[0], left : left + size[1]]
    np.testing.assert_array_equal(found, wanted)


def test_a_file_of_the_size_loses_its_border_and_an_array_was_cut_before(tmp_path: Path) -> None:
    framed = np.full((40, 40, 3), 200, np.uint8)
    framed[2:-2, 2:-2] = 0
    Image.fromarray(framed).save(tmp_path / "framed.png")
    crop = Crop(0.8, "nearest")
    assert (decode(tmp_path / "framed.png", image_size=40, fit=crop) == 0).all()
    assert (decode(Image.fromarray(framed), image_size=40, fit=crop) == 0).all()
    assert (decode(tmp_path / "framed.png", image_size=40) == framed).all()
    assert (decode(framed, image_size=40, fit=crop) == framed).all()


def test_no_pixel_leaves_its_range() -> None:
    edge = np.zeros((32, 32, 1), np.float32)
    edge[:, 16:] = 255
    found = decode(edge, image_size=24, fit=Crop(0.9, "bicubic"), channels=1)
    bytes_of_it = decode(edge.astype(np.uint8), image_size=24, fit=Crop(0.9, "bicubic"), channels=1)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (0, 255)
    assert np.abs(found - bytes_of_it).max() <= 1


def test_a_line_of_pixels_does_not_fill_the_memory() -> None:
    line = np.zeros((1, 60_000, 3), np.uint8)
    line[:, 29_000:31_000] = 255  # whole it would be scaled to 15 million columns, 11 GB
    assert (decode(Image.fromarray(line), image_size=224, fit=Crop(0.875)) == 255).all()


def test_a_large_photo_is_decoded_with_what_is_cut_off(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((128, 128, 3), np.uint8)).save(tmp_path / "a.jpg")
    asked = [size_before_crop((32, 32), fit) for fit in ("crop", Crop(), Crop(0.5))]
    assert asked == [(32, 32), (32, 32), (64, 64)]
    smooth = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    full = decode(Image.open(tmp_path / "a.jpg"), image_size=32, fit=Crop(0.5), channels=1)
    read = decode(tmp_path / "a.jpg", image_size=32, fit=Crop(0.5), channels=1)
    np.testing.assert_array_equal(read, full)  # twice 64 pixels are all that there are


def test_a_share_that_is_a_quotient_gives_its_divisor() -> None:
    sides = [(kept, whole) for kept in (32, 224, 240) for whole in range(kept, kept + 200)]
    found = [size_before_crop((kept, kept), Crop(kept / whole))[0] for kept, whole in sides]
    assert found == [whole for _, whole in sides]


@pytest.mark.parametrize("fit", [*FITS, Crop(0.875, "bicubic")])
def test_a_fit_goes_through_json(fit: Any) -> None:
    assert fit_from_config(json.loads(json.dumps(fit_to_config(fit)))) == fit


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan"), "0.9", None, True])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(SpecError, match=r"Crop: the share is none of a picture. Expected 0 < sha"):
        Crop(share)


def test_an_unknown_interpolation_is_refused() -> None:
    wrong: Any = "cubic"
    with pytest.raises(SpecError, match=r"Crop: the interpolation is unknown.*'bicubic'"):
        Crop(0.9, wrong)


@pytest.mark.parametrize("fit", ["cover", Crop, 0.875])
def test_an_unknown_fit_is_refused_with_those_there_are(fit: Any) -> None:
    with pytest.raises(SpecError, match=r"decode: the fit is unknown. Expected a tk.data.Crop, or"):
        tk.data.decode(NOISE, image_size=4, fit=fit)
