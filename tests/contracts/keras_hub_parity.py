"""Small presets beside KerasHub's own networks: ``python tests/contracts/keras_hub_parity.py``.

Both read the same random preset and get the same pictures; KerasHub's pixels are preprocessed in
NumPy. Compared are the features and, where the network has a pyramid, its maps, in single
precision.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hub_presets import PRESETS, SIDE, pictures, preprocessed, save_preset
from parity_file import keep

import transferkit as tk
from transferkit import _keras
from transferkit.backbones.keras_hub.families import FAMILIES
from transferkit.backbones.keras_hub.presets import listed

__all__ = ["errors", "families"]

keras = _keras.keras()


def families() -> dict[str, dict[str, float]]:
    """For each of KerasHub's classes its errors, and how many presets it lists."""
    counts = Counter(preset.kind for preset in listed().values())
    found: dict[str, dict[str, float]] = {kind: {"networks": counts[kind]} for kind in FAMILIES}
    for name, (kind, _) in PRESETS.items():
        for what, error in errors(name).items():
            found[kind][what] = max(found[kind].get(what, 0.0), error)
    return found


def errors(name: str) -> dict[str, float]:
    """The largest differences of one preset, relative to the largest number compared."""
    with tempfile.TemporaryDirectory() as place:
        author = save_preset(Path(place) / name, name)
        ours = tk.backbones.load(
            f"hub:{Path(place) / name}", input_shape=(SIDE, SIDE, 3), weights="pretrained"
        )
        pairs = dict(
            compared(ours, author, is_transformer=FAMILIES[PRESETS[name][0]].is_transformer)
        )
    return {what: largest_difference(*pair) for what, pair in pairs.items()}


def compared(ours: Any, author: Any, *, is_transformer: bool) -> Iterator[tuple[str, Any]]:
    """What both give, by what it is."""
    entry, pixels = author.input, preprocessed(pictures())
    given = dict.fromkeys(entry, pixels) if isinstance(entry, dict) else pixels
    theirs = np.asarray(author(given, training=False))
    yield "features", (ours.network(pictures()), theirs[:, 0] if is_transformer else theirs)
    pyramid = getattr(author, "pyramid_outputs", {})
    for level in (name for name in pyramid if name[1:].isdigit()):
        theirs = keras.Model(author.inputs, pyramid[level])(given, training=False)
        mine = ours.taps.get(2 ** int(level[1:]))
        # KerasHub counts levels from its stem, whose stride the level does not tell.
        if mine is not None and mine.shape[1:] == theirs.shape[1:]:
            tap = keras.Model(ours.network.inputs, mine)(pictures(), training=False)
            yield level, (tap, theirs)


def largest_difference(mine: Any, theirs: Any) -> float:
    """Relative to the largest number of theirs."""
    theirs = np.asarray(theirs)
    return float(np.abs(np.asarray(mine) - theirs).max() / np.abs(theirs).max())


def main() -> None:
    """Print the largest differences of each family; ``--json`` keeps them."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps them as well")
    chosen, found = parser.parse_args(), families()
    if chosen.json:
        keep(chosen.json, "hub", found)
    for kind, seen in found.items():
        print(kind, *(f"{what} {value:.2g}" for what, value in seen.items()))


if __name__ == "__main__":
    main()
