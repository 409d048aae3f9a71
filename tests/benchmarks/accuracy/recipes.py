"""One recipe changed at a time: what each gains over a solved head that is then fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import transferkit as tk
from accuracy.material import Drawn
from accuracy.trials import Trial
from accuracy.ways import right_of
from transferkit import TransferModel
from transferkit.data import Data

__all__ = [
    "BASE",
    "IMBALANCED",
    "NEEDS_VALIDATION",
    "PLAIN",
    "RECIPES",
    "Recipe",
    "co_tuned",
    "rare",
    "tried",
    "tuned",
]

EPOCHS = 10
RATE = 1e-4
BASE = "LP-FT: solved head, then all layers"
PLAIN = "LP-FT"
PLATEAU = "with a plateau (ReduceLROnPlateau)"


class Recipe:
    """A plan, and what the model is given besides."""

    def __init__(
        self,
        plan: tk.Plan,
        *,
        rate: Callable[[TransferModel, Data], float] | None = None,
        callbacks: Callable[[], Any] = list,
        augment: tuple[Any, ...] = (),
        views: tuple[Any, ...] = (),
        **head: Any,
    ) -> None:
        """Keep them.

        Args:
            plan: How it is trained.
            rate: Finds the learning rate of its last phase.
            callbacks: Makes Keras' own, if there are any.
            augment: Operations in training.
            views: Operations in prediction, over eight views.
            **head: Arguments of the classification head.
        """
        self.plan, self.rate, self.callbacks = plan, rate, callbacks
        self.augment, self.views, self.head = augment, views, head

    def model(self, model: TransferModel) -> TransferModel:
        """The model with this recipe's head and augmentation."""
        return model.augment(*self.augment).head(tk.heads.classification(**self.head))

    def plan_for(self, model: TransferModel, data: Data) -> tk.Plan:
        """The plan, with the rate that was found."""
        if self.rate is None:
            return self.plan
        *before, last = self.plan
        return tk.Plan(
            (*before, replace(last, learning_rate=tk.schedules.constant(self.rate(model, data))))
        )


def tuned(**phase: Any) -> tk.Plan:
    """A solved head, then ten epochs of all layers."""
    options = {"freeze": tk.freeze.nothing(), "learning_rate": RATE, **phase}
    return tk.plans.linear_probe_then_fine_tune(EPOCHS, **options)


def _adapted(adapter: Any) -> tk.Plan:
    """In place of all layers; adapters want larger steps."""
    return tk.plans.linear_probe_then_fine_tune(EPOCHS, adapt=adapter, learning_rate=1e-3)


def _third_of_found(model: TransferModel, data: Data) -> float:
    """What the page on the range test calls the careful choice."""
    return model.find_learning_rate(data, tuned()).suggestion / 3


def _plateau() -> Any:
    return keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=2)


def _trained_head() -> tk.Plan:
    tuning = tk.plans.fine_tune(EPOCHS, freeze=tk.freeze.nothing(), learning_rate=RATE)
    return tk.plans.feature_extraction(EPOCHS).then(tuning)


RECIPES: Mapping[str, Recipe] = {
    "linear probe: the solved head alone": Recipe(tk.plans.linear_probe()),
    "trained head, then all layers": Recipe(_trained_head()),
    BASE: Recipe(tuned()),
    "LP-FT of the top two blocks": Recipe(tuned(freeze=None, unfreeze=tk.select.top_blocks(2))),
    "LP-FT at 1e-5": Recipe(tuned(learning_rate=1e-5)),
    "with augmentation (flips, turns, shifts)": Recipe(tuned(), augment=(tk.augment.tutorial(),)),
    "with gradual unfreezing": Recipe(tk.plans.gradual_unfreezing(3, epochs=4)),
    "with layer_decay(0.8)": Recipe(tuned(layer_rates=tk.schedules.layer_decay(0.8))),
    "with auto_rgn()": Recipe(tuned(layer_rates=tk.schedules.auto_rgn())),
    "with one_cycle": Recipe(tuned(learning_rate=tk.schedules.one_cycle(3 * RATE))),
    "with cosine, warmed up": Recipe(tuned(learning_rate=tk.schedules.cosine(RATE, warmup=0.1))),
    "with step, three rates": Recipe(
        tuned(learning_rate=tk.schedules.step(3 * RATE, every=1 / 3, factor=0.3))
    ),
    PLATEAU: Recipe(tuned(), callbacks=_plateau),
    "at a third of find_learning_rate()": Recipe(tuned(), rate=_third_of_found),
    "with l2_sp(10)": Recipe(tuned(objectives=tk.objectives.l2_sp(10.0))),
    "with l2_sp(100)": Recipe(tuned(objectives=tk.objectives.l2_sp(100.0))),
    "with bss()": Recipe(tuned(objectives=tk.objectives.bss())),
    "lora(4) at 1e-3": Recipe(_adapted(tk.adapt.lora(4))),
    "norm_only() at 1e-3": Recipe(_adapted(tk.adapt.norm_only())),
    "biases_only() at 1e-3": Recipe(_adapted(tk.adapt.biases_only())),
    "with label smoothing 0.1": Recipe(tuned(), label_smoothing=0.1),
    "with focal loss": Recipe(tuned(), focal=2.0),
    "with ema(0.9)": Recipe(tuned(averaging=tk.averaging.ema(0.9))),
    "with swa()": Recipe(tuned(averaging=tk.averaging.swa())),
    "with wise_ft(0.5)": Recipe(tuned(averaging=tk.averaging.wise_ft(0.5))),
    "with wise_ft(), alpha chosen": Recipe(tuned(averaging=tk.averaging.wise_ft())),
    "with soup()": Recipe(tuned(averaging=tk.averaging.soup())),
    "with views (flips, small turns)": Recipe(
        tuned(), views=(tk.augment.flip(), tk.augment.rotate(10))
    ),
}
"""Each row of the table of recipes."""

NEEDS_VALIDATION = ("with wise_ft(), alpha chosen", "with soup()", PLATEAU)
"""Rows that choose on validation pictures: not run where there are few."""


def co_tuned(head: Path) -> Mapping[str, Recipe]:
    """Co-Tuning, which needs a source head, and what it is compared with.

    Args:
        head: The file of a MobileNetV2 with its top.
    """
    objective = tk.objectives.co_tuning(head=head)
    return {
        PLAIN: Recipe(tuned()),
        "with co_tuning()": Recipe(tuned(objectives=objective)),
    }


IMBALANCED: Mapping[str, Recipe] = {
    PLAIN: Recipe(tuned()),
    'with class_weight="balanced"': Recipe(tuned(), class_weight="balanced"),
    "with balanced sampling": Recipe(tuned(sampling="balanced")),
    "with focal loss": Recipe(tuned(), focal=2.0),
    "with logit_adjustment=1": Recipe(tuned(), logit_adjustment=1.0),
}
"""What is done about classes that are rare."""


def tried(recipe: Recipe, drawn: Drawn, seed: int) -> Trial:
    """Train by a recipe, and measure."""
    model = recipe.model(drawn.source.model)
    how: dict[str, Any] = {"seed": seed, "callbacks": recipe.callbacks(), "verbose": 0}
    trained = model.fit(drawn.data, recipe.plan_for(model, drawn.data), **how)
    if recipe.views:
        trained = trained.with_views(*recipe.views, views=8)
    return Trial.of(right_of(trained, drawn.test))


def rare(data: Data, *, often: int, seldom: int, seed: int) -> Data:
    """So many pictures of the second class, and so few of the first."""
    rng = np.random.default_rng(seed)
    chosen = [
        rng.permutation(np.flatnonzero(data.train.labels == number))[:count]
        for number, count in ((0, seldom), (1, often))
    ]
    places = np.sort(np.concatenate(chosen))
    pixels = np.asarray(data.train.pixels())[places]
    names = [data.class_names[n] for n in data.train.labels[places]]
    return tk.data.from_arrays(pixels, names, val=0, class_names=data.class_names)
