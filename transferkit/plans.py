"""Recipes: functions that return plans.

>>> import transferkit as tk
>>> plan = tk.plans.feature_extraction(epochs=3).then(tk.plans.fine_tune(epochs=2))
>>> [phase.name for phase in plan]
['feature extraction', 'fine-tuning']
"""

from __future__ import annotations

from typing import Any

from transferkit import freeze as freezing
from transferkit._types import whole
from transferkit.averaging import wise_ft
from transferkit.errors import SpecError, explain
from transferkit.freeze import Freeze
from transferkit.plan import Phase, Plan, Solver
from transferkit.schedules import Schedule, layer_decay
from transferkit.select import Selector, top_blocks

__all__ = [
    "default",
    "feature_extraction",
    "fine_tune",
    "gradual_unfreezing",
    "linear_probe",
    "linear_probe_then_fine_tune",
    "tutorial",
]

FINE_TUNING = "fine-tuning"
"""What a phase of `fine_tune` is called, unless it is given another name."""


def feature_extraction(
    epochs: int = 10, *, learning_rate: float | Schedule | None = None, **phase: Any
) -> Plan:
    """Train the head on a frozen backbone.

    Args:
        epochs: 1 or more.
        learning_rate: A number or a schedule; 1e-3 by default.
        **phase: Further arguments of `Phase`.

    Raises:
        SpecError: If `freeze` is among them.
    """
    if "freeze" in phase:
        raise SpecError(
            explain(
                "feature_extraction",
                "it freezes the whole backbone, whatever else is said",
                expected="no freeze=",
                received={"freeze": phase["freeze"]},
                mend="tk.plans.fine_tune(freeze=...)",
            )
        )
    phase.setdefault("name", "feature extraction")
    return Plan((Phase(epochs, freezing.backbone(), learning_rate=learning_rate, **phase),))


def linear_probe(*, solver: Solver = "auto", penalty: float | None = None, **phase: Any) -> Plan:
    """Solve the head on the frozen backbone's features instead of training it: in seconds.

    The head is one linear layer on vectors that do not change, so that its best weights are found
    without epochs. Each picture is seen once and clean, whatever the model's augmentation is, and
    dropout takes no part. ``"lbfgs"`` minimises the head's own loss (label smoothing, class weights
    and all) with

        mean_i loss_i + penalty / 2 norm(W)^2

    over standardised vectors, their variances drawn a little towards the mean variance, as few
    pictures do not tell them: for classes multinomial logistic regression. The penalty is that of
    12 between 32 and 1e-4 under which images of a five-fold cross-validation lose least, their
    logits multiplied by the best number; the solution is multiplied by it too, so that its
    confidence is that of pictures it has not seen. Above 2,000 pictures one fifth is held out
    instead. ``"ridge"`` is a ridge regression onto the
    targets, its penalty chosen by exact leave-one-out, in units of the vectors' mean variance times
    the images; for classes its outputs are then scaled to the logits of least loss.

    Args:
        solver: ``"lbfgs"``, ``"ridge"``, or ``"auto"``: ridge for numbers, L-BFGS for classes and
            labels.
        penalty: Above 0; None for one that suits the data.
        **phase: Further arguments of `Phase`: ``sampling="balanced"`` lets classes count alike.

    References:
        Ananya Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution, ICLR 2022.
    """
    phase.setdefault("name", "linear probe")
    policy = freezing.backbone()
    return Plan((Phase(1, policy, solver=solver, penalty=penalty, **phase),))


def fine_tune(
    epochs: int = 10,
    *,
    unfreeze: Selector | None = None,
    freeze: Freeze | Selector | None = None,
    learning_rate: float | Schedule = 1e-5,
    **phase: Any,
) -> Plan:
    """Train the head and part of the backbone, BatchNormalization kept frozen by default.

    Args:
        epochs: 1 or more.
        unfreeze: The layers that train; all others are frozen.
        freeze: A policy instead of `unfreeze`. With neither, the model's own policy holds.
        learning_rate: A number or a schedule; small, so that what the network knows is kept.
        **phase: Further arguments of `Phase`; ``adapt=tk.adapt.lora()`` instead of both trains a
            small part of every layer.

    Raises:
        SpecError: If both `unfreeze` and `freeze` are given, or `unfreeze` is no selector.
    """
    if unfreeze is not None and freeze is not None:
        raise SpecError(
            explain(
                "fine_tune",
                "unfreeze and freeze say the same thing twice",
                expected="one of them",
                received={"unfreeze": unfreeze, "freeze": freeze},
                mend="tk.plans.fine_tune(unfreeze=tk.select.top_blocks(2))",
            )
        )
    if unfreeze is not None and not isinstance(unfreeze, Selector):
        raise SpecError(
            explain(
                "fine_tune",
                "unfreeze is no selector",
                expected="a selector of tk.select",
                received={"unfreeze": unfreeze},
                mend="tk.plans.fine_tune(unfreeze=tk.select.top_blocks(2))",
            )
        )
    policy = freezing.all_but(unfreeze) if unfreeze is not None else freeze
    phase.setdefault("name", FINE_TUNING)
    return Plan((Phase(epochs, policy, learning_rate=learning_rate, **phase),))


def linear_probe_then_fine_tune(
    epochs: int = 10,
    *,
    unfreeze: Selector | None = None,
    freeze: Freeze | Selector | None = None,
    learning_rate: float | Schedule = 1e-5,
    solver: Solver = "auto",
    penalty: float | None = None,
    **phase: Any,
) -> Plan:
    """LP-FT: solve the head on the frozen backbone, then fine-tune from that solution.

    A head that starts from nothing sends large gradients through the backbone and bends features
    that were good; one that fits already leaves them nearly as they are.

    Args:
        epochs: Of fine-tuning, 1 or more.
        unfreeze: The layers that train in it.
        freeze: A policy instead. With neither, the model's own policy holds.
        learning_rate: Of fine-tuning.
        solver: Of the probe; see `linear_probe`.
        penalty: Of the probe.
        **phase: Further arguments of the fine-tuning's `Phase`.

    References:
        Ananya Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution, ICLR 2022.
    """
    probe = linear_probe(solver=solver, penalty=penalty)
    tuned = {"unfreeze": unfreeze, "freeze": freeze, "learning_rate": learning_rate, **phase}
    return probe.then(fine_tune(epochs, **tuned))


def gradual_unfreezing(
    stages: int = 3,
    *,
    epochs: int = 3,
    blocks: int = 2,
    decay: float = 0.8,
    learning_rate: float | Schedule = 1e-4,
    **phase: Any,
) -> Plan:
    """Solve the head, then thaw the backbone from the top, some blocks more in each stage.

    Lower blocks train at smaller rates (`tk.schedules.layer_decay`). Every stage has an optimizer
    of its own, and what lies below its blocks is cached.

    Args:
        stages: How many, 1 or more.
        epochs: Of each stage.
        blocks: How many blocks more each stage thaws, 1 or more.
        decay: Of the learning rate from block to block, above 0, at most 1.
        learning_rate: Of the head, in every stage.
        **phase: Further arguments of each stage's `Phase`.

    Raises:
        SpecError: If `stages` or `blocks` is no whole number above 0.

    References:
        Jeremy Howard and Sebastian Ruder, Universal Language Model Fine-tuning for Text
        Classification, ACL 2018.
    """
    counts = whole(stages), whole(blocks)
    if None in counts or min(count or 0 for count in counts) < 1:
        raise SpecError(
            explain(
                "gradual_unfreezing",
                "there is nothing to thaw",
                expected="stages and blocks of 1 or more",
                received={"stages": stages, "blocks": blocks},
                mend="tk.plans.gradual_unfreezing(stages=3, blocks=2)",
            )
        )
    plan = linear_probe()
    phase.setdefault("layer_rates", layer_decay(decay))
    for stage in range(1, stages + 1):
        top, name = top_blocks(stage * blocks), f"top {stage * blocks} blocks"
        settings = {"learning_rate": learning_rate, "name": name, **phase}
        plan = plan.then(fine_tune(epochs, unfreeze=top, **settings))
    return plan


def tutorial(*, unfreeze: Selector | None = None, epochs: int = 10) -> Plan:
    """The classic two steps: Adam 1e-3 on a frozen backbone, then SGD 1e-4 with the top unfrozen.

    Args:
        unfreeze: What trains in the second phase; the top two blocks by default.
        epochs: Epochs of each phase.
    """
    top = top_blocks(2) if unfreeze is None else unfreeze
    return feature_extraction(epochs).then(
        fine_tune(epochs, unfreeze=top, optimizer="sgd", learning_rate=1e-4)
    )


def default(
    *,
    pretrained: bool,
    images: int,
    policy: Freeze | None = None,
    linear: bool = True,
    validation: bool = True,
) -> Plan:
    """The plan of a `fit` that was given none.

    A pretrained backbone gets a solved head and then, at 1e-5, at 1e-4 from 2,000 pictures on, its
    top two blocks; it ends between the two (`tk.averaging.wise_ft`), so that fine-tuning makes
    nothing worse on the validation pictures. Without such pictures the solved head is all. A random
    backbone trains in full at 1e-3. Epochs fall from 10 a phase to 5 from 2,000 pictures on and to
    3 from 20,000 on, because a step then sees enough that is new.

    A policy that the model was given is kept to: the head first, then whatever the policy leaves
    free; where that is nothing of the backbone, the head alone. A head that is more than one linear
    layer is trained, and fine-tuned at 1e-4.

    Args:
        pretrained: Whether the backbone has learned anything yet.
        images: Training pictures.
        policy: The freeze policy that the model was given, or None.
        linear: Whether the head is one linear layer, which can be solved.
        validation: Whether there are validation pictures.
    """
    epochs = 10 if images < 2_000 else 5 if images < 20_000 else 3
    if not pretrained:
        return Plan((Phase(2 * epochs, name="training"),))
    top = top_blocks(2) if policy is None else None
    if not linear:
        trained = feature_extraction(epochs)
        tuned = fine_tune(epochs, unfreeze=top, learning_rate=1e-4)
        return trained if policy == freezing.backbone() else trained.then(tuned)
    if policy == freezing.backbone() or (policy is None and not validation):
        return linear_probe()
    return linear_probe_then_fine_tune(
        epochs,
        unfreeze=top,
        # Of few pictures a solved head has little left to learn, and 1e-4 undoes it.
        learning_rate=1e-5 if images < 2_000 else 1e-4,
        averaging=wise_ft() if validation else None,
    )
