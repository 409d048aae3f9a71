from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import boxes, keys
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]


def some_keys(count: int) -> Any:
    return keys.image_keys(0, 0, range(count))


def pictures(count: int, channels: int = 3) -> Array:
    return np.random.default_rng(0).uniform(0, 255, (count, 20, 30, channels)).astype(np.float32)


def applied(operation: Any, images: Array) -> Array:
    return np.asarray(operation.apply(images, None, some_keys(len(images)))[0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_box_is_covered_and_nothing_else(channels: int) -> None:
    images = pictures(30, channels)
    operation = tk.augment.erase(1.0, value=10)
    changed = applied(operation, images)
    box, fits = boxes.drawn(some_keys(30), operation.scale, operation.ratio, 20, 30)
    assert fits.numpy().all()
    for image, result, top, left, tall, wide in zip(images, changed, *box, strict=True):
        expected = image.copy()
        for row in range(int(top), int(top + tall)):
            for column in range(int(left), int(left + wide)):
                expected[row, column] = 10
        np.testing.assert_array_equal(result, expected)


def test_pictures_are_covered_as_often_and_as_far_as_told() -> None:
    images = np.zeros((500, 20, 30, 1), np.float32)
    changed = applied(tk.augment.erase(0.4, scale=(0.1, 0.3), ratio=(0.5, 2)), images)
    shares = (changed > 0).mean(axis=(1, 2, 3))
    assert 160 < (shares > 0).sum() < 240
    assert 0.08 < shares[shares > 0].min() < 0.12
    assert 0.27 < shares.max() < 0.32
    assert not applied(tk.augment.erase(0), images).any()


def test_noise_covers_with_levels_of_their_own() -> None:
    images = np.full((40, 20, 30, 3), 300, np.float32)  # a level that noise never has
    changed = applied(tk.augment.erase(1, scale=(0.3, 0.3), value="noise"), images)
    levels = changed[changed < 300]
    assert set(np.unique(levels)) == set(range(256))
    assert abs(levels.mean() - 127.5) < 2
    flat = changed[0][changed[0] < 300]
    assert abs(np.corrcoef(flat[1:], flat[:-1])[0, 1]) < 0.15


def test_what_never_fits_covers_nothing() -> None:
    images = pictures(3)
    tall = tk.augment.erase(1, scale=(1, 1), ratio=(0.1, 0.1))
    np.testing.assert_array_equal(applied(tall, images), images)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"probability": 1.1}, "probability is out of its range"),
        ({"scale": (0.5, 0.1)}, r"the scale is no range\. Expected \(low, high\)"),
        ({"scale": (0.5, 1.5)}, "scale is out of its range"),
        ({"ratio": (0, 1)}, "ratio is out of its range"),
        ({"ratio": 1}, "the ratio is no range"),
        ({"value": 256}, "value is out of its range"),
        ({"value": "random"}, "value is not a number"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments: Any, text: str) -> None:
    with pytest.raises(SpecError, match=rf"erase: {text}.*value='noise'\)"):
        tk.augment.erase(**arguments)
