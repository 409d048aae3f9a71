"""Batches of a split as a ``tf.data`` pipeline: shuffled by seed, augmented by view.

Python decides once an epoch which picture comes when; what comes behind is a graph: rows are
gathered from the array where it lies, keys hashed and pixels moved for a whole batch at a time.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import Pipeline
from transferkit.augment.keys import image_keys
from transferkit.augment.runs import Partners, moves
from transferkit.engine import shards as dealing
from transferkit.engine.rows import reader
from transferkit.engine.shards import WHOLE, Shards
from transferkit.plan import Phase

__all__ = ["training_batches", "validation_batches", "view_batches"]

Array = np.ndarray[Any, Any]
XLA = bool | Literal["auto"]

_WORTH_COMPILING = 2**27
"""Numbers to resample from which on XLA is asked: 900 pictures of 224 x 224 x 3. Compiling takes as
long as TensorFlow's own kernel takes for 170 of them."""


def training_batches(
    pixels: Any,
    targets: Array,
    phase: Phase,
    pipeline: Pipeline,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
    classes: Array | None = None,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
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
        classes: The class of each picture, where it has one; balanced sampling needs it.
        shards: How the pictures are dealt out.
        own: The shards whose pictures are in these batches.
        xla: Whether XLA compiles the resampling; ``"auto"`` does in phases that resample much.
    """
    tf = _keras.tf()
    count = len(targets)
    cuts = dealing.own_bounds(count, phase.batch_size, shards, own)

    def drawn(epoch: Array) -> tuple[Array, Array]:
        return dealing.epoch_of(
            phase, count, classes, seed=seed, epoch=int(epoch), shards=shards, own=own
        )

    def batches(epoch: Tensor) -> Any:
        made = tf.numpy_function(drawn, [epoch], (tf.int64, tf.int64))
        order, views = (tf.ensure_shape(each, (cuts[-1][1],)) for each in made)
        slices = tf.data.Dataset.from_tensor_slices(np.asarray(cuts, np.int64))
        return slices.map(lambda cut: (order[cut[0] : cut[1]], views[cut[0] : cut[1]]))

    places = tf.data.Dataset.range(first_epoch, first_epoch + epochs).flat_map(batches)
    # The whole phase counts, not what is left of it: a run that goes on has to see the same pixels.
    wanted = _compiles(xla, pipeline, count * phase.epochs * math.prod(pixels.shape[1:]))
    rows = max(stop - start for start, stop in cuts) if wanted else None
    return _read(places, _augmented(pixels, targets, pipeline, seed, rows))


def view_batches(
    pixels: Any,
    targets: Array,
    pipeline: Pipeline,
    *,
    seed: int,
    views: int,
    batch_size: int,
    own: Array | None = None,
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
        own: Some of the pictures, of which row ``v * len(own) + i`` is picture ``own[i]``; partners
            of mixes come from all. None for all.
        xla: As for `training_batches`.
    """
    tf = _keras.tf()
    chosen = np.arange(len(targets)) if own is None else own
    count = len(chosen)

    def places(row: Tensor) -> tuple[Tensor, Tensor]:
        return tf.gather(tf.constant(chosen, tf.int64), row % count), row // count

    wanted = _compiles(xla, pipeline, count * views * math.prod(pixels.shape[1:]))
    rows = min(batch_size, count * views) if wanted else None
    made = tf.data.Dataset.range(count * views).batch(batch_size).map(places)
    return _read(made, _augmented(pixels, targets, pipeline, seed, rows))


def validation_batches(
    pixels: Any,
    targets: Array,
    batch_size: int,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
) -> Any:
    """A split once, in order, clean; of some shards of it."""
    tf = _keras.tf()
    images, labels = reader(pixels), reader(targets)
    steps = dealing.in_order(len(targets), batch_size, shards)
    order = np.concatenate([dealing.joined(step, own) for step in steps])
    cuts = np.asarray(dealing.own_bounds(len(targets), batch_size, shards, own), np.int64)

    def read(cut: Tensor) -> tuple[Tensor, Tensor]:
        indices = tf.constant(order, tf.int64)[cut[0] : cut[1]]
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
    pixels: Any, targets: Array, pipeline: Pipeline, seed: int, rows: int | None
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Indices and views to augmented images and their targets.

    Args:
        pixels: As for `training_batches`.
        targets: One row per picture.
        pipeline: The augmentation.
        seed: The run's seed.
        rows: The size that every batch is brought to while it is augmented, by pictures that are
            left out again: XLA compiles for one shape. None for no XLA.
    """
    tf = _keras.tf()
    images_at, targets_at = reader(pixels), reader(targets)
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
