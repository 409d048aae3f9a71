from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit._types import image_size, real, whole
from transferkit.errors import SpecError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (224, (224, 224)),
        ((224, 160), (224, 160)),
        ([224, 160], (224, 160)),
        (1, (1, 1)),
        (np.int64(96), (96, 96)),
        ((np.int32(96), 64), (96, 64)),
    ],
)
def test_a_side_or_a_pair_becomes_height_and_width(value: Any, expected: tuple[int, int]) -> None:
    size = image_size(value, verb="fit")
    assert size == expected
    assert all(type(side) is int for side in size)


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 1.5, 224.0, True, "224", None, {224, 225}, np.array(224), np.array([224, 224])),
        *((), (224,), (1, 2, 3), (224, 0), (224, "a"), (True, 2)),
    ],
)
def test_what_is_no_size_is_refused_with_a_call_that_works(value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        image_size(value, verb="from_directory")
    assert str(caught.value) == (
        "from_directory: the image size is not a size. Expected one side or (height, width), in "
        f"whole pixels above 0. Received: image_size={value!r}. "
        "from_directory(..., image_size=(224, 224))"
    )


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_becomes_an_int(value: Any) -> None:
    assert whole(value) == 3
    assert type(whole(value)) is int
    assert type(real(value)) is float


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, np.array(3), np.array([3])])
def test_what_is_no_whole_number_is_none(value: Any) -> None:
    assert whole(value) is None


def test_a_number_becomes_a_float_and_nothing_else_does() -> None:
    assert real(np.float32(0.5)) == real(0.5) == 0.5
    assert real(float("inf")) == float("inf")
    for value in (True, np.False_, "0.5", None, np.array(0.5), np.array([0.5]), 1j, [0.5]):
        assert real(value) is None
