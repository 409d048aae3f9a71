"""Ready search spaces for `tk.tune`.

>>> import transferkit as tk
>>> space = tk.spaces.transfer("keras:MobileNetV2", "keras:EfficientNetB0", epochs=5)
>>> space.recipes
('linear probe', 'feature extraction', 'fine-tuning')

A space is a function of a trial; one of these can be called in a space of your own, and what it
gives be changed further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from transferkit import augment, heads, plans, select
from transferkit._types import real, whole
from transferkit.errors import SpecError, UnknownNameError, did_you_mean, explain
from transferkit.model import TransferModel
from transferkit.plan import Plan
from transferkit.tuning.trial import Trial

__all__ = ["Recipe", "TransferSpace", "transfer"]

Recipe = Literal["linear probe", "feature extraction", "fine-tuning"]
"""How a backbone is used."""

RECIPES: tuple[Recipe, ...] = get_args(Recipe)
RANGE = "two numbers above 0, the smaller one first"


@dataclass(frozen=True)
class TransferSpace:
    """What `transfer` gives; see there.

    Attributes:
        models: By the names of their backbones.
        recipes: How they are used.
        cuts: How many blocks fine-tuning thaws at the top.
        widths: Of the head's hidden layer; 0 for none.
        dropout: The largest in the head.
        rates: The learning rates of a head, from and to.
        fine_rates: Those of fine-tuning.
        augmentation: The largest strength.
        epochs: Of each phase that trains.
        patience: Epochs without a better ``val_loss`` after which a phase ends.

    Raises:
        SpecError: If there is no backbone, or a number is out of its range.
        UnknownNameError: If there is no such recipe.
    """

    models: tuple[tuple[str, TransferModel], ...]
    recipes: tuple[Recipe, ...]
    cuts: tuple[int, ...]
    widths: tuple[int, ...]
    dropout: float
    rates: tuple[float, float]
    fine_rates: tuple[float, float]
    augmentation: float
    epochs: int
    patience: int

    def __post_init__(self) -> None:
        _check("backbones", self.models, bool(self.models), "one or more")
        _check_recipes(self.recipes)
        _check("cuts", self.cuts, _whole_from(self.cuts, 1), "whole numbers of 1 or more")
        _check("widths", self.widths, _whole_from(self.widths, 0), "whole numbers of 0 or more")
        _check(
            "dropout", self.dropout, 0 <= _number(self.dropout) < 1, "a number from 0 to below 1"
        )
        strong = 0 <= _number(self.augmentation) <= 1
        _check("augmentation", self.augmentation, strong, "a number from 0 to 1")
        _check("rates", self.rates, _is_range(self.rates), RANGE)
        _check("fine_rates", self.fine_rates, _is_range(self.fine_rates), RANGE)
        _check("epochs", self.epochs, _whole_from([self.epochs], 1), "a whole number above 0")
        _check("patience", self.patience, _whole_from([self.patience], 1), "a whole number above 0")

    def __call__(self, t: Trial) -> tuple[TransferModel, Plan]:
        """The model and the plan of a trial."""
        names = [name for name, _ in self.models]
        model = dict(self.models)[_one(t, "backbone", names)]
        recipe = _one(t, "recipe", self.recipes)
        if recipe == "linear probe":
            return model, plans.linear_probe()
        return self._head(t, self._augmented(t, model)), self._plan(t, recipe)

    def _augmented(self, t: Trial, model: TransferModel) -> TransferModel:
        if not self.augmentation:
            return model
        strength = t.uniform("augmentation", 0.0, self.augmentation)
        return model.augment(
            augment.flip(),
            augment.rotate(30 * strength),
            augment.zoom(0.3 * strength),
            augment.brightness(0.3 * strength),
            augment.contrast(0.3 * strength),
        )

    def _head(self, t: Trial, model: TransferModel) -> TransferModel:
        width = _one(t, "width", self.widths)
        dropout = t.uniform("dropout", 0.0, self.dropout) if self.dropout else 0.0
        return model.head(heads.classification(dropout=dropout, hidden=(width,) if width else ()))

    def _plan(self, t: Trial, recipe: str) -> Plan:
        ending: dict[str, Any] = {"early_stopping": self.patience, "restore_best": True}
        rate = t.uniform("rate", *self.rates, log=True)
        plan = plans.feature_extraction(
            self.epochs, learning_rate=rate, views=VIEWS if self.augmentation else "fresh", **ending
        )
        if recipe == "feature extraction":
            return plan
        return plan.then(
            plans.fine_tune(
                self.epochs,
                unfreeze=select.top_blocks(_one(t, "cut", self.cuts)),
                learning_rate=t.uniform("fine rate", *self.fine_rates, log=True),
                **ending,
            )
        )


VIEWS = 4
"""Of each picture on a frozen backbone, whose features are cached: later epochs cost little."""


def transfer(
    *backbones: str | TransferModel,
    recipes: Sequence[Recipe] = RECIPES,
    cuts: Sequence[int] = (1, 2, 4),
    widths: Sequence[int] = (0, 128, 512),
    dropout: float = 0.5,
    rates: tuple[float, float] = (1e-4, 1e-2),
    fine_rates: tuple[float, float] = (1e-6, 1e-4),
    augmentation: float = 0.0,
    epochs: int = 10,
    patience: int = 3,
) -> TransferSpace:
    """The choices that transfer learning of classes has: which backbone, how deep, how fast.

    The fields are ``backbone``, ``recipe``, ``width``, ``dropout``, ``rate``, ``cut``,
    ``fine rate`` and ``augmentation``; what has one value is no field. A linear probe has no
    others, and ``cut`` and ``fine rate`` belong to fine-tuning. Augmentation is off unless asked
    for, since views that differ from trial to trial share no features.

    Args:
        *backbones: Names, or models: those may have weights, a policy or a trust of their own;
            their heads and augmentations are replaced.
        recipes: Some of ``"linear probe"``, ``"feature extraction"`` and ``"fine-tuning"``, which
            begins with feature extraction.
        cuts: How many blocks are thawed at the top.
        widths: Of the head's hidden layer; 0 for none.
        dropout: The largest, from 0 to below 1; 0 for none.
        rates: The learning rates of a head, from and to, both above 0.
        fine_rates: Those of fine-tuning.
        augmentation: The largest strength, 0 to 1: at 1 pictures are turned by up to 30 degrees and
            scaled, brightened and their contrast changed by up to 0.3.
        epochs: Of each phase that trains.
        patience: Epochs without a better ``val_loss`` after which a phase ends; the best weights
            are kept.

    Raises:
        SpecError: If there is no backbone, or a number is out of its range.
        UnknownNameError: If there is no such recipe or backbone.

    Example:
        >>> import transferkit as tk
        >>> space = tk.spaces.transfer("keras:MobileNetV2", recipes=["feature extraction"])
        >>> len(space.models)
        1
    """
    made = tuple(
        each if isinstance(each, TransferModel) else TransferModel(each) for each in backbones
    )
    return TransferSpace(
        models=tuple(zip(_names(made), made, strict=True)),
        recipes=tuple(recipes),
        cuts=tuple(cuts),
        widths=tuple(widths),
        dropout=dropout,
        rates=rates,
        fine_rates=fine_rates,
        augmentation=augmentation,
        epochs=epochs,
        patience=patience,
    )


def _names(models: Sequence[TransferModel]) -> list[str]:
    """The backbones' names; of equal ones the second has a number."""
    found: list[str] = []
    for model in models:
        backbone = model.spec.backbone
        name = backbone if isinstance(backbone, str) else backbone.info.name
        seen = sum(each == name or each.startswith(f"{name} #") for each in found)
        found.append(f"{name} #{seen + 1}" if seen else name)
    return found


def _one(t: Trial, name: str, values: Sequence[Any]) -> Any:
    """What is chosen, where there is a choice."""
    return values[0] if len(values) == 1 else t.choice(name, values)


def _check(name: str, value: Any, right: bool, expected: str) -> None:
    if not right:
        raise SpecError(
            explain(
                "transfer", f"{name} is out of range", expected=expected, received={name: value}
            )
        )


def _check_recipes(recipes: Sequence[str]) -> None:
    _check("recipes", recipes, bool(recipes), "one or more")
    for recipe in recipes:
        if recipe not in RECIPES:
            raise UnknownNameError(
                explain(
                    "transfer",
                    f"there is no recipe called {recipe!r}",
                    expected=did_you_mean(str(recipe), RECIPES),
                )
            )


def _is_range(value: Any) -> bool:
    ends = [_number(end) for end in value] if isinstance(value, tuple | list) else []
    return len(ends) == 2 and 0 < ends[0] < ends[1]


def _number(value: Any) -> float:
    found = real(value)
    return -1.0 if found is None else found


def _whole_from(values: Sequence[Any], least: int) -> bool:
    numbers = [whole(value) for value in values]
    return bool(numbers) and all(each is not None and each >= least for each in numbers)
