"""A phase whose head is solved: the vectors that its last layer reads, and what is put into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit import build
from transferkit._types import KerasModel
from transferkit.engine import workers
from transferkit.engine.distribute import Team
from transferkit.engine.features import read_values
from transferkit.engine.feeds import Feed, Rates, measured
from transferkit.engine.frozen import Supply
from transferkit.engine.linear import Linear, by_lbfgs, by_ridge
from transferkit.engine.material import Material
from transferkit.engine.pictures import BATCH, Pictures
from transferkit.engine.program import Call, Program, read
from transferkit.engine.sections import section
from transferkit.errors import SpecError, explain
from transferkit.freeze import Freeze
from transferkit.plan import Phase
from transferkit.select import LayerTable

__all__ = ["Solver", "Solving", "check_solver", "is_linear"]

Array = np.ndarray[Any, Any]
ROOM = 2**30
"""Bytes of vectors that a head is solved on; of more images a random part."""


class Solving:
    """A feed of one step: the head is solved, and the training pictures are measured with it.

    Args:
        solver: Solves it.
        training: Evaluates the training pictures.
        notes: Takes a word on how it was solved.
    """

    steps = 1

    def __init__(self, solver: Solver, training: Feed, notes: list[str]) -> None:
        self.solver, self.training, self.notes = solver, training, notes
        self.calls = [(0, 1)]

    def run(self, epoch: int, first: int, stop: int, rates: Rates | None) -> dict[str, Any]:
        """See `Feed.run`."""
        self.notes.append(self.solver.solve())
        return measured(self.training, epoch)


def is_linear(network: KerasModel, table: LayerTable) -> bool:
    """Whether the head is one dense layer behind the backbone, without others that train."""
    return _last(read(build.logits_of(network)), network, table) is not None


def check_solver(phase: Phase, network: KerasModel, table: LayerTable, policy: Freeze) -> None:
    """Refuse to solve what is more than one linear layer on a frozen backbone.

    Raises:
        SpecError: If it is so.
    """
    if phase.solver is None:
        return
    moving = {layer.name for layer in table if layer.params} - policy.resolve(table, verb="fit")
    if moving:
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} solves the head, and of the backbone {len(moving)} layers "
                f"train, {min(moving)!r} among them",
                expected="a frozen backbone where the head is solved",
                received={"freeze": policy},
                mend="tk.plans.linear_probe().then(tk.plans.fine_tune(unfreeze=...))",
            )
        )
    if not is_linear(network, table):
        raise SpecError(
            explain(
                "fit",
                f"phase {phase.name!r} solves the head, which is more than one linear layer",
                expected="a head without hidden layers",
                received={"solver": phase.solver},
                mend="tk.plans.feature_extraction() trains any head",
            )
        )


@dataclass(frozen=True)
class Solver:
    """What a phase's head is solved with.

    Attributes:
        material: Network, loss and classes.
        phase: How it is to be solved.
        program: The network's calls.
        supply: The features of the training pictures, or what computes them; None for the pixels.
        cut: The tensors that they cross; ``(0,)`` for the pixels.
        pictures: The training pictures of this worker, clean.
        team: Who trains together: each solves the same head on the vectors of all.
        seed: Decides the folds, and the part of very many images.
    """

    material: Material
    phase: Phase
    program: Program
    supply: Supply | None
    cut: tuple[int, ...]
    pictures: Pictures
    team: Team
    seed: int

    def solve(self) -> str:
        """Put the solved head into the network; what was done, in words."""
        material = self.material
        last = _last(self.program, material.network, material.table)
        assert last is not None
        rows = _vectors(self.program, last.inputs[0], self.supply, self.cut, self.pictures)
        own, count = np.concatenate(list(rows)), material.counts[0]
        vectors = workers.joined(self.team, own, self.pictures.own, count)
        found, note = _part(_Found(vectors, material.train[1], material.classes), self.seed)
        solved, layer = self._solved(found), last.operation
        layer.kernel.assign(solved.kernel)
        layer.bias.assign(solved.bias)
        workers.level(self.team, [layer.kernel, layer.bias])
        return f"the head was {solved.how}{note}"

    def _solved(self, found: _Found) -> Linear:
        bound, phase = self.material.bound, self.phase
        given, values = (found.vectors, found.targets, bound.loss()), bound.target.task == "values"
        if phase.solver == "ridge" or (phase.solver == "auto" and values):
            return by_ridge(*given, values=values, penalty=phase.penalty)
        shares = _shares(found, phase)
        return by_lbfgs(
            *given,
            shares=shares,
            classes=found.classes,
            penalty=phase.penalty,
            scaled=not values,
            seed=self.seed,
        )


@dataclass(frozen=True)
class _Found:
    """What a head is solved on."""

    vectors: Array
    targets: Array
    classes: Array | None


def _shares(found: _Found, phase: Phase) -> Array:
    """How much each image counts: all alike, or all classes alike."""
    if phase.sampling != "balanced" or found.classes is None:
        return np.ones(len(found.vectors))
    return np.asarray(1.0 / np.bincount(found.classes)[found.classes])


def _part(found: _Found, seed: int) -> tuple[_Found, str]:
    """As many images as there is room for, and a word if that is not all."""
    count, channels = found.vectors.shape
    most = ROOM // (4 * channels)
    if count <= most:
        return found, ""
    some = np.sort(np.random.default_rng(seed).permutation(count)[:most])
    classes = None if found.classes is None else np.asarray(found.classes)[some]
    part = _Found(found.vectors[some], found.targets[some], classes)
    return part, f", on {most:,} of the {count:,} pictures"


def _last(program: Program, network: KerasModel, table: LayerTable) -> Call | None:
    """The dense layer that gives the logits, if nothing else of the head trains."""
    *_, last = program.calls
    layer = last.operation
    kind = getattr(layer, "activation", None)
    linear = type(layer).__name__ == "Dense" and getattr(kind, "__name__", "") == "linear"
    if not linear or program.end not in last.outputs or not layer.use_bias:
        return None
    backbone = {row.name for row in table}
    others = [
        each
        for each in network.layers
        if each is not layer and each.name not in backbone and each.trainable_weights
    ]
    flat = len(program.tensors[last.inputs[0]].shape) == 2
    return last if flat and not others and layer.name not in backbone else None


def _vectors(
    program: Program, end: int, supply: Supply | None, cut: tuple[int, ...], pictures: Pictures
) -> Iterator[Array]:
    """What the last layer reads of a worker's pictures, in inference."""
    between = None if end in cut else section(program, cut, (end,))
    for given in _given(supply, pictures):
        if between is None:
            yield np.asarray(given[cut.index(end)], np.float32)
        else:
            made = between(list(given) if len(given) > 1 else given[0], training=False)
            yield np.asarray(made, np.float32)


def _given(supply: Supply | None, pictures: Pictures) -> Iterator[Sequence[Any]]:
    """What crosses the cut, some pictures at a time."""
    if supply and supply.train:
        arrays = supply.train.arrays
        for start in range(0, len(arrays[0]), BATCH):
            yield [read_values(array[start : start + BATCH]) for array in arrays]
    elif supply and supply.run:
        for images, _ in pictures.batches():
            yield supply.run(images)
    else:
        for images, _ in pictures.batches():
            yield [images]
