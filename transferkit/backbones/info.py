"""Preprocessing as data: what happens to raw pixels before a backbone's first layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Literal

import numpy as np

from transferkit._types import real
from transferkit.errors import SpecError, did_you_mean, explain

__all__ = ["MODES", "Preprocessing", "preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """``y[c] = x[order[c]] * scale[c] + offset[c]`` on pixels x in 0..255, RGB.

    Attributes:
        scale: One factor, or one for each channel.
        offset: One summand, or one for each channel.
        order: ``"rgb"`` as they come, or ``"bgr"``, which turns the first three channels round.

    Raises:
        SpecError: If an argument is none of these.
    """

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    order: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            given = getattr(self, name)
            values = [real(value) for value in given] if isinstance(given, tuple | list) else []
            if not values or not all(v is not None and np.isfinite(v) for v in values):
                raise SpecError(
                    explain(
                        "Preprocessing",
                        f"{name} is out of range",
                        expected="a tuple of finite numbers, one for all channels or one for each",
                        received={name: given},
                        mend="Preprocessing(scale=(1 / 255,), offset=(0.0,))",
                    )
                )
            object.__setattr__(self, name, tuple(values))
        if self.order not in ("rgb", "bgr"):
            raise SpecError(
                explain(
                    "Preprocessing",
                    "the order is unknown",
                    expected="'rgb' or 'bgr'",
                    received={"order": self.order},
                )
            )

    @property
    def is_identity(self) -> bool:
        """True if pixels pass as they are."""
        return self == Preprocessing()

    @property
    def is_uniform(self) -> bool:
        """True if every channel is treated alike."""
        return len(set(self.scale)) == len(set(self.offset)) == 1 and self.order == "rgb"

    def for_channels(self, channels: int) -> Preprocessing:
        """The same rule for another number of channels: the three are repeated in a circle."""
        if self.is_uniform:
            return Preprocessing(self.scale[:1], self.offset[:1])
        return Preprocessing(
            tuple(islice(cycle(self.scale), channels)),
            tuple(islice(cycle(self.offset), channels)),
            self.order if channels >= 3 else "rgb",
        )

    def __call__(self, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Apply the rule to an array ``(..., channels)``; what the network does, in NumPy."""
        ordered = pixels
        if self.order == "bgr":
            ordered = np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=-1)
        values = ordered * np.asarray(self.scale) + np.asarray(self.offset)
        return np.asarray(values, dtype=np.float32)

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"scale": list(self.scale), "offset": list(self.offset), "order": self.order}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_config`."""
        return cls(tuple(config["scale"]), tuple(config["offset"]), config["order"])

    def __str__(self) -> str:
        if self.is_identity:
            return "none"
        turned = "BGR, " if self.order == "bgr" else ""
        scale, offset = (
            ", ".join(f"{v:.6g}" for v in (values[:1] if len(set(values)) == 1 else values))
            for values in (self.scale, self.offset)
        )
        return f"{turned}x * [{scale}] + [{offset}]"


_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)

MODES: Mapping[str, Preprocessing] = {
    "none": Preprocessing(),
    "tf": Preprocessing((1 / 127.5,), (-1.0,)),
    "unit": Preprocessing((1 / 255.0,), (0.0,)),
    "caffe": Preprocessing((1.0,) * 3, (-103.939, -116.779, -123.68), "bgr"),
    "torch": Preprocessing(
        tuple(1 / 255.0 / s for s in _STD),
        tuple(-m / s for m, s in zip(_MEAN, _STD, strict=True)),
    ),
}
"""Keras' own modes by Keras' own names, and ``"unit"`` (0..1) and ``"none"``."""


def preprocessing(value: str | Preprocessing, *, verb: str) -> Preprocessing:
    """Normalise what a caller may pass.

    Raises:
        SpecError: If it is no mode and no `Preprocessing`.
    """
    if isinstance(value, Preprocessing):
        return value
    if isinstance(value, str) and value in MODES:
        return MODES[value]
    raise SpecError(
        explain(
            verb,
            "that is no preprocessing",
            expected=did_you_mean(str(value), MODES),
            received={"preprocessing": value},
            mend="preprocessing='tf' scales 0..255 to -1..1.",
        )
    )
