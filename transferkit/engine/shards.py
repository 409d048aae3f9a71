"""Which pictures each step of an epoch has, and whose they are: pure functions.

The pictures are dealt out to shards, picture i to shard ``i % shards``, and each shard goes through
its own in an order of its own. What a step trains on is the shards' parts of it, one behind the
other, wherever they are computed: one process with two shards does what two workers with one shard
each do. One shard is the whole.

That a picture's shard hangs on its number alone, and not on a seed, lets all phases, runs and seeds
share what a worker keeps of its pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.engine import sampling
from transferkit.plan import Phase

__all__ = [
    "WHOLE",
    "Shards",
    "bounds",
    "epoch_of",
    "in_order",
    "joined",
    "members",
    "own_bounds",
    "steps",
    "views",
]

Array = np.ndarray[Any, Any]
Step = tuple[Array, ...]
"""One int64 vector for each shard."""


@dataclass(frozen=True)
class Shards:
    """In how many parts the pictures are dealt out, and how many devices share a step.

    Attributes:
        number: The shards, of which every batch has equal parts.
        replicas: The devices of all workers together; each has at least one picture of every step.
    """

    number: int = 1
    replicas: int = 1

    @property
    def least(self) -> int:
        """The pictures of each shard that a step needs, so that no device is left without one."""
        return -(-self.replicas // self.number)


WHOLE = Shards()


def steps(
    phase: Phase,
    count: int,
    classes: Array | None = None,
    *,
    seed: int,
    epoch: int,
    shards: Shards = WHOLE,
) -> list[Step]:
    """The steps of a training epoch.

    With shuffled sampling every picture comes once. With balanced sampling each shard has as many
    places as pictures, and for each class that it has the same number of them to within one: a
    class with fewer pictures than there are shards is in some of them only, and comes less often.

    Args:
        phase: Its batch size, a multiple of the shards, and its sampling.
        count: Training pictures; at least ``shards.least`` for each shard.
        classes: The class of each picture, for balanced sampling.
        seed: The run's seed.
        epoch: Counted over all phases.
        shards: How they are dealt out.

    Returns:
        For each step one vector of pictures for each shard, in the order in which they come. The
        vectors of a step differ in length by one at most, and none is shorter than
        ``shards.least``.
    """

    def order(shard: int) -> Array:
        own = members(count, shard, shards.number)
        mine = None if classes is None else np.asarray(classes)[own]
        salt = (shard,) if shards.number > 1 else ()
        return own[sampling.drawn(phase, len(own), mine, seed=seed, epoch=epoch, salt=salt)]

    orders = [order(shard) for shard in range(shards.number)]
    return _cut(orders, bounds(count, phase.batch_size, shards))


def in_order(count: int, batch_size: int, shards: Shards = WHOLE) -> list[Step]:
    """The steps of a validation: every picture once, those of each shard as they stand."""
    orders = [members(count, shard, shards.number) for shard in range(shards.number)]
    return _cut(orders, bounds(count, batch_size, shards))


def views(phase: Phase, epoch_steps: Sequence[Step], epoch: int) -> list[Step]:
    """The view of each picture of an epoch, in the form of its steps (see `sampling.views`)."""
    ends = np.cumsum([[len(part) for part in step] for step in epoch_steps], axis=0)[:-1].T
    orders = [np.concatenate(parts) for parts in zip(*epoch_steps, strict=True)]
    seen = [sampling.views(phase, order, epoch) for order in orders]
    cut = [np.split(row, own) for row, own in zip(seen, ends, strict=True)]
    return list(zip(*cut, strict=True))


def joined(step: Step, own: Sequence[int]) -> Array:
    """The parts of some shards of a step, one behind the other: what one worker computes."""
    return np.concatenate([step[shard] for shard in own])


def members(count: int, shard: int, shards: int) -> Array:
    """The pictures of a shard, in order; int64."""
    return np.arange(shard, count, shards)


def bounds(count: int, batch_size: int, shards: Shards = WHOLE) -> list[tuple[int, int]]:
    """Where each step starts and stops in the largest shard; the last one is smaller.

    A last step that would leave one of the devices without a picture joins the one before it:
    TensorFlow's convolutions fail on an empty batch.

    Args:
        count: Pictures.
        batch_size: Pictures in a step, over all shards.
        shards: How they are dealt out.
    """
    size, smallest = batch_size // shards.number, count // shards.number
    largest = -(-count // shards.number)
    cuts = [(start, min(start + size, largest)) for start in range(0, largest, size)]
    if len(cuts) > 1 and smallest - cuts[-1][0] < shards.least:
        cuts[-2:] = [(cuts[-2][0], largest)]
    return cuts


def own_bounds(
    count: int, batch_size: int, shards: Shards = WHOLE, own: Sequence[int] = (0,)
) -> list[tuple[int, int]]:
    """Where each step starts and stops in the row of what one worker computes in an epoch.

    Args:
        count: Pictures.
        batch_size: Pictures in a step, over all shards.
        shards: How they are dealt out.
        own: The worker's shards.
    """
    sizes = [len(joined(step, own)) for step in in_order(count, batch_size, shards)]
    ends = np.cumsum(sizes).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def epoch_of(
    phase: Phase,
    count: int,
    classes: Array | None,
    *,
    seed: int,
    epoch: int,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
) -> tuple[Array, Array]:
    """What one worker computes in an epoch: its pictures in order, and their views; int64.

    Args:
        phase: As for `steps`.
        count: Training pictures.
        classes: As for `steps`.
        seed: The run's seed.
        epoch: Counted over all phases.
        shards: How they are dealt out.
        own: The worker's shards.
    """
    drawn = steps(phase, count, classes, seed=seed, epoch=epoch, shards=shards)
    seen = views(phase, drawn, epoch)
    order = np.concatenate([joined(step, own) for step in drawn])
    return order.astype(np.int64), np.concatenate([joined(step, own) for step in seen]).astype(
        np.int64
    )


def _cut(orders: list[Array], cuts: list[tuple[int, int]]) -> list[Step]:
    return [tuple(order[start:stop] for order in orders) for start, stop in cuts]
