from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transferkit as tk
from transferkit.augment import geometry, keys, warp
from transferkit.errors import SpecError

Array = np.ndarray[Any, Any]


def pictures(count: int = 3, height: int = 9, width: int = 13, channels: int = 3) -> Array:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, height, width, channels)).astype(np.float32)


def smooth(height: int, width: int) -> Array:
    y, x = np.mgrid[:height, :width] / 10.0
    planes = [np.sin(x + y), np.cos(x - 2 * y), np.sin(2 * x) * np.cos(y)]
    return np.round(127.5 + 120 * np.stack(planes, axis=-1)).astype(np.float32)


def some_keys(count: int) -> Any:
    return keys.image_keys(0, 0, range(count))


def applied(operation: Any, images: Array, made: Any) -> Array:
    moved, _ = operation.apply(images, None, made)
    return np.asarray(moved)


def read_by_hand(image: Array, matrix: Array, fill: str) -> Array:
    """Bilinear reading, pixel by pixel."""
    height, width, _ = image.shape

    def at(y: int, x: int) -> Array:
        inside = 0 <= y < height and 0 <= x < width
        if fill == "constant" and not inside:
            return np.zeros(image.shape[-1])
        return np.asarray(image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])

    result = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            x, y, _ = matrix @ (column, row, 1.0)
            if fill == "reflect":
                x, y = mirrored(x, width), mirrored(y, height)
            if fill != "constant":
                x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
            left, top = math.floor(x), math.floor(y)
            right, low = x - left, y - top
            result[row, column] = (1 - low) * (
                (1 - right) * at(top, left) + right * at(top, left + 1)
            ) + low * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1))
    return result


def mirrored(place: float, side: int) -> float:
    """Where a mirror at either edge of the picture, half a pixel outside the last centre, leads."""
    there = (place + 0.5) % (2 * side)
    return min(there, 2 * side - there) - 0.5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_flips_are_exact_and_each_happens_half_of_the_time(channels: int) -> None:
    images = pictures(64, channels=channels)
    flipped = applied(tk.augment.flip(True, True), images, some_keys(64))
    ways = [images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]]
    same = np.array(
        [[np.array_equal(a, b) for a, b in zip(way, flipped, strict=True)] for way in ways]
    )
    assert (same.sum(axis=0) == 1).all()  # bit by bit one of the four
    assert (same.sum(axis=1) > 6).all()  # and all four are met


@pytest.mark.parametrize(("horizontal", "vertical"), [(True, False), (False, True), (False, False)])
def test_a_flip_that_was_not_asked_for_does_not_happen(horizontal: bool, vertical: bool) -> None:
    images = pictures(32)
    flipped = applied(tk.augment.flip(horizontal, vertical), images, some_keys(32))
    mirrored = images[:, :, ::-1] if horizontal else images[:, ::-1] if vertical else images
    for image, mirror, result in zip(images, mirrored, flipped, strict=True):
        assert np.array_equal(result, image) or np.array_equal(result, mirror)


@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
@pytest.mark.parametrize(
    "make",
    [
        lambda fill: tk.augment.rotate(60, fill=fill),
        lambda fill: tk.augment.shear(40, 20, fill=fill),
        lambda fill: tk.augment.shift(0.4, 0.2, fill=fill),
        lambda fill: tk.augment.zoom((0.5, 1.5), fill=fill),
    ],
    ids=["rotate", "shear", "shift", "zoom"],
)
def test_pixels_are_read_bilinearly_from_where_the_matrix_says(make: Any, fill: str) -> None:
    operation, images, made = make(fill), pictures(4), some_keys(4)
    matrices = operation.matrix(made, 9, 13).numpy().astype(np.float64)
    by_hand = [read_by_hand(i, m, fill) for i, m in zip(images, matrices, strict=True)]
    np.testing.assert_allclose(applied(operation, images, made), by_hand, atol=0.02)


def test_reflect_mirrors_at_the_border() -> None:
    image = pictures(1)
    left = np.array([[[1.0, 0.0, -2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]], np.float32)
    moved = np.asarray(warp.resample(image, left, "reflect"))
    np.testing.assert_array_equal(
        moved[0], np.pad(image[0], ((0, 0), (2, 0), (0, 0)), "symmetric")[:, :13]
    )


def test_a_rotation_is_the_one_that_pillow_does() -> None:
    image = smooth(80, 100)
    made = some_keys(1)
    operation = tk.augment.rotate(20)
    matrix = operation.matrix(made, 80, 100).numpy()[0]
    angle = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    assert 1 < abs(angle) < 20
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    cx, cy = 50.0, 40.0  # Pillow's pixel corners, not centres, lie at whole numbers
    affine = (
        cosine,
        -sine,
        cx - cosine * cx + sine * cy,
        sine,
        cosine,
        cy - sine * cx - cosine * cy,
    )
    picture = Image.fromarray(image.astype(np.uint8))
    expected = picture.transform(
        (100, 80), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    difference = np.abs(applied(operation, image[None], made)[0] - np.asarray(expected, np.float32))
    assert difference[20:-20, 20:-20].max() <= 1.01


def test_a_rotation_keeps_the_centre_and_turns_as_far_as_told() -> None:
    matrices = tk.augment.rotate(20).matrix(some_keys(500), 31, 41).numpy()
    centre = np.array([20.0, 15.0, 1.0], np.float32)
    np.testing.assert_allclose(matrices @ centre, np.tile(centre, (500, 1)), atol=1e-4)
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert 19 < angles.max() <= 20.001
    assert -20.001 <= angles.min() < -19
    np.testing.assert_allclose(np.linalg.det(matrices.astype(np.float64)), 1.0, atol=1e-5)


def test_a_shear_is_the_one_that_pillow_does() -> None:
    image, made = smooth(80, 100), some_keys(1)
    operation = tk.augment.shear(20, 15)
    matrix = operation.matrix(made, 80, 100).numpy()[0].astype(float)
    across, down = matrix[0, 1], matrix[1, 0]
    assert 0.02 < abs(across) <= math.tan(math.radians(20))
    assert 0.02 < abs(down) <= math.tan(math.radians(15))
    cx, cy = 50.0, 40.0  # Pillow's pixel corners, not centres, lie at whole numbers
    affine = (1.0, across, -across * cy, down, 1.0, -down * cx)
    picture = Image.fromarray(image.astype(np.uint8))
    expected = picture.transform(
        (100, 80), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    difference = np.abs(applied(operation, image[None], made)[0] - np.asarray(expected, np.float32))
    assert difference[22:-22, 22:-22].max() <= 1.01


def test_a_shear_leans_as_far_as_told_and_above_nought_to_the_right() -> None:
    made = some_keys(500)
    matrices = tk.augment.shear(20).matrix(made, 31, 41).numpy()
    angles = np.degrees(np.arctan(matrices[:, 0, 1].astype(float)))
    assert 19 < angles.max() <= 20.001
    assert -20.001 <= angles.min() < -19
    np.testing.assert_array_equal(matrices[:, 1, 0], 0)
    np.testing.assert_allclose(angles, keys.uniform(made, -20, 20).numpy(), atol=1e-3)
    line = np.zeros((1, 21, 21, 1), np.float32)
    line[:, :, 10] = 255  # an upright line
    place = int(np.argmax(angles > 10))
    leaning = applied(tk.augment.shear(20), line, made[place : place + 1])[0, :, :, 0]
    assert leaning[2].argmax() > 10 > leaning[18].argmax()  # its upper end went to the right


def test_a_shift_is_a_fraction_of_each_side_and_the_sides_are_independent() -> None:
    matrices = tk.augment.shift(0.1, 0.5).matrix(some_keys(500), 20, 60).numpy()
    right, down = -matrices[:, 0, 2], -matrices[:, 1, 2]
    assert 28 < right.max() <= 30
    assert -30 <= right.min() < -28
    assert 1.9 < down.max() <= 2
    assert -2 <= down.min() < -1.9
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.2


def test_a_shift_of_whole_pixels_is_exact() -> None:
    image = pictures(1)
    made = some_keys(1)
    row = float(tk.augment.shift(1.0).matrix(made, 9, 13).numpy()[0, 1, 2])
    column = float(tk.augment.shift(1.0).matrix(made, 9, 13).numpy()[0, 0, 2])
    exact = tk.augment.shift(2 / abs(row), 3 / abs(column), fill="constant")
    moved = applied(exact, image, made)[0]
    expected = np.zeros_like(image[0])
    y, x = int(np.sign(-row)) * 2, int(np.sign(-column)) * 3
    expected[max(y, 0) : 9 + min(y, 0), max(x, 0) : 13 + min(x, 0)] = image[
        0, max(-y, 0) : 9 + min(-y, 0), max(-x, 0) : 13 + min(-x, 0)
    ]
    np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_a_positive_draw_turns_counter_clockwise_and_moves_down_and_right() -> None:
    made = some_keys(50)
    turned = tk.augment.rotate(45).matrix(made, 11, 11).numpy()
    # What is seen right of the centre lay below it, where the turn was counter-clockwise.
    below = turned[:, 1, 0]
    np.testing.assert_array_equal(below > 0, keys.uniform(made, -45, 45).numpy() > 0)
    moved = tk.augment.shift(0.5).matrix(made, 10, 20).numpy()
    down = keys.uniform(made, -0.5, 0.5, 0).numpy() * 10
    right = keys.uniform(made, -0.5, 0.5, 1).numpy() * 20
    np.testing.assert_allclose(moved[:, :2, 2], np.stack([-right, -down], axis=1), atol=1e-5)


def test_zoom_enlarges_by_the_scale() -> None:
    matrices = tk.augment.zoom(0.2).matrix(some_keys(500), 20, 60).numpy()
    scales = 1 / matrices[:, 0, 0]
    np.testing.assert_array_equal(matrices[:, 0, 0], matrices[:, 1, 1])
    assert 1.19 < scales.max() <= 1.2001
    assert 0.7999 <= scales.min() < 0.81
    picture = np.zeros((1, 41, 41, 1), np.float32)
    picture[0, 15:26, 15:26] = 255  # 11 pixels wide
    larger = applied(tk.augment.zoom((2, 2)), picture, some_keys(1))
    assert 20 <= larger[0, 20, :, 0].sum() / 255 <= 24


def test_zoom_takes_one_number_a_pair_or_a_list() -> None:
    assert tk.augment.zoom(0.25) == tk.augment.zoom((0.75, 1.25))
    assert geometry.Zoom([0.5, 2]) == tk.augment.zoom((0.5, 2.0))  # type: ignore[arg-type]


def test_one_number_shifts_both_ways() -> None:
    assert tk.augment.shift(0.2) == tk.augment.shift(0.2, 0.2)
    assert tk.augment.shift(0.2, 0) == tk.augment.shift(0.2, 0.0)


@pytest.mark.parametrize(
    "operation",
    [tk.augment.rotate(0), tk.augment.shear(0), tk.augment.shift(0), tk.augment.zoom(0)],
)
def test_no_movement_is_exactly_the_same_picture(operation: Any) -> None:
    images = pictures()
    np.testing.assert_array_equal(applied(operation, images, some_keys(3)), images)


def test_labels_stay_as_they_are() -> None:
    labels = np.arange(3.0)
    assert tk.augment.rotate(20).apply(pictures(), labels, some_keys(3))[1] is labels


def test_every_moving_operation_is_geometric_and_no_other_is() -> None:
    moving: Sequence[object] = (
        tk.augment.flip(),
        tk.augment.crop(),
        tk.augment.rotate(1),
        tk.augment.shear(1),
        tk.augment.shift(0.1),
        tk.augment.zoom(0.1),
    )
    assert all(isinstance(operation, warp.Geometric) for operation in moving)
    assert not isinstance(tk.augment.brightness(0.1), warp.Geometric)


@pytest.mark.parametrize("degrees", [-1, 181, math.nan, math.inf])
def test_a_rotation_out_of_range_is_refused(degrees: Any) -> None:
    message = (
        r"rotate: degrees is out of its range\. Expected a number from 0 to 180\. Received: deg"
    )
    with pytest.raises(SpecError, match=message):
        tk.augment.rotate(degrees)


@pytest.mark.parametrize("degrees", ["20", None, (10, 20), np.zeros(2), True])
def test_a_rotation_by_no_number_is_refused(degrees: Any) -> None:
    with pytest.raises(SpecError, match=r"rotate: degrees is .*Expected a number from 0 to 180"):
        tk.augment.rotate(degrees)


@pytest.mark.parametrize("arguments", [(81,), (-1,), (10, 90), ("20",)])
def test_a_shear_out_of_range_is_refused(arguments: Any) -> None:
    with pytest.raises(
        SpecError, match=r"shear: \w+ is .*Expected a number from 0 to 80\. Received"
    ):
        tk.augment.shear(*arguments)


@pytest.mark.parametrize("arguments", [(1.5,), (-0.1,), (0.1, 20)])
def test_a_shift_out_of_range_is_refused(arguments: Any) -> None:
    with pytest.raises(SpecError, match=r"shift: \w+ is out of its range.*a fraction of the side"):
        tk.augment.shift(*arguments)


@pytest.mark.parametrize("scale", [-0.1, 1.0, "0.2", (0, 1), (0.5, -1)])
def test_a_zoom_out_of_range_is_refused(scale: Any) -> None:
    with pytest.raises(SpecError, match=r"zoom: scale is .*tk\.augment\.zoom\(\(0\.8, 1\.2\)\)"):
        tk.augment.zoom(scale)


@pytest.mark.parametrize("scale", [(1.2, 0.8), (1.0,), (0.5, 1.0, 1.5), ()])
def test_a_zoom_over_no_range_is_refused(scale: Any) -> None:
    with pytest.raises(
        SpecError, match=r"zoom: the scale is no range\. Expected one number, or \(low"
    ):
        tk.augment.zoom(scale)


def test_a_flip_by_no_truth_value_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"flip: horizontal is neither yes nor no.*horizontal='left'"
    ):
        tk.augment.flip("left")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [tk.augment.rotate, tk.augment.shear, tk.augment.shift, tk.augment.zoom]
)
def test_an_unknown_fill_is_refused(make: Any) -> None:
    with pytest.raises(
        SpecError, match=r"the fill is unknown\. Expected 'reflect' or 'nearest' or"
    ):
        make(0.5, fill="mirror")
