"""Classes of which there are many pictures beside classes of which there are few."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.spec import Target

__all__ = ["adjustment", "check_adjustment", "class_weights"]


def class_weights(verb: str, value: Any, target: Target) -> tuple[float, ...] | None:
    """One weight for each class, in the order of the outputs.

    ``"balanced"`` gives N / (C n_c), as scikit-learn does.

    Args:
        verb: The function that makes the head, for the error.
        value: None, ``"balanced"`` or pairs, as a head holds it.
        target: The classes.

    Raises:
        UnknownNameError: If a pair names a class that there is not.
        SpecError: If pictures are to be balanced that nobody has counted: those of a network that
            is built and not fitted.
    """
    if value is None:
        return None
    if value == "balanced":
        mend = f"Weights by name: class_weight={{{target.class_names[0]!r}: 2.0}}"
        counts = _counted(verb, "class_weight", value, target, mend)
        return tuple(float(w) for w in counts.sum() / (len(counts) * np.maximum(counts, 1)))
    weights = dict(value)
    for name in weights:
        if name not in target.class_names:
            raise UnknownNameError(
                explain(
                    verb,
                    f"class_weight names {name!r}, which is no class",
                    expected=did_you_mean(name, target.class_names),
                    received={"class_weight": weights},
                    mend=f"Weights go by name: class_weight={{{target.class_names[0]!r}: 2.0}}",
                )
            )
    return tuple(weights.get(name, 1.0) for name in target.class_names)


def adjustment(verb: str, tau: float, target: Target) -> tuple[float, ...] | None:
    """What training adds to the logit of each class: ``tau log(n_c / N)``, in the outputs' order.

    A class without pictures counts as if it had one: the logarithm of nothing is no number.

    Args:
        verb: The function that makes the head, for the error.
        tau: How much of it; of 0 there is none.
        target: The classes.

    Raises:
        SpecError: If nobody has counted the pictures: those of a network that is built and not
            fitted.
    """
    if not tau:
        return None
    mend = f"model.fit(photos) counts them; for build: tk.heads.{verb}(logit_adjustment=0)"
    counts = np.maximum(_counted(verb, "logit_adjustment", tau, target, mend), 1)
    return tuple(float(each) for each in tau * np.log(counts / counts.sum()))


def check_adjustment(verb: str, head: Any) -> None:
    """Refuse what must not stand beside logit adjustment.

    Balanced weights would correct for the same prior once more. Smoothing gives every class a share
    s / C of every picture, and predictions, which are without the prior, have that share divided by
    it: with 0.1 over ten classes, one with a thousandth of the pictures gets 0.01 / 0.001 = 10, and
    the right one, with a tenth of them, 0.91 / 0.1.

    Raises:
        SpecError: If it does.
    """
    if not head.logit_adjustment:
        return
    balanced = head.class_weight == "balanced"
    if not balanced and not head.label_smoothing:
        return
    other = "class_weight" if balanced else "label_smoothing"
    why = "count rare classes twice" if balanced else "make rare classes win everywhere"
    received = {name: getattr(head, name) for name in ("logit_adjustment", other)}
    raise SpecError(
        explain(
            verb,
            f"logit_adjustment and {other}={received[other]!r} together {why}",
            expected="one of them",
            received=received,
            mend=f"tk.heads.{verb}(logit_adjustment={head.logit_adjustment:g})",
        )
    )


def _counted(verb: str, name: str, value: Any, target: Target, mend: str) -> Any:
    if target.counts is None:
        raise SpecError(
            explain(
                verb,
                f"{name}={value!r} has no pictures to count",
                expected="training data, which fit has and build has not",
                received={name: value},
                mend=mend,
            )
        )
    return np.asarray(target.counts, dtype=np.float64)
