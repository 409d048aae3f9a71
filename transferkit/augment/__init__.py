"""Augmentation: other views of the same pictures, from a seed.

    >>> import transferkit as tk
    >>> tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2))
    pipeline(flip(), rotate(20.0), shift(0.2, 0.2))

Operations are values. Pixels are a pure function of (seed, view, index): a picture in one view
looks the same whatever batch it is in, and after a resumed run. Labels stay as they are, but for
`mixup` and `cutmix`, which join two pictures of the training data and their labels.

A plug-in is any object with the method of `transferkit.spec.Augmentation`, or with those of
`transferkit.spec.Mix`; to be written down in a saved model it has a config, see
`transferkit.augment.operation`.
"""

from __future__ import annotations

from transferkit.augment.colour import brightness, contrast
from transferkit.augment.crop import crop
from transferkit.augment.erase import erase
from transferkit.augment.geometry import flip, rotate, shear, shift, zoom
from transferkit.augment.hue import grayscale, hue, saturation
from transferkit.augment.mix import cutmix, mixup
from transferkit.augment.operation import from_config
from transferkit.augment.pipeline import Pipeline, pipeline
from transferkit.augment.randaugment import rand_augment
from transferkit.augment.recipes import light, medium, strong, tutorial
from transferkit.augment.texture import blur, noise

__all__ = [
    "Pipeline",
    "blur",
    "brightness",
    "contrast",
    "crop",
    "cutmix",
    "erase",
    "flip",
    "from_config",
    "grayscale",
    "hue",
    "light",
    "medium",
    "mixup",
    "noise",
    "pipeline",
    "rand_augment",
    "rotate",
    "saturation",
    "shear",
    "shift",
    "strong",
    "tutorial",
    "zoom",
]
