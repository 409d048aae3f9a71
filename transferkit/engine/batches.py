"""Batches of a split as a ``tf.data`` pipeline: shuffled by seed, augmented by view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.augment.runs import Partners
from transferkit.engine import shards as dealing
from transferkit.engine.shards import WHOLE, Shards
from transferkit.plan import Phase

__all__ = ["training_batches", "validation_batches"]


def training_batches(
    pixels: Any,
    targets: np.ndarray[Any, Any],
    phase: Phase,
    pipeline: Pipeline,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
    classes: np.ndarray[Any, Any] | None = None,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
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
        classes: The class of each picture, where it has one; balanced sampling needs it.
        shards: How the pictures are dealt out.
        own: The shards whose pictures are in these batches.
    """
    tf = _keras.tf()
    count = len(targets)
    groups = 1 + len(pipeline.mixes)

    def index_batches() -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        for epoch in range(first_epoch, first_epoch + epochs):
            steps = dealing.steps(phase, count, classes, seed=seed, epoch=epoch, shards=shards)
            for step, views in zip(steps, dealing.views(phase, steps, epoch), strict=True):
                yield dealing.joined(step, own), dealing.joined(views, own)

    def batches() -> Iterator[tuple[Any, Any, Any, Any]]:
        for indices, views in index_batches():
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
    pixels: Any,
    targets: np.ndarray[Any, Any],
    batch_size: int,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
) -> Any:
    """A split once, in order, clean; of some shards of it."""
    tf = _keras.tf()
    images, labels, _, _ = _signature(pixels, targets)

    def batches() -> Iterator[tuple[Any, Any]]:
        for step in dealing.in_order(len(targets), batch_size, shards):
            indices = dealing.joined(step, own)
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
