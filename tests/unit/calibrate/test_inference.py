"""`Inference`: a value that is written down, read, shown and checked."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.calibrate import Inference
from transferkit.errors import SpecError, UnknownNameError

FLIP = tk.augment.pipeline(tk.augment.flip(), tk.augment.zoom(0.1))

VALUES = [
    Inference(),
    Inference(1.7),
    Inference(0.5, (0.25, 0.75)),
    Inference(thresholds=(0.1,), augmentation=FLIP, views=3),
]


@pytest.mark.parametrize("value", VALUES)
def test_it_is_written_down_and_read(value: Inference) -> None:
    config = json.loads(json.dumps(value.to_config(), allow_nan=False))
    again = Inference.from_config(config)
    assert again == value
    assert hash(again) == hash(value)


def test_what_is_not_written_has_its_default() -> None:
    assert Inference.from_config({}) == Inference()
    assert Inference.from_config({"temperature": 2.0}) == Inference(2.0)


def test_numpys_numbers_become_plain_ones() -> None:
    value = Inference(np.float32(2), np.array([0.5, 0.25]), FLIP, np.int64(3))  # type: ignore[arg-type]
    assert value == Inference(2.0, (0.5, 0.25), FLIP, 3)
    kinds = (type(value.temperature), type(value.thresholds[0]), type(value.views))
    assert kinds == (float, float, int)


def test_only_temperature_and_views_change_outputs() -> None:
    assert [value.is_plain for value in VALUES] == [True, False, False, False]
    assert Inference(thresholds=(0.3,)).is_plain


def test_what_differs_from_the_defaults_is_told() -> None:
    assert Inference().told(("a", "b")) == []
    assert dict(Inference(1.23456, (0.25, 0.5), FLIP, 3).told(("a", "b"))) == {
        "temperature": "1.235",
        "thresholds": "a 0.25, b 0.5",
        "views": "3, by pipeline(flip(), zoom((0.9, 1.1)))",
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"thresholds": (0.5, 1.5)}, "thresholds"),
        ({"thresholds": (None,)}, "thresholds"),
        ({"augmentation": tk.augment.flip()}, "augmentation"),
        ({"views": 2}, "views"),
        ({"views": 0}, "views"),
        ({"augmentation": FLIP}, "views"),
        ({"augmentation": FLIP, "views": 1.5}, "views"),
    ],
)
def test_what_is_out_of_its_range_is_refused(given: dict[str, Any], name: str) -> None:
    with pytest.raises(SpecError, match=f"Inference: {name} is out of its range") as caught:
        Inference(**given)
    assert "trained.calibrate(photos.val)" in str(caught.value)


@pytest.mark.parametrize("mix", [tk.augment.mixup(), tk.augment.cutmix()])
def test_mixes_are_refused(mix: Any) -> None:
    with pytest.raises(SpecError, match=rf"with_views: {mix.name}\(\) changes labels"):
        Inference(augmentation=tk.augment.pipeline(tk.augment.flip(), mix), views=2)


def test_an_operation_that_nobody_knows_is_named() -> None:
    config = {"augmentation": {"op": "pipeline", "operations": [{"op": "flipp"}]}, "views": 2}
    with pytest.raises(UnknownNameError, match="did you mean 'flip'"):
        Inference.from_config(config)
