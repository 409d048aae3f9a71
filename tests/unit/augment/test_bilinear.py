"""The resampling that XLA compiles: TensorFlow's own kernel is the oracle."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from transferkit.augment import bilinear, warp

RNG = np.random.default_rng(3)
PICTURES = RNG.integers(0, 256, (7, 9, 12, 3), dtype=np.uint8)


def matrices(count: int, farthest: float) -> Any:
    """Turned, stretched, moved, and a little of perspective."""
    made = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    made[:, :2, :2] += RNG.uniform(-1, 1, (count, 2, 2))
    made[:, :2, 2] = RNG.uniform(-farthest, farthest, (count, 2))
    made[:, 2, :2] = RNG.uniform(0, 0.01, (count, 2))
    return made


@pytest.mark.parametrize("fill", get_args(warp.Fill))
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_it_gives_what_the_kernel_gives(fill: Any, dtype: str) -> None:
    for farthest in (3.0, 60.0):
        moves = matrices(7, farthest)
        mine = bilinear.compiled(fill)(PICTURES.astype(dtype), moves)
        theirs = warp.resample(PICTURES.astype(np.float32), moves, fill)
        # A place that differs in its last bit, times a step of 255 from pixel to pixel.
        np.testing.assert_allclose(mine, theirs, atol=5e-3)
        assert mine.dtype == "float32"


@pytest.mark.parametrize("fill", get_args(warp.Fill))
def test_whole_moves_and_mirror_images_are_exact(fill: Any) -> None:
    mirror = np.asarray([[[-1, 0, 11], [0, 1, 0], [0, 0, 1]]], np.float32)
    np.testing.assert_array_equal(
        bilinear.compiled(fill)(PICTURES[:1], mirror)[0], PICTURES[0, :, ::-1]
    )
    left = np.asarray([[[1, 0, 2], [0, 1, 0], [0, 0, 1]]], np.float32)
    outside = {"reflect": [11, 10], "nearest": [11, 11]}
    row = np.asarray(bilinear.compiled(fill)(PICTURES[:1], left))[0, 4]
    np.testing.assert_array_equal(row[:10], PICTURES[0, 4, 2:])
    expected = np.zeros((2, 3)) if fill == "constant" else PICTURES[0, 4, outside[fill]]
    np.testing.assert_array_equal(row[10:], expected)


def test_a_picture_hangs_on_no_other_in_its_batch() -> None:
    moves, pictures = matrices(32, 20), RNG.integers(0, 256, (32, 40, 40, 3), dtype=np.uint8)
    whole = np.asarray(bilinear.compiled("reflect")(pictures, moves))
    for size in (1, 5, 16):
        part = bilinear.compiled("reflect")(pictures[-size:], moves[-size:])
        np.testing.assert_array_equal(part, whole[-size:])
