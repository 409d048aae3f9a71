from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import transferkit as tk
from transferkit.augment import keys
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]


def some_keys(count: int) -> Any:
    return keys.image_keys(0, 0, range(count))


def applied(operation: Any, images: Array) -> Array:
    return np.asarray(operation.apply(images, None, some_keys(len(images)))[0])


def blurred_by_hand(plane: Array, sigma: float, radius: int) -> Array:
    """Row by row and column by column, over the mirrored picture."""
    far = np.arange(-radius, radius + 1)
    weights = np.exp(-(far**2) / (2 * sigma**2))
    weights /= weights.sum()
    wide = np.pad(plane.astype(np.float64), radius, "symmetric")
    rows = np.array([np.convolve(row, weights, "valid") for row in wide])
    return np.array([np.convolve(column, weights, "valid") for column in rows.T]).T


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_blur_is_a_gaussian_of_its_own_for_each_picture(channels: int) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (4, 20, 24, channels)).astype(np.float32)
    changed = applied(tk.augment.blur((0.5, 3.0)), images)
    sigmas = keys.uniform(some_keys(4), 0.5, 3.0, 0).numpy()
    assert np.ptp(sigmas) > 0.5
    for image, result, sigma in zip(images, changed, sigmas, strict=True):
        for channel in range(channels):
            expected = blurred_by_hand(image[..., channel], float(sigma), 9)
            np.testing.assert_allclose(result[..., channel], expected, atol=0.25)


def test_blur_is_close_to_pillows() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (1, 40, 40, 3)).astype(np.float32)
    result = applied(tk.augment.blur((2.0, 2.0)), noisy)[0]
    picture = Image.fromarray(noisy[0].astype(np.uint8))
    expected = np.asarray(picture.filter(ImageFilter.GaussianBlur(2.0)), np.float32)
    assert np.abs(result - expected)[8:-8, 8:-8].max() < 4  # Pillow's is three box blurs


def test_blur_of_a_picture_smaller_than_its_kernel_is_taken() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, 3, 5, 3)).astype(np.float32)
    changed = applied(tk.augment.blur((8.0, 8.0)), images)
    assert changed.shape == images.shape
    np.testing.assert_allclose(changed.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=12)
    assert np.ptp(changed, axis=(1, 2)).max() < 60


def test_blur_happens_as_often_as_told() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (200, 6, 6, 1)).astype(np.float32)
    changed = applied(tk.augment.blur((1.0, 2.0), probability=0.3), images)
    same = [np.array_equal(a, b) for a, b in zip(images, changed, strict=True)]
    assert 110 < sum(same) < 170


def test_a_flat_picture_stays_flat_up_to_its_border() -> None:
    white = np.full((3, 9, 11, 3), 255, np.float32)
    np.testing.assert_array_equal(applied(tk.augment.blur((0.0, 3.0)), white), white)


def test_one_number_is_the_largest_deviation() -> None:
    assert tk.augment.blur(2) == tk.augment.blur((0.0, 2.0))


def test_noise_is_gaussian_and_independent_for_each_pixel_and_channel() -> None:
    grey = np.full((40, 32, 32, 3), 127, np.float32)
    added = applied(tk.augment.noise(0.1), grey) - 127
    deviations = keys.uniform(some_keys(40), 0.0, 25.5).numpy()
    np.testing.assert_allclose(added.std(axis=(1, 2, 3)), deviations, rtol=0.06, atol=0.02)
    assert deviations.max() > 20
    normal = added / deviations[:, None, None, None]
    assert abs(normal.mean()) < 0.02
    assert abs((normal**3).mean()) < 0.05
    assert abs((normal**4).mean() - 3) < 0.1
    shares = np.quantile(normal, [0.001, 0.0228, 0.1587, 0.5, 0.8413, 0.9772, 0.999])
    np.testing.assert_allclose(shares, [-3.09, -2, -1, 0, 1, 2, 3.09], atol=0.06)
    flat = normal.reshape(40, -1)
    pairs = [(flat[:, 1:], flat[:, :-1]), (flat[:, 3:], flat[:, :-3]), (flat[1:], flat[:-1])]
    half = flat.shape[1] // 2  # the two halves of each hashed word
    for one, other in [*pairs, (flat[:, :half], flat[:, half:])]:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_noise_of_an_odd_number_of_values_is_taken() -> None:
    images = np.full((2, 3, 3, 1), 100, np.float32)
    assert len(np.unique(applied(tk.augment.noise(0.1), images))) > 15


def test_normal_quantiles_are_those_of_the_distribution() -> None:
    numbers = keys.normals(some_keys(1), 200_000).numpy()[0].astype(np.float64)
    drawn = np.random.default_rng(0).normal(size=200_000)
    steps = np.linspace(0.001, 0.999, 99)
    np.testing.assert_allclose(np.quantile(numbers, steps), np.quantile(drawn, steps), atol=0.05)
    assert 4.0 < numbers.max() < 4.4
    assert -4.4 < numbers.min() < -4.0


@pytest.mark.parametrize("operation", [tk.augment.noise(1), tk.augment.blur(2)], ids=repr)
def test_values_stay_in_their_range(operation: Any) -> None:
    images = np.random.default_rng(0).choice([0.0, 255.0], (20, 6, 6, 3)).astype(np.float32)
    changed = applied(operation, images)
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0


def test_no_noise_is_exactly_the_same_picture() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(applied(tk.augment.noise(0), images), images)
    np.testing.assert_array_equal(applied(tk.augment.blur(3, probability=0), images), images)
    np.testing.assert_allclose(applied(tk.augment.blur(0), images), images, atol=1 / 32)


@pytest.mark.parametrize("amount", [-0.1, 1.1, 20, "0.2", None])
def test_noise_out_of_range_is_refused(amount: Any) -> None:
    with pytest.raises(SpecError, match=r"noise: amount is .*Expected a number from 0 to 1\. Rec"):
        tk.augment.noise(amount)


@pytest.mark.parametrize("sigma", [-1, 21, (2, 1), (1, 2, 3), "2", None, (0, 50)])
def test_a_deviation_out_of_range_is_refused(sigma: Any) -> None:
    with pytest.raises(SpecError, match=r"blur: (the )?sigma is .*tk\.augment\.blur\(\(0\.1, 2"):
        tk.augment.blur(sigma)


def test_a_probability_out_of_range_is_refused() -> None:
    with pytest.raises(SpecError, match=r"blur: probability is out of its range.*from 0 to 1\."):
        tk.augment.blur(2, probability=1.5)
