from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import transferkit as tk
from transferkit.augment import keys
from transferkit.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
EACH = (tk.augment.saturation(0.7), tk.augment.hue(0.4), tk.augment.grayscale(0.5))


def pictures(count: int, channels: int = 3) -> Array:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 5, 7, channels)).astype(np.float32)


def some_keys(count: int) -> Any:
    return keys.image_keys(0, 0, range(count))


def applied(operation: Any, images: Array) -> Array:
    return np.asarray(operation.apply(images, None, some_keys(len(images)))[0])


def test_saturation_is_what_pillow_calls_colour() -> None:
    images, factors = pictures(12), keys.uniform(some_keys(12), 0.4, 1.6).numpy()
    changed = applied(tk.augment.saturation(0.6), images)
    for image, result, factor in zip(images, changed, factors, strict=True):
        picture = Image.fromarray(image.astype(np.uint8))
        expected = ImageEnhance.Color(picture).enhance(float(factor))
        np.testing.assert_allclose(result, np.asarray(expected, np.float32), atol=2.0)


def test_saturation_keeps_the_grey_and_scales_the_distance_from_it() -> None:
    images = np.random.default_rng(1).uniform(100, 150, (200, 3, 3, 3)).astype(np.float32)
    changed = applied(tk.augment.saturation(0.5), images).astype(np.float64)
    weights = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed @ weights, images @ weights, atol=1e-3)
    factors = np.ptp(changed, axis=-1) / np.ptp(images, axis=-1)
    np.testing.assert_allclose(
        factors, np.broadcast_to(factors[:, :1, :1], factors.shape), rtol=1e-3
    )
    assert 0.5 <= factors.min() < 0.52
    assert 1.48 < factors.max() <= 1.501


def test_hue_turns_the_circle_of_hsv() -> None:
    images, turns = pictures(6), keys.uniform(some_keys(6), -0.3, 0.3).numpy()
    changed = applied(tk.augment.hue(0.3), images)
    for image, result, turn in zip(images, changed, turns, strict=True):
        for before, after in zip(image.reshape(-1, 3), result.reshape(-1, 3), strict=True):
            h, s, v = colorsys.rgb_to_hsv(*(before / 255.0))
            expected = np.array(colorsys.hsv_to_rgb((h + turn) % 1.0, s, v)) * 255
            np.testing.assert_allclose(after, expected, atol=0.02)


def test_hues_are_turned_as_far_as_told_both_ways() -> None:
    red = np.zeros((400, 1, 1, 3), np.float32)
    red[..., 0] = 255
    turned = applied(tk.augment.hue(0.1), red)[:, 0, 0] / 255
    hues = np.array([colorsys.rgb_to_hsv(*map(float, colour))[0] for colour in turned])
    hues = np.where(hues > 0.5, hues - 1, hues)
    assert 0.098 < hues.max() <= 0.1001
    assert -0.1001 <= hues.min() < -0.098


def test_grayscale_is_pillows_and_happens_as_often_as_told() -> None:
    images = pictures(400)
    changed = applied(tk.augment.grayscale(0.25), images)
    hit = np.array([not np.array_equal(a, b) for a, b in zip(images, changed, strict=True)])
    assert 75 < hit.sum() < 125
    for image, result in zip(images[hit][:20], changed[hit], strict=False):
        expected = np.asarray(Image.fromarray(image.astype(np.uint8)).convert("L"), np.float32)
        np.testing.assert_allclose(result, np.repeat(expected[..., None], 3, axis=-1), atol=1.01)
    assert np.array_equal(applied(tk.augment.grayscale(0), images), images)
    grey = applied(tk.augment.grayscale(1), images)
    np.testing.assert_array_equal(grey[..., :1] == grey, True)


@pytest.mark.parametrize("operation", EACH, ids=repr)
def test_one_channel_has_no_colour_and_stays_as_it_is(operation: Any) -> None:
    images = pictures(8, channels=1)
    np.testing.assert_array_equal(applied(operation, images), images)


@pytest.mark.parametrize("operation", EACH, ids=repr)
def test_of_more_channels_the_first_three_are_colours(operation: Any) -> None:
    images = pictures(8, channels=5)
    changed = applied(operation, images)
    np.testing.assert_array_equal(changed[..., :3], applied(operation, images[..., :3]))
    np.testing.assert_array_equal(changed[..., 3:], images[..., 3:])
    assert not np.array_equal(changed, images)


@pytest.mark.parametrize("operation", EACH, ids=repr)
def test_two_channels_are_refused(operation: Any) -> None:
    with pytest.raises(
        DataError, match=r"which channels are red, green and blue.*of 1 channel.*channels=2"
    ):
        applied(operation, pictures(2, channels=2))


@pytest.mark.parametrize("operation", EACH, ids=repr)
def test_values_stay_in_their_range(operation: Any) -> None:
    images = np.random.default_rng(0).choice([0.0, 255.0], (40, 4, 4, 3)).astype(np.float32)
    changed = applied(operation, images)
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0


@pytest.mark.parametrize("operation", [tk.augment.saturation(0), tk.augment.hue(0)], ids=repr)
def test_no_change_is_the_same_picture(operation: Any) -> None:
    np.testing.assert_allclose(applied(operation, pictures(3)), pictures(3), atol=1e-3)


@pytest.mark.parametrize(
    ("make", "name", "high"),
    [
        (tk.augment.saturation, "amount", "1"),
        (tk.augment.hue, "amount", "0.5"),
        (tk.augment.grayscale, "probability", "1"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1.1, "0.2", None, np.nan])
def test_what_is_out_of_range_is_refused(make: Any, name: str, high: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf": {name} is .*Expected a number from 0 to {high}\. Rec"):
        make(value)
