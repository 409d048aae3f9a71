"""A tiny model to be tracked, and what can be read back of a run whatever wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import transferkit as tk
from transferkit import _keras

__all__ = ["ENGINE", "Notebook", "Read", "model", "photos", "plan"]

ENGINE = tk.Engine(precision="float32", prefix="tensorflow", cache=False)
NAMES = ("<b>ant</b>", "bee")
Curve = list[tuple[int, float]]


@dataclass
class Read:
    """What was written of one run.

    Attributes:
        config: Nested, or flat where the tracker keeps it so.
        numbers: Each curve as pairs of step and value.
        texts: Each text as it was written last.
        tables: Each table, its header first.
        pictures: The words of each picture, where the tracker keeps words.
        files: The files by name.
        complete: Whether it says of itself that it came to its end; None if it does not say.
    """

    config: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Curve] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    complete: bool | None = None


class Notebook:
    """A tracker that keeps everything in memory; it writes down every call as well."""

    name = "notebook"

    def __init__(self) -> None:
        self.runs: list[Read] = []
        self.begun: list[tuple[int, str | None]] = []
        self.calls: list[str] = []

    @property
    def now(self) -> Read:
        return self.runs[-1]

    def begin(self, config: Any, *, step: int, run_id: str | None) -> str | None:
        self.calls.append("begin")
        self.begun.append((step, run_id))
        if run_id is None:
            self.runs.append(Read(config=dict(config)))
        return f"run {len(self.runs)}"

    def log_numbers(self, values: Any, step: int) -> None:
        self.calls.append("log_numbers")
        for name, value in values.items():
            self.now.numbers.setdefault(name, []).append((step, value))

    def log_text(self, name: str, text: str, step: int) -> None:
        self.calls.append("log_text")
        self.now.texts[name] = text

    def log_table(self, name: str, header: Any, rows: Any, step: int) -> None:
        self.calls.append("log_table")
        self.now.tables[name] = [list(header), *map(list, rows)]

    def log_pictures(self, name: str, pictures: Any, step: int) -> None:
        self.calls.append("log_pictures")
        assert all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[2] == 3 for p, _ in pictures)
        self.now.pictures[name] = [words for _, words in pictures]

    def log_file(self, path: Path, step: int) -> None:
        self.calls.append("log_file")
        self.now.files[path.name] = path.read_bytes()

    def end(self, *, complete: bool) -> None:
        self.calls.append("end")
        self.now.complete = complete


def photos() -> tk.data.Data:
    """Dark pictures and light ones, 12 to train on and 8 to measure on."""
    labels = np.arange(20) % 2
    noise = np.random.default_rng(0).integers(0, 120, (20, 8, 8, 3))
    images = (noise + 130 * labels[:, None, None, None]).astype(np.uint8)
    return tk.data.from_arrays(images, labels, class_names=NAMES, val=0.4, seed=0)


def model() -> tk.TransferModel:
    """Two convolutions, each a block."""
    keras = _keras.keras()
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="low")(pixels)
    x = keras.layers.Conv2D(4, 3, name="high")(x)
    network = keras.Model(pixels, x, name="tiny")
    made = tk.backbones.from_keras(network, preprocessing="unit", blocks="(low|high)")
    return tk.TransferModel(made)


def plan() -> tk.Plan:
    """Two epochs of three steps each, and one of two steps with a rate for each block."""
    thawed = tk.plans.fine_tune(
        1,
        batch_size=8,
        freeze=tk.freeze.nothing(),
        learning_rate=0.01,
        layer_rates=tk.schedules.layer_decay(0.5),
    )
    return tk.plans.feature_extraction(2, batch_size=4).then(thawed)
