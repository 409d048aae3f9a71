"""Pictures in, activated outputs out: what every prediction and evaluation goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel, Tensor

__all__ = ["forward", "outputs"]

Forward = Callable[[Tensor], Tensor]


def forward(network: KerasModel) -> Forward:
    """The network in inference mode, compiled once for batches of any size.

    Keras' own ``predict`` runs a network that was made under a distribution strategy once on every
    replica, and so answers each picture twice on two of them.

    Args:
        network: Raw pixels to activated outputs.
    """

    def run(pixels: Tensor) -> Tensor:
        return network(pixels, training=False)

    compiled: Forward = _keras.tf().function(run, reduce_retracing=True)
    return compiled


def outputs(run: Forward, pixels: Any, *, batch_size: int = 32) -> np.ndarray[Any, Any]:
    """Run pictures through a network, a batch at a time.

    Args:
        run: What `forward` gave.
        pixels: ``(n, height, width, channels)``, 0..255; an array, or anything that gives one for
            ``pixels[indices]``.
        batch_size: Pictures at a time.

    Returns:
        float32 ``(n, outputs)``.
    """
    tf = _keras.tf()
    batches = (
        tf.constant(pixels[chosen], tf.float32) for chosen in _places(len(pixels), batch_size)
    )
    rows = [np.asarray(run(batch)) for batch in batches]
    return np.concatenate(rows).astype(np.float32, copy=False)


def _places(count: int, size: int) -> Iterator[np.ndarray[Any, Any]]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
