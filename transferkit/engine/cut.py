"""Where a network is cut into a prefix that is cached and a tail that trains: a written rule.

Every set of repeatable calls that can run first is a candidate: in the order in which they run, the
first one, the first two, and so on. What is kept of a picture is the tensors that the rest still
reads: one behind a block, several inside of one. The candidate with the least predicted time for a
step wins: multiply-adds that are left, at the rate of the device, and bytes to read, at the rate of
memory-mapped files. Both rates are constants, so that the same network is cut alike on every
machine of a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transferkit.engine.program import Program
from transferkit.engine.repeatable import repeatable_calls

__all__ = ["Cut", "candidates", "choose"]

_MULTIPLY_ADDS = {"cpu": 4e10, "gpu": 5e12, "tpu": 2e13}
"""Per second; a CPU of two to four cores. Only the ratio to the bytes decides."""
_BYTES = 1e9
"""Per second, of rows that are read from mapped files in random order."""


@dataclass(frozen=True)
class Cut:
    """A place to cut.

    Attributes:
        calls: The numbers of the calls before it, in order.
        tensors: The numbers of the tensors that cross it, smallest first.
        names: The layers that gave them.
        elements: How many numbers they hold together, for one picture.
        work: Multiply-adds before it.
        share: `work` as a share of the whole network's.
    """

    calls: tuple[int, ...]
    tensors: tuple[int, ...]
    names: tuple[str, ...]
    elements: int
    work: int
    share: float

    def lies_within(self, other: Cut) -> bool:
        """Whether all that is before this cut is before the other one too."""
        return set(self.calls) <= set(other.calls)


def candidates(program: Program) -> Iterator[Cut]:
    """Every cut that leaves the pixels behind, from the lowest to the highest.

    Args:
        program: Of a network whose layers are frozen as the phase wants.
    """
    repeatable = repeatable_calls(program)
    first = [number for number, fine in enumerate(repeatable) if fine]
    order = first + [number for number, fine in enumerate(repeatable) if not fine]
    last_read = _last_reads(program, order)
    alive, work = {0}, 0
    for place, number in enumerate(first):
        call = program.calls[number]
        alive |= set(call.outputs)
        alive = {tensor for tensor in alive if last_read.get(tensor, -1) > place}
        work += call.work
        if alive and 0 not in alive:
            yield _cut(program, tuple(first[: place + 1]), tuple(sorted(alive)), work)


def choose(
    program: Program, *, device: str = "cpu", itemsize: int = 4, room: float = float("inf")
) -> Cut | None:
    """The cut with the least predicted time of a step; None if starting from the pixels is as fast.

    Args:
        program: Of a network whose layers are frozen as the phase wants.
        device: ``"cpu"``, ``"gpu"`` or ``"tpu"``.
        itemsize: Bytes of a number in the cache.
        room: Bytes that one picture may take.
    """
    best, least = None, program.work / _MULTIPLY_ADDS[device]
    for cut in candidates(program):
        size = cut.elements * itemsize
        seconds = (program.work - cut.work) / _MULTIPLY_ADDS[device] + size / _BYTES
        if size <= room and seconds <= least:  # of two that are alike, the later one
            best, least = cut, seconds
    return best


def _cut(program: Program, calls: tuple[int, ...], tensors: tuple[int, ...], work: int) -> Cut:
    return Cut(
        calls=calls,
        tensors=tensors,
        names=tuple(program.name(tensor) for tensor in tensors),
        elements=sum(program.elements(tensor) for tensor in tensors),
        work=work,
        share=work / program.work if program.work else 0.0,
    )


def _last_reads(program: Program, order: Sequence[int]) -> dict[int, int]:
    """The place in the order at which each tensor is read for the last time."""
    last = {program.end: len(order)}
    for place, number in enumerate(order):
        for tensor in program.calls[number].inputs:
            last[tensor] = max(last.get(tensor, -1), place)
    return last
