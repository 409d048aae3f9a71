"""Writes docs/backbones.md: what is known of every backbone, its preprocessing checked.

    python docs/make_backbones_page.py

Needs no weights: networks are built without values in their variables.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sources_table

import transferkit as tk
from transferkit import _keras
from transferkit.spec import BackboneInfo

PAGE = Path(__file__).with_name("backbones.md")
HEADER = (
    "backbone",
    "parameters",
    "input",
    "smallest side",
    "strides of its taps",
    "blocks",
    "embedding",
    "preprocessing of pixels 0..255",
    "licence",
)
SOURCES = """# Backbones

Whatever the source, raw pixels 0..255 go in and the preprocessing that the weights want is inside.
*Parity error* is the largest difference to the original, relative to the largest number compared:
of `keras:` the preprocessing's, as the rest is Keras' own; of `torch:` that of logits and taps to
PyTorch, small networks of each family in double precision; of `hub:` that of features and taps to
KerasHub, small presets in single precision; of `tfhub:` to the SavedModel called by hand. A
*network* of `hub:` is a preset that KerasHub lists.

"""
INTRODUCTION = """## `keras:`, network by network

Each network of Keras Applications. *Input* is the side that its published weights were trained at;
other sizes, down to the smallest side, and pictures that are not square work as well. *Taps* are
the feature maps that a head can read, by stride. *Blocks* are what `tk.select.top_blocks(k)`
counts; the cells of NASNet each read the two before them, so that no tensor separates them and all
of them are one block. Parameters are those without the top. *Checked* is the largest relative
difference between this preprocessing and that of Keras, `preprocess_input` or the layers that Keras
has inside, on random pixels.

Written by `python docs/make_backbones_page.py`; a test compares it with what is registered.
"""
MODULES = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "ResNet50V2": "resnet_v2",
    "ResNet101V2": "resnet_v2",
    "ResNet152V2": "resnet_v2",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "Xception": "xception",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "DenseNet121": "densenet",
    "DenseNet169": "densenet",
    "DenseNet201": "densenet",
    "NASNetMobile": "nasnet",
    "NASNetLarge": "nasnet",
}
"""Where Keras has a function; all others scale inside."""


def main() -> int:
    """Write the page."""
    rows, differences = [], {}
    for name in tk.backbones.names("keras:*"):
        differences[name] = largest_difference(name.removeprefix("keras:"))
        rows.append((*cheap_columns(tk.backbones.info(name)), f"{differences[name]:.0e}"))
        print(f"{name}: {differences[name]:.0e}", flush=True)
    PAGE.write_text(page(sources_table.rows(differences), rows), encoding="utf-8")
    return 0


def page(sources: list[tuple[str, ...]], networks: list[tuple[str, ...]]) -> str:
    """Both tables, each behind its introduction."""
    first = table(sources_table.HEADER, sources)
    return f"{SOURCES}{first}\n{INTRODUCTION}\n{table((*HEADER, 'checked'), networks)}"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown, a line for each row."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def cheap_columns(info: BackboneInfo) -> tuple[str, ...]:
    """What is known of a backbone without building it, in the order of `HEADER`."""
    height, width = info.image_size
    return (
        f"`{info.name}`",
        f"{info.params / 1e6:.1f} M",
        f"{height} x {width}",
        str(info.min_size),
        ", ".join(map(str, info.strides)),
        str(len(info.block_names)),
        str(info.embedding),
        f"`{info.preprocessing}`",
        info.licence,
    )


def largest_difference(name: str) -> float:
    """The largest relative difference to Keras' own preprocessing."""
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    side = tk.backbones.info(f"keras:{name}").min_size
    with _keras.keras().StatelessScope(initialize_variables=False):
        shape = (side, side, 3)
        ours: Any = tk.backbones.load(f"keras:{name}", input_shape=shape, weights=None)
        wanted = np.asarray(keras_own(name, side)(pixels.copy()))
    given = ours.preprocessing(pixels)
    return float(np.max(np.abs(given - wanted)) / np.max(np.abs(wanted)))


def keras_own(name: str, side: int) -> Callable[[Any], Any]:
    """What Keras does to pixels before the first convolution."""
    keras = _keras.keras()
    if name in MODULES:
        module = importlib.import_module(f"keras.applications.{MODULES[name]}")
        return module.preprocess_input  # type: ignore[no-any-return]
    make = getattr(keras.applications, name)
    network = make(include_top=False, weights=None, input_shape=(side, side, 3))
    kinds = ("Rescaling", "Normalization")
    inside = [layer for layer in network.layers[:4] if type(layer).__name__ in kinds]

    def apply(pixels: Any) -> Any:
        if name.startswith("EfficientNetB"):  # statistics of the published file, and one factor
            mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
            return (inside[0](pixels) - mean) / np.sqrt(deviation) / np.sqrt(deviation)
        for layer in inside:
            pixels = layer(pixels)
        return pixels

    return apply


if __name__ == "__main__":
    sys.exit(main())
