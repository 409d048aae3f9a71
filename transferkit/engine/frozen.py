"""The frozen layers of a run: how they are run, and what is kept of what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.cache import Store
from transferkit.engine import features as kept
from transferkit.engine import remembered
from transferkit.engine.choices import PrefixChoice
from transferkit.engine.cut import Cut
from transferkit.engine.features import PIXELS, Features, Prefix
from transferkit.engine.forward import Compiled, compile_forward, prepare
from transferkit.engine.forward.check import SAMPLES
from transferkit.engine.identity import Identity, versions
from transferkit.engine.machine import Machine
from transferkit.engine.pictures import Pictures
from transferkit.engine.program import Program
from transferkit.engine.sections import section
from transferkit.errors import CacheError
from transferkit.running import Engine

__all__ = ["Frozen", "Supply"]


@dataclass(frozen=True)
class Supply:
    """What a phase's tail is fed with.

    Attributes:
        train: The training pictures' features; None if they are computed in every epoch.
        val: The validation pictures' features; None likewise, or if there are no such pictures.
        run: The compiled prefix; None if nothing has to be computed in every epoch, or if nothing
            may be cut off after all, and the tail starts from the pixels.
        choice: How the prefix was run.
        extracted: On how many views of pictures it was run for this phase.
        notes: What went otherwise than planned.
    """

    train: Features | None
    val: Features | None
    run: Compiled | None
    choice: PrefixChoice
    extracted: int
    notes: tuple[str, ...]

    @property
    def cuts(self) -> bool:
        """Whether the tail starts from what crosses the cut."""
        return self.train is not None or self.run is not None


class Frozen:
    """The frozen layers as the phases of a run find them, one phase after the other.

    Args:
        program: The network's calls.
        choice: How the prefix is to be run; gives way where its check fails.
        store: Where features are kept; None for no cache.
        engine: What was asked for.
        machine: What it runs on.
        images: How many pictures, views counted, pass through the frozen layers.
        verbose: 0 silent, 1 or 2 shows how far an extraction is.
    """

    def __init__(
        self,
        program: Program,
        choice: PrefixChoice,
        store: Store | None,
        engine: Engine,
        machine: Machine,
        images: int,
        verbose: int = 0,
    ) -> None:
        self.program, self.choice, self.store, self.verbose = program, choice, store, verbose
        self.engine, self.machine, self.images = engine, machine, images
        self._passed: list[Cut] = []  # cuts whose compiled prefix has been checked
        self._notes: list[str] = []
        self._made: dict[tuple[tuple[int, ...], tuple[int, ...]], Compiled] = {}

    def supply(
        self,
        cut: Cut,
        train: Pictures,
        val: Pictures | None,
        *,
        cached: bool,
        keep: bool = True,
        also: Sequence[Cut] = (),
        also_clean: Sequence[Cut] = (),
    ) -> Supply:
        """What a phase's tail is fed with, from the cache as far as it goes.

        Args:
            cut: Where the prefix ends.
            train: The training pictures in their views.
            val: The validation pictures, or None.
            cached: Whether the training pictures' features are to be kept.
            keep: Whether anything is; else all is computed in every epoch.
            also: Lower cuts that later phases will ask for, of the training pictures.
            also_clean: The same of the validation pictures.
        """
        self._notes = []
        try:
            return self._supply(cut, train, val if keep else None, cached, also, also_clean)
        except _RandomError as error:
            return Supply(None, None, None, self.choice, 0, (*self._notes, str(error)))

    def _supply(
        self,
        cut: Cut,
        train: Pictures,
        val: Pictures | None,
        cached: bool,
        also: Sequence[Cut],
        also_clean: Sequence[Cut],
    ) -> Supply:
        identity = Identity(self.program)
        mine = self._features(identity, cut, train, also) if cached else None
        theirs = self._features(identity, cut, val, also_clean) if val else None
        every_epoch = mine is None or (val is not None and theirs is None)
        if every_epoch:
            self._check(cut, train)
        return Supply(
            train=mine,
            val=theirs,
            run=self._compiled(PIXELS, cut.tensors) if every_epoch else None,
            choice=self.choice,
            extracted=sum(each.extracted for each in (mine, theirs) if each),
            notes=tuple(self._notes),
        )

    def _features(
        self, identity: Identity, cut: Cut, pictures: Pictures, also: Sequence[Cut]
    ) -> Features | None:
        """Found or made; None, with a note, where the cache cannot take them."""
        if self.store is None:
            return None
        found = kept.find(self.store, self._prefix(identity), cut, pictures)
        if found is None and self._gives_way(self.store, identity, cut, pictures):
            found = kept.find(self.store, self._prefix(identity), cut, pictures)
        return found or self._extracted(self.store, identity, cut, pictures, also)

    def _extracted(
        self,
        store: Store,
        identity: Identity,
        cut: Cut,
        pictures: Pictures,
        also: Sequence[Cut],
    ) -> Features | None:
        prefix = self._prefix(identity)
        try:
            return kept.make(store, prefix, cut, pictures, also=also, verbose=self.verbose)
        except CacheError as error:
            if also:  # there may be room for what is needed now
                return self._extracted(store, identity, cut, pictures, ())
            self._notes.append(f"not kept, but computed in every epoch: {error}")
            return None

    def _gives_way(self, store: Store, identity: Identity, cut: Cut, pictures: Pictures) -> bool:
        """Whether another choice has to be taken, as an earlier run or a check now says."""
        if any(cut.lies_within(other) for other in self._passed):
            return False
        rules = remembered.rules_of(self.engine, self.machine, self.images)
        key = remembered.key_of(self._prefix(identity), cut, pictures, self.choice, rules)
        if found := remembered.recall(store, key):
            self.choice, notes = found
            self._notes += notes
            self._passed.append(cut)
            self._made = {}  # what there is was made as was chosen before
            return True
        before = len(self._notes)
        gave_way = self._check(cut, pictures)
        if gave_way:
            remembered.keep(store, key, self.choice, self._notes[before:])
        return gave_way

    def _check(self, cut: Cut, pictures: Pictures) -> bool:
        """Hold the compiled prefix against the plain one, once; True if the choice gave way.

        Raises:
            _RandomError: If the plain one gives other numbers each time.
        """
        if any(cut.lies_within(other) for other in self._passed):
            return False
        model = section(self.program, PIXELS, cut.tensors)
        samples = [pictures.first(SAMPLES)]
        prepared = prepare(
            model, samples, engine=self.engine, machine=self.machine, images=self.images
        )
        self._notes += prepared.notes
        if prepared.problem is not None:
            raise _RandomError(prepared.problem.words)
        run = prepared.run
        before, self.choice = self.choice, PrefixChoice(run.precision, run.backend, run.xla)
        self._passed.append(cut)
        self._made = {(PIXELS, cut.tensors): run}
        return before != self.choice

    def _compiled(self, starts: tuple[int, ...], ends: tuple[int, ...]) -> Compiled:
        """Compiled once for all splits and phases, as long as the weights stay what they are."""
        made = self._made.get((starts, ends))
        if made is None or not made.unchanged():
            choice: Any = self.choice
            made = self._made[starts, ends] = compile_forward(
                section(self.program, starts, ends),
                precision=choice.precision,
                xla=choice.xla,
                backend=choice.backend,
            )
        return made

    def _prefix(self, identity: Identity) -> Prefix:
        more = () if self.choice.backend == "tensorflow" else (self.choice.backend,)
        about = {"backend": self.choice.backend, "versions": versions(*more)}
        return Prefix(self.program, identity, self._compiled, self.choice.precision, about)


class _RandomError(Exception):
    """What is before the cut draws random numbers, which nobody could foresee."""
