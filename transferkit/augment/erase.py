"""Random erasing: a box of the picture is covered. Labels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import boxes
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, number, registry, span

__all__ = ["Erase", "erase"]


@registry.registering("erase")
@dataclass(frozen=True, repr=False)
class Erase(Operation):
    """See `erase`."""

    probability: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    value: float | Literal["noise"] = 127.5
    name: ClassVar[str] = "erase"

    def __post_init__(self) -> None:
        mend = "tk.augment.erase(0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value='noise')"
        checked: dict[str, object] = {
            "probability": number("erase", "probability", self.probability, 0, 1, mend=mend),
            "scale": span("erase", "scale", self.scale, 0, 1, mend=mend),
            "ratio": span("erase", "ratio", self.ratio, 0.01, 100, mend=mend),
        }
        if self.value != "noise":
            checked["value"] = number("erase", "value", self.value, 0, 255, mend=mend)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Cover a box of some pictures; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        shape = tf.shape(images)
        hit = draws.chance(keys, self.probability, 300)
        box, fits = boxes.drawn(keys, self.scale, self.ratio, shape[1], shape[2])
        covered = boxes.inside(box, shape[1], shape[2]) & (hit & fits)[:, None, None, None]
        # Keras' RandomErasing draws the sides apart from each other, so its scale is no share of
        # the area, and covers with clipped normal noise, half of which is black.
        return tf.where(covered, self._cover(images, keys), images), labels

    def _cover(self, images: Tensor, keys: Tensor) -> Tensor:
        tf = _keras.tf()
        if self.value != "noise":
            return tf.constant(self.value, tf.float32)
        shape = tf.shape(images)
        count = tf.reduce_prod(shape[1:])
        grey = tf.bitcast(draws.words(keys, (count + 3) // 4), tf.uint8)
        return tf.cast(tf.reshape(tf.reshape(grey, (shape[0], -1))[:, :count], shape), tf.float32)


def erase(
    probability: float = 0.5,
    *,
    scale: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    value: float | Literal["noise"] = 127.5,
) -> Erase:
    """Cover a box of the picture, with this probability: random erasing, also called cutout.

    The box is drawn up to ten times until it fits into the picture; if it never does, nothing is
    covered.

    Args:
        probability: How often, 0 to 1.
        scale: The smallest and largest share of the picture's area, evenly drawn.
        ratio: The smallest and largest width over height, evenly drawn on a logarithmic scale.
        value: What covers it: a grey level 0 to 255, or ``"noise"``, a level of its own for every
            pixel and channel.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Zhong et al., *Random Erasing Data Augmentation*, AAAI 2020. DeVries and Taylor, *Improved
        Regularization of Convolutional Neural Networks with Cutout*, 2017.
    """
    return Erase(probability, scale, ratio, value)
