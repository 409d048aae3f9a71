"""The contract of mixes, which join each picture, and its label, with another one.

    >>> import transferkit as tk
    >>> from transferkit.testing import check_mix
    >>> check_mix(tk.augment.cutmix())

It says nothing: every rule holds. The rules are in the order of `MIXES.rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from transferkit import _keras
from transferkit.augment.keys import image_keys
from transferkit.spec import Mix
from transferkit.testing.augmentations import COUNT, LEVEL, Array, Noise, Pair, keys
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.values import frozen_breach, json_breach, refuse_class

__all__ = ["MIXES", "MixTrial", "check_mix"]

_SHARE = 1e-5
"""How far a label may be from what it should be."""
_KEYED = "Draw every number with transferkit.augment.keys from `keys`."
_BATCHES: dict[str, tuple[int, ...]] = {"alone": (6,), "in another batch": (5, 0, 7, 2, 2)}


@dataclass(frozen=True)
class MixTrial(Noise):
    """What the rules of a mix look at.

    Attributes:
        operation: The mix.
    """

    operation: Mix

    @cached_property
    def theirs(self) -> Array:
        """The place of each picture's partner."""
        return np.asarray(self.operation.partners(keys(range(COUNT)), COUNT))

    @cached_property
    def together(self) -> Pair:
        """All pictures and their rows, mixed in one batch."""
        return self.mixed(range(COUNT))

    def mixed(self, places: Sequence[int]) -> Pair:
        """The pictures at these places, and their rows, mixed in one batch."""
        chosen = list(places)
        theirs = self.theirs[chosen]
        tf = _keras.tf()
        images, rows = tf.constant(self.images[chosen]), tf.constant(self.rows[chosen])
        others = tf.constant(self.images[theirs]), tf.constant(self.rows[theirs])
        made = self.operation.mix(images, rows, *others, keys(chosen))
        return np.asarray(made[0]), np.asarray(made[1])


MIXES: Contract[MixTrial] = Contract("check_mix")
"""Its `rules` are looked at in this order."""


def check_mix(mix: Mix) -> None:
    """Look whether a mix keeps the rules that the rest of the library relies on.

    Args:
        mix: The mix, with arguments that change pictures and labels.

    Raises:
        ContractError: Naming the first rule that is broken, what was seen, and how to mend it.
        SpecError: If it is a class or a function.
    """
    refuse_class("check_mix", mix)
    MIXES.check(MixTrial(mix), called=type(mix).__name__)


@MIXES.rule("is-a-frozen-value", "a mix is a frozen dataclass with a hash")
def _is_a_frozen_value(trial: MixTrial) -> Breach | None:
    return frozen_breach(trial.operation)


@MIXES.rule("has-both-methods", "a mix has partners(keys, count) and mix(...)")
def _has_both_methods(trial: MixTrial) -> Breach | None:
    missing = [name for name in ("partners", "mix") if not hasattr(trial.operation, name)]
    if not missing:
        return None
    return Breach(f"it has no method {missing[0]}", "See transferkit.spec.Mix.")


@MIXES.rule("partners-are-places", "partners gives one int64 for each key, 0 to count - 1")
def _partners_are_places(trial: MixTrial) -> Breach | None:
    for count in (COUNT, 1, 1000):
        given = np.asarray(trial.operation.partners(keys(range(64)), count))
        if given.dtype != np.int64 or given.shape != (64,):
            what = f"64 keys give {given.dtype} {given.shape}"
            return Breach(what, "transferkit.augment.keys.below(keys, count)")
        if given.min() < 0 or given.max() >= count:
            what = f"of {count} pictures it names {given.min()} to {given.max()}"
            return Breach(what, "transferkit.augment.keys.below(keys, count)")
    return None


@MIXES.rule("partners-follow-from-keys", "the same key has the same partner, alone and in a batch")
def _partners_follow_from_keys(trial: MixTrial) -> Breach | None:
    for where, places in {"a second time": tuple(range(COUNT)), **_BATCHES}.items():
        given = np.asarray(trial.operation.partners(keys(places), COUNT))
        if not np.array_equal(given, trial.theirs[list(places)]):
            return Breach(f"{where} they are others", _KEYED)
    return None


@MIXES.rule(
    "keeps-shape-type-and-range", "pictures keep their shape and stay finite float32 from 0 to 255"
)
def _keeps_shape_type_and_range(trial: MixTrial) -> Breach | None:
    made = trial.together[0]
    if made.shape != trial.images.shape or made.dtype != np.float32:
        what = f"float32 {trial.images.shape} becomes {made.dtype} {made.shape}"
        return Breach(what, "Bring them to the shape and type they had.")
    if not np.isfinite(made).all():
        return Breach("some pixels are not finite", "Look for a division by zero.")
    low, high = float(made.min()), float(made.max())
    if low < -LEVEL or high > 255 + LEVEL:
        return Breach(f"pixels go from {low:g} to {high:g}", "Let the two shares add up to 1.")
    return None


@MIXES.rule("none-stays-none", "labels that are None stay None")
def _none_stays_none(trial: MixTrial) -> Breach | None:
    images = _keras.tf().constant(trial.images)
    given = trial.operation.mix(images, None, images, None, keys(range(COUNT)))[1]
    if given is None:
        return None
    return Breach(f"None becomes {type(given).__name__}", "Hand labels on where they are None.")


@MIXES.rule(
    "labels-lie-between", "rows keep shape, type and sum, and lie between those of the two pictures"
)
def _labels_lie_between(trial: MixTrial) -> Breach | None:
    made, mine, theirs = trial.together[1], trial.rows, trial.rows[trial.theirs]
    mend = "share * labels + (1 - share) * partner_labels"
    if made.shape != mine.shape or made.dtype != mine.dtype:
        return Breach(f"float32 {mine.shape} becomes {made.dtype} {made.shape}", mend)
    sums = made.sum(axis=1)
    if not np.allclose(sums, 1, rtol=0, atol=_SHARE):
        return Breach(f"rows that add up to 1 add up to {sums.min():g} to {sums.max():g}", mend)
    low, high = np.minimum(mine, theirs) - _SHARE, np.maximum(mine, theirs) + _SHARE
    if ((made < low) | (made > high)).any():
        return Breach("a row has what neither of the two has", mend)
    return None


@MIXES.rule("is-a-function-of-its-key", "the same key mixes in the same way, bit for bit")
def _is_a_function_of_its_key(trial: MixTrial) -> Breach | None:
    return _other(trial, "a second time", tuple(range(COUNT)), _KEYED)


@MIXES.rule(
    "does-not-know-its-batch", "alone and in another batch a picture becomes the same, bit for bit"
)
def _does_not_know_its_batch(trial: MixTrial) -> Breach | None:
    mend = "Let no picture's numbers depend on another's in the batch."
    seen = (_other(trial, where, places, mend) for where, places in _BATCHES.items())
    return next((breach for breach in seen if breach is not None), None)


def _other(trial: MixTrial, where: str, places: Sequence[int], mend: str) -> Breach | None:
    for what, made, expected in zip(
        ("pixels", "labels"), trial.mixed(places), trial.together, strict=True
    ):
        if not np.array_equal(made, expected[list(places)]):
            return Breach(f"{where} the {what} differ", mend)
    return None


@MIXES.rule("graphs-agree", "inside a tf.data pipeline pixels and labels are equal")
def _graphs_agree(trial: MixTrial) -> Breach | None:
    tf = _keras.tf()
    theirs = trial.images[trial.theirs], trial.rows[trial.theirs]
    given = (trial.images, trial.rows, *theirs, np.arange(COUNT))
    made = tf.data.Dataset.from_tensor_slices(given).batch(3)
    made = made.map(
        lambda images, rows, others, their_rows, places: trial.operation.mix(
            images, rows, others, their_rows, image_keys(7, 0, places)
        )
    )
    batches = list(made.as_numpy_iterator())
    for i, (what, most) in enumerate({"pixels": LEVEL, "labels": _SHARE}.items()):
        values, expected = np.concatenate([batch[i] for batch in batches]), trial.together[i]
        if values.shape != expected.shape or not np.allclose(values, expected, rtol=0, atol=most):
            mend = "Use TensorFlow's own ops."
            return Breach(f"the {what} differ from those of an eager call", mend)
    return None


@MIXES.rule("survives-its-config", "a mix is registered, and JSON of its config gives it again")
def _survives_its_config(trial: MixTrial) -> Breach | None:
    return json_breach(trial.operation)
