"""Recipes: pipelines that are ready for photos. None of them mixes labels: any head takes them.

>>> import transferkit as tk
>>> tk.augment.light()
pipeline(flip(), shift(0.05, 0.05), zoom((0.9, 1.1)), brightness(0.1))
"""

from __future__ import annotations

from transferkit.augment.colour import brightness, contrast
from transferkit.augment.crop import crop
from transferkit.augment.erase import erase
from transferkit.augment.geometry import flip, rotate, shift, zoom
from transferkit.augment.hue import saturation
from transferkit.augment.pipeline import Pipeline, pipeline
from transferkit.augment.randaugment import rand_augment

__all__ = ["light", "medium", "strong", "tutorial"]


def light() -> Pipeline:
    """Small moves and a little light: for many pictures, or where position and colour matter.

    Flips left and right, shifts by up to 5 % of the sides, zooms by up to 10 %, brightness by up to
    10 %.
    """
    return pipeline(flip(), shift(0.05), zoom(0.1), brightness(0.1))


def medium() -> Pipeline:
    """Crops, turns and light: the usual choice for a few hundred photos.

    A crop of half the picture or more, flips left and right, turns by up to 15 degrees; brightness,
    contrast and saturation by up to 20 %.
    """
    return pipeline(
        crop((0.5, 1.0)), flip(), rotate(15), brightness(0.2), contrast(0.2), saturation(0.2)
    )


def strong() -> Pipeline:
    """Small crops, RandAugment and erasing: for long training of many layers.

    A crop of a quarter of the picture or more, flips left and right, two operations of RandAugment
    at magnitude 9, and a box erased in one picture of four. It mixes no labels; `mixup` or `cutmix`
    can stand behind it: ``pipeline(strong(), cutmix())``.
    """
    return pipeline(crop((0.25, 1.0)), flip(), rand_augment(2, 9), erase(0.25))


def tutorial() -> Pipeline:
    """The classic Keras tutorial: turns by 20 degrees, shifts by 20 % of the sides, flips.

    The border is smeared out, as ``ImageDataGenerator`` does by default.
    """
    return pipeline(rotate(20, fill="nearest"), shift(0.2, fill="nearest"), flip())
