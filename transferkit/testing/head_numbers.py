"""Rules of heads: targets, losses, metrics and results, and what training and saving do to them."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np

from transferkit import _keras, heads
from transferkit.errors import SpecError
from transferkit.testing.contract import Breach
from transferkit.testing.head_form import HEADS
from transferkit.testing.head_trial import HeadTrial

__all__ = ["HEADS"]

_STEPS = 10
_TOLERANCE = 1e-3
_PLAIN = (str, int, float, bool, type(None))


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
