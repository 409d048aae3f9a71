"""What frozen layers give of pictures: from the cache, from a lower cut in it, or computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._progress import Progress
from transferkit.cache import Entry, Store
from transferkit.engine import cut as cuts
from transferkit.engine.cut import Cut
from transferkit.engine.identity import Identity
from transferkit.engine.pictures import BATCH, Pictures
from transferkit.engine.program import Program
from transferkit.errors import TrainingError, explain

__all__ = ["PIXELS", "Features", "Prefix", "find", "make", "read_values"]

Array = np.ndarray[Any, Any]
Rows = Iterator[tuple[dict[int, Any], Any]]
"""Batches of tensors by their number in the program, with their targets."""

_TARGETS = "targets"
_SECONDS = "seconds a view"
PIXELS: tuple[int, ...] = (0,)
"""The tensors that a network starts from."""


@dataclass(frozen=True)
class Prefix:
    """The frozen part of a network, and how it is run.

    Attributes:
        program: The network's calls.
        identity: Their identity, weights included.
        compiled: What leads from some tensors of the program to others, compiled for the machine:
            their numbers to a function of tensors, which gives float32.
        precision: ``"float32"`` or ``"bfloat16"``: what it computes in, and what is kept.
        about: What else the numbers depend on: versions, backend.
    """

    program: Program
    identity: Identity
    compiled: Callable[[tuple[int, ...], tuple[int, ...]], Callable[..., Sequence[Any]]]
    precision: str
    about: Mapping[str, Any]

    @property
    def itemsize(self) -> int:
        """Bytes of a number that is kept."""
        return 2 if self.precision == "bfloat16" else 4

    def key(self, cut: Cut, pictures: Pictures) -> str:
        """The key of a split's features at a cut."""
        run = {"precision": self.precision, **self.about}
        return self.identity.key(cut, {"run": run, **pictures.parts})


@dataclass(frozen=True)
class Features:
    """A split's features at a cut, one row for each view of each picture.

    Attributes:
        arrays: One for each tensor that crosses the cut ``(rows, ...)``: float32, or uint16 that
            holds the bits of bfloat16.
        targets: float32 ``(rows, outputs)``.
        extracted: On how many views of pictures the frozen layers had to be run.
        seconds: How long a view took when it was computed, the first batch left out; None if there
            was no other, or nobody measured it.
    """

    arrays: tuple[Array, ...]
    targets: Array
    extracted: int
    seconds: float | None = None


def find(store: Store, prefix: Prefix, cut: Cut, pictures: Pictures) -> Features | None:
    """A split's features, if the cache has them."""
    entry = store.find(prefix.key(cut, pictures))
    return None if entry is None else _features(entry, cut, pictures, 0)


def make(
    store: Store,
    prefix: Prefix,
    cut: Cut,
    pictures: Pictures,
    *,
    also: Sequence[Cut] = (),
    verbose: int = 0,
) -> Features:
    """Run the frozen layers once over a split, from the highest cut below that is cached.

    Args:
        store: Where they are kept.
        prefix: The frozen layers.
        cut: Where they end.
        pictures: The split.
        also: Lower cuts that a later phase will ask for: what crosses them is kept in passing.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Raises:
        CacheError: If there is no room, or the folder cannot be written.
        TrainingError: If a feature is NaN or infinite.
    """
    below = _below(store, prefix, cut, pictures)
    wanted = [cut]
    if below is None:
        wanted += [each for each in also if find(store, prefix, each, pictures) is None]
        rows, starts = _pixels(pictures), PIXELS
    else:
        rows, starts = _cached(*below), below[0].tensors
    passed = _passed(prefix, wanted, starts, rows)
    entries = _written(store, prefix, wanted, pictures, passed, verbose)
    return _features(entries[0], cut, pictures, pictures.rows if below is None else 0)


def _below(
    store: Store, prefix: Prefix, cut: Cut, pictures: Pictures
) -> tuple[Cut, Features] | None:
    """The highest cut before this one that the cache has."""
    for lower in reversed(list(cuts.candidates(prefix.program))):
        if lower.tensors != cut.tensors and lower.lies_within(cut):
            found = find(store, prefix, lower, pictures)
            if found is not None:
                return lower, found
    return None


def _pixels(pictures: Pictures) -> Rows:
    for images, targets in pictures.batches():
        yield {0: images}, targets


def _cached(cut: Cut, features: Features) -> Rows:
    for start in range(0, len(features.targets), BATCH):
        rows = slice(start, start + BATCH)
        given = [read_values(array[rows]) for array in features.arrays]
        yield dict(zip(cut.tensors, given, strict=True)), features.targets[rows]


def _passed(prefix: Prefix, wanted: Sequence[Cut], starts: tuple[int, ...], rows: Rows) -> Rows:
    """The rows behind the frozen layers; what crosses both cuts goes through as it is."""
    ends = tuple(sorted({tensor for cut in wanted for tensor in cut.tensors} - set(starts)))
    run = prefix.compiled(starts, ends)
    for given, targets in rows:
        made = run(*(given[tensor] for tensor in starts))
        yield {**given, **dict(zip(ends, made, strict=True))}, targets


def _written(
    store: Store,
    prefix: Prefix,
    wanted: Sequence[Cut],
    pictures: Pictures,
    rows: Rows,
    verbose: int,
) -> list[Entry]:
    """Fill an entry for each cut in one pass."""
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(store, prefix, cut, pictures)) for cut in wanted]
        shown = stack.enter_context(Progress("features", pictures.rows, verbose=verbose))
        began, first = 0.0, 0
        for values, targets in rows:
            part = slice(shown.done, shown.done + len(targets))
            for cut, writer in zip(wanted, writers, strict=True):
                _put(writer.arrays, [values[tensor] for tensor in cut.tensors], part)
                if pictures.mixes:
                    writer.arrays[_TARGETS][part] = targets
            shown.advance(len(targets))
            if not first:  # which compiles
                began, first = time.perf_counter(), shown.done
        if shown.done > first:
            seconds = (time.perf_counter() - began) / (shown.done - first)
            for writer in writers:
                writer.tell({_SECONDS: float(f"{seconds:.3g}")})
    return [writer.entry for writer in writers]


def _writer(store: Store, prefix: Prefix, cut: Cut, pictures: Pictures) -> Any:
    layout = _layout(prefix, cut, pictures)
    return store.create(prefix.key(cut, pictures), layout, about=_about(prefix, cut, pictures))


def _put(arrays: Mapping[str, Array], values: Sequence[Any], part: slice) -> None:
    for number, value in enumerate(values):
        _check_finite(value, part)
        arrays[str(number)][part] = _bits(value, arrays[str(number)].dtype)


def _check_finite(values: Any, part: slice) -> None:
    tf = _keras.tf()
    fine = tf.reduce_all(tf.math.is_finite(tf.cast(values, tf.float32)))
    if not fine:
        raise TrainingError(
            explain(
                "fit",
                "the frozen layers give NaN or infinite numbers of a picture, from which nothing "
                "can be learned",
                expected="weights that fit this network",
                received={"rows": f"{part.start} to {part.stop - 1}"},
                mend="Look for NaN in the weights: any(np.isnan(w).any() for w in "
                "model.build(classes=2).get_weights()).",
            )
        )


def _layout(prefix: Prefix, cut: Cut, pictures: Pictures) -> dict[str, tuple[Any, Any]]:
    dtype = np.uint16 if prefix.precision == "bfloat16" else np.float32
    layout: dict[str, tuple[Any, Any]] = {
        str(number): ((pictures.rows, *prefix.program.tensors[tensor].shape[1:]), dtype)
        for number, tensor in enumerate(cut.tensors)
    }
    if pictures.mixes:
        layout[_TARGETS] = ((pictures.rows, *pictures.targets.shape[1:]), np.float32)
    return layout


def _about(prefix: Prefix, cut: Cut, pictures: Pictures) -> dict[str, Any]:
    """What `tk.cache.info` tells of an entry."""
    return {
        "cut": " + ".join(cut.names),
        "pictures": len(pictures),
        "views": pictures.views,
        "precision": prefix.precision,
    }


def _features(entry: Entry, cut: Cut, pictures: Pictures, extracted: int) -> Features:
    arrays = tuple(entry.arrays[str(number)] for number in range(len(cut.tensors)))
    own = entry.arrays[_TARGETS] if pictures.mixes else pictures.row_targets()
    return Features(arrays, own, extracted, entry.about.get(_SECONDS))


def _bits(values: Any, dtype: Any) -> Array:
    """float32, or the bits of bfloat16, which NumPy does not know."""
    tf = _keras.tf()
    if dtype == np.uint16:
        return np.asarray(tf.bitcast(tf.cast(values, tf.bfloat16), tf.uint16))
    return np.asarray(values, np.float32)


def read_values(bits: Array) -> Array:
    """Kept rows as float32."""
    tf = _keras.tf()
    if bits.dtype == np.uint16:
        return np.asarray(tf.cast(tf.bitcast(tf.constant(bits), tf.bfloat16), tf.float32))
    return np.asarray(bits)
