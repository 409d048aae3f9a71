from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.augment import keys
from transferkit.augment.mix import beta_quantiles
from transferkit.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
PICTURES = RNG.uniform(0, 255, (12, 10, 14, 3)).astype(np.float32)
OTHERS = RNG.uniform(0, 255, (12, 10, 14, 3)).astype(np.float32)
ROWS, OTHER_ROWS = RNG.dirichlet([1, 1, 1], (2, 12)).astype(np.float32)


def some_keys(count: int, view: int = 0) -> Any:
    return keys.image_keys(0, view, range(count))


def mixed(mix: Any, **more: Any) -> tuple[Array, Array]:
    given = {"labels": ROWS, "partner_labels": OTHER_ROWS, **more}
    pixels, rows = mix.mix(
        PICTURES, given["labels"], OTHERS, given["partner_labels"], some_keys(12)
    )
    return np.asarray(pixels), np.asarray(rows)


@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.5, 1, 2, 10, 1000])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float) -> None:
    many = some_keys(200_000)
    shares = tk.augment.mixup(alpha).share(many).numpy().astype(np.float64)
    drawn = np.random.default_rng(1).beta(alpha, alpha, 200_000)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(shares.mean() - 0.5) < 4 * np.sqrt(variance / 200_000)
    assert shares.var() == pytest.approx(variance, rel=0.02)
    # What lies nearer to 0 or 1 than single precision can tell is all the same picture.
    cuts = np.clip(np.quantile(drawn, np.linspace(0.02, 0.98, 25)), 1e-6, 1 - 1e-6)
    below, theirs = ((each[:, None] < cuts).mean(axis=0) for each in (shares, drawn))
    np.testing.assert_allclose(below, theirs, atol=0.006)  # five deviations of the difference
    assert shares.min() >= 0
    assert shares.max() <= 1


def test_quantiles_are_right_where_they_are_known() -> None:
    steps = (np.arange(keys.QUANTILES) + 0.5) / keys.QUANTILES
    np.testing.assert_allclose(beta_quantiles(1.0), steps, atol=1e-6)
    np.testing.assert_allclose(beta_quantiles(0.5), np.sin(np.pi / 2 * steps) ** 2, atol=1e-6)
    twos = beta_quantiles(2.0).astype(np.float64)
    np.testing.assert_allclose(3 * twos**2 - 2 * twos**3, steps, atol=1e-6)


def test_mixup_is_the_weighted_mean_of_pictures_and_of_labels() -> None:
    mix = tk.augment.mixup(1.0)
    shares = mix.share(some_keys(12)).numpy()
    pixels, rows = mixed(mix)
    for place, share in enumerate(shares.astype(np.float64)):
        expected = share * PICTURES[place] + (1 - share) * OTHERS[place]
        np.testing.assert_allclose(pixels[place], expected, atol=1e-3)
        expected = share * ROWS[place] + (1 - share) * OTHER_ROWS[place]
        np.testing.assert_allclose(rows[place], expected, atol=1e-6)


def test_cutmix_pastes_a_box_and_labels_count_its_pixels() -> None:
    mix = tk.augment.cutmix(1.0)
    pixels, rows = mixed(mix)
    box = [part.numpy() for part in mix.box(some_keys(12), 10, 14)]
    pasted_shares = []
    for place, (top, left, tall, wide) in enumerate(zip(*box, strict=True)):
        expected, pasted = PICTURES[place].copy(), 0
        for row in range(10):
            for column in range(14):
                if top <= row < top + tall and left <= column < left + wide:
                    expected[row, column] = OTHERS[place, row, column]
                    pasted += 1
        np.testing.assert_array_equal(pixels[place], expected)
        share = pasted / 140
        pasted_shares.append(share)
        by_hand = (1 - share) * ROWS[place] + share * OTHER_ROWS[place]
        np.testing.assert_allclose(rows[place], by_hand, atol=1e-6)
    assert len(set(pasted_shares)) > 5


def test_the_box_of_cutmix_is_drawn_as_in_the_paper() -> None:
    made, mix = some_keys(3000), tk.augment.cutmix(1.0)
    top, left, tall, wide = (part.numpy() for part in mix.box(made, 40, 60))
    side = np.sqrt(1 - mix.share(made).numpy().astype(np.float64))
    half_tall, half_wide = (side * 40).astype(int) // 2, (side * 60).astype(int) // 2
    y, x = (keys.below(made, whole, draw).numpy() for whole, draw in ((40, 3), (60, 4)))
    np.testing.assert_array_equal(top, np.clip(y - half_tall, 0, 40))
    np.testing.assert_array_equal(top + tall, np.clip(y + half_tall, 0, 40))
    np.testing.assert_array_equal(left, np.clip(x - half_wide, 0, 60))
    np.testing.assert_array_equal(left + wide, np.clip(x + half_wide, 0, 60))
    assert ((top == 0) & (tall < 2 * half_tall)).any()  # some are cut off


@pytest.mark.parametrize("make", [tk.augment.mixup, tk.augment.cutmix])
def test_pictures_are_mixed_as_often_as_told(make: Any) -> None:
    shares = make(1.0, probability=0.3).share(some_keys(2000)).numpy()
    assert 1300 < (shares == 1).sum() < 1500
    pixels, rows = mixed(make(probability=0))
    np.testing.assert_array_equal(pixels, PICTURES)
    np.testing.assert_array_equal(rows, ROWS)


@pytest.mark.parametrize("make", [tk.augment.mixup, tk.augment.cutmix])
def test_one_probability_for_each_picture_is_mixed_too(make: Any) -> None:
    _, rows = mixed(make(1.0), labels=ROWS[:, :1], partner_labels=OTHER_ROWS[:, :1])
    _, whole = mixed(make(1.0))
    np.testing.assert_array_equal(rows, whole[:, :1])


@pytest.mark.parametrize("make", [tk.augment.mixup, tk.augment.cutmix])
def test_class_ids_cannot_be_mixed(make: Any) -> None:
    ids = np.arange(12)
    with pytest.raises(
        DataError, match=r"labels of whole numbers cannot be mixed.*int64.*np\.eye\(classes"
    ):
        mixed(make(), labels=ids, partner_labels=ids)


@pytest.mark.parametrize("make", [tk.augment.mixup, tk.augment.cutmix])
@pytest.mark.parametrize("alpha", [0, -1, 1001, "1", None])
def test_an_alpha_out_of_range_is_refused(make: Any, alpha: Any) -> None:
    with pytest.raises(SpecError, match=r": alpha is .*Expected a number from 0\.01 to 1000\. Rec"):
        make(alpha)


@pytest.mark.parametrize("make", [tk.augment.mixup, tk.augment.cutmix])
def test_a_probability_out_of_range_is_refused(make: Any) -> None:
    with pytest.raises(SpecError, match=r": probability is out .*tk\.augment\.\w+\(alpha="):
        make(probability=2)
