"""The vectors that a frozen network gives of pictures: one pass, kept as a training does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.engine.choices import choose_prefix
from transferkit.engine.cut import Cut, candidates
from transferkit.engine.features import read_values
from transferkit.engine.frozen import Frozen, Supply
from transferkit.engine.machine import machine
from transferkit.engine.pictures import BATCH, Pictures
from transferkit.engine.program import Program, read
from transferkit.engine.setup import store_of
from transferkit.errors import BackboneError, explain
from transferkit.running import Engine

__all__ = ["Extracted", "extract", "extract_own"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Extracted:
    """What came out.

    Attributes:
        vectors: float32 (images, channels), on the disk if the cache has them.
        seconds: How long a picture took when they were computed; None if nobody measured it.
        work: Multiply-adds for a picture.
    """

    vectors: Array
    seconds: float | None
    work: int


def extract(
    network: KerasModel,
    *several: Any,
    kinds: Collection[str],
    engine: Engine,
    verbose: int = 0,
) -> list[Extracted]:
    """Run pictures through a network whose layers are all frozen, or read what a run has kept.

    Args:
        network: From pixels (batch, height, width, channels) to one vector (batch, channels).
        *several: Of each split its pixels: ``pixels[indices]`` gives (n, height, width, channels).
            The network is compiled and checked once for all of them, and all are run alike.
        kinds: The kinds of its layers, by which the rules choose.
        engine: How it is run; a strategy takes no part.
        verbose: 0 silent, 1 or 2 shows how far it is.

    Returns:
        One for each split.

    Raises:
        BackboneError: If the network draws random numbers.
    """
    pictures = [
        Pictures(pixels, np.zeros((len(pixels), 1), np.float32), Pipeline(())) for pixels in several
    ]
    return extract_own(network, *pictures, kinds=kinds, engine=engine, verbose=verbose)


def extract_own(
    network: KerasModel,
    *several: Pictures,
    kinds: Collection[str],
    engine: Engine,
    verbose: int = 0,
) -> list[Extracted]:
    """As `extract`, of a worker's own clean pictures."""
    here, count = machine(), sum(map(len, several))
    program = read(network)
    cut = _whole(program)
    if cut is None:
        raise _random(network.name)
    choice = choose_prefix(engine, here, kinds, count)
    frozen = Frozen(program, choice, store_of(engine), engine, here, count, verbose)
    supplies = _supplied(frozen, cut, several)
    if supplies is None:
        plain = _plain(network, several[0])
        return [Extracted(_through(plain, pictures), None, program.work) for pictures in several]
    return [
        _extracted(supply, pictures, program.work)
        for supply, pictures in zip(supplies, several, strict=True)
    ]


def _supplied(frozen: Frozen, cut: Cut, several: Sequence[Pictures]) -> list[Supply] | None:
    """One for each, all of them run alike; None where nothing that was compiled may be kept."""
    found = []
    for pictures in several:
        found.append(frozen.supply(cut, pictures, None, cached=True))
        if not found[-1].cuts:
            return None
    return [
        supply
        if supply.choice == frozen.choice  # else a later split's check said otherwise
        else frozen.supply(cut, pictures, None, cached=True)
        for supply, pictures in zip(found, several, strict=True)
    ]


def _extracted(supply: Supply, pictures: Pictures, work: int) -> Extracted:
    if supply.train is not None:
        (kept,) = supply.train.arrays
        return Extracted(read_values(kept), supply.train.seconds, work)
    assert supply.run is not None
    return Extracted(_through(supply.run, pictures), None, work)


def _through(run: Callable[[Any], Sequence[Any]], pictures: Pictures) -> Array:
    parts = [np.asarray(run(images)[0], np.float32) for images, _ in pictures.batches()]
    return np.concatenate(parts)


def _plain(network: KerasModel, pictures: Pictures) -> Callable[[Any], list[Any]]:
    """The network itself, where what was compiled of it differs by more than it may.

    The features of a random network may lie so near to each other that rounding alone changes
    which of them is the next.

    Raises:
        BackboneError: If it gives other numbers the second time.
    """
    sample = pictures.first(BATCH)
    first, second = (np.asarray(network(sample, training=False)) for _ in range(2))
    if not np.allclose(first, second, rtol=1e-4, atol=1e-6 * np.abs(first).max(initial=0.0)):
        raise _random(network.name)
    compiled = _keras.tf().function(lambda images: network(images, training=False))
    return lambda images: [compiled(images)]


def _whole(program: Program) -> Cut | None:
    """The cut that leaves nothing behind it; None if something before it is random."""
    *_, last = [None, *candidates(program)]
    return last if last is not None and last.tensors == (program.end,) else None


def _random(name: str) -> BackboneError:
    return BackboneError(
        explain(
            "features",
            f"{name} gives other numbers each time, though all its layers are frozen",
            expected="a network that draws no random numbers in inference",
            mend="leave out the layers that draw",
        )
    )
