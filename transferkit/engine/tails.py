"""What trains in a phase, as a model of its own; bfloat16 only if real pictures allow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.choices import TailChoice
from transferkit.engine.forward.check import Plain
from transferkit.engine.forward.tracing import as_called
from transferkit.engine.program import Program
from transferkit.engine.rewrites import rewritten
from transferkit.engine.sections import section

__all__ = ["Tail", "make_tail"]

HALF = "compute_in_bfloat16"


@dataclass(frozen=True)
class Tail:
    """What trains in a phase.

    Attributes:
        model: From pixels, or what crosses the cut, to logits; rewritten, sharing all variables.
        embedding: Where the embedding is, if it was asked for: among what goes in, where it is
            cached, else -1, the last of what comes out.
        choice: What it computes in, whether with XLA, and what was rewritten.
        notes: What went otherwise than planned.
    """

    model: KerasModel
    choice: TailChoice
    notes: tuple[str, ...] = ()
    embedding: int | None = None


def make_tail(
    program: Program,
    starts: Sequence[int],
    choice: TailChoice,
    *,
    head: frozenset[str],
    samples: Callable[[], Sequence[np.ndarray[Any, Any]]] | None,
    embed: bool = False,
) -> Tail:
    """The tail of a phase, whose layers are frozen as it wants.

    Args:
        program: Of the network, up to the logits.
        starts: The tensors that it starts from; ``(0,)`` for the pixels.
        choice: How it is to be run.
        head: The layers that are none of the backbone's, which stay float32.
        samples: Some real values of each of `starts`, to hold bfloat16 against float32; None if it
            was asked for and is not to be questioned.
        embed: Whether the embedding is wanted.
    """
    notes: tuple[str, ...] = ()
    if choice.precision == "bfloat16" and samples is not None:
        problem = _problem(program, starts, choice, head, samples())
        if problem:
            rewrites = tuple(name for name in choice.rewrites if name != HALF)
            choice = replace(choice, precision="float32", rewrites=rewrites)
            notes = (f"the tail computes in float32: {problem}",)
    ends: tuple[int, ...] = (program.end,)
    place: int | None = None
    if embed:
        tensor = _embedding(program)
        place = starts.index(tensor) if tensor in starts else -1
        ends = ends if tensor in starts else (program.end, tensor)
    model = section(program, starts, ends)
    return Tail(rewritten(model, choice.rewrites, keep=head), choice, notes, place)


def _embedding(program: Program) -> int:
    """What the last layer with weights reads, before dropout."""
    maker = {out: call for call in program.calls for out in call.outputs}
    tensor = next(call.inputs[0] for call in reversed(program.calls) if call.operation.weights)
    while tensor in maker and type(maker[tensor].operation).__name__ == "Dropout":
        tensor = maker[tensor].inputs[0]
    return tensor


def _problem(
    program: Program,
    starts: Sequence[int],
    choice: TailChoice,
    head: frozenset[str],
    samples: Sequence[np.ndarray[Any, Any]],
) -> str | None:
    """Why bfloat16 will not do, seen on what the backbone hands to the head."""
    ends = _handed_to(program, head, starts)
    if not ends:
        return None
    plain = section(program, starts, ends)
    problem = Plain.of(plain, samples).problem(_Half(rewritten(plain, choice.rewrites, keep=head)))
    return problem.words if problem else None


def _handed_to(program: Program, head: frozenset[str], starts: Sequence[int]) -> tuple[int, ...]:
    """The tensors of the backbone that the head reads."""
    inside = {out for call in program.calls if call.operation.name in head for out in call.outputs}
    read = {
        tensor for call in program.calls if call.operation.name in head for tensor in call.inputs
    }
    return tuple(sorted(read - inside - set(starts)))


class _Half:
    """A rewritten model in the form in which compiled networks are checked."""

    precision, backend, xla = "bfloat16", "tensorflow", False
    notes: tuple[str, ...] = ()

    def __init__(self, model: KerasModel) -> None:
        self.model = model

    def __call__(self, *inputs: Any) -> list[Any]:
        given = as_called(self.model, [_keras.tf().cast(x, "float32") for x in inputs])
        return list(_keras.keras().tree.flatten(self.model(given, training=False)))

    def unchanged(self) -> bool:
        return True
