"""Batches of a split as a ``tf.data`` pipeline: shuffled by seed, augmented by view.

Python decides once an epoch which picture comes when; what comes behind is a graph: rows are
gathered from the array where it lies, keys hashed and pixels moved for a whole batch at a time.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.augment.runs import Partners, moves
from transferkit.engine import sampling
from transferkit.engine.rows import reader
from transferkit.plan import Phase

__all__ = ["bounds", "training_batches", "validation_batches", "view_batches"]

Array = np.ndarray[Any, Any]
XLA = bool | Literal["auto"]

_WORTH_COMPILING = 2**27
"""Numbers to resample from which on XLA is asked: 900 pictures of 224 x 224 x 3. Compiling takes as
long as TensorFlow's own kernel takes for 170 of them."""


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
    targets: Array,
    phase: Phase,
    pipeline: Pipeline,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
    replicas: int = 1,
    classes: Array | None = None,
    xla: XLA = "auto",
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
        xla: Whether XLA compiles the resampling; ``"auto"`` does in phases that resample much.
    """
    tf = _keras.tf()
    count = len(targets)
    cuts = bounds(count, phase.batch_size, replicas)

    def drawn(epoch: Array) -> tuple[Array, Array]:
        order = sampling.drawn(phase, count, classes, seed=seed, epoch=int(epoch))
        views = sampling.views(phase, order, int(epoch))
        return np.asarray(order, np.int64), np.asarray(views, np.int64)

    def batches(epoch: Tensor) -> Any:
        made = tf.numpy_function(drawn, [epoch], (tf.int64, tf.int64))
        order, views = (tf.ensure_shape(each, (count,)) for each in made)
        slices = tf.data.Dataset.from_tensor_slices(np.asarray(cuts, np.int64))
        return slices.map(lambda cut: (order[cut[0] : cut[1]], views[cut[0] : cut[1]]))

    places = tf.data.Dataset.range(first_epoch, first_epoch + epochs).flat_map(batches)
    # The whole phase counts, not what is left of it: a run that goes on has to see the same pixels.
    wanted = _compiles(xla, pipeline, count * phase.epochs * math.prod(pixels.shape[1:]))
    rows = max(stop - start for start, stop in cuts) if wanted else None
    return _read(places, _augmented(pixels, targets, pipeline, seed, rows, replicas > 1))


def view_batches(
    pixels: Any,
    targets: Array,
    pipeline: Pipeline,
    *,
    seed: int,
    views: int,
    batch_size: int,
    xla: XLA = "auto",
) -> Any:
    """Every picture in each of its views once: row ``v * count + i`` is picture i in view v.

    What phases with as many views see of a picture, in the order in which it is cached.

    Args:
        pixels: As for `training_batches`.
        targets: One row per picture.
        pipeline: The augmentation.
        seed: The run's seed.
        views: How many, 1 or more.
        batch_size: Rows in a batch.
        xla: As for `training_batches`.
    """
    tf = _keras.tf()
    count = len(targets)
    cuts = np.asarray(bounds(count * views, batch_size), np.int64)

    def places(cut: Tensor) -> tuple[Tensor, Tensor]:
        rows = tf.range(cut[0], cut[1])
        return rows % count, rows // count

    wanted = _compiles(xla, pipeline, count * views * math.prod(pixels.shape[1:]))
    rows = min(batch_size, count * views) if wanted else None
    made = tf.data.Dataset.from_tensor_slices(cuts).map(places)
    return _read(made, _augmented(pixels, targets, pipeline, seed, rows))


def validation_batches(pixels: Any, targets: Array, batch_size: int, replicas: int = 1) -> Any:
    """A split once, in order, clean."""
    tf = _keras.tf()
    images, labels = (reader(each, rewritten=replicas > 1) for each in (pixels, targets))
    cuts = np.asarray(bounds(len(targets), batch_size, replicas), np.int64)

    def read(cut: Tensor) -> tuple[Tensor, Tensor]:
        indices = tf.range(cut[0], cut[1])
        return images(indices), labels(indices)

    return _read(tf.data.Dataset.from_tensor_slices(cuts), read)


def _read(places: Any, read: Callable[..., tuple[Tensor, Tensor]]) -> Any:
    """What is read at these places, ahead of the step but on no more than half of the processors.

    With as many threads as TensorFlow would choose, they and the convolutions push each other off.
    """
    threads = max(1, (os.cpu_count() or 1) // 2)
    options = _keras.tf().data.Options()
    options.threading.private_threadpool_size = threads
    # They write the graph out first, and a copy of the whole array of pixels with it.
    options.experimental_optimization.apply_default_optimizations = False
    together = threads if threads > 1 else None
    return places.map(read, num_parallel_calls=together).prefetch(2).with_options(options)


def _augmented(
    pixels: Any,
    targets: Array,
    pipeline: Pipeline,
    seed: int,
    rows: int | None,
    rewritten: bool = False,
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Indices and views to augmented images and their targets.

    Args:
        pixels: As for `training_batches`.
        targets: One row per picture.
        pipeline: The augmentation.
        seed: The run's seed.
        rows: The size that every batch is brought to while it is augmented, by pictures that are
            left out again: XLA compiles for one shape. None for no XLA.
        rewritten: As for `reader`.
    """
    tf = _keras.tf()
    images_at, targets_at = (reader(each, rewritten=rewritten) for each in (pixels, targets))
    count = len(targets)

    def augmented(indices: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
        if not pipeline.operations:
            return images_at(indices), targets_at(indices)
        size = tf.shape(indices)[0]
        if rows is not None:
            indices, views = _padded(indices, rows), _padded(views, rows)
        keys = image_keys(seed, views, indices)

        def fetched(theirs: Tensor) -> Partners:
            places = tf.cast(theirs, tf.int64)
            own = image_keys(seed, views, places)
            return Partners(images_at(places), targets_at(places), own)

        partners = [fetched(theirs) for theirs in pipeline.partners(keys, count)]
        images, labels = pipeline.apply(
            images_at(indices), targets_at(indices), keys, partners, compiled=rows is not None
        )
        return (images, labels) if rows is None else (images[:size], labels[:size])

    return _traced_as_it_is(augmented) if _all_ours(pipeline) else augmented


def _traced_as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without autograph, which takes a second to rewrite what has no branch on a tensor."""
    made: Callable[..., Any] = _keras.tf().autograph.experimental.do_not_convert(function)
    return made


def _all_ours(pipeline: Pipeline) -> bool:
    """Whether nobody else's operation, which may want autograph, is among them."""
    return all(type(each).__module__.startswith("transferkit.") for each in pipeline.operations)


def _padded(places: Tensor, rows: int) -> Tensor:
    tf = _keras.tf()
    more = tf.repeat(places[:1], rows - tf.shape(places)[0])
    return tf.ensure_shape(tf.concat([places, more], axis=0), (rows,))


def _compiles(xla: XLA, pipeline: Pipeline, numbers: int) -> bool:
    if not moves(pipeline.operations) or sys.platform == "win32":  # where TensorFlow has no XLA
        return False
    return numbers >= _WORTH_COMPILING if xla == "auto" else xla
