"""Pictures in, activated outputs out: what every prediction and evaluation goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from transferkit._types import KerasModel

__all__ = ["outputs"]


def outputs(network: KerasModel, pixels: Any, *, batch_size: int = 32) -> np.ndarray[Any, Any]:
    """Run the network in inference mode, in float32.

    Args:
        network: Raw pixels to activated outputs.
        pixels: ``(n, height, width, channels)``, 0..255; an array, or anything that gives one for
            ``pixels[indices]``.
        batch_size: Pictures at a time.

    Returns:
        float32 ``(n, outputs)``.
    """
    rows = [network.predict_on_batch(pixels[batch]) for batch in _batches(len(pixels), batch_size)]
    return np.concatenate(rows).astype(np.float32, copy=False)


def _batches(count: int, size: int) -> Iterator[Sequence[int] | np.ndarray[Any, Any]]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
