"""Operations on a picture's colours: saturation, hue, grayscale. Labels stay as they are.

They need to know which channel is which. Pictures of one channel have no colour and stay as they
are; of three or more, the first three are red, green and blue, and the others (alpha, infrared)
stay as they are; of two, nothing is known, and that is an error.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment import keys as draws
from transferkit.augment.operation import Operation, number, registry
from transferkit.errors import DataError, explain

__all__ = [
    "Grayscale",
    "Hue",
    "Saturation",
    "grayscale",
    "hue",
    "keras_layer",
    "luma",
    "on_colours",
    "saturation",
]


@registry.registering("saturation")
@dataclass(frozen=True, repr=False)
class Saturation(Operation):
    """See `saturation`."""

    amount: float
    name: ClassVar[str] = "saturation"

    def __post_init__(self) -> None:
        mend = "tk.augment.saturation(0.2)"
        amount = number("saturation", "amount", self.amount, 0, 1, mend=mend)
        object.__setattr__(self, "amount", amount)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Change the saturation of a batch; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        factor = draws.uniform(keys, 1.0 - self.amount, 1.0 + self.amount)[:, None, None, None]

        # Keras' RandomSaturation stretches S of HSV and clips it to the pixels' range instead of
        # 0..1, so that colours leave the gamut; it is three times as slow besides.
        def changed(colours: Tensor) -> Tensor:
            grey = luma(colours)
            return tf.clip_by_value(grey + (colours - grey) * factor, 0.0, 255.0)

        return on_colours("saturation", images, changed), labels


@registry.registering("hue")
@dataclass(frozen=True, repr=False)
class Hue(Operation):
    """See `hue`."""

    amount: float
    name: ClassVar[str] = "hue"

    def __post_init__(self) -> None:
        amount = number("hue", "amount", self.amount, 0, 0.5, mend="tk.augment.hue(0.1)")
        object.__setattr__(self, "amount", amount)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Turn the hues of a batch; see `transferkit.spec.Augmentation`."""
        turn = {"factor": draws.uniform(keys, -self.amount, self.amount)}
        layer = keras_layer("RandomHue", factor=0.5)
        return on_colours("hue", images, lambda x: layer.transform_images(x, turn)), labels


@registry.registering("grayscale")
@dataclass(frozen=True, repr=False)
class Grayscale(Operation):
    """See `grayscale`."""

    probability: float = 0.1
    name: ClassVar[str] = "grayscale"

    def __post_init__(self) -> None:
        mend = "tk.augment.grayscale(0.1)"
        probability = number("grayscale", "probability", self.probability, 0, 1, mend=mend)
        object.__setattr__(self, "probability", probability)

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Take the colours of some pictures away; see `transferkit.spec.Augmentation`."""
        tf = _keras.tf()
        hit = draws.chance(keys, self.probability)[:, None, None, None]
        # Keras' RandomGrayscale draws once for the whole batch and weighs the channels otherwise.
        return on_colours("grayscale", images, lambda x: tf.where(hit, luma(x), x)), labels


def saturation(amount: float) -> Saturation:
    """Pull colours towards grey or away from it: ``grey + (x - grey) * f``.

    Grey is the pixel's luma, 0.299 R + 0.587 G + 0.114 B, and ``f`` an even draw from
    [1 - amount, 1 + amount], as in Pillow's ImageEnhance.Color and torchvision. Values are clipped
    to 0..255. Of more than three channels the first three are meant; one channel stays as it is.

    Args:
        amount: 0 to 1; at 1 some pictures become grey and others twice as colourful.

    Raises:
        SpecError: If `amount` is out of its range.
    """
    return Saturation(amount)


def hue(amount: float) -> Hue:
    """Turn all hues of a picture by one even draw from [-amount, amount] of the colour circle.

    The hue is that of HSV; saturation and value stay as they are. Of more than three channels the
    first three are meant; one channel stays as it is.

    Args:
        amount: 0 to 0.5; a third of the circle takes red to green. Where colour tells the classes
            apart, as for flowers or birds, more than 0.05 can harm.

    Raises:
        SpecError: If `amount` is out of its range.
    """
    return Hue(amount)


def grayscale(probability: float = 0.1) -> Grayscale:
    """Take a picture's colours away, with this probability; it keeps its channels.

    Grey is 0.299 R + 0.587 G + 0.114 B, as in Pillow's ``convert("L")``. Of more than three
    channels the first three are meant; one channel stays as it is.

    Args:
        probability: 0 to 1.

    Raises:
        SpecError: If `probability` is out of its range.
    """
    return Grayscale(probability)


def luma(colours: Tensor) -> Tensor:
    """Each pixel's grey ``(batch, height, width, 1)``, by the weights of ITU-R BT.601."""
    red, green, blue = colours[..., 0:1], colours[..., 1:2], colours[..., 2:3]
    return red * 0.299 + green * 0.587 + blue * 0.114


def on_colours(verb: str, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change the first three channels, if there is colour; see the head of this module.

    Raises:
        DataError: If it cannot be told which channels are colours.
    """
    channels = images.shape[-1]
    if channels == 1:
        return images
    if channels is None or channels == 2:
        raise DataError(
            explain(
                verb,
                "it cannot be told which channels are red, green and blue",
                expected="pictures of 1 channel, or of 3 or more",
                received={"channels": channels},
            )
        )
    if channels == 3:
        return change(images)
    return _keras.tf().concat([change(images[..., :3]), images[..., 3:]], axis=-1)


@functools.cache
def keras_layer(name: str, **options: Any) -> Any:
    """One of Keras' layers, to use its `transform_images` with parameters of ours.

    There is one for all, made outside of any graph: it makes a variable for its own seed, which is
    never used here.
    """
    with _keras.tf().init_scope():
        kind = getattr(_keras.keras().layers, name)
        return kind(value_range=(0, 255), dtype="float32", data_format="channels_last", **options)
