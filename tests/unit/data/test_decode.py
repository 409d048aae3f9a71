"""Decoding: bad files by name and reason, and Pillow as the oracle of every size and mode."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from transferkit.data.decode import decode
from transferkit.data.fitting import FITS, Crop, Fit
from transferkit.errors import DataError, DecodeError, SpecError

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)


def saved(path: Path, pixels: Any = NOISE, **keywords: Any) -> Path:
    Image.fromarray(pixels).save(path, **keywords)
    return path


def test_a_png_comes_back_bit_for_bit(tmp_path: Path) -> None:
    found = decode(saved(tmp_path / "a.png"), image_size=None)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, NOISE)


def test_stretch_crop_and_pad_are_pillows(tmp_path: Path) -> None:
    path, picture = saved(tmp_path / "a.png"), Image.fromarray(NOISE)
    bilinear, asked = Image.Resampling.BILINEAR, (9, 6)  # Pillow: width, height
    oracles = {
        "stretch": picture.resize(asked, bilinear),
        "crop": ImageOps.fit(picture, asked, bilinear),
        "pad": ImageOps.pad(picture, asked, bilinear),
    }
    assert set(oracles) == set(FITS)
    for fit in FITS:
        found = decode(path, image_size=(6, 9), fit=fit)
        assert found.shape == (6, 9, 3)
        np.testing.assert_array_equal(found, np.asarray(oracles[fit]))


def test_pad_keeps_the_picture_and_adds_black() -> None:
    white = Image.new("RGB", (8, 4), "white")
    found = decode(white, image_size=8, fit="pad")
    assert (found[2:6] == 255).all()
    assert (found[:2] == 0).all()
    assert (found[6:] == 0).all()


@pytest.mark.parametrize("fit", [*FITS, Crop(0.9, "bicubic")])
def test_a_path_a_picture_and_an_array_are_resized_alike(tmp_path: Path, fit: Fit) -> None:
    path = saved(tmp_path / "a.png")
    from_file = decode(path, image_size=(6, 10), fit=fit)
    from_picture = decode(Image.open(path), image_size=(6, 10), fit=fit)
    from_array = decode(NOISE, image_size=(6, 10), fit=fit)
    np.testing.assert_array_equal(from_file, from_picture)
    # Pillow rounds to whole numbers after each of its two passes, the float planes only at the end.
    assert np.abs(from_file.astype(int) - from_array.astype(int)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.png", exif=exif)
    upright = {
        1: NOISE,
        2: NOISE[:, ::-1],
        3: NOISE[::-1, ::-1],
        4: NOISE[::-1],
        5: NOISE.transpose(1, 0, 2),
        6: np.rot90(NOISE, -1),
        7: NOISE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(NOISE),
    }
    np.testing.assert_array_equal(decode(path, image_size=None), upright[orientation])


def test_transparent_pixels_are_shown_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2] = (200, 10, 30, 255)
    found = decode(saved(tmp_path / "a.png", pixels), image_size=None)
    assert (found[:2] == (200, 10, 30)).all()
    assert (found[2:] == 255).all()


def test_four_channels_keep_the_transparency(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (4, 5, 4), dtype=np.uint8)
    path = saved(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(decode(path, image_size=None, channels=4), pixels)


def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path: Path) -> None:
    deep = np.asarray([[0, 257, 257 * 100], [257 * 200, 65535, 128]], np.uint16)
    found = decode(saved(tmp_path / "a.png", deep), image_size=None, channels=1)
    np.testing.assert_array_equal(found[..., 0], [[0, 1, 100], [200, 255, 0]])


def test_grey_and_colour_become_each_other(tmp_path: Path) -> None:
    grey = saved(tmp_path / "grey.png", NOISE[..., 0])
    assert (decode(grey, image_size=None) == NOISE[..., :1]).all()
    found = decode(saved(tmp_path / "a.png"), image_size=None, channels=1)
    np.testing.assert_array_equal(found[..., 0], np.asarray(Image.fromarray(NOISE).convert("L")))


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).quantize(8).save(path)
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(decode(path, image_size=None), expected)


def test_an_array_may_have_any_channels_and_stays_float() -> None:
    found = decode(NOISE.repeat(2, axis=-1).astype(np.float32), image_size=5, channels=6)
    assert found.shape == (5, 5, 6)
    assert found.dtype == np.float32
    assert decode(NOISE[..., 0], image_size=None).shape == (12, 20, 3)


def half_a_jpeg(path: Path) -> None:
    saved(path, RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:1500])


BAD = {
    "truncated": (half_a_jpeg, "truncated"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("hello"), "it is text"),
    "dot": (lambda path: saved(path, NOISE[:1, :1]), "1 x 1 pixels show nothing"),
    "bomb": (
        lambda path: saved(path, np.zeros((40, 60), np.uint8)),
        "40 x 60 pixels are more than max_pixels=2,000",
    ),
    "missing": (lambda path: None, "there is no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    make, reason = BAD[name]
    path = tmp_path / f"{name}.jpg"
    make(path)
    with pytest.raises(DecodeError) as caught:
        decode(path, image_size=8, max_pixels=2000 if name == "bomb" else 10**6)
    text = str(caught.value)
    assert str(path) in text
    assert reason in text
    assert "on_bad='skip'" in text


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 240 pixels: Pillow itself would refuse
    assert decode(path, image_size=None).shape == (12, 20, 3)
    assert Image.MAX_IMAGE_PIXELS == 100, "Pillow's own limit is as it was for everybody else"
    with pytest.raises(DecodeError, match="12 x 20 pixels are more than max_pixels=239"):
        decode(path, image_size=None, max_pixels=239)


def test_decoding_leaves_the_warning_filters_alone(tmp_path: Path) -> None:
    before = list(warnings.filters)
    decode(saved(tmp_path / "a.png"), image_size=None)
    assert list(warnings.filters) == before


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 4, 3), complex), "pixels of type complex128 are no pixels"),
        (np.full((4, 4, 3), np.nan), "NaN or infinite"),
        (np.full((4, 4, 3), -1.0), "outside 0..255"),
        (np.full((4, 4, 3), 256, np.int64), "outside 0..255"),
        (np.full((4, 4, 3), 0.5), "look like 0..1"),
        (np.zeros((1, 4, 4, 3), np.uint8), "the array is no picture"),
        (np.zeros(4, np.uint8), "the array is no picture"),
        (np.zeros((4, 4, 2), np.uint8), "the array has 2 channels"),
    ],
)
def test_an_array_that_is_no_picture_says_why(array: Any, text: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(array, image_size=4)
    assert text in str(caught.value)


def test_unknown_fits_and_channels_are_refused() -> None:
    wrong: Any = "streched"
    with pytest.raises(SpecError, match=r"the fit is unknown(.|\n)*stretch"):
        decode(NOISE, image_size=4, fit=wrong)
    with pytest.raises(SpecError, match="do not give 2 channels"):
        decode("a.png", image_size=4, channels=2)


def test_a_picture_of_pillow_is_turned_as_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    values = np.random.default_rng(0).integers(0, 256, (6, 12, 3), dtype=np.uint8)
    Image.fromarray(values).save(path, exif=exif)
    for size in (None, (8, 5)):
        from_file = decode(path, image_size=size)
        np.testing.assert_array_equal(decode(Image.open(path), image_size=size), from_file)
    assert decode(path, image_size=None).shape == (12, 6, 3)


@pytest.mark.parametrize("error", [TypeError("bad operand"), OSError("encode")])
def test_metadata_that_makes_no_sense_leave_the_picture_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = saved(tmp_path / "a.png")
    expected = decode(path, image_size=None)

    def fail(picture: Any) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "getexif", fail)
    np.testing.assert_array_equal(decode(path, image_size=None), expected)


def test_whatever_a_plug_in_of_pillow_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.png")

    def fail(*args: Any) -> None:
        raise RuntimeError("broken inside")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(DecodeError, match=r"a\.png cannot be read: broken inside"):
        decode(path, image_size=None)


@pytest.mark.parametrize("thing", [b"GIF89a", None, io.BytesIO(b"GIF89a"), 3])
def test_what_is_no_picture_is_refused(thing: Any) -> None:
    with pytest.raises(DecodeError, match=f"{type(thing).__name__} is no picture") as caught:
        decode(thing, image_size=None)
    in_memory = isinstance(thing, bytes | io.BytesIO)
    assert ("PIL.Image.open(io.BytesIO(content))" in str(caught.value)) == in_memory


@pytest.mark.parametrize("most", ["x", 0, -1, 2.5, None])
def test_a_number_of_pixels_that_is_none_is_refused(most: Any) -> None:
    with pytest.raises(SpecError, match="decode: max_pixels is no number of pixels"):
        decode("a.png", image_size=None, max_pixels=most)
