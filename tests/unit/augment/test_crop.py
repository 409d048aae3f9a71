from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit.augment import boxes, keys
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]


def some_keys(count: int) -> Any:
    return keys.image_keys(0, 0, range(count))


def drawn(
    scale: Any, ratio: Any, height: int, width: int, count: int = 2000
) -> tuple[Array, Array]:
    """Boxes (top, left, height, width) by rows, and whether each fits."""
    box, fits = boxes.drawn(some_keys(count), scale, ratio, height, width)
    return np.stack([part.numpy() for part in box], axis=1), fits.numpy()


def test_boxes_have_the_areas_and_ratios_that_were_asked_for() -> None:
    made, fits = drawn((0.1, 0.5), (0.5, 2.0), 200, 300)
    top, left, tall, wide = made.T
    assert fits.all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + tall <= 200).all()
    assert (left + wide <= 300).all()
    areas, ratios = tall * wide / 60_000, np.log(wide / tall)
    assert 0.098 < areas.min() < 0.11
    assert 0.47 < areas.max() < 0.502
    assert abs(areas.mean() - 0.3) < 0.02  # even, but that some of the largest do not fit
    assert np.abs(ratios).max() < np.log(2.02)
    assert abs(ratios.mean()) < 0.05
    np.testing.assert_allclose(ratios.std(), np.log(4) / np.sqrt(12), rtol=0.1)


def test_boxes_lie_anywhere_in_the_picture() -> None:
    made, _ = drawn((0.25, 0.25), (1.0, 1.0), 8, 8, 4000)
    assert set(map(tuple, made[:, 2:])) == {(4, 4)}
    counts = np.unique(made[:, :2], axis=0, return_counts=True)[1]
    assert len(counts) == 25
    assert counts.min() > 100


def test_the_first_of_ten_attempts_that_fits_is_taken() -> None:
    made = some_keys(300)
    area = keys.uniform(made, 0.5, 1.0, range(10)).numpy()
    aspect = np.exp(keys.uniform(made, np.log(0.5), np.log(2), range(100, 110)).numpy())
    found, fits = drawn((0.5, 1.0), (0.5, 2.0), 40, 40, 300)
    for place in range(300):
        sides = []
        for a, r in zip(area[place], aspect[place], strict=True):
            tall, wide = round(np.sqrt(a * 1600 / r)), round(np.sqrt(a * 1600 * r))
            if tall <= 40 and wide <= 40:
                sides.append((tall, wide))
        assert fits[place] == bool(sides)
        if sides:
            assert tuple(found[place, 2:]) == sides[0]
    assert 0 < fits.sum() <= 300


def test_inside_is_true_in_the_box_alone() -> None:
    one = boxes.Box(*(np.array([value], np.int32) for value in (1, 2, 3, 2)))
    mask = boxes.inside(one, 6, 5).numpy()
    expected = np.zeros((1, 6, 5, 1), bool)
    expected[0, 1:4, 2:4] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_crop_is_the_part_that_pillow_cuts_out_and_resizes() -> None:
    y, x = np.mgrid[:60, :80] / 9.0
    planes = [127 + 120 * np.sin(x + y), 127 + 120 * np.cos(x - y), 127 + 100 * np.sin(2 * x)]
    image = np.stack(planes, axis=-1).round().astype(np.uint8)
    operation, made = tk.augment.crop((0.1, 0.6)), some_keys(6)
    cut = operation.apply(np.repeat(image[None], 6, axis=0).astype(np.float32), None, made)[0]
    box, fits = boxes.drawn(made, operation.scale, operation.ratio, 60, 80)
    assert fits.numpy().all()
    parts = np.stack([part.numpy() for part in box], axis=1)
    for result, (top, left, tall, wide) in zip(cut.numpy(), parts, strict=True):
        corners = (left, top, left + wide, top + tall)
        part = Image.fromarray(image).resize((80, 60), Image.Resampling.BILINEAR, corners)
        difference = np.abs(result - np.asarray(part, np.float32))
        # Pillow does not look beyond the box, as the pixels next to its edge do here.
        assert difference[5:-5, 5:-5].max() < 1.5


@pytest.mark.parametrize(
    ("size", "ratio", "expected"),
    [
        ((10, 100), (0.5, 2.0), (20, 10)),
        ((100, 10), (0.5, 2.0), (10, 20)),
        ((9, 9), (1, 1), (9, 9)),
    ],
)
def test_where_no_box_fits_it_is_the_largest_about_the_centre(
    size: Any, ratio: Any, expected: Any
) -> None:
    height, width = size
    operation = tk.augment.crop((1.0, 1.0), ratio)
    matrices = operation.matrix(some_keys(20), height, width).numpy()
    corners = [[-0.5, -0.5, 1], [width - 0.5, height - 0.5, 1]]
    first, last = (matrices @ np.asarray(each, np.float32) for each in corners)
    wide, tall = (last - first)[:, 0], (last - first)[:, 1]
    np.testing.assert_allclose(wide, expected[0], atol=1e-3)
    np.testing.assert_allclose(tall, expected[1], atol=1e-3)
    middle = ((first + last) / 2)[:, :2]
    np.testing.assert_allclose(middle - [(width - 1) / 2, (height - 1) / 2], 0, atol=0.51)


def test_all_of_the_picture_is_exactly_the_picture() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (3, 9, 9, 3)).astype(np.float32)
    whole = tk.augment.crop((1.0, 1.0), (1.0, 1.0))
    np.testing.assert_array_equal(whole.apply(images, None, some_keys(3))[0], images)


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.5, 1.1), (0.9, 0.5), 0.5, "all", (0.5,)])
def test_a_scale_that_is_no_range_of_shares_is_refused(scale: Any) -> None:
    with pytest.raises(SpecError, match=r"crop: (the )?scale is .*tk\.augment\.crop\(scale="):
        tk.augment.crop(scale)


@pytest.mark.parametrize("ratio", [(0, 1), (2, 1), (1, 2, 3), None])
def test_a_ratio_that_is_no_range_is_refused(ratio: Any) -> None:
    with pytest.raises(SpecError, match=r"crop: (the )?ratio is .*ratio=\(3/4, 4/3\)"):
        tk.augment.crop(ratio=ratio)
