"""How time grows with pictures and with epochs, and how near a cached epoch is to the bare head."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import doors
import drawn_pictures
import numpy as np
from measuring import Figure, Result, Seconds, median_ratio, of_ratios
from turns import epochs_in_turn

import transferkit as tk
from rows import Setting, Target, row
from rows.head import WIDTH, on_cached_features
from transferkit import _keras

PICTURES = "cost of a picture, the last doubling against the first"
EPOCHS = "cost of an epoch, from x4 to x16 against x1 to x4"
HEAD = "an epoch on a cached head against the bare compiled head"
UNIT = 20
"""Epochs of the shortest fit: a single one on cached features is lost in the noise of `fit`."""
LINEAR = 1.25
"""The next picture or epoch may cost a quarter more than the first ones, which is noise."""


def backbone(setting: Setting) -> Any:
    """MobileNetV2, or in small a single convolution."""
    if not setting.small:
        return "keras:MobileNetV2"
    keras = _keras.keras()
    layers = [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="only")]
    return tk.backbones.from_keras(keras.Sequential(layers))


def fitted(setting: Setting, photos: tk.data.Data, epochs: int, cache: Path) -> float:
    """Seconds of a whole fit of a head on a frozen backbone."""
    model = tk.TransferModel(backbone(setting), weights=None)
    plan = tk.plans.feature_extraction(epochs)
    began = time.perf_counter()
    model.fit(photos, plan, engine=doors.fitted_engine(cache), verbose=0)
    return time.perf_counter() - began


def by_pictures(setting: Setting, side: int, count: int) -> list[dict[int, float]]:
    """Rounds of fits of one epoch on 1, 2, 4 and 8 times as many pictures, each extracted anew."""
    data = {}
    for times in (1, 2, 4, 8):
        pixels, labels = drawn_pictures.array(times * count, side, classes=2)
        data[times] = tk.data.from_arrays(pixels, labels, val=0.0)
    rounds = []
    for _ in range(setting.many(5, least=1)):
        found = {}
        for times, photos in data.items():
            with setting.empty_cache() as cache:
                found[times] = fitted(setting, photos, 1, cache)
        rounds.append(found)
    return rounds


def by_epochs(setting: Setting, side: int, count: int) -> list[dict[int, float]]:
    """Rounds of fits of 1, 4 and 16 times as many epochs on features that lie there already."""
    pixels, labels = drawn_pictures.array(count, side, classes=2)
    photos = tk.data.from_arrays(pixels, labels, val=0.0)
    unit = 1 if setting.small else UNIT
    with setting.empty_cache() as cache:
        fitted(setting, photos, 1, cache)
        return [
            {times: fitted(setting, photos, unit * times, cache) for times in (1, 4, 16)}
            for _ in range(setting.many(5, least=1))
        ]


def marginal(label: str, rounds: list[dict[int, float]]) -> Figure:
    """What one more costs between the last two sizes, over what it costs between the first two."""
    first, second, *_ = sorted(rounds[0])
    *_, before, last = sorted(rounds[0])
    early = statistics.median((each[second] - each[first]) / (second - first) for each in rounds)
    late = [(each[last] - each[before]) / (last - before) for each in rounds]
    sizes = ", ".join(f"x{n} {statistics.median([r[n] for r in rounds]):.2f} s" for n in rounds[0])
    return of_ratios(label, [value / early for value in late], sizes)


def bare_head(labels: Any, *, epochs: int) -> Callable[[Any], Any]:
    """A dense layer written out in TensorFlow: an epoch is one compiled call, and nothing else."""

    def train(callback: Any) -> None:
        import keras
        import tensorflow as tf

        count = len(labels)
        features = tf.constant(np.random.default_rng(0).standard_normal((count, WIDTH), np.float32))
        wanted = tf.constant(labels)
        layer, optimizer = keras.layers.Dense(2), keras.optimizers.Adam(1e-3)
        layer.build((None, WIDTH))
        optimizer.build(layer.trainable_variables)

        def epoch(order: Any) -> None:
            for start in tf.range(0, count, 32):
                rows = order[start : start + 32]
                with tf.GradientTape() as tape:
                    logits = layer(tf.gather(features, rows))
                    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                        tf.gather(wanted, rows), logits
                    )
                    loss = tf.reduce_mean(losses)
                gradients = tape.gradient(loss, layer.trainable_variables)
                optimizer.apply(gradients, layer.trainable_variables)

        whole, draw = tf.function(epoch), np.random.default_rng(0)
        for number in range(epochs):
            callback.on_epoch_begin(number)
            whole(tf.constant(draw.permutation(count)))
            callback.on_epoch_end(number)

    return train


def head_seconds(setting: Setting) -> Seconds:
    """Epochs on cached features and of the bare head, in turn; for the same number of rows."""
    pixels, labels = drawn_pictures.array(64 if setting.small else 4096, 32, classes=2)
    epochs = 2 + setting.many(15)
    arms = {
        "mine": on_cached_features(setting, pixels, labels, epochs=epochs, kept=[]),
        "bare": bare_head(labels, epochs=epochs),
    }
    return epochs_in_turn(arms, epochs, warm=2)


@row(
    "growth",
    "MobileNetV2 at 96 with a frozen base: what a picture costs as their number goes from 1 to 8 "
    "times 512, what a cached epoch costs as their number goes from 20 to 320, and what it costs "
    "against a dense layer on features in memory, an epoch in one compiled call.",
    minutes=8,
    targets={
        PICTURES: Target(LINEAR, most=True),
        EPOCHS: Target(LINEAR, most=True),
        HEAD: Target(2, most=True),
    },
)
def growth(setting: Setting) -> Result:
    side, count = (32, 4) if setting.small else (96, 512)
    if not setting.small:  # what TensorFlow does once in a process belongs to no size
        with setting.empty_cache() as cache:
            pixels, labels = drawn_pictures.array(count, side, classes=2)
            fitted(setting, tk.data.from_arrays(pixels, labels, val=0.0), 1, cache)
    pictures = marginal(PICTURES, by_pictures(setting, side, count))
    many = count if setting.small else 8 * count
    epochs = marginal(EPOCHS, by_epochs(setting, 32, many))
    seconds = head_seconds(setting)
    head = median_ratio(HEAD, seconds["bare"], seconds["mine"], unit="ms")
    return Result((pictures, epochs, head))
