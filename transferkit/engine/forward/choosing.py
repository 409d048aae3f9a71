"""The frozen layers, compiled as the rules say and the pictures allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit._types import KerasModel
from transferkit.engine import rules
from transferkit.engine.forward.by_openvino import Conversion
from transferkit.engine.forward.check import Plain, Problem
from transferkit.engine.forward.compiling import Compiled, compile_forward
from transferkit.engine.machine import Machine
from transferkit.errors import SpecError
from transferkit.running import Engine

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A compiled prefix and how it came to be.

    Attributes:
        run: The compiled network.
        notes: What did not work out and what is slower than it could be, for the engine's report.
        problem: Why its outputs may not be kept; None if they may. Its ``kind`` is ``"random"``,
            unless nothing passed.
    """

    run: Compiled
    notes: tuple[str, ...] = ()
    problem: Problem | None = None


def prepare(
    model: KerasModel,
    samples: Sequence[np.ndarray[Any, Any]],
    *,
    engine: Engine,
    machine: Machine,
    images: int,
) -> Prepared:
    """Compile frozen layers by the rules, and fall back where real pictures say otherwise.

    Tried in turn are what the rules say, float32 by the same backend, and float32 by TensorFlow;
    what passes `check` first is taken. With ``precision="bfloat16"`` bfloat16 is taken although
    features are off, and a note says by how much.

    Args:
        model: The prefix; one or several inputs and outputs.
        samples: For each input some real pictures ``(n, ...)``; the first 16 are looked at.
        engine: What the user says.
        machine: What it runs on.
        images: How many pictures will pass through it.

    Raises:
        MissingExtraError: If ``prefix="openvino"`` and it is not installed.
        SpecError: If ``prefix="openvino"`` and it cannot run the network.
    """
    layers = rules.kinds(model)
    precision = rules.prefix_precision(engine, machine, layers)
    notes: tuple[str, ...] = (precision.why,) if _is_slower(engine, machine) else ()
    plain, conversion = Plain.of(model, samples), Conversion(model)
    for kind, backend in _candidates(precision.value, engine, machine, layers):
        xla = backend == "tensorflow" and _xla(engine, machine, layers, kind, images)
        try:
            how: dict[str, Any] = {"precision": kind, "xla": xla, "backend": backend}
            run = compile_forward(model, **how, conversion=conversion)
        except SpecError as error:
            if engine.prefix == "openvino":
                raise
            notes += (f"TensorFlow runs the frozen layers: {error}",)
            continue
        problem = plain.problem(run)
        notes += run.notes
        if problem is None or problem.kind == "random":
            return Prepared(run, notes, problem)
        if engine.precision == kind == "bfloat16" and problem.kind != "not finite":
            return Prepared(run, (*notes, f"asked for all the same: {problem.words}"))
        notes += (problem.words,)
    return Prepared(run, notes, problem)


def _candidates(
    precision: str, engine: Engine, machine: Machine, layers: frozenset[str]
) -> Iterator[tuple[str, str]]:
    kinds = (precision, "float32")
    backends = [rules.prefix_backend(engine, machine, layers, kind).value for kind in kinds]
    tried = [*zip(kinds, backends, strict=True), *((kind, "tensorflow") for kind in kinds)]
    yield from dict.fromkeys(tried)


def _xla(
    engine: Engine, machine: Machine, layers: frozenset[str], precision: str, images: int
) -> bool:
    return rules.xla(engine, machine, "prefix", layers, precision=precision, images=images).value


def _is_slower(engine: Engine, machine: Machine) -> bool:
    return engine.precision == "bfloat16" and not machine.bfloat16
