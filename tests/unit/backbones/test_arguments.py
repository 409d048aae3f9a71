"""What is no name, no shape and no weights is told so, before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transferkit as tk
from transferkit.errors import SpecError


@pytest.mark.parametrize("shape", [(32, 32), "224", 224, (32, 32, 3.0), (32, None, 3), ("a",) * 3])
def test_a_shape_is_three_whole_numbers(shape: Any) -> None:
    with pytest.raises(
        SpecError, match=r"backbones\.load: that is no shape.*\(height, width, channels\).*input_sh"
    ):
        tk.backbones.load("VGG16", input_shape=shape, weights=None)


def test_a_shape_may_be_a_list_of_numpys_numbers() -> None:
    shape: Any = [np.int64(33), 34, 3]
    loaded = tk.backbones.load("VGG16", input_shape=shape, weights=None)
    assert loaded.network.input_shape == (None, 33, 34, 3)


@pytest.mark.parametrize("weights", [5, ["imagenet"], b"net.h5"])
@pytest.mark.parametrize("call", [tk.backbones.load, tk.backbones.classifier])
def test_weights_are_a_name_or_a_path(call: Callable[..., Any], weights: Any) -> None:
    with pytest.raises(SpecError, match=r"weights cannot be an object.*a path\. Rec.*weights=None"):
        call("VGG16", weights=weights)


def test_a_path_may_be_a_path_object(tmp_path: Path) -> None:
    first = tk.backbones.load("VGG16", input_shape=(32, 32, 3), weights=None)
    first.network.save_weights(tmp_path / "net.weights.h5")
    again = tk.backbones.load("VGG16", input_shape=(32, 32, 3), weights=tmp_path / "net.weights.h5")
    for have, want in zip(again.network.get_weights(), first.network.get_weights(), strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("name", [None, 5])
@pytest.mark.parametrize(
    "call",
    [
        tk.backbones.load,
        tk.backbones.find,
        tk.backbones.info,
        tk.backbones.classifier,
        lambda name: tk.backbones.register(name, tk.backbones.KerasNetwork),  # type: ignore[arg-type]
    ],
)
def test_a_name_is_text(call: Callable[[Any], Any], name: Any) -> None:
    with pytest.raises(SpecError, match=r"is no name of a backbone.*Received: name=.*names\(\)"):
        call(name)
