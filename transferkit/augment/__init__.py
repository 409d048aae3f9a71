"""Augmentation: other views of the same pictures, from a seed.

    >>> import transferkit as tk
    >>> tk.augment.pipeline(tk.augment.flip(), tk.augment.rotate(20), tk.augment.shift(0.2))
    pipeline(flip(), rotate(20.0), shift(0.2, 0.2))

Operations are values. Pixels are a pure function of (seed, view, index): a picture in one view
looks the same whatever batch it is in, and after a resumed run. Labels stay as they are.

A plug-in is any object with the method of `transferkit.spec.Augmentation`; to be written down in a
saved model it has a config, see `transferkit.augment.operation`.
"""

from __future__ import annotations

from transferkit.augment.colour import brightness, contrast
from transferkit.augment.geometry import flip, rotate, shift, zoom
from transferkit.augment.operation import from_config
from transferkit.augment.pipeline import Pipeline, pipeline

__all__ = [
    "Pipeline",
    "brightness",
    "contrast",
    "flip",
    "from_config",
    "pipeline",
    "rotate",
    "shift",
    "zoom",
]
