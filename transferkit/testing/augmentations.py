"""The contract of augmentations: what holds for every one, whoever wrote it.

    >>> import transferkit as tk
    >>> from transferkit.testing import check_augmentation
    >>> check_augmentation(tk.augment.rotate(20))

It says nothing: every rule holds. The rules are in the order of `AUGMENTATIONS.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferkit import _keras, augment
from transferkit.augment.keys import fold, image_keys
from transferkit.augment.pipeline import Pipeline
from transferkit.errors import SpecError, TransferKitError, explain
from transferkit.spec import Augmentation, Mix
from transferkit.testing.contract import Breach, Contract
from transferkit.testing.values import frozen_breach, json_breach, refuse_class

__all__ = ["AUGMENTATIONS", "AugmentationTrial", "check_augmentation"]

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Any]

COUNT = 8
LEVEL = 1e-3
"""How far, in grey levels, a graph may be from an eager call, and a value from the range."""
_KEYED = "Draw every number with transferkit.augment.keys.uniform(keys, low, high)."
_ALONE = "Let no picture's numbers depend on another's, and add up whole numbers instead of floats."


class Noise:
    """The pictures and labels that every trial is held on."""

    @cached_property
    def images(self) -> Array:
        """Eight pictures of noise, no square; two of them touch both ends of the range."""
        return pictures()

    @cached_property
    def rows(self) -> Array:
        """Labels of the pictures, one-hot."""
        return np.eye(COUNT, dtype=np.float32)


@dataclass(frozen=True)
class AugmentationTrial(Noise):
    """What the rules of an augmentation look at.

    Attributes:
        operation: The augmentation.
    """

    operation: Augmentation

    @cached_property
    def together(self) -> Pair:
        """All pictures and their rows, augmented in one batch."""
        return self.applied(range(COUNT))

    def applied(self, places: Sequence[int]) -> Pair:
        """The pictures at these places, and their rows, augmented in one batch."""
        chosen = list(places)
        return self.applied_to(self.images[chosen], self.rows[chosen], chosen)

    def applied_to(self, images: Array, labels: Any, places: Sequence[int]) -> Pair:
        """Any pictures and labels, with the keys of these places."""
        made = self.operation.apply(_keras.tf().constant(images), labels, keys(places))
        return np.asarray(made[0]), made[1]


def pictures() -> Array:
    """Eight pictures of noise, no square; two of them touch both ends of the range."""
    drawn = np.random.default_rng(0).uniform(0, 255, (COUNT, 12, 16, 3))
    drawn[0], drawn[1] = np.where(drawn[0] < 128, 0, 255), np.where(drawn[1] < 200, 0, 255)
    return drawn.astype(np.float32)


def keys(places: Any) -> Any:
    """The keys of pictures at these places of a data set."""
    return image_keys(7, 0, np.asarray(places, np.int64))


AUGMENTATIONS: Contract[AugmentationTrial] = Contract("check_augmentation")
"""Its `rules` are looked at in this order."""


def check_augmentation(operation: Augmentation) -> None:
    """Look whether an augmentation keeps the rules that the rest of the library relies on.

    Args:
        operation: The operation or pipeline, with arguments that change pictures.

    Raises:
        ContractError: Naming the first rule that is broken, what was seen, and how to mend it.
        SpecError: If it is a class or a function, or a mix, which `check_mix` looks at.
    """
    refuse_class("check_augmentation", operation)
    if isinstance(operation, Mix):
        raise SpecError(
            explain(
                "check_augmentation",
                f"{type(operation).__name__} is a mix, which joins pictures with others",
                expected="an operation with apply(images, labels, keys)",
                received={"operation": operation},
                mend=f"check_mix({operation!r})",
            )
        )
    AUGMENTATIONS.check(AugmentationTrial(operation), called=type(operation).__name__)


@AUGMENTATIONS.rule("is-a-frozen-value", "an operation is a frozen dataclass with a hash")
def _is_a_frozen_value(trial: AugmentationTrial) -> Breach | None:
    return frozen_breach(trial.operation)


@AUGMENTATIONS.rule("gives-a-pair", "apply(images, labels, keys) gives the pair (images, labels)")
def _gives_a_pair(trial: AugmentationTrial) -> Breach | None:
    operation: Any = trial.operation
    if not hasattr(operation, "apply"):
        return Breach("it has no method apply", "def apply(self, images, labels, keys): ...")
    given = operation.apply(_keras.tf().constant(trial.images), trial.rows, keys(range(COUNT)))
    if isinstance(given, tuple) and len(given) == 2:
        return None
    return Breach(f"it gives a {type(given).__name__}", "return images, labels")


@AUGMENTATIONS.rule(
    "keeps-shape-and-type",
    "pictures keep their shape and stay float32; other channels than three may be refused",
)
def _keeps_shape_and_type(trial: AugmentationTrial) -> Breach | None:
    for images, made in _of_each_colour(trial):
        if made.shape != images.shape:
            what = f"pictures of {images.shape} become {made.shape}"
            return Breach(what, "Bring them to the shape they had.")
        if made.dtype != np.float32:
            return Breach(f"they become {made.dtype}", "tf.cast(images, tf.float32)")
    return None


def _of_each_colour(trial: AugmentationTrial) -> Iterator[Pair]:
    """Pictures of three, one and four channels, before and after; without those it refuses."""
    for channels in (3, 1, 4):
        images = trial.images[..., [0, 1, 2, 0][:channels]]
        try:
            yield images, trial.applied_to(images, None, range(COUNT))[0]
        except TransferKitError:
            if channels == 3:
                raise


@AUGMENTATIONS.rule("keeps-the-range", "pixels stay finite numbers from 0 to 255")
def _keeps_the_range(trial: AugmentationTrial) -> Breach | None:
    for _, made in _of_each_colour(trial):
        if not np.isfinite(made).all():
            return Breach("some are not finite", "Look for a division by zero.")
        low, high = float(made.min()), float(made.max())
        if low < -LEVEL or high > 255 + LEVEL:
            mend = "tf.clip_by_value(images, 0.0, 255.0)"
            return Breach(f"they go from {low:g} to {high:g}", mend)
    return None


@AUGMENTATIONS.rule(
    "is-a-function-of-its-key", "the same picture with the same key gives the same, bit for bit"
)
def _is_a_function_of_its_key(trial: AugmentationTrial) -> Breach | None:
    images, labels = trial.applied(range(COUNT))
    if not np.array_equal(images, trial.together[0]):
        return Breach("a second call gives other pixels", _KEYED)
    if not np.array_equal(labels, trial.together[1]):
        return Breach("a second call gives other labels", _KEYED)
    return None


@AUGMENTATIONS.rule(
    "does-not-know-its-batch",
    "alone, in another order and in another batch a picture becomes the same, bit for bit",
)
def _does_not_know_its_batch(trial: AugmentationTrial) -> Breach | None:
    batches = {"alone": (6,), "in another order": (5, 0, 7, 2, 2), "backwards": (7, 4, 3, 1, 0)}
    for where, places in batches.items():
        images, labels = trial.applied(places)
        if not np.array_equal(images, trial.together[0][list(places)]):
            return Breach(f"{where} the pixels differ", _ALONE)
        if not np.array_equal(labels, np.asarray(trial.together[1])[list(places)]):
            return Breach(f"{where} the labels differ", _ALONE)
    return None


@AUGMENTATIONS.rule(
    "keeps-the-form-of-labels",
    "labels of every form keep shape and type, stay unchanged where they lie, and None stays None",
)
def _keeps_the_form_of_labels(trial: AugmentationTrial) -> Breach | None:
    given = trial.applied_to(trial.images, None, range(COUNT))[1]
    if given is not None:
        return Breach(f"None becomes {type(given).__name__}", "Hand labels on where they are None.")
    rows = trial.rows.copy()
    for labels in (np.arange(COUNT), np.linspace(0, 1, COUNT, dtype=np.float32), rows):
        before = labels.copy()
        made = np.asarray(trial.applied_to(trial.images, labels, range(COUNT))[1])
        if made.shape != before.shape or made.dtype != before.dtype:
            was, now = (f"{each.dtype} {each.shape}" for each in (before, made))
            return Breach(f"labels of {was} become {now}", "return images, labels")
        if not np.array_equal(labels, before):
            return Breach("the labels that were handed in have changed", "Work on a copy.")
    return None


@AUGMENTATIONS.rule(
    "graphs-agree", "inside a tf.data pipeline, in batches of any size, pixels and labels are equal"
)
def _graphs_agree(trial: AugmentationTrial) -> Breach | None:
    tf = _keras.tf()
    made = tf.data.Dataset.from_tensor_slices((trial.images, trial.rows, np.arange(COUNT)))
    made = made.batch(3).map(
        lambda images, rows, places: trial.operation.apply(images, rows, image_keys(7, 0, places))
    )
    batches = list(made.as_numpy_iterator())
    images, labels = (np.concatenate([batch[i] for batch in batches]) for i in range(2))
    expected = trial.together[0]
    if images.shape != expected.shape or not np.allclose(images, expected, rtol=0, atol=LEVEL):
        return Breach("the pixels differ from those of an eager call", "Use TensorFlow's own ops.")
    if not np.array_equal(labels, trial.together[1]):
        return Breach("the labels differ from those of an eager call", "Use TensorFlow's own ops.")
    return None


@AUGMENTATIONS.rule(
    "is-the-same-in-a-pipeline", "a pipeline of it alone does what its own apply does"
)
def _is_the_same_in_a_pipeline(trial: AugmentationTrial) -> Breach | None:
    if isinstance(trial.operation, Pipeline):  # its operations would only change their numbers
        return None
    images, made = _keras.tf().constant(trial.images), keys(range(COUNT))
    alone = trial.operation.apply(images, trial.rows, fold(made, 0))
    within = augment.pipeline(trial.operation).apply(images, trial.rows, made)
    for what, own, given in zip(("pixels", "labels"), alone, within, strict=True):
        if not np.array_equal(own, given):
            mend = "Leave apply to the matrix, or have no attributes `matrix` and `fill`."
            return Breach(f"there the {what} differ", mend)
    return None


@AUGMENTATIONS.rule(
    "survives-its-config", "an operation is registered, and JSON of its config gives it again"
)
def _survives_its_config(trial: AugmentationTrial) -> Breach | None:
    return json_breach(trial.operation)
