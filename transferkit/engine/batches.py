"""Batches of a split as a ``tf.data`` pipeline: shuffled by seed, augmented by view."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.augment.runs import Partners
from transferkit.engine import sampling
from transferkit.plan import Phase

__all__ = ["bounds", "pixel_batches", "training_batches", "validation_batches"]

Places = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


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
    classes: np.ndarray[Any, Any] | None = None,
) -> Any:
    """All training batches of a phase in one dataset, epoch after epoch.

    One pipeline serves the whole phase, so that the next epoch's first batches are ready when the
    last one ends, and nothing is traced twice. Order, augmented pixels and mixed targets are a
    function of (seed, epoch): a resumed run sees what the unbroken one would have seen.

    Args:
        pixels: ``pixels[indices]`` gives ``(n, height, width, channels)``.
        targets: One row per picture.
        phase: Batch size, views and sampling.
        pipeline: The augmentation; empty for none.
        seed: The run's seed.
        first_epoch: The epoch, counted over all phases, to start with.
        epochs: How many.
        replicas: How many devices share a batch.
        classes: The class of each picture, where it has one; balanced sampling needs it.
    """
    count = len(targets)

    def places() -> Iterator[Places]:
        for epoch in range(first_epoch, first_epoch + epochs):
            order = sampling.drawn(phase, count, classes, seed=seed, epoch=epoch)
            views = sampling.views(phase, order, epoch)
            for start, stop in bounds(count, phase.batch_size, replicas):
                yield order[start:stop], views[start:stop]

    return pixel_batches(pixels, targets, places, pipeline, seed=seed)


def pixel_batches(
    pixels: Any,
    targets: np.ndarray[Any, Any],
    places: Callable[[], Iterator[Places]],
    pipeline: Pipeline,
    *,
    seed: int,
) -> Any:
    """Pictures in views, a batch for each of the given places: a dataset of (images, targets).

    Args:
        pixels: As for `training_batches`.
        targets: One row per picture.
        places: Which pictures each batch has, and in which views; two int64 ``(batch,)``.
        pipeline: The augmentation; empty for none.
        seed: The run's seed.
    """
    tf = _keras.tf()
    count, groups = len(targets), 1 + len(pipeline.mixes)

    def batches() -> Iterator[tuple[Any, Any, Any, Any]]:
        for indices, views in places():
            if groups > 1:  # partners come along behind the batch, one group for each mix
                drawn = pipeline.partners(image_keys(seed, views, indices), count)
                indices = np.concatenate([indices, *(each.numpy() for each in drawn)])
                views = np.tile(views, groups)
            yield pixels[indices], targets[indices], indices, views

    dataset = tf.data.Dataset.from_generator(batches, output_signature=_signature(pixels, targets))
    if pipeline.operations:

        def augmented(images: Any, labels: Any, indices: Any, views: Any) -> tuple[Any, Any]:
            keys = image_keys(seed, views, indices)
            parts = (tf.cast(images, tf.float32), labels, keys)
            first, *others = zip(*(_grouped(part, groups) for part in parts), strict=True)
            images, labels, keys = first
            partners = [Partners(*each) for each in others]
            images, labels = pipeline.apply(images, labels, keys, partners)
            return images, labels

        dataset = dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        dataset = dataset.map(lambda images, labels, indices, views: (images, labels))
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


def _grouped(rows: Any, groups: int) -> list[Any]:
    """A batch and those that came behind it, each as long."""
    tf = _keras.tf()
    shape = (groups, -1, *rows.shape[1:])
    return list(tf.unstack(tf.reshape(rows, shape))) if groups > 1 else [rows]


def _signature(pixels: Any, targets: np.ndarray[Any, Any]) -> tuple[Any, Any, Any, Any]:
    tf = _keras.tf()
    return (
        tf.TensorSpec((None, *pixels.shape[1:]), pixels.dtype),
        tf.TensorSpec((None, *targets.shape[1:]), targets.dtype),
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((None,), tf.int64),
    )
