"""`Inference`: how a trained network's outputs become predictions, as a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit._types import real, whole
from transferkit.augment import Pipeline
from transferkit.errors import SpecError, explain

__all__ = ["Inference"]

_NOTHING = Pipeline()


@dataclass(frozen=True)
class Inference:
    """How a trained network's outputs become predictions; the defaults leave them as they are.

    The probabilities of all views are averaged first, then brought to the temperature, and then
    compared with the thresholds.

    Attributes:
        temperature: What the logits are divided by.
        thresholds: From which probability on each label is given; () for the head's own.
        augmentation: What the views of a picture differ in.
        views: In how many views each picture is seen, the clean one included.

    Raises:
        SpecError: If one of them is out of its range, the augmentation mixes pictures, or there are
            views without an augmentation or the other way round.

    References:
        Rahaman, Thiery, Uncertainty Quantification and Deep Ensembles, NeurIPS 2021 (first the
        mean, then the temperature).
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    augmentation: Pipeline = _NOTHING
    views: int = 1

    def __post_init__(self) -> None:
        degrees, views = real(self.temperature), whole(self.views)
        limits = [real(each) for each in self.thresholds]
        fine = degrees is not None and 0 < degrees < math.inf
        _check("temperature", self.temperature, fine, "a finite number above 0")
        fine = all(each is not None and 0 <= each <= 1 for each in limits)
        _check("thresholds", self.thresholds, fine, "numbers from 0 to 1")
        fine = isinstance(self.augmentation, Pipeline)
        _check("augmentation", self.augmentation, fine, "a tk.augment.pipeline(...)")
        operations = self.augmentation.operations
        fine = views is not None and (views > 1 if operations else views == 1)
        expected = "2 or more with an augmentation, and 1 without"
        _check("views", self.views, fine, expected)
        if self.augmentation.mixes:
            raise changes_labels(self.augmentation.mixes[0])
        plain = {"temperature": degrees, "thresholds": tuple(limits), "views": views}
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether the outputs stay those of the network; thresholds change none."""
        return self.temperature == 1 and self.views == 1

    def told(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """What differs from the defaults, by name, in words; `names` are those of the labels."""
        pairs = zip(names, self.thresholds, strict=False)
        rows = [
            ("temperature", f"{self.temperature:.4g}", self.temperature != 1),
            ("thresholds", ", ".join(f"{n} {t:.3g}" for n, t in pairs), bool(self.thresholds)),
            ("views", f"{self.views}, by {self.augmentation!r}", self.views > 1),
        ]
        return [(name, value) for name, value, shown in rows if shown]

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form; `from_config` is the inverse.

        Raises:
            SpecError: If an operation from elsewhere has no `to_config`.
        """
        return {
            "temperature": self.temperature,
            "thresholds": list(self.thresholds),
            "augmentation": self.augmentation.to_config(),
            "views": self.views,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Inference:
        """The inverse of `to_config`; what is not in `config` has its default.

        Raises:
            SpecError: If it is out of its range.
            UnknownNameError: If nobody registered an operation.
        """
        given = dict(config)
        if "augmentation" in given:
            given["augmentation"] = Pipeline.from_config(given["augmentation"])
        return cls(**given)


def changes_labels(operation: Any) -> SpecError:
    """The error of an augmentation after which a picture is no longer what it was."""
    return SpecError(
        explain(
            "with_views",
            f"{operation!r} changes labels, and a picture that is predicted has none",
            expected="operations after which a picture is still what it was",
            received={"operation": operation},
            mend="trained.with_views(tk.augment.flip(), tk.augment.zoom(0.1), views=8)",
        )
    )


def _check(name: str, value: Any, fine: bool, expected: str) -> None:
    if not fine:
        raise SpecError(
            explain(
                "Inference",
                f"{name} is out of its range",
                expected=expected,
                received={name: value},
                mend="trained.calibrate(photos.val), trained.choose_thresholds(photos.val) and "
                "trained.with_views(tk.augment.flip(), views=8) make one.",
            )
        )
