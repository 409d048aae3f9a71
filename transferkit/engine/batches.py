"""Batches of a split as a ``tf.data`` pipeline: shuffled by seed, augmented by view."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.plan import Phase

__all__ = ["bounds", "training_batches", "validation_batches"]


def bounds(count: int, batch_size: int, replicas: int = 1) -> list[tuple[int, int]]:
    """Where each batch starts and stops; the last one is smaller.

    A last batch that would leave one of the replicas without a picture joins the one before it:
    TensorFlow's convolutions fail on an empty batch.

    Args:
        count: Pictures.
        batch_size: Pictures in a step, over all replicas.
        replicas: How many share a batch.
    """
    cuts = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    if len(cuts) > 1:
        left = cuts[-1][1] - cuts[-1][0]
        if math.ceil(left / replicas) * (replicas - 1) >= left:
            cuts[-2:] = [(cuts[-2][0], count)]
    return cuts


def training_batches(
    pixels: Any,
    targets: np.ndarray[Any, Any],
    phase: Phase,
    pipeline: Pipeline,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
    replicas: int = 1,
) -> Any:
    """All training batches of a phase in one dataset, epoch after epoch.

    One pipeline serves the whole phase, so that the next epoch's first batches are ready when the
    last one ends, and nothing is traced twice. The order and the augmented pixels are a function of
    (seed, epoch): a resumed run sees what the unbroken one would have seen.

    Args:
        pixels: ``pixels[indices]`` gives ``(n, height, width, channels)``.
        targets: One row per picture.
        phase: Batch size and views.
        pipeline: The augmentation; empty for none.
        seed: The run's seed.
        first_epoch: The epoch, counted over all phases, to start with.
        epochs: How many.
        replicas: How many devices share a batch.
    """
    tf = _keras.tf()
    count = len(targets)

    def index_batches() -> Iterator[tuple[np.ndarray[Any, Any], int]]:
        for epoch in range(first_epoch, first_epoch + epochs):
            order = np.random.default_rng((seed, epoch)).permutation(count)
            view = epoch if phase.views == "fresh" else epoch % int(phase.views)
            for start, stop in bounds(count, phase.batch_size, replicas):
                yield order[start:stop], view

    def batches() -> Iterator[tuple[Any, Any, Any, Any]]:
        for indices, view in index_batches():
            yield pixels[indices], targets[indices], indices, view

    dataset = tf.data.Dataset.from_generator(batches, output_signature=_signature(pixels, targets))
    if pipeline.operations:

        def augmented(images: Any, labels: Any, indices: Any, view: Any) -> tuple[Any, Any]:
            keys = image_keys(seed, view, indices)
            images, labels = pipeline.apply(tf.cast(images, tf.float32), labels, keys)
            return images, labels

        dataset = dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        dataset = dataset.map(lambda images, labels, indices, view: (images, labels))
    return dataset.prefetch(2)


def validation_batches(
    pixels: Any, targets: np.ndarray[Any, Any], batch_size: int, replicas: int = 1
) -> Any:
    """A split once, in order, clean."""
    tf = _keras.tf()
    images, labels, _, _ = _signature(pixels, targets)

    def batches() -> Iterator[tuple[Any, Any]]:
        for start, stop in bounds(len(targets), batch_size, replicas):
            indices = np.arange(start, stop)
            yield pixels[indices], targets[indices]

    return tf.data.Dataset.from_generator(batches, output_signature=(images, labels)).prefetch(2)


def _signature(pixels: Any, targets: np.ndarray[Any, Any]) -> tuple[Any, Any, Any, Any]:
    tf = _keras.tf()
    return (
        tf.TensorSpec((None, *pixels.shape[1:]), pixels.dtype),
        tf.TensorSpec((None, *targets.shape[1:]), targets.dtype),
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((), tf.int32),
    )
