"""A training on a large cache, in a process that another one watches: see `rows.memory`.

    python tests/benchmarks/memory_child.py CACHE PICTURES

A frozen random network makes a map of 64 KiB values of each tiny picture, so that few seconds of
arithmetic fill gigabytes of cache with random features; a head on the flat map is trained on them.
It prints a line when each epoch begins, and what the engine did at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import doors
import drawn_pictures

import transferkit as tk
from transferkit import _keras

CHANNELS = 1024
SIDE = 8
BYTES_PER_PICTURE = SIDE * SIDE * CHANNELS * 4


def main(arguments: Sequence[str]) -> int:
    """Train, and say when."""
    pixels, labels = drawn_pictures.array(int(arguments[1]), SIDE, classes=2)
    photos = tk.data.from_arrays(pixels, labels, val=0.0)
    model = tk.TransferModel(expanding()).head(tk.heads.classification(pooling="flatten"))
    trained = model.fit(
        photos,
        tk.plans.feature_extraction(epochs=3),
        engine=doors.fitted_engine(Path(arguments[0]), precision="float32"),
        callbacks=[herald()],
        verbose=0,
    )
    print("\n".join(doors.described(trained)), flush=True)
    return 0


def expanding() -> Any:
    """A random network from a tiny picture to a large map."""
    keras = _keras.keras()
    inputs = keras.Input((SIDE, SIDE, 3))
    flow = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(inputs)
    flow = keras.layers.Conv2D(CHANNELS, 3, padding="same", activation="relu")(flow)
    network = keras.Model(inputs, flow, name="expanding")
    return tk.backbones.from_keras(network, preprocessing="tf")


def herald() -> Any:
    class Herald(_keras.keras().callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            print(f"epoch {epoch}", flush=True)

    return Herald()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
