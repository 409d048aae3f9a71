"""Rules of heads: what a head is, how it is bound, and the layers that it builds."""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit.errors import SpecError, TransferKitError
from transferkit.spec import Taps
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.head_trial import TARGETS, HeadTrial, half_precision
from transferkit.testing.values import frozen_breach

__all__ = ["BINDS", "HEADS"]

HEADS: Contract[HeadTrial] = Contract("check_head")
"""Its `rules` are looked at in the order in which they were declared, those of this file first."""

BINDS = "bind gives a bound head that knows its head and its target"

_BOUND = ("head", "target", "needs", "activation", "build", "loss", "metrics", "targets", "decode")


@HEADS.rule("is-a-frozen-value", "a head is a frozen dataclass whose equals have the same hash")
def _is_a_frozen_value(trial: HeadTrial) -> Breach | None:
    return frozen_breach(trial.head)


@HEADS.rule("binds-to-a-target", BINDS)
def _binds_to_a_target(trial: HeadTrial) -> Breach | None:
    bound = trial.bound
    for name in _BOUND:
        if not hasattr(bound, name):
            return Breach(f"the bound head has no {name!r}", f"Give it {name}; see BoundHead.")
    if bound.head != trial.head:
        return Breach("the bound head holds another head", "return Bound(self, target)")
    if bound.target != trial.target:
        return Breach("the bound head holds another target", "return Bound(self, target)")
    if trial.head.bind(trial.target) != bound:
        return Breach("two bindings to one target differ", "Make the bound head a dataclass too.")
    return None


@HEADS.rule("refuses-other-targets", "a target of another task is refused with a SpecError")
def _refuses_other_targets(trial: HeadTrial) -> Breach | None:
    task = getattr(trial.head, "task", None)
    for other in (each for each in TARGETS if each.task != trial.target.task):
        try:
            trial.head.bind(other)
        except SpecError:
            continue
        except Exception as error:
            what = f"a target of {other.task} raises {type(error).__name__} ({error})"
            return Breach(what, "Raise transferkit.errors.SpecError in bind.")
        if task is not None:
            what = f"its task is {task!r}, and it takes a target of {other.task}"
            return Breach(what, "Raise transferkit.errors.SpecError in bind.")
    return None


@HEADS.rule("names-its-strides", "needs is a tuple of strides, which are powers of two")
def _names_its_strides(trial: HeadTrial) -> Breach | None:
    needs: Any = trial.bound.needs
    if not isinstance(needs, tuple):
        return Breach(f"needs is {needs!r}", "Write needs: tuple[int, ...] = ().")
    wrong = [each for each in needs if type(each) is not int or each < 1 or each & (each - 1)]
    return Breach(f"needs holds {wrong[0]!r}", "Name strides as 8 or 32.") if wrong else None


@HEADS.rule("reads-only-what-it-names", "build reads no taps but those that needs names")
def _reads_only_what_it_names(trial: HeadTrial) -> Breach | None:
    needs = trial.bound.needs
    try:
        trial.bound.build(trial.taps(needs))
    except KeyError as error:
        return Breach(
            f"it reads the stride {error}, and needs is {needs}",
            "Add the stride to needs: then a backbone without it is refused by name.",
        )
    return None


@HEADS.rule("takes-vectors-or-says-so", "a head without strides takes a vector, or a SpecError")
def _takes_vectors_or_says_so(trial: HeadTrial) -> Breach | None:
    if trial.bound.needs:
        return None
    try:
        trial.bound.build(trial.taps((), vector=True))
    except TransferKitError:
        return None
    except Exception as error:
        return Breach(
            f"{type(error).__name__} is raised where the backbone ends in a vector ({error})",
            "Pool only where len(taps.features.shape) == 4, or raise SpecError.",
        )
    return None


@HEADS.rule("logits-are-float32", "logits are float32, in half precision as well")
def _logits_are_float32(trial: HeadTrial) -> Breach | None:
    full = trial.bound.build(trial.taps(trial.bound.needs)).dtype
    with half_precision():
        half = trial.bound.build(trial.taps(trial.bound.needs)).dtype
    for dtype, where in ((full, ""), (half, " where the rest computes in bfloat16")):
        if dtype != "float32":
            mend = "Give the last layer dtype='float32'."
            return Breach(f"the logits are {dtype}{where}", mend)
    return None


@HEADS.rule("layers-are-made-afresh", "each build makes layers of its own, called head_...")
def _layers_are_made_afresh(trial: HeadTrial) -> Breach | None:
    first, second = (_weighted_layers(trial) for _ in range(2))
    if any(layer is other for layer in first for other in second):
        what = "two networks share a layer, and training one would move the other"
        return Breach(what, "Make the layers inside build.")
    called = [layer.name for layer in first if not layer.name.startswith("head_")]
    if called:
        what = f"a layer with weights is called {called[0]!r}, as the backbone's own may be"
        return Breach(what, "Name it: Dense(..., name='head_logits').")
    return None


def _weighted_layers(trial: HeadTrial) -> list[Any]:
    keras = _keras.keras()
    taps = trial.taps(trial.bound.needs)
    entries = [*taps.values(), taps.features]
    network = keras.Model(entries, trial.bound.build(Taps(dict(taps), taps.features)))
    return [layer for layer in network.layers if layer.weights]
