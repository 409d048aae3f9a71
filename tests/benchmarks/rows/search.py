"""Twenty trials of head and rate on a frozen backbone: `tk.tune` against Keras Tuner over Keras.

Both ask the same oracle of the same space with the same seed, so that they try the same settings in
the same order. They take turns, five trials each.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doors
from measuring import Result, Seconds, total_ratio

import transferkit as tk
from rows import Setting, SkippedError, at_least, row
from rows.insects import WEIGHTS, few

WIDTHS = [0, 64, 256]
DROPOUT = (0.0, 0.5)
RATES = (1e-4, 1e-2)
TRIALS, BLOCK = 20, 5


@dataclass(frozen=True)
class Job:
    """What is searched on."""

    photos: Path
    weights: Path
    side: int = 224
    epochs: int = 3
    block: int = BLOCK


Tried = list[dict[str, Any]]
"""The settings of all trials so far, in order."""


def ours(job: Job, folder: Path, cache: Path) -> Iterator[Tried]:
    """A block of trials at each step; the first reads the photos too."""

    def space(t: Any) -> tuple[tk.TransferModel, tk.Plan]:
        width = t.choice("width", WIDTHS)
        dropout = t.uniform("dropout", *DROPOUT)
        head = tk.heads.classification(hidden=(width,) if width else (), dropout=dropout)
        rate = t.uniform("rate", *RATES, log=True)
        return model.head(head), tk.plans.feature_extraction(job.epochs, learning_rate=rate)

    model = tk.TransferModel("keras:MobileNetV2", weights=job.weights)
    photos = tk.data.from_directory(
        job.photos, image_size=(job.side, job.side), on_bad="skip", verbose=0
    )
    options: dict[str, Any] = {"engine": doors.fitted_engine(cache), "verbose": 0}
    trials = 0
    while True:
        trials += job.block
        found = tk.tune(
            space, photos, strategy="random", max_trials=trials, directory=folder, **options
        )
        yield [dict(each.values) for each in found]


def plain(job: Job, folder: Path) -> Iterator[Tried]:
    """The same by Keras Tuner's own search over plain Keras."""
    import keras
    import keras_tuner
    import plain_keras

    def build(t: Any) -> Any:
        width = t.Choice("width", WIDTHS)
        network, _ = plain_keras.classifier(
            keras.applications.MobileNetV2,
            2,
            side=job.side,
            weights=str(job.weights),
            dropout=t.Float("dropout", *DROPOUT),
            hidden=(width,) if width else (),
        )
        rate = t.Float("rate", *RATES, sampling="log")
        plain_keras.compiled(network, keras.optimizers.Adam(rate))
        return network

    batches = plain_keras.from_folder(job.photos / "train", side=job.side)
    validation = plain_keras.from_folder(job.photos / "val", side=job.side, shuffle=False)
    tuner = keras_tuner.RandomSearch(
        build,
        objective="val_accuracy",
        max_trials=0,
        seed=1,  # as `tk.tune` has it for its seed 0
        directory=str(folder),
        overwrite=True,
    )
    while True:
        tuner.oracle.max_trials += job.block
        tuner.search(batches, validation_data=validation, epochs=job.epochs, verbose=0)
        yield [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]


def in_blocks(arms: Mapping[str, Iterator[Tried]], blocks: int) -> Seconds:
    """How long each block of each arm took.

    Raises:
        RuntimeError: If they did not try the same settings.
    """
    seconds: Seconds = {name: [] for name in arms}
    for _ in range(blocks):
        tried = []
        for name, arm in arms.items():
            began = time.perf_counter()
            tried.append(next(arm))
            seconds[name].append(time.perf_counter() - began)
        if any(each != tried[0] for each in tried):
            raise RuntimeError(f"the searches tried different settings: {tried}")
    return seconds


@row(
    "search",
    "20 trials of head and learning rate on a frozen backbone: MobileNetV2 with its ImageNet "
    "weights at 224 on the photos of ants and bees, 3 epochs a trial, by Keras Tuner's random "
    "oracle; `tk.tune`, reading and extraction included, against Keras Tuner over plain Keras.",
    minutes=25,
    targets={"20 trials": at_least(10)},
)
def search(setting: Setting) -> Result:
    job = Job(setting.asset("hymenoptera"), setting.asset(WEIGHTS))
    if importlib.util.find_spec("keras_tuner") is None:
        raise SkippedError("keras_tuner is not installed")
    if setting.small:
        photos = few(job.photos, setting.folder / "few")
        job = Job(photos, job.weights, side=32, epochs=1, block=1)
    importlib.import_module("keras")  # the first arm would import it for both
    with setting.empty_cache() as cache:
        arms = {
            "mine": ours(job, setting.folder / "mine", cache),
            "keras": plain(job, setting.folder / "keras"),
        }
        seconds = in_blocks(arms, setting.many(TRIALS // BLOCK, least=2))
    own = [f"{each:.3g}" for each in seconds["mine"]]
    other = [f"{each:.3g}" for each in seconds["keras"]]
    remark = f"Seconds of each five trials: {', '.join(own)} against {', '.join(other)}."
    return Result((total_ratio("20 trials", seconds["mine"], seconds["keras"]),), (remark,))
