from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import keys
from transferkit.errors import SpecError


def pictures(count: int, channels: int = 3) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.uniform(90, 160, (count, 5, 7, channels)).astype(np.float32)


def applied(operation: Any, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(operation.apply(images, None, keys.image_keys(0, 0, range(len(images))))[0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_adds_one_number_to_each_picture(channels: int) -> None:
    images = pictures(400, channels)
    added = applied(tk.augment.brightness(0.2), images) - images
    first = added[:, :1, :1, :1]
    np.testing.assert_allclose(added, np.broadcast_to(first, added.shape), atol=1e-4)
    assert 50 < first.max() <= 51
    assert -51 <= first.min() < -50


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_contrast_stretches_about_the_mean_of_each_picture(channels: int) -> None:
    images = pictures(400, channels)
    changed = applied(tk.augment.contrast(0.2), images).astype(np.float64)
    means = images.mean(axis=(1, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), means, atol=0.01)
    factors = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3), dtype=np.float64)
    by_formula = (images - means[:, None, None, None]) * factors[:, None, None, None]
    np.testing.assert_allclose(changed, by_formula + means[:, None, None, None], atol=0.01)
    assert 1.19 < factors.max() <= 1.2001
    assert 0.7999 <= factors.min() < 0.81


@pytest.mark.parametrize("make", [tk.augment.brightness, tk.augment.contrast])
def test_values_stay_in_their_range(make: Any) -> None:
    images = np.random.default_rng(0).choice([0.0, 255.0], (50, 4, 4, 3)).astype(np.float32)
    changed = applied(make(1), images)
    assert changed.min() == 0.0
    assert changed.max() == 255.0


@pytest.mark.parametrize("make", [tk.augment.brightness, tk.augment.contrast])
def test_no_change_is_the_same_picture_and_labels_stay(make: Any) -> None:
    images, labels = pictures(3), np.arange(3)
    made = keys.image_keys(0, 0, range(3))
    changed, handed_on = make(0).apply(images, labels, made)
    np.testing.assert_allclose(changed, images, atol=1e-4)
    assert handed_on is labels


@pytest.mark.parametrize("make", [tk.augment.brightness, tk.augment.contrast])
@pytest.mark.parametrize("amount", [-0.1, 1.1, 51, "0.2", None])
def test_an_amount_out_of_range_is_refused(make: Any, amount: Any) -> None:
    with pytest.raises(
        SpecError, match=r": amount is .*Expected a number from 0 to 1\. Received: am"
    ):
        make(amount)
