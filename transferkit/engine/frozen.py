"""The frozen layers of a run: how they are run, and what is kept of what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit._types import KerasModel
from transferkit.cache import Store
from transferkit.engine import features as kept
from transferkit.engine.cut import Cut
from transferkit.engine.features import Features, Prefix
from transferkit.engine.forward import check, compile_forward
from transferkit.engine.identity import Identity, versions
from transferkit.engine.pictures import Pictures
from transferkit.engine.program import Program
from transferkit.engine.rules import PrefixChoice
from transferkit.engine.sections import section
from transferkit.errors import CacheError

__all__ = ["Frozen", "Supply"]

SAMPLES = 64
"""Pictures that a compiled prefix is checked on."""


@dataclass(frozen=True)
class Supply:
    """What a phase's tail is fed with.

    Attributes:
        train: The training pictures' features; None if they are computed in every epoch.
        val: The validation pictures' features; None likewise, or if there are no such pictures.
        run: The compiled prefix; None if nothing has to be computed in every epoch.
        choice: How the prefix was run.
        extracted: On how many views of pictures it was run for this phase.
        notes: What went otherwise than planned.
    """

    train: Features | None
    val: Features | None
    run: Callable[..., Sequence[Any]] | None
    choice: PrefixChoice
    extracted: int
    notes: tuple[str, ...]


class Frozen:
    """The frozen layers as the phases of a run find them, one phase after the other.

    Args:
        program: The network's calls.
        choice: How the prefix is to be run; gives way to plain float32 where its check fails.
        store: Where features are kept; None for no cache.
        verbose: 0 silent, 1 or 2 shows how far an extraction is.
    """

    def __init__(
        self, program: Program, choice: PrefixChoice, store: Store | None, verbose: int = 0
    ) -> None:
        self.program, self.choice, self.store, self.verbose = program, choice, store, verbose
        self._passed: list[Cut] = []  # cuts whose compiled prefix has been checked
        self._notes: list[str] = []

    def supply(
        self,
        cut: Cut,
        train: Pictures,
        val: Pictures | None,
        *,
        cached: bool,
        also: Sequence[Cut] = (),
        also_clean: Sequence[Cut] = (),
    ) -> Supply:
        """What a phase's tail is fed with, from the cache as far as it goes.

        Args:
            cut: Where the prefix ends.
            train: The training pictures in their views.
            val: The validation pictures, or None.
            cached: Whether the training pictures' features are to be kept.
            also: Lower cuts that later phases will ask for, of the training pictures.
            also_clean: The same of the validation pictures.
        """
        self._notes = []
        identity = Identity(self.program)
        mine = self._features(identity, cut, train, also) if cached else None
        theirs = self._features(identity, cut, val, also_clean) if val else None
        every_epoch = mine is None or (val is not None and theirs is None)
        if every_epoch:
            self._check(cut, train)
        return Supply(
            train=mine,
            val=theirs,
            run=self._compiled(section(self.program, (0,), cut.tensors)) if every_epoch else None,
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
        if found is None and self._check(cut, pictures):
            found = kept.find(self.store, self._prefix(identity), cut, pictures)
        return found or self._made(self.store, identity, cut, pictures, also)

    def _made(
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
                return self._made(store, identity, cut, pictures, ())
            self._notes.append(f"not kept, but computed in every epoch: {error}")
            return None

    def _check(self, cut: Cut, pictures: Pictures) -> bool:
        """Hold the compiled prefix against the plain one, once; True if the choice gave way."""
        if self.choice.plain or any(cut.lies_within(other) for other in self._passed):
            return False
        model = section(self.program, (0,), cut.tensors)
        problem = check(model, self._compiled(model), pictures.first(SAMPLES))
        self._passed.append(cut)
        if problem is None:
            return False
        self.choice = self.choice.made_plain()
        self._notes.append(f"float32 by TensorFlow: {problem}")
        return True

    def _compiled(self, model: KerasModel) -> Callable[..., Sequence[Any]]:
        choice = self.choice
        return compile_forward(
            model, precision=choice.precision, xla=choice.xla, backend=choice.backend
        )

    def _prefix(self, identity: Identity) -> Prefix:
        more = () if self.choice.backend == "tensorflow" else (self.choice.backend,)
        about = {"backend": self.choice.backend, "versions": versions(*more)}
        return Prefix(self.program, identity, self._compiled, self.choice.precision, about)
