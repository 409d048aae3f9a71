"""Whether a compiled network still says what the plain one says, seen on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.engine.forward.compiling import Compiled
from transferkit.engine.forward.tracing import as_called

__all__ = ["SAMPLES", "TOLERANCES", "Plain", "Problem", "check"]

SAMPLES = 16
"""Pictures that are looked at; more are left out. The plain network takes a sixth of a second for
each of them where it is VGG16."""

TOLERANCES = {"float32": 1e-4, "bfloat16": 1e-2}
"""How far features may be off, by norm, relative to those of the plain network."""

_BATCH, _AGAIN = 16, 4

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Problem:
    """What keeps a compiled network from being used.

    Attributes:
        kind: ``"random"``: the plain network gives other outputs each time, so that nothing of it
            may be kept. Else the compiled network is at fault, another one may do.
        words: The same for a report.
    """

    kind: Literal["random", "not finite", "error", "neighbours"]
    words: str


@dataclass(frozen=True)
class Plain:
    """What the network itself says of some pictures, in float32.

    Attributes:
        samples: For each input the pictures ``(n, ...)``.
        features: For each output ``(n, features)``.
        random: Whether it says something else when it is asked again.
    """

    samples: tuple[Array, ...]
    features: tuple[Array, ...]
    random: bool

    @classmethod
    def of(cls, model: KerasModel, samples: Sequence[Array]) -> Plain:
        """Run the network as Keras runs it, without a graph, which would take longer to make.

        Args:
            model: The network.
            samples: For each input the same number of pictures; 16 are enough.
        """
        few = tuple(each[:SAMPLES] for each in samples)

        def run(*inputs: Any) -> list[Any]:
            given = [
                _keras.tf().cast(x, t.dtype) for x, t in zip(inputs, model.inputs, strict=True)
            ]
            return list(_keras.keras().tree.flatten(model(as_called(model, given), training=False)))

        features = _features(run, few)
        first = tuple(each[:_AGAIN] for each in few)
        again = _features(run, first)
        same = all(
            np.allclose(one[: len(other)], other, rtol=1e-3, atol=1e-6, equal_nan=True)
            for one, other in zip(features, again, strict=True)
        )
        return cls(few, features, not same)

    def problem(self, compiled: Compiled) -> Problem | None:
        """What is wrong with a compiled network, or None."""
        if self.random:
            words = "the frozen layers draw random numbers, so their outputs are not kept"
            return Problem("random", words)
        tolerance = TOLERANCES[compiled.precision]
        for mine, theirs in zip(self.features, _features(compiled, self.samples), strict=True):
            if found := _compared(mine, theirs, tolerance):
                kind, words = found
                where = f"{compiled.precision} by {compiled.backend}"
                return Problem(kind, f"{where} is not used: {words}")
        return None


def check(model: KerasModel, compiled: Compiled, samples: Sequence[Array]) -> Problem | None:
    """What is wrong with a compiled network, seen on real inputs, or None.

    Features may be off by 1e-2 in bfloat16 and 1e-4 in float32, relative to those of the plain
    network by norm; each picture keeps its nearest neighbour among the others; and where the plain
    network gives numbers, so does the compiled one.

    Args:
        model: The plain network, in float32.
        compiled: What `compile_forward` made of it.
        samples: For each input the same number of pictures; the first 16 are looked at.
    """
    return Plain.of(model, samples).problem(compiled)


def _compared(
    plain: Array, other: Array, tolerance: float
) -> tuple[Literal["not finite", "error", "neighbours"], str] | None:
    finite = np.isfinite(plain)
    if not np.isfinite(other[finite]).all():
        return "not finite", "it gives numbers that are not finite"
    plain, other = np.where(finite, plain, 0), np.where(finite, other, 0)
    off = np.linalg.norm(other - plain) / max(np.linalg.norm(plain), np.finfo(np.float32).tiny)
    if off > tolerance:
        return "error", f"features are off by {off:.1e}, more than {tolerance:.0e}"
    if changed := _strayed(plain, other):
        return "neighbours", f"{changed} of {len(plain)} pictures have another nearest neighbour"
    return None


def _strayed(plain: Array, other: Array) -> int:
    """How many pictures have another nearest neighbour.

    One that is as near to within 1 % is none: of two such neighbours either may be the nearest.
    """
    if len(plain) < 3:
        return 0
    before, now = _distances(plain), _distances(other)
    rows = np.arange(len(plain))
    return int(np.sum(before[rows, now.argmin(axis=1)] > 1.01 * before.min(axis=1)))


def _distances(features: Array) -> Array:
    """Between all pairs ``(n, n)``; infinite from a picture to itself."""
    flat = features.reshape(len(features), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)  # a common offset would eat the digits of what tells them apart
    squares = np.sum(flat**2, axis=1)
    between = np.maximum(squares[:, None] + squares[None] - 2 * flat @ flat.T, 0)
    np.fill_diagonal(between, np.inf)
    distances: Array = np.sqrt(between)
    return distances


def _features(run: Callable[..., list[Any]], samples: Sequence[Array]) -> tuple[Array, ...]:
    parts = [
        [np.asarray(out, np.float32) for out in run(*(each[at : at + _BATCH] for each in samples))]
        for at in range(0, len(samples[0]), _BATCH)
    ]
    return tuple(np.concatenate(each) for each in zip(*parts, strict=True))
