"""The contract of heads: what holds for every one, whoever wrote it.

    >>> import transferkit as tk
    >>> from transferkit.testing import check_head
    >>> check_head(tk.heads.classification(dropout=0.2))

It says nothing: every rule holds. The rules and what they mean are the attribute `HEADS.rules`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np

from transferkit import _keras, heads
from transferkit.errors import SpecError, TransferKitError
from transferkit.spec import Head, Taps, Target
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.head_trial import (
    TARGETS,
    HeadTrial,
    fitting_target,
    half_precision,
)

__all__ = ["HEADS", "check_head"]

HEADS: Contract[HeadTrial] = Contract("check_head")
"""Its `rules` are looked at in this order."""

_STEPS = 10
_TOLERANCE = 1e-3
_BOUND = ("head", "target", "needs", "activation", "build", "loss", "metrics", "targets", "decode")
_BINDS = "bind gives a bound head that knows its head and its target"
_PLAIN = (str, int, float, bool, type(None))


def check_head(head: Head, *, target: Target | None = None, labels: Any = None) -> None:
    """Look whether a head keeps the rules that the rest of the library relies on.

    Args:
        head: The head, with fields away from their defaults where they matter.
        target: What it is bound to; None for the first of some small targets that it takes.
        labels: Labels of a dozen pictures in the form that the head takes, where that is neither
            class ids, nor rows of noughts and ones, nor rows of numbers.

    Raises:
        ContractError: Naming the first rule that is broken, what was seen, and how to mend it.
    """
    called = type(head).__name__
    chosen = target or fitting_target(head)
    if isinstance(chosen, Exception):
        tasks = ", ".join(dict.fromkeys(each.task for each in TARGETS))
        seen = f"it refuses small targets of {tasks}; of the last it says: {chosen}"
        breach = Breach(seen, "Say check_head(head, target=...).")
        raise HEADS.broken("binds-to-a-target", _BINDS, breach, called=called) from chosen
    HEADS.check(HeadTrial(head, chosen, labels), called=called)


@HEADS.rule("is-a-frozen-value", "a head is a frozen dataclass whose equals have the same hash")
def _is_a_frozen_value(trial: HeadTrial) -> Breach | None:
    head: Any = trial.head
    settings = getattr(type(head), "__dataclass_params__", None)
    if settings is None or not settings.frozen:
        mend = "Write @dataclass(frozen=True) above the class."
        return Breach(f"{type(head).__name__} is no frozen dataclass", mend)
    try:
        same = hash(dataclasses.replace(head)) == hash(head)
    except TypeError as error:
        return Breach(f"it has no hash ({error})", "Make tuples of lists in __post_init__.")
    if not same or dataclasses.replace(head) != head:
        return Breach("a copy of it is not equal to it", "Leave __eq__ to the dataclass.")
    return None


@HEADS.rule("binds-to-a-target", _BINDS)
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


@HEADS.rule("activation-is-known", "activation names one of Keras' activations")
def _activation_is_known(trial: HeadTrial) -> Breach | None:
    try:
        activation = _keras.keras().activations.get(trial.bound.activation)
    except (TypeError, ValueError):
        what = f"Keras has no activation called {trial.bound.activation!r}"
        return Breach(what, "activation = 'softmax'")
    numbers = np.linspace(-5, 5, 6, dtype=np.float32).reshape(2, 3)
    outputs = np.asarray(activation(_keras.tf().constant(numbers)))
    if outputs.shape != (2, 3) or not np.isfinite(outputs).all():
        return Breach("it makes no finite outputs of numbers", "activation = 'softmax'")
    return None


@HEADS.rule("targets-are-float32-rows", "targets gives float32, one row for each picture")
def _targets_are_float32_rows(trial: HeadTrial) -> Breach | None:
    labels = trial.labels.copy()
    rows: Any = trial.bound.targets(labels)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.float32:
        kind = getattr(rows, "dtype", type(rows).__name__)
        return Breach(f"they are {kind}", "return np.asarray(rows, np.float32)")
    if len(rows) != len(labels):
        return Breach(f"{len(labels)} labels give {len(rows)} rows", "Give one row for each label.")
    if not np.array_equal(trial.labels, labels):
        return Breach("the labels that were handed in have changed", "Work on a copy.")
    if not np.array_equal(trial.bound.targets(trial.labels.tolist()), rows):
        return Breach("a list of labels gives other rows", "Begin with np.asarray(labels).")
    return None


@HEADS.rule("logits-have-the-right-shape", "there is one logit per output, or one for two classes")
def _logits_have_the_right_shape(trial: HeadTrial) -> Breach | None:
    logits, outputs = trial.logits.shape, trial.target.outputs
    if None in logits or logits[1:] == trial.targets.shape[1:]:
        return None
    if logits[-1] == outputs or (outputs == 2 and logits[-1] == 1):
        return None
    what = f"the logits are {logits} and there are {outputs} outputs"
    return Breach(what, "Dense(target.outputs, dtype='float32', name='head_logits')")


@HEADS.rule("loss-is-a-fresh-number", "loss gives a new Keras loss, whose value is one number")
def _loss_is_a_fresh_number(trial: HeadTrial) -> Breach | None:
    first, second = trial.bound.loss(), trial.bound.loss()
    if not isinstance(first, _keras.keras().losses.Loss):
        mend = "Return a keras.losses.Loss, as keras.losses.CategoricalCrossentropy(...)."
        return Breach(f"it gives an object of {type(first).__name__}", mend)
    if first is second:
        return Breach("it gives the same object twice", "Make the loss inside the method.")
    value = np.asarray(first(trial.targets, trial.logits))
    if value.shape != () or not np.isfinite(value):
        return Breach(f"its value is {value}", "Average over the pictures.")
    return None


@HEADS.rule(
    "loss-is-the-same-behind-the-activation",
    "loss() on logits is loss(from_logits=False) on activated outputs",
)
def _loss_is_the_same_behind(trial: HeadTrial) -> Breach | None:
    on_logits = float(np.asarray(trial.bound.loss()(trial.targets, trial.logits)))
    behind = trial.bound.loss(from_logits=False)(trial.targets, trial.outputs)
    value = float(np.asarray(behind))
    if math.isclose(on_logits, value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        return None
    what = f"it is {on_logits:.6g} on logits and {value:.6g} on outputs"
    return Breach(what, "Hand from_logits on to the loss.")


@HEADS.rule("metrics-are-fresh-numbers", "metrics gives new Keras metrics, each with its own name")
def _metrics_are_fresh_numbers(trial: HeadTrial) -> Breach | None:
    made, others = trial.bound.metrics(), trial.bound.metrics()
    if not all(isinstance(each, _keras.keras().metrics.Metric) for each in made):
        return Breach("not all of them are keras.metrics.Metric", "Return keras.metrics objects.")
    if any(each is other for each in made for other in others):
        return Breach("it gives the same objects twice", "Make the metrics inside the method.")
    names = [each.name for each in made]
    if len({"loss", *names}) <= len(names):
        return Breach(f"their names are {names}", "Give each a name=..., none of them 'loss'.")
    for metric in made:
        metric.update_state(trial.targets, trial.outputs)
        value = np.asarray(metric.result())
        if value.shape != () or not np.isfinite(value):
            return Breach(f"{metric.name!r} gives {value}", "A metric gives one finite number.")
    return None


@HEADS.rule("results-are-plain-values", "decode gives a list of plain Python values, one per row")
def _results_are_plain_values(trial: HeadTrial) -> Breach | None:
    outputs = trial.outputs
    results: Any = trial.bound.decode(outputs)
    if not isinstance(results, list) or len(results) != len(outputs):
        size = f" of {len(results)}" if hasattr(results, "__len__") else ""
        what = f"{len(outputs)} rows give a {type(results).__name__}{size}"
        return Breach(what, "return [Result(...) for row in outputs]")
    strange = next((part for result in results for part in _strange(result)), None)
    if strange is not None:
        what = f"a result holds an object of {type(strange).__module__}.{type(strange).__name__}"
        return Breach(what, "Make plain values of it: float(value), array.tolist().")
    if trial.bound.decode(outputs[:1]) != results[:1]:
        return Breach("a row alone gives another result", "Look at one row at a time.")
    return None


def _strange(value: Any) -> list[Any]:
    """What a result is made of that is no plain value."""
    if type(value) in _PLAIN:
        return []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [part for each in vars(value).values() for part in _strange(each)]
    if type(value) is dict:
        return [part for pair in value.items() for each in pair for part in _strange(each)]
    if type(value) in (list, tuple):
        return [part for each in value for part in _strange(each)]
    return [value]


@HEADS.rule("survives-its-config", "a head is registered, and JSON of its config gives it again")
def _survives_its_config(trial: HeadTrial) -> Breach | None:
    try:
        written = heads.to_config(trial.head)
    except SpecError as error:
        mend = "Name it in the entry points 'transferkit.heads', or call tk.heads.register."
        return Breach(f"no file can name it ({error})", mend)
    try:
        text = json.dumps(written)
    except TypeError as error:
        return Breach(f"its fields are no JSON ({error})", "Keep numbers, words and tuples only.")
    again = heads.from_config(json.loads(text))
    if again != trial.head or again.bind(trial.target) != trial.bound:
        what = f"{again!r} comes back"
        return Breach(what, "Bring every field to one form in __post_init__.")
    return None


@HEADS.rule("learns", "some steps of training on a tiny network lower the loss")
def _learns(trial: HeadTrial) -> Breach | None:
    before = trial.loss()
    trial.train(_STEPS)
    after = trial.loss()
    if after < before:
        return None
    what = f"{_STEPS} steps of Adam took it from {before:.6g} to {after:.6g}"
    return Breach(what, "Look whether the loss has a gradient for the head's weights.")


@HEADS.rule("predicts-the-same-from-a-file", "a saved and loaded model predicts the same")
def _predicts_the_same_from_a_file(trial: HeadTrial) -> Breach | None:
    results = trial.trained().predict(trial.images)
    again = trial.reopened()
    if again.bound != trial.trained().bound:
        return Breach("the loaded head is another one", "Keep what it is in its fields.")
    if again.predict(trial.images) != results:
        return Breach("the loaded model gives other results", "Keep what it is in its fields.")
    return None
