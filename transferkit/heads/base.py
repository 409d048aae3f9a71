"""What heads for whole pictures share: pooling, hidden layers, checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np

from transferkit import _keras
from transferkit._types import Tensor, real, whole
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.spec import Taps, Target

Pooling = Literal["avg", "max", "both", "flatten"]
ClassWeight = Literal["balanced"] | Mapping[str, float] | None

POOLINGS = ("avg", "max", "both", "flatten")


class Shown:
    """Prints as the call that makes it: ``classification(dropout=0.2)``."""

    def __repr__(self) -> str:
        called = {"extra_metrics": "metrics", "kind": "loss"}
        shown = [
            f"{called.get(f.name, f.name)}={self._plain(f.name)!r}"
            for f in dataclasses.fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
            if getattr(self, f.name) != f.default
        ]
        return f"{type(self).__name__.lower()}({', '.join(shown)})"

    def _plain(self, name: str) -> Any:
        value = getattr(self, name)
        return dict(value) if name == "class_weight" and isinstance(value, tuple) else value


def settle(verb: str, head: Any, **more: Any) -> None:
    """Check the fields that heads for whole pictures share, and make them plain values.

    What NumPy made (numbers, arrays of widths) becomes plain Python, which a saved file can hold.

    Args:
        verb: The function that makes the head, for the errors.
        head: A frozen dataclass, in its ``__post_init__``.
        **more: Further fields, settled already.

    Raises:
        SpecError: Naming the argument.
    """
    plain: dict[str, Any] = {"dropout": _share(verb, "dropout", head.dropout, "dropout=0.2")}
    if hasattr(head, "label_smoothing"):
        smoothing = head.label_smoothing
        plain["label_smoothing"] = _share(verb, "label_smoothing", smoothing, "label_smoothing=0.1")
    if hasattr(head, "class_weight"):
        plain["class_weight"] = _class_weight(verb, head.class_weight)
    for name in ("focal", "logit_adjustment"):
        if hasattr(head, name):
            plain[name] = _strength(verb, name, getattr(head, name))
    plain["hidden"] = _widths(verb, head.hidden)
    plain["extra_metrics"] = _metric_names(verb, head.extra_metrics)
    if head.pooling not in POOLINGS:
        expected = did_you_mean(str(head.pooling), POOLINGS)
        raise wrong(verb, "pooling", head.pooling, expected, "pooling='avg'")
    for name, value in {**plain, **more}.items():
        object.__setattr__(head, name, value)


def _share(verb: str, name: str, value: Any, mend: str) -> float:
    share = real(value)
    if share is None or not 0 <= share < 1:
        raise wrong(verb, name, value, "a share of at least 0 and below 1", mend)
    return share


def _strength(verb: str, name: str, value: Any) -> float:
    number = real(value)
    if number is None or not 0 <= number < np.inf:
        raise wrong(verb, name, value, "a number of 0 or more; 0 is without it", f"{name}=1.0")
    return number


def _widths(verb: str, value: Any) -> tuple[int, ...]:
    given = [value] if whole(value) is not None else value
    widths = [whole(width) or 0 for width in given] if _is_list(given) else [0]
    if min(widths, default=1) < 1:
        raise wrong(verb, "hidden", value, "widths of 1 or more", "hidden=(256,)")
    return tuple(widths)


def _metric_names(verb: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not _is_list(names) or not all(isinstance(name, str) for name in names):
        raise wrong(verb, "metrics", value, "names of Keras metrics", "metrics=('AUC',)")
    return tuple(names)


def _class_weight(verb: str, value: Any) -> Any:
    """None, ``"balanced"``, or pairs of a class and its weight: a mapping cannot be hashed."""
    if value is None or (isinstance(value, str) and value == "balanced"):
        return value
    pairs = value.items() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | tuple):
        raise wrong(
            verb, "class_weight", value, "'balanced' or a mapping", "class_weight='balanced'"
        )
    weights = {str(name): real(weight) for name, weight in pairs}
    if any(weight is None or not 0 <= weight < np.inf for weight in weights.values()):
        raise wrong(
            verb, "class_weight", value, "finite weights of 0 or more", "class_weight={'bees': 2.0}"
        )
    return tuple(sorted(weights.items()))


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def check_task(verb: str, target: Target, task: str) -> None:
    """Refuse a target of another task, or one without outputs.

    Raises:
        SpecError: Naming the head that fits.
    """
    fitting = {"classes": "classification", "labels": "multilabel", "values": "regression"}
    if target.task != task:
        raise SpecError(
            explain(
                verb,
                f"the data has {target.task}, which this head does not predict",
                expected=f"a target of {task}",
                received={"task": target.task},
                mend=f"model.head(tk.heads.{fitting[target.task]}())",
            )
        )
    least = 2 if task == "classes" else 1
    if target.outputs < least:
        raise SpecError(
            explain(
                verb,
                f"{target.outputs} outputs are too few",
                expected=f"at least {least}",
                received={"class_names": target.class_names, "outputs": target.outputs},
            )
        )


def embed(taps: Taps, *, pooling: Pooling, hidden: Sequence[int], dropout: float) -> Tensor:
    """The vector that a head's last layer reads: pooled, through hidden layers, dropped out."""
    layers = _keras.keras().layers
    x = pool(taps.features, pooling)
    for index, width in enumerate(hidden):
        x = layers.Dense(width, activation="relu", name=f"head_hidden_{index}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"head_hidden_dropout_{index}")(x)
    return layers.Dropout(dropout, name="head_dropout")(x) if dropout else x


def pool(features: Tensor, pooling: Pooling) -> Tensor:
    """A vector ``(batch, channels)`` from a map; a vector passes as it is."""
    layers = _keras.keras().layers
    if len(features.shape) == 2:
        return features
    if pooling == "flatten":
        return layers.Flatten(name="head_flatten")(features)
    parts = []
    if pooling in ("avg", "both"):
        parts.append(layers.GlobalAveragePooling2D(name="head_average")(features))
    if pooling in ("max", "both"):
        parts.append(layers.GlobalMaxPooling2D(name="head_maximum")(features))
    return parts[0] if len(parts) == 1 else layers.Concatenate(name="head_pooled")(parts)


def logits(x: Tensor, outputs: int) -> Tensor:
    """The last dense layer, float32 whatever the rest computes in.

    Its kernel starts at zero, so that training starts from even odds. A random kernel over a
    thousand features is noise that a short training does not remove: ants and bees, 80 steps of
    Adam 1e-3 on frozen MobileNetV2, 12 seeds: accuracy 0.930 +- 0.013 with Keras' default, 0.941
    +- 0.003 from zero. Behind it every layer still learns, from the second step on.

    References:
        Kolesnikov et al., Big Transfer (BiT): General Visual Representation Learning, ECCV 2020.
    """
    dense = _keras.keras().layers.Dense
    return dense(outputs, kernel_initializer="zeros", dtype="float32", name="head_logits")(x)


def check_metrics(verb: str, names: Sequence[str], own: str, outputs: int) -> None:
    """Try metrics on rows of noughts and ones, so that they cannot fail in the first epoch.

    Args:
        verb: The function that makes the head, for the errors.
        names: What was asked for.
        own: What the head measures by itself.
        outputs: The width of a row.

    Raises:
        UnknownNameError: If Keras knows no such metric.
        SpecError: If one is named twice, or does not give one number for rows of that width.
    """
    if len({own, *names}) <= len(names):
        raise wrong(verb, "metrics", names, f"different ones, {own!r} not among them", "metrics=()")
    for name, metric in zip(names, keras_metrics(verb, names), strict=True):
        rows = np.eye(2, outputs, dtype=np.float32)
        try:
            metric.update_state(rows, rows)
            float(np.asarray(metric.result()))
        except Exception as error:
            raise SpecError(
                explain(
                    verb,
                    f"the metric {name!r} gives no number for rows of {outputs}",
                    expected="a metric that compares rows of targets with rows of outputs",
                    received={"metrics": tuple(names)},
                    mend="metrics=('AUC',)",
                )
            ) from error


def keras_metrics(verb: str, names: Iterable[str]) -> list[Any]:
    """Fresh Keras metrics by name.

    Raises:
        UnknownNameError: If Keras knows no such metric.
        SpecError: If one cannot be made by its name alone.
    """
    metrics = _keras.keras().metrics
    made = []
    for name in names:
        try:
            found = metrics.get(name)
        except TypeError as error:
            raise wrong(
                verb, "metrics", name, "metrics that need no further argument", "metrics=('AUC',)"
            ) from error
        except ValueError as error:
            known = [n for n in dir(metrics) if n[:1].isupper()]
            raise UnknownNameError(
                explain(
                    verb,
                    f"Keras knows no metric called {name!r}",
                    expected=did_you_mean(name, known),
                    received={"metrics": name},
                    mend="metrics=('AUC',)",
                )
            ) from error
        if isinstance(found, metrics.Metric):
            # Called as it was asked for, as in compile(); by itself Keras numbers them (auc_1).
            made.append(type(found).from_config({**found.get_config(), "name": name}))
        else:
            made.append(metrics.MeanMetricWrapper(found, name=name))
    return made


def check_labels(verb: str, labels: Any, target: Target) -> np.ndarray[Any, Any]:
    """Labels as an array, finite and inside the classes.

    Raises:
        SpecError: If they are not.
    """
    array = np.asarray(labels)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise wrong(verb, "labels", array, "finite labels", "Drop the rows with NaN.")
    ids = target.task == "classes" and array.ndim == 1
    if ids and array.size and not (array.min() >= 0 and array.max() < target.outputs):
        raise wrong(
            verb, "labels", array, f"class ids from 0 to {target.outputs - 1}", "Check class_names."
        )
    if not ids and array.shape[1:] not in ((target.outputs,), ()):
        raise wrong(verb, "labels", array.shape, f"rows of {target.outputs}", "Check class_names.")
    return cast("np.ndarray[Any, Any]", array)


def wrong(verb: str, name: str, value: Any, expected: str, mend: str) -> SpecError:
    """The error for one argument that is out of its range."""
    return SpecError(
        explain(
            verb, f"{name} is out of range", expected=expected, received={name: value}, mend=mend
        )
    )
