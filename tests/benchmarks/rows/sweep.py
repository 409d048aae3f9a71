"""Fifty trainings that differ in head, rate and seed: on one cache, against fifty times `fit`.

Of every five Keras trains one, and its time counts for all five: nearly all of it are the pictures'
ways through the base, which are the same under every head and rate. All fifty take over an hour.
"""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doors
import drawn_pictures
from measuring import Result, total_ratio

import transferkit as tk
from rows import Setting, at_least, row


@dataclass(frozen=True)
class Choice:
    """One training of the fifty."""

    hidden: tuple[int, ...]
    dropout: float
    rate: float
    seed: int


@dataclass(frozen=True)
class Job:
    """What all of them have in common."""

    weights: Path
    backbone: str = "ResNet50"
    side: int = 128
    epochs: int = 10
    classes: int = 5


HEADS = (((), 0.0), ((), 0.2), ((), 0.5), ((128,), 0.2), ((256,), 0.5))
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
SEEDS = (0, 1)
BLOCK = 5
"""So many trainings of ours stand against one of Keras', taken as often: two of each head."""
CHOICES = tuple(
    Choice(hidden, dropout, rate, seed)
    for (hidden, dropout), rate, seed in itertools.product(HEADS, RATES, SEEDS)
)


def ours(job: Job, photos: tk.data.Data, choice: Choice, cache: Path) -> None:
    head = tk.heads.classification(hidden=choice.hidden, dropout=choice.dropout)
    # One network under all heads: a seed of its own would make other random weights.
    model = tk.TransferModel(f"keras:{job.backbone}", weights=job.weights).head(head)
    plan = tk.plans.feature_extraction(job.epochs, learning_rate=choice.rate)
    engine = doors.fitted_engine(cache)
    model.fit(photos, plan, seed=choice.seed, engine=engine, verbose=0)


def plain(job: Job, batches: Any, choice: Choice) -> None:
    import keras
    import plain_keras

    keras.utils.set_random_seed(choice.seed)
    network, _ = plain_keras.classifier(
        getattr(keras.applications, job.backbone),
        job.classes,
        side=job.side,
        weights=str(job.weights),
        hidden=choice.hidden,
        dropout=choice.dropout,
    )
    plain_keras.compiled(network, keras.optimizers.Adam(choice.rate))
    network.fit(batches, epochs=job.epochs, verbose=0)


def prepared(setting: Setting) -> tuple[Job, Path]:
    """The job, its weights on disk, and its pictures."""
    import keras

    job = Job(setting.folder / "base.weights.h5")
    if setting.small:
        job = Job(job.weights, "VGG16", 32, 1)
    make = getattr(keras.applications, job.backbone)
    make(weights=None, include_top=False).save_weights(job.weights)
    count, scale = (8, 0.2) if setting.small else (200, 1.0)
    folder = drawn_pictures.folder(setting.folder / "jpegs", job.classes, count, scale=scale)
    return job, folder


@row(
    "sweep",
    "50 trainings that differ in head, rate and seed, ResNet50 at 128 with its base frozen, 200 "
    "pictures, 10 epochs: on one cached data set, its extraction included, against Keras' `fit` "
    "from the pictures, which runs for every fifth of them and counts five times.",
    minutes=15,
    targets={"50 configurations": at_least(20)},
)
def sweep(setting: Setting) -> Result:
    import plain_keras

    job, folder = prepared(setting)
    photos = tk.data.from_directory(folder, image_size=(job.side, job.side), val=0.0, verbose=0)
    batches = plain_keras.from_folder(folder, side=job.side)
    mine: list[float] = []
    theirs: list[float] = []
    with setting.empty_cache() as cache:
        for number in range(setting.many(len(CHOICES) // BLOCK, least=1)):
            block = CHOICES[BLOCK * number :][:BLOCK]
            began = time.perf_counter()
            for choice in block:
                ours(job, photos, choice, cache)
            turned = time.perf_counter()
            plain(job, batches, block[0])
            mine.append(turned - began)
            theirs.append(len(block) * (time.perf_counter() - turned))
    label = "50 configurations"
    later = sum(theirs[1:]) / max(sum(mine[1:]), 1e-9)
    remark = (
        f"The first five, of which one extracts, took {mine[0]:.1f} s, the median of all fives "
        f"{statistics.median(mine):.2f} s. Those behind the first five: {later:.1f} times faster."
    )
    return Result((total_ratio(label, mine, theirs),), (remark,))
