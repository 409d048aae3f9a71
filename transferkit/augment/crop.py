"""The random resized crop: part of a picture, at the size of the whole. Labels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import boxes
from transferkit.augment.geometry import Moving
from transferkit.augment.operation import registry, span

__all__ = ["Crop", "crop"]


@registry.registering("crop")
@dataclass(frozen=True, repr=False)
class Crop(Moving):
    """See `crop`."""

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    name: ClassVar[str] = "crop"

    def __post_init__(self) -> None:
        mend = "tk.augment.crop(scale=(0.08, 1.0), ratio=(3/4, 4/3))"
        scale = span("crop", "scale", self.scale, 0.0001, 1, mend=mend)
        ratio = span("crop", "ratio", self.ratio, 0.01, 100, mend=mend)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "ratio", ratio)

    @property
    def fill(self) -> None:
        """A crop never looks outside."""
        return

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        tf = _keras.tf()
        box, fits = boxes.drawn(keys, self.scale, self.ratio, height, width)
        middle = self._middle(height, width)
        pairs = zip(box, middle, strict=True)
        top, left, tall, wide = (
            tf.cast(tf.where(fits, mine, other), tf.float32) for mine, other in pairs
        )
        across, down = wide / tf.cast(width, tf.float32), tall / tf.cast(height, tf.float32)
        zero, one = tf.zeros_like(across), tf.ones_like(across)
        # Pixel corners, which lie half a pixel before the centres, are what is stretched.
        x = [across, zero, left + 0.5 * across - 0.5]
        y = [zero, down, top + 0.5 * down - 0.5]
        return tf.reshape(tf.stack([*x, *y, zero, zero, one], axis=-1), (-1, 3, 3))

    def _middle(self, height: Tensor, width: Tensor) -> boxes.Box:
        """The largest box about the centre whose ratio is allowed."""
        tf = _keras.tf()
        tall, wide = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        across = tf.minimum(width, tf.cast(tf.round(tall * self.ratio[1]), tf.int32))
        down = tf.minimum(height, tf.cast(tf.round(wide / self.ratio[0]), tf.int32))
        across, down = tf.maximum(across, 1), tf.maximum(down, 1)
        return boxes.Box((height - down) // 2, (width - across) // 2, down, across)


def crop(
    scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)
) -> Crop:
    """Cut a box out and stretch it to the picture's size: the random resized crop.

    The box is drawn up to ten times until it fits into the picture; if it never does, it is the
    largest box about the centre whose ratio is allowed. The picture is read bilinearly.

    Args:
        scale: The smallest and largest share of the picture's area, evenly drawn; above 0, to 1.
            The default is that of training from scratch; fine-tuning keeps more, as (0.5, 1.0).
        ratio: The smallest and largest width over height of the box, evenly drawn on a logarithmic
            scale.

    Raises:
        SpecError: If an argument is out of its range.

    References:
        Szegedy et al., *Going Deeper with Convolutions*, CVPR 2015; as in torchvision's
        RandomResizedCrop.
    """
    return Crop(scale, ratio)
