from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

import transferkit as tk
from transferkit.augment import keys, tone
from transferkit.augment.randaugment import OPERATIONS
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]
Pillow = Callable[[Image.Image], Image.Image]
HEIGHT, WIDTH = 24, 30


def pictures(count: int = 5) -> Array:
    """Some of few values, one flat, one with a flat channel."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(120, 40, (count, HEIGHT, WIDTH, 3)).clip(0, 255).round()
    drawn[0], drawn[1, ..., 0] = 7, 200
    drawn[2] = drawn[2] // 64 * 50
    return np.asarray(drawn, np.float32)


def by_pillow(change: Pillow, images: Array) -> Array:
    changed = [np.asarray(change(Image.fromarray(each.astype(np.uint8)))) for each in images]
    return np.asarray(changed, np.float32)


def affine(a: float, b: float, c: float, d: float, e: float, f: float) -> Pillow:
    """About the centre; Pillow's pixel corners, not centres, lie at whole numbers."""
    x, y = WIDTH / 2, HEIGHT / 2
    data = (a, b, x - a * x - b * y + c, d, e, y - d * x - e * y + f)
    return lambda picture: picture.transform(
        picture.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    )


LEVEL = 18 / 30  # of magnitude 18
TURN = math.radians(30 * LEVEL)
EXPECTED: dict[str, tuple[Pillow, float]] = {
    "identity": (lambda picture: picture, 0.0),
    "shear_x": (affine(1, 0.3 * LEVEL, 0, 0, 1, 0), 1.01),
    "shear_y": (affine(1, 0, 0, 0.3 * LEVEL, 1, 0), 1.01),
    "translate_x": (affine(1, 0, -150 / 331 * WIDTH * LEVEL, 0, 1, 0), 1.01),
    "translate_y": (affine(1, 0, 0, 0, 1, -150 / 331 * HEIGHT * LEVEL), 1.01),
    "rotate": (
        affine(math.cos(TURN), -math.sin(TURN), 0, math.sin(TURN), math.cos(TURN), 0),
        1.01,
    ),
    "brightness": (lambda p: ImageEnhance.Brightness(p).enhance(1 + 0.9 * LEVEL), 1.01),
    "color": (lambda p: ImageEnhance.Color(p).enhance(1 + 0.9 * LEVEL), 1.6),
    "sharpness": (lambda p: ImageEnhance.Sharpness(p).enhance(1 + 0.9 * LEVEL), 1.6),
    "posterize": (lambda p: ImageOps.posterize(p, 8 - round(4 * LEVEL)), 0.0),
    "solarize": (lambda p: ImageOps.solarize(p, math.ceil(255 * (1 - LEVEL))), 0.0),
    "autocontrast": (ImageOps.autocontrast, 1.01),
    "equalize": (ImageOps.equalize, 0.0),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_operation_is_the_one_that_pillow_does(name: str) -> None:
    change, tolerance = EXPECTED[name]
    images = pictures()
    choices = np.full(len(images), OPERATIONS.index(name), np.int32)
    operation = tk.augment.rand_augment(magnitude=18, fill="constant")
    made = np.asarray(operation.perform(images, choices, np.ones(len(images), np.float32)))
    inner = slice(1, -1) if name in OPERATIONS[1:6] else slice(None)
    difference = np.abs(made - by_pillow(change, images))[:, inner, inner]
    if name in OPERATIONS[1:6]:  # Pillow leaves a pixel's width black at the moved border
        assert np.mean(difference > tolerance) < 0.06
    else:
        assert difference.max() <= tolerance


def test_contrast_is_about_the_mean_of_the_picture() -> None:
    images = pictures()
    operation = tk.augment.rand_augment(magnitude=18)
    choices = np.full(len(images), OPERATIONS.index("contrast"), np.int32)
    for sign in (1.0, -1.0):
        made = operation.perform(images, choices, np.full(len(images), sign, np.float32))
        means = images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
        expected = (means + (images - means) * (1 + sign * 0.9 * LEVEL)).clip(0, 255)
        np.testing.assert_allclose(made, expected, atol=0.01)


def test_every_operation_is_compared_with_an_oracle() -> None:
    assert {*EXPECTED, "contrast"} == set(OPERATIONS)


def test_pictures_are_drawn_for_one_by_one_and_put_back_in_their_places() -> None:
    images = np.repeat(pictures(4)[3:], 28, axis=0)
    operation = tk.augment.rand_augment(magnitude=18)
    choices = np.arange(28, dtype=np.int32)[::-1] % 14
    signs = np.where(np.arange(28) < 14, 1, -1).astype(np.float32)
    together = np.asarray(operation.perform(images, choices, signs))
    for place in range(28):
        alone = slice(place, place + 1)
        one = operation.perform(images[alone], choices[alone], signs[alone])
        np.testing.assert_array_equal(together[alone], one)
    two_ways = [*range(1, 10)]  # shear to sharpness
    for name in two_ways:
        plus, minus = np.flatnonzero(choices == name)
        assert not np.allclose(together[plus], together[minus], atol=1)


def test_choices_and_signs_are_even() -> None:
    made = keys.image_keys(0, 0, range(14_000))
    operation = tk.augment.rand_augment()
    counts = np.bincount(operation.choices(made).numpy(), minlength=14)
    assert len(counts) == 14
    assert 850 < counts.min() < counts.max() < 1150
    signs = operation.signs(made).numpy()
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.05
    assert abs(np.corrcoef(operation.choices(made).numpy(), signs)[0, 1]) < 0.05


def test_operations_follow_each_other_with_keys_of_their_own() -> None:
    images, made = pictures(), keys.image_keys(3, 0, range(5))
    operation = tk.augment.rand_augment(3, 12)
    expected: Any = images
    for turn in range(3):
        own = keys.fold(made, turn)
        expected = operation.perform(expected, operation.choices(own), operation.signs(own))
    np.testing.assert_array_equal(operation.apply(images, None, made)[0], expected)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_are_taken(channels: int) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (14, 9, 9, channels)).astype(np.float32)
    operation = tk.augment.rand_augment(magnitude=18)
    choices, ones = np.arange(14, dtype=np.int32), np.ones(14, np.float32)
    made = np.asarray(operation.perform(images, choices, ones))
    assert made.shape == images.shape
    coloured = OPERATIONS.index("color")
    if channels == 1:
        np.testing.assert_array_equal(made[coloured], images[coloured])
    else:
        np.testing.assert_array_equal(made[coloured, ..., 3], images[coloured, ..., 3])
        assert not np.allclose(made[coloured, ..., :3], images[coloured, ..., :3], atol=1)


def test_magnitude_nought_moves_no_pixel_by_a_level() -> None:
    images = pictures()
    operation = tk.augment.rand_augment(magnitude=0)
    for name in ("shear_x", "rotate", "color", "contrast", "sharpness", "posterize"):
        choices = np.full(len(images), OPERATIONS.index(name), np.int32)
        made = operation.perform(images, choices, np.ones(len(images), np.float32))
        np.testing.assert_allclose(made, images, atol=1e-3)


def test_equalize_and_sharpness_take_a_batch_of_nothing() -> None:
    nothing = np.zeros((0, 5, 5, 3), np.float32)
    assert tone.equalized(nothing).shape == nothing.shape
    assert tone.sharpened(nothing, np.ones((0, 1, 1, 1), np.float32)).shape == nothing.shape


@pytest.mark.parametrize("operations", [0, 15, 1.5, "2", None])
def test_a_number_of_operations_out_of_range_is_refused(operations: Any) -> None:
    with pytest.raises(
        SpecError, match=r"rand_augment: operations is out of its range.*from 1 to 14\. Received"
    ):
        tk.augment.rand_augment(operations)


@pytest.mark.parametrize("magnitude", [-1, 31, "9"])
def test_a_magnitude_out_of_range_is_refused(magnitude: Any) -> None:
    with pytest.raises(SpecError, match=r"rand_augment: magnitude is .*from 0 to 30\. Received"):
        tk.augment.rand_augment(2, magnitude)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(SpecError, match="rand_augment: the fill is unknown"):
        tk.augment.rand_augment(fill="mirror")  # type: ignore[arg-type]
