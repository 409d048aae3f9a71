"""Random networks, of which something is asked before they learn anything."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from transferkit import _keras, build, select
from transferkit import freeze as freezing
from transferkit._types import KerasModel
from transferkit.data import Split
from transferkit.errors import SpecError, explain
from transferkit.select import LayerTable

__all__ = ["calibrate", "check_norms_are_seen", "set_statistics"]

CALIBRATION = 64
"""Pictures that set the statistics of a random network's normalisation."""


def calibrate(network: KerasModel, table: LayerTable, split: Split, *, verb: str) -> None:
    """Set the normalisation of a random network to the statistics of some pictures.

    As it is drawn its features would be degenerate, and every source would seem to help.

    Args:
        network: The backbone, or one that holds it.
        table: The backbone's layers.
        split: The pictures.
        verb: Who asks, for the error.

    Raises:
        SpecError: If its norms are inside a SavedModel, where nobody can set their momentum.
    """
    check_norms_are_seen(table, verb=verb)
    by_name = _keras.named_layers(network)
    held = [row.name for row in table if row.name in by_name and _keras.norms(by_name[row.name])]
    if not held:
        return
    norms = select.where(f"^(?:{'|'.join(map(re.escape, held))})$")
    build.freeze(network, table, freezing.all_but(norms, batch_norm="train"))
    set_statistics(network, split.pixels())


def check_norms_are_seen(table: LayerTable, *, verb: str) -> None:
    """Refuse a network whose norms are inside a SavedModel.

    Raises:
        SpecError: If they are.
    """
    hidden = [row.name for row in table if row.kind == "StatisticsScope"]
    if not hidden:
        return
    checking = verb == "check_transfer"
    raise SpecError(
        explain(
            verb,
            "the normalisation of a SavedModel cannot be calibrated for random weights, and "
            "a network that is not says nothing",
            expected="a backbone of keras:, or one of your own in Keras",
            received={"layers": hidden},
            mend="tk.rank([...], photos) compares sources with each other."
            if checking
            else 'weights="pretrained" takes those that it has.',
        )
    )


def set_statistics(network: KerasModel, pixels: Any) -> None:
    """Give normalisation that trains the statistics of 64 pictures.

    Args:
        network: Any Keras model.
        pixels: ``pixels[indices]`` gives pictures as it takes them (n, height, width, channels).
    """
    norms = _keras.norms(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    chosen = np.linspace(0, len(pixels) - 1, min(CALIBRATION, len(pixels))).astype(int)
    network(np.asarray(pixels[chosen], np.float32), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
