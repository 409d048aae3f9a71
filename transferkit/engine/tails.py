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
from transferkit.engine.step import Places

__all__ = ["Tail", "handed_to", "make_tail"]

HALF = "compute_in_bfloat16"


@dataclass(frozen=True)
class Tail:
    """What trains in a phase.

    Attributes:
        model: From pixels, or what crosses the cut, to logits; rewritten, sharing all variables.
        choice: What it computes in, whether with XLA, and what was rewritten.
        notes: What went otherwise than planned.
        places: Where terms find what they look at, if there are terms: see `Places`.
    """

    model: KerasModel
    choice: TailChoice
    notes: tuple[str, ...] = ()
    places: Places | None = None


def make_tail(
    program: Program,
    starts: Sequence[int],
    choice: TailChoice,
    *,
    head: frozenset[str],
    samples: Callable[[], Sequence[np.ndarray[Any, Any]]] | None,
    shown: bool = False,
) -> Tail:
    """The tail of a phase, whose layers are frozen as it wants.

    Args:
        program: Of the network, up to the logits.
        starts: The tensors that it starts from; ``(0,)`` for the pixels.
        choice: How it is to be run.
        head: The layers that are none of the backbone's, which stay float32.
        samples: Some real values of each of `starts`, to hold bfloat16 against float32; None if it
            was asked for and is not to be questioned.
        shown: Whether terms look at what it makes on the way.
    """
    notes: tuple[str, ...] = ()
    if choice.precision == "bfloat16" and samples is not None:
        problem = _problem(program, starts, choice, head, samples())
        if problem:
            rewrites = tuple(name for name in choice.rewrites if name != HALF)
            choice = replace(choice, precision="float32", rewrites=rewrites)
            notes = (f"the tail computes in float32: {problem}",)
    ends: tuple[int, ...] = (program.end,)
    places: Places | None = None
    if shown:
        ends, places = _shown(program, starts, head)
    model = section(program, starts, ends)
    return Tail(rewritten(model, choice.rewrites, keep=head), choice, notes, places)


def _shown(
    program: Program, starts: Sequence[int], head: frozenset[str]
) -> tuple[tuple[int, ...], Places]:
    """What a tail has to give for its terms, and where they find it."""
    embedding, features = _embedding(program), handed_to(program, head, ())[-1]
    wanted = [embedding, *([features] if features in _reached(program, starts) else [])]
    more = [tensor for tensor in dict.fromkeys(wanted) if tensor not in starts]
    found = {tensor: place for place, tensor in enumerate(starts)}
    found |= {tensor: place - len(more) for place, tensor in enumerate(more)}
    return (program.end, *more), Places(found[embedding], found.get(features))


def _reached(program: Program, starts: Sequence[int]) -> set[int]:
    """The tensors that can be computed from some."""
    reached = set(starts)
    for call in program.calls:
        if reached.issuperset(call.inputs):
            reached.update(call.outputs)
    return reached


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
    ends = handed_to(program, head, starts)
    if not ends:
        return None
    plain = section(program, starts, ends)
    problem = Plain.of(plain, samples).problem(_Half(rewritten(plain, choice.rewrites, keep=head)))
    return problem.words if problem else None


def handed_to(program: Program, head: frozenset[str], starts: Sequence[int]) -> tuple[int, ...]:
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
