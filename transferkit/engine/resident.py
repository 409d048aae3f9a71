"""Rows that lie in memory or in mapped files: gathered, and trained on, many batches at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.calls import spans, steps_per_call, wants_batches
from transferkit.engine.distribute import spread
from transferkit.engine.feeds import Rates, repeated, stage, with_rate
from transferkit.engine.readahead import larger_than_memory, read_ahead
from transferkit.engine.rows import shared
from transferkit.engine.shards import WHOLE, Shards, epoch_of, in_order, joined, members
from transferkit.engine.step import Steps
from transferkit.errors import DataError, explain
from transferkit.plan import Phase

__all__ = ["Order", "Resident", "Rows", "in_turn", "order_of", "resident"]

tf = _keras.tf()
Array = np.ndarray[Any, Any]
Order = Callable[[int], Array]
"""An epoch, counted over all phases, to the numbers of its rows, int64."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What a tail trains on: for each of its inputs an array, and the targets.

    Attributes:
        arrays: ``(rows, ...)`` each. Memory-mapped files (``np.memmap`` of mode ``"c"``) stay where
            they are; they are shared with TensorFlow and not copied.
        targets: ``(rows, outputs)``, or ``(rows / k, outputs)`` where k views have the same ones.
        packed: Which arrays are bfloat16 that lies in the file as uint16.

    Raises:
        DataError: If the arrays do not fit each other.
    """

    arrays: tuple[Array, ...]
    targets: Array
    packed: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        counts = [len(array) for array in self.arrays]
        own = len(self.targets)
        if len(set(counts)) != 1 or not own or counts[0] % own:
            raise DataError(
                explain(
                    "fit",
                    "the cached arrays and the targets do not fit each other",
                    expected="arrays of as many rows, a multiple of the targets'",
                    received={"rows": counts, "targets": own},
                    mend="tk.cache.clear(), and fit again.",
                )
            )

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of all arrays together."""
        return sum(array.nbytes for array in self.arrays) // max(len(self.arrays[0]), 1)


def order_of(
    phase: Phase,
    count: int,
    classes: Array | None,
    *,
    seed: int,
    views: int,
    before: int = 0,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
    workers: int = 1,
) -> Order:
    """The rows of an epoch.

    A worker has rows of its own pictures alone: of all n of them, picture ``i * workers + worker``
    in view v is row ``v * n + i``.

    Args:
        phase: How it samples, and its views.
        count: Training pictures, of all workers.
        classes: The class of each, for balanced sampling.
        seed: The run's seed.
        views: Views that are cached; 1 if pictures are not augmented.
        before: Epochs that the network had seen when the run began.
        shards: How the pictures are dealt out.
        own: The shards that this worker computes.
        workers: How many workers there are.
    """
    mine = len(members(count, own[0] % workers, workers))

    def order(epoch: int) -> Array:
        pictures, seen = epoch_of(
            phase, count, classes, seed=seed, epoch=before + epoch, shards=shards, own=own
        )
        rows = pictures // workers
        return rows if views == 1 else seen * mine + rows

    return order


def in_turn(
    count: int,
    batch_size: int,
    shards: Shards = WHOLE,
    own: Sequence[int] = (0,),
    workers: int = 1,
) -> Order:
    """Every row once, in order: a validation split; of the shards that this worker computes."""
    steps = in_order(count, batch_size, shards)
    rows = np.concatenate([joined(step, own) for step in steps]) // workers
    return lambda epoch: rows


class Resident:
    """Rows in an order of their own in each epoch.

    The rows of a call are copied together first, by TensorFlow's own threads, and the steps run
    over that block: so XLA never sees the whole array, which may be larger than memory, and a
    device gets what it needs of it. Where the arrays are large, the rows of the next call are read
    ahead.

    Args:
        steps: The steps.
        tail: What they run; its inputs say in which kinds of numbers they come.
        rows: The arrays and targets.
        order: The rows of each epoch.
        bounds: Where each batch of an epoch starts and stops; all but the last as long.
        per_call: Steps in one call.
        train: Whether the weights move.
    """

    def __init__(
        self,
        steps: Steps,
        tail: KerasModel,
        rows: Rows,
        order: Order,
        bounds: list[tuple[int, int]],
        *,
        per_call: int = 1,
        train: bool = True,
    ) -> None:
        self.rows, self.order, self.bounds = rows, order, bounds
        self.steps, self.calls = len(bounds), spans(len(bounds), per_call)
        self.piecewise = larger_than_memory(rows.arrays)
        self._size = bounds[0][1] - bounds[0][0]
        self._tensors = [_tensor(array) for array in rows.arrays]
        self._targets = tf.constant(rows.targets)
        self._block = _Block(
            steps, steps.train if train else steps.evaluate, tail, rows, self._size
        )
        self._drawn: tuple[int, Array] = (-1, np.empty(0, np.int64))
        if not self.piecewise:
            read_ahead(rows.arrays)

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """See `Feed.run`."""
        numbers = self._numbers(epoch, first, stop)
        inputs, targets = self._gathered(numbers)
        if self.piecewise and stop < self.steps:
            read_ahead(
                self.rows.arrays, self._numbers(epoch, stop, min(2 * stop - first, self.steps))
            )
        last = self.bounds[stop - 1][1] - self.bounds[stop - 1][0]
        return self._block.run(inputs, targets, rates, 0 if last == self._size else last)

    def _numbers(self, epoch: int, first: int, stop: int) -> Array:
        if self._drawn[0] != epoch:
            self._drawn = epoch, self.order(epoch)
        return self._drawn[1][self.bounds[first][0] : self.bounds[stop - 1][1]]

    def _gathered(self, numbers: Array) -> tuple[tuple[Any, ...], Any]:
        with tf.device("CPU:0"):  # the arrays lie in the host's memory
            inputs = tuple(tf.gather(array, numbers) for array in self._tensors)
            return inputs, tf.gather(self._targets, numbers % len(self.rows.targets))


def resident(
    steps: Steps,
    tail: KerasModel,
    rows: Rows,
    order: Order,
    bounds: list[tuple[int, int]],
    *,
    callbacks: Iterable[Any],
    work: float | None = None,
    train: bool = True,
) -> Resident:
    """Rows with as many steps to a call as their work, their bytes and the callbacks allow.

    Args:
        steps: The steps.
        tail: What they run.
        rows: The arrays and targets.
        order: The rows of each epoch.
        bounds: Where each batch of an epoch starts and stops.
        callbacks: Keras callbacks.
        work: Multiply-adds of one step, if that is known.
        train: Whether the weights move.
    """
    per_call = steps_per_call(
        len(bounds),
        work,
        every_batch=wants_batches(callbacks, stage(train)),
        step_bytes=rows.row_bytes * (bounds[0][1] - bounds[0][0]),
    )
    return Resident(steps, tail, rows, order, bounds, per_call=per_call, train=train)


class _Block:
    """The compiled functions over blocks of rows.

    XLA, and several devices, need to know how long a batch is: there is a function for each length
    of a block. Else one for all lengths serves, in which the step is traced once; a large tail
    takes seconds to trace.
    """

    def __init__(
        self, steps: Steps, step: Callable[[Any], None], tail: KerasModel, rows: Rows, size: int
    ) -> None:
        self.steps, self.size = steps, size
        self.step = with_rate(steps, lambda batch: step(spread(batch, steps.strategy)))
        packed = rows.packed or (False,) * len(rows.arrays)
        self.kinds = [(tensor.dtype, p) for tensor, p in zip(tail.inputs, packed, strict=True)]
        self.fixed = steps.xla or steps.replicas > 1
        self.made: dict[tuple[int, int, bool], Callable[..., dict[str, Any]]] = {}

    def run(self, inputs: tuple[Any, ...], targets: Any, rates: Any, last: int) -> dict[str, Any]:
        """All batches of a block, the last one of `last` rows if that is not 0."""
        full = (len(targets) - last) // self.size
        given = (inputs, targets) if rates is None else (inputs, targets, rates)
        if self.fixed:
            key = full, last, rates is None
            made = self.made.get(key) or self._of_one_length(full, last)
        else:
            key = int(full + bool(last) > 1), 0, rates is None
            made = self.made.get(key) or self._of_any_length(given, several=bool(key[0]))
        self.made[key] = made
        return made(*given)

    def _of_any_length(self, given: tuple[Any, ...], *, several: bool) -> Callable[..., Any]:
        def block(inputs: Any, targets: Any, rates: Any = None) -> dict[str, Any]:
            count = tf.shape(targets)[0]

            def at(number: Any) -> None:
                part = slice(number * self.size, (number + 1) * self.size)
                self.step(self._numbers([x[part] for x in inputs], targets[part]), number, rates)

            if several:
                repeated((count + self.size - 1) // self.size, at)
            else:  # by itself: TensorFlow optimises the body of a loop less
                self.step(self._numbers(inputs, targets), 0, rates)
            return self.steps.results()

        signature = tf.nest.map_structure(
            lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), given
        )
        made: Callable[..., Any] = _keras.compiled(
            block, autograph=False, input_signature=signature
        )
        return made

    def _of_one_length(self, full: int, last: int) -> Callable[..., dict[str, Any]]:
        def block(inputs: Any, targets: Any, rates: Any = None) -> dict[str, Any]:
            def at(number: Any, rows: int) -> None:
                start = number * self.size
                self.step(self._batch(inputs, targets, start, rows), number, rates)

            if full == 1:
                at(0, self.size)
            elif full:
                repeated(full, lambda number: at(number, self.size))
            if last:
                at(full, last)
            return self.steps.results()

        made: Callable[..., dict[str, Any]] = _keras.compiled(
            block, autograph=False, jit_compile=self.steps.xla or None
        )
        return made

    def _batch(self, inputs: Any, targets: Any, start: Any, rows: int) -> tuple[Any, Any]:
        parts = [_part(block, start, rows) for block in inputs]
        return self._numbers(parts, _part(targets, start, rows))

    def _numbers(self, inputs: Sequence[Any], targets: Any) -> tuple[Any, Any]:
        kinds = zip(inputs, self.kinds, strict=True)
        return tuple(_unpacked(part, *kind) for part, kind in kinds), targets


def _part(block: Any, start: Any, rows: int) -> Any:
    """A slice of a length that is known when the graph is made, as XLA wants it."""
    inner = block.shape[1:]
    return tf.slice(block, [start, *(0 for _ in inner)], [rows, *inner])


def _unpacked(part: Any, dtype: str, packed: bool) -> Any:
    return tf.cast(tf.bitcast(part, tf.bfloat16) if packed else part, dtype)


def _tensor(array: Array) -> Any:
    """An array as a tensor, without a copy where TensorFlow can share it."""
    tensor = shared(array)
    return tf.constant(array) if tensor is None else tensor
