"""Operations that move pixels: flip, rotate, shear, shift, zoom. Labels stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import keys as draws
from transferkit.augment import warp
from transferkit.augment.operation import Operation, number, registry, span
from transferkit.augment.warp import Fill
from transferkit.errors import SpecError, explain

__all__ = [
    "Flip",
    "Moving",
    "Rotate",
    "Shear",
    "Shift",
    "Zoom",
    "flip",
    "rotate",
    "shear",
    "shift",
    "zoom",
]


class Moving(Operation):
    """What operations that only move pixels share; see `transferkit.augment.warp.Geometric`."""

    @property
    def fill(self) -> Fill | None:
        """What lies outside the picture; None for an operation that never looks there."""
        raise NotImplementedError

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        raise NotImplementedError

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Move the pixels of a batch; see `transferkit.spec.Augmentation`."""
        shape = _keras.tf().shape(images)
        matrices = self.matrix(keys, shape[1], shape[2])
        return warp.resample(images, matrices, self.fill), labels


@registry.registering("flip")
@dataclass(frozen=True, repr=False)
class Flip(Moving):
    """See `flip`."""

    horizontal: bool = True
    vertical: bool = False
    name: ClassVar[str] = "flip"

    def __post_init__(self) -> None:
        for name in ("horizontal", "vertical"):
            if not isinstance(getattr(self, name), bool):
                raise SpecError(
                    explain(
                        "flip",
                        f"{name} is neither yes nor no",
                        expected="True or False",
                        received={name: getattr(self, name)},
                        mend="tk.augment.flip(horizontal=True, vertical=False)",
                    )
                )

    @property
    def fill(self) -> None:
        """A mirror image never looks outside."""
        return

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        tf = _keras.tf()
        zero = tf.zeros_like(draws.uniform(keys, 0.0, 1.0))
        x = _sign(keys, 0) if self.horizontal else zero + 1.0
        y = _sign(keys, 1) if self.vertical else zero + 1.0
        return warp.about_centre((x, zero, zero, y), (zero, zero), height, width)


@registry.registering("rotate")
@dataclass(frozen=True, repr=False)
class Rotate(Moving):
    """See `rotate`."""

    degrees: float
    fill: Fill = "reflect"
    name: ClassVar[str] = "rotate"

    def __post_init__(self) -> None:
        degrees = number("rotate", "degrees", self.degrees, 0, 180, mend="tk.augment.rotate(20)")
        object.__setattr__(self, "degrees", degrees)
        warp.check_fill("rotate", self.fill)

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        tf = _keras.tf()
        angle = _radians(draws.uniform(keys, -self.degrees, self.degrees))
        sine, cosine = tf.cast(tf.sin(angle), tf.float32), tf.cast(tf.cos(angle), tf.float32)
        zero = tf.zeros_like(sine)
        return warp.about_centre((cosine, -sine, sine, cosine), (zero, zero), height, width)


@registry.registering("shear")
@dataclass(frozen=True, repr=False)
class Shear(Moving):
    """See `shear`."""

    degrees: float
    vertical: float = 0.0
    fill: Fill = "reflect"
    name: ClassVar[str] = "shear"

    def __post_init__(self) -> None:
        for name in ("degrees", "vertical"):
            mend = "tk.augment.shear(10)"
            value = number("shear", name, getattr(self, name), 0, 80, mend=mend)
            object.__setattr__(self, name, value)
        warp.check_fill("shear", self.fill)

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        across = _tangent(draws.uniform(keys, -self.degrees, self.degrees, 0))
        down = _tangent(draws.uniform(keys, -self.vertical, self.vertical, 1))
        tf = _keras.tf()
        zero, one = tf.zeros_like(across), tf.ones_like(across)
        return warp.about_centre((one, across, down, one), (zero, zero), height, width)


@registry.registering("shift")
@dataclass(frozen=True, repr=False)
class Shift(Moving):
    """See `shift`."""

    height: float
    width: float
    fill: Fill = "reflect"
    name: ClassVar[str] = "shift"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            mend = "tk.augment.shift(0.2), a fraction of the side"
            value = number("shift", name, getattr(self, name), 0, 1, mend=mend)
            object.__setattr__(self, name, value)
        warp.check_fill("shift", self.fill)

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        tf = _keras.tf()
        down = draws.uniform(keys, -self.height, self.height, 0) * tf.cast(height, tf.float32)
        right = draws.uniform(keys, -self.width, self.width, 1) * tf.cast(width, tf.float32)
        zero, one = tf.zeros_like(down), tf.ones_like(down)
        return warp.about_centre((one, zero, zero, one), (-right, -down), height, width)


@registry.registering("zoom")
@dataclass(frozen=True, repr=False)
class Zoom(Moving):
    """See `zoom`."""

    scale: tuple[float, float]
    fill: Fill = "reflect"
    name: ClassVar[str] = "zoom"

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _scale(self.scale))
        warp.check_fill("zoom", self.fill)

    def matrix(self, keys: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Output to input pixel coordinates; see `transferkit.augment.warp.Geometric`."""
        tf = _keras.tf()
        step = 1.0 / draws.uniform(keys, *self.scale)
        zero = tf.zeros_like(step)
        return warp.about_centre((step, zero, zero, step), (zero, zero), height, width)


def flip(horizontal: bool = True, vertical: bool = False) -> Flip:
    """Mirror left and right, and up and down, each with probability one half.

    A flip on its own moves whole pixels: it is exact.

    Args:
        horizontal: Whether left and right may change places.
        vertical: Whether up and down may.

    Raises:
        SpecError: If either is no truth value.
    """
    return Flip(horizontal, vertical)


def rotate(degrees: float, *, fill: Fill = "reflect") -> Rotate:
    """Turn about the centre by an even draw from [-degrees, degrees], counter-clockwise above 0.

    Args:
        degrees: 0 to 180; 0 turns nothing.
        fill: What lies outside the picture: ``"reflect"``, its mirror image (as in Keras' layers
            and fastai), ``"nearest"``, its border smeared out, or ``"constant"``, black.

    Raises:
        SpecError: If an argument is out of its range.
    """
    return Rotate(degrees, fill)


def shear(degrees: float, vertical: float = 0.0, *, fill: Fill = "reflect") -> Shear:
    """Slant sideways about the centre: upright lines lean by an even draw from [-degrees, degrees].

    Above 0 they lean to the right. The height stays as it is, as in torchvision's RandomAffine.

    Args:
        degrees: 0 to 80; 0 slants nothing.
        vertical: How far level lines lean, too: 0 to 80, by a draw of its own.
        fill: What lies outside the picture: ``"reflect"``, its mirror image (as in Keras' layers
            and fastai), ``"nearest"``, its border smeared out, or ``"constant"``, black.

    Raises:
        SpecError: If an argument is out of its range.
    """
    return Shear(degrees, vertical, fill)


def shift(height: float, width: float | None = None, *, fill: Fill = "reflect") -> Shift:
    """Move up or down and left or right by even draws, in fractions of the sides.

    Args:
        height: The farthest move up or down, 0 to 1 of the height.
        width: The farthest move left or right, 0 to 1 of the width; None is the same as `height`.
        fill: What lies outside the picture: ``"reflect"``, its mirror image (as in Keras' layers
            and fastai), ``"nearest"``, its border smeared out, or ``"constant"``, black.

    Raises:
        SpecError: If an argument is out of its range.
    """
    return Shift(height, height if width is None else width, fill)


def zoom(scale: float | tuple[float, float], *, fill: Fill = "reflect") -> Zoom:
    """Enlarge or shrink about the centre, both sides alike, by an even draw.

    Args:
        scale: ``z`` in [0, 1) for a draw from [1 - z, 1 + z], or (low, high) above 0. At 2 things
            are twice as large, at 0.5 half as large and `fill` is seen around them.
        fill: What lies outside the picture: ``"reflect"``, its mirror image (as in Keras' layers
            and fastai), ``"nearest"``, its border smeared out, or ``"constant"``, black.

    Raises:
        SpecError: If an argument is out of its range.
    """
    return Zoom(scale, fill)  # type: ignore[arg-type]  # normalised where configs are, too


def _sign(keys: Tensor, draw: int) -> Tensor:
    tf = _keras.tf()
    return tf.where(draws.uniform(keys, 0.0, 1.0, draw) < 0.5, -1.0, 1.0)


def _radians(degrees: Tensor) -> Tensor:
    # In single precision the sine of one number can differ in its last bit with its place in the
    # batch, as whole packets and the rest go through different code.
    tf = _keras.tf()
    return tf.cast(degrees, tf.float64) * (math.pi / 180.0)


def _tangent(degrees: Tensor) -> Tensor:
    tf = _keras.tf()
    return tf.cast(tf.tan(_radians(degrees)), tf.float32)


def _scale(scale: object) -> tuple[float, float]:
    mend = "tk.augment.zoom(0.2) or tk.augment.zoom((0.8, 1.2))"
    if not isinstance(scale, Sequence) or isinstance(scale, str):
        around = number("zoom", "scale", scale, 0, 0.999, mend=mend)
        return 1.0 - around, 1.0 + around
    expected = "one number, or (low, high)"
    return span("zoom", "scale", scale, 0.001, 1000, mend=mend, expected=expected)
