"""Stripes that a filter for edges sees, and tiny networks with filters of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from check_cases import COUNT, LABELS, SIDE

import transferkit as tk


@pytest.fixture(scope="module")
def stripes() -> tk.data.Data:
    """Faint stripes across or down on noise: a filter for edges sees them, others hardly do."""
    rng = np.random.default_rng(0)
    pixels: Any = rng.integers(0, 160, (COUNT, SIDE, SIDE, 3))
    for picture, label in zip(pixels, LABELS, strict=True):
        view = picture if label else picture.transpose(1, 0, 2)
        view[int(rng.integers(0, 4)) :: 4] += 18
    return tk.data.from_arrays(pixels.astype(np.uint8), LABELS, val=0)


@pytest.fixture(scope="module")
def held_out(stripes: tk.data.Data) -> tk.data.Data:
    """The same, 48 of the 120 for validation."""
    return tk.data.from_arrays(np.asarray(stripes.train.pixels()), LABELS, val=0.4, seed=0)
