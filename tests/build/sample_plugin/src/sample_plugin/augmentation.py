"""An augmentation that shows some pictures as their negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from transferkit.augment.keys import uniform
from transferkit.augment.operation import Operation

__all__ = ["Negative"]


@dataclass(frozen=True, repr=False)
class Negative(Operation):
    """Turns light into dark.

    Attributes:
        chance: The share of pictures that are turned, from 0 to 1.
    """

    chance: float = 0.5
    name: ClassVar[str] = "negative"

    def apply(self, images: Any, labels: Any, keys: Any) -> tuple[Any, Any]:
        """Augment a batch; see `transferkit.spec.Augmentation`."""
        import keras  # here, so that reading a saved plan costs no framework

        turned = uniform(keys, 0.0, 1.0)[:, None, None, None] < self.chance
        return keras.ops.where(turned, 255.0 - images, images), labels
