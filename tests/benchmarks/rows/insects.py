"""Real weights on real photos: how soon the plain recipe's final accuracy is reached."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doors
from measuring import Result, median_ratio

import transferkit as tk
from rows import Setting, at_least, row
from transferkit import _keras

WEIGHTS = "weights/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"


@dataclass(frozen=True)
class Job:
    """The photos and how they are trained on."""

    photos: Path
    weights: Path
    side: int = 224
    epochs: int = 10
    blocks: int = 2
    rate: float = 1e-4

    def model(self) -> tk.TransferModel:
        head = tk.heads.classification(dropout=0.2)
        model = tk.TransferModel("keras:MobileNetV2", weights=self.weights)
        return model.augment(tk.augment.tutorial()).head(head)


@dataclass(frozen=True)
class Run:
    """One training: seconds since its beginning and the accuracy, epoch by epoch."""

    seconds: tuple[float, ...]
    accuracy: tuple[float, ...]
    total: float

    def until(self, wanted: float) -> float | None:
        """Seconds until the accuracy was first reached; None if it never was."""
        pairs = zip(self.seconds, self.accuracy, strict=True)
        return next((second for second, accuracy in pairs if accuracy >= wanted), None)


def ours(setting: Setting, job: Job, seed: int) -> Run:
    def train(callback: Any) -> None:
        photos = tk.data.from_directory(
            job.photos, image_size=(job.side, job.side), on_bad="skip", seed=seed, verbose=0
        )
        unfrozen = tk.select.top_blocks(job.blocks)
        plan = tk.plans.feature_extraction(job.epochs, views=4).then(
            tk.plans.fine_tune(job.epochs, unfreeze=unfrozen, learning_rate=job.rate, views=4)
        )
        with setting.empty_cache() as cache:
            engine = doors.fitted_engine(cache)
            job.model().fit(photos, plan, seed=seed, engine=engine, callbacks=[callback], verbose=0)

    return timed(train)


def plain(job: Job, seed: int) -> Run:
    def train(callback: Any) -> None:
        import keras
        import plain_keras

        keras.utils.set_random_seed(seed)
        augment = plain_keras.augmentation()
        batches = plain_keras.from_folder(
            job.photos / "train", side=job.side, augment=augment, seed=seed
        )
        validation = plain_keras.from_folder(job.photos / "val", side=job.side, shuffle=False)
        network, base = plain_keras.classifier(
            keras.applications.MobileNetV2, 2, side=job.side, weights=str(job.weights)
        )
        plain_keras.two_phases(
            network,
            base,
            batches,
            epochs=job.epochs,
            first=doors.first_unfrozen("MobileNetV2", job.blocks),
            optimizer=keras.optimizers.Adam(job.rate),
            validation=validation,
            callbacks=[callback],
        )

    return timed(train)


def few(photos: Path, folder: Path) -> Path:
    """A copy of the folder with four photos in each of its folders."""
    for place in sorted(photos.glob("*/*/")):
        into = folder / place.relative_to(photos)
        into.mkdir(parents=True)
        for photo in sorted(place.glob("*.jpg"))[:4]:
            shutil.copy(photo, into)
    return folder


def timed(train: Any) -> Run:
    seconds: list[float] = []
    accuracy: list[float] = []

    class Clock(_keras.keras().callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds.append(time.perf_counter() - began)
            accuracy.append(float(logs["val_accuracy"]))

    began = time.perf_counter()
    train(Clock())
    return Run(tuple(seconds), tuple(accuracy), time.perf_counter() - began)


@row(
    "insects",
    "MobileNetV2 with its ImageNet weights on the photos of ants and bees, 10 + 10 epochs, the top "
    "two blocks unfrozen in both, `views=4`: from the folder until the accuracy is reached with "
    "which plain Keras ends.",
    minutes=12,
    targets={"time to the plain recipe's final accuracy": at_least(5)},
)
def insects(setting: Setting) -> Result:
    job = Job(setting.asset("hymenoptera"), setting.asset(WEIGHTS))
    if setting.small:
        job = Job(few(job.photos, setting.folder), job.weights, side=32, epochs=1)
    runs = [
        (ours(setting, job, seed), plain(job, seed)) for seed in range(setting.many(3, least=1))
    ]
    finals = [theirs.accuracy[-1] for _, theirs in runs]
    reached = [
        (own.until(final), theirs) for (own, theirs), final in zip(runs, finals, strict=True)
    ]
    ended = [round(own.accuracy[-1], 3) for own, _ in runs]
    remarks = (
        f"Plain Keras ends at {[round(final, 3) for final in finals]} and transferkit at {ended}, "
        "seed by seed.",
        "The figure is the time of the plain recipe's whole run over the time until transferkit "
        "first has its final accuracy; the detail below takes the first time that Keras has it.",
    )
    never = float("inf")  # which makes it 0 times faster
    hits = [never if own is None else own for own, _ in reached]
    whole = median_ratio(
        "time to the plain recipe's final accuracy", hits, [theirs.total for _, theirs in runs]
    )
    first = [theirs.until(final) or never for (_, theirs), final in zip(runs, finals, strict=True)]
    more = median_ratio("both until they first have it", hits, first, detail=True)
    totals = [own.total for own, _ in runs]
    last = median_ratio(
        "both to their end", totals, [theirs.total for _, theirs in runs], detail=True
    )
    return Result((whole, more, last), remarks)
