"""The inner doors of transferkit that rows go through where no public one leads.

Whatever a row needs of the engine's inside stands here and nowhere else, so that a change in there
is a change of this file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import transferkit as tk

__all__ = ["augmented_epochs", "compiled_forward", "described", "first_unfrozen", "fitted_engine"]


MANY = 10**6
"""Pictures enough for whatever takes long to compile."""


def fitted_engine(cache: Path | bool, **options: Any) -> tk.Engine:
    """An engine with that cache folder, or none with False."""
    return tk.Engine(cache=str(cache) if isinstance(cache, Path) else cache, **options)


def compiled_forward(
    network: Any,
    pixels: Any,
    *,
    precision: str = "auto",
    xla: bool | str = "auto",
    backend: str = "tensorflow",
) -> tuple[Callable[[Any], Any], str]:
    """A frozen network as the engine compiles it, and how it did so in words.

    Args:
        network: What is compiled.
        pixels: Some of its inputs; on them the engine checks what it compiled.
        precision: As for `Engine`.
        xla: As for `Engine`.
        backend: As for `Engine`, where it is called ``prefix``.

    Raises:
        RuntimeError: If another backend had to stand in.
    """
    forward = importlib.import_module("transferkit.engine.forward")
    machine = importlib.import_module("transferkit.engine.machine").machine()
    options: dict[str, Any] = {"precision": precision, "xla": xla, "prefix": backend}
    made = forward.prepare(
        network, [pixels[:64]], engine=tk.Engine(**options), machine=machine, images=MANY
    )
    run = made.run
    if run.backend != backend:
        raise RuntimeError(f"{run.backend} runs it instead of {backend}: {'; '.join(made.notes)}")
    words = f"{run.precision} by {run.backend}, XLA {'on' if run.xla else 'off'}"
    return lambda batch: run(batch)[0], "; ".join([words, *made.notes])


def augmented_epochs(
    split: Any, pipeline: Any, *, batch_size: int, epochs: int, seed: int = 0
) -> Iterator[Any]:
    """The batches that training sees, epoch after epoch."""
    batches = importlib.import_module("transferkit.engine.batches")
    phase = tk.Phase(epochs, batch_size=batch_size)
    labels = np.asarray(split.labels)
    return iter(
        batches.training_batches(
            split.pixels(), labels, phase, pipeline, seed=seed, first_epoch=0, epochs=epochs
        )
    )


def described(trained: Any) -> tuple[str, ...]:
    """What the engine says that it did, a line each."""
    report = getattr(trained, "engine_report", None)
    return () if report is None else tuple(line.strip() for line in repr(report).splitlines())


def first_unfrozen(name: str, blocks: int) -> int:
    """The index, in the layers of Keras' own network, from which its top blocks begin.

    Args:
        name: The network as `keras.applications` calls it.
        blocks: How many blocks of our table train.
    """
    table = tk.backbones.load(f"keras:{name}", weights=None).table
    names = tk.select.top_blocks(blocks).names(table)
    return next(place for place, layer in enumerate(table) if layer.name in names)
