from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import transferkit as tk

RECIPES = (tk.augment.light, tk.augment.medium, tk.augment.strong, tk.augment.tutorial)


def photo() -> np.ndarray[Any, Any]:
    """Smooth, with edges: what a small change of place does not change much."""
    y, x = np.mgrid[:48, :64] / 16.0
    planes = [127 + 100 * np.sin(x + y), 127 + 100 * np.cos(x), 60 + 60 * (x > 2)]
    return np.stack(planes, axis=-1).astype(np.float32)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_value_that_mixes_no_labels_and_keeps_the_range(recipe: Any) -> None:
    made = recipe()
    assert made == recipe()
    assert made.mixes == ()
    assert tk.augment.from_config(json.loads(json.dumps(made.to_config()))) == made
    assert eval(repr(made), vars(tk.augment)) == made
    labels = np.arange(6)
    images, same = made(
        np.repeat(photo()[None], 6, axis=0), labels, seed=0, view=0, indices=range(6)
    )
    assert same is labels
    assert images.shape == (6, 48, 64, 3)
    assert 0 <= np.min(images) <= np.max(images) <= 255.001


def test_they_grow_stronger() -> None:
    original = np.repeat(photo()[None], 60, axis=0)
    changes = [
        np.abs(recipe()(original, seed=0, view=0, indices=range(60)) - original).mean()
        for recipe in RECIPES[:3]
    ]
    assert changes[0] < changes[1] < changes[2]


def test_the_tutorial_is_the_one_of_the_tutorials() -> None:
    rotate, shift, flip = tk.augment.tutorial().operations
    assert rotate == tk.augment.rotate(20, fill="nearest")
    assert shift == tk.augment.shift(0.2, fill="nearest")
    assert flip == tk.augment.flip(horizontal=True, vertical=False)


def test_a_mix_can_stand_behind_a_recipe() -> None:
    made = tk.augment.pipeline(tk.augment.strong(), tk.augment.cutmix())
    assert made.mixes == (tk.augment.cutmix(),)
