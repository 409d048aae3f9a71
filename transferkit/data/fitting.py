"""How a picture is brought to size: what of it is kept, and by which filter it is resized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from PIL import Image, ImageOps

from transferkit._types import INTERPOLATIONS, Interpolation, real
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.spec import BackboneInfo

__all__ = [
    "FITS",
    "Crop",
    "Fit",
    "check_fit",
    "fit_from_config",
    "fit_of",
    "fit_to_config",
    "fitted",
    "size_before_crop",
]

Size = tuple[int, int]
NamedFit = Literal["crop", "stretch", "pad"]
FITS: tuple[NamedFit, ...] = get_args(NamedFit)

_LONGEST = 16
"""Of a picture that is so many times as long as wide the ends go first: 30,000 x 1 pixels would be
scaled to 7,680,000 x 256, to keep 224 of them."""


@dataclass(frozen=True)
class Crop:
    """The middle of a picture, as checkpoints are tested: scaled to somewhat more, then cut.

    The picture keeps its proportions. Its shorter side becomes ``size / share`` pixels, and `size`
    of them are kept in both directions; 0.875 is 256 and 224. Even a picture that has the size is
    scaled and cut, as torchvision and timm do; but an array that has it counts as one to which that
    was done, as ``photos.val.pixels()`` are.

    Args:
        share: Of the shorter side, in (0, 1]; 1 keeps all of it.
        interpolation: ``"nearest"``, ``"box"``, ``"bilinear"``, ``"hamming"``, ``"bicubic"`` or
            ``"lanczos"``: Pillow's filters, antialiased.

    Raises:
        SpecError: If `share` is out of its range, or there is no such filter.

    Example:
        >>> import numpy as np
        >>> import transferkit as tk
        >>> pixels = np.zeros((100, 100, 3), np.uint8)
        >>> pixels[10:90, 10:90] = 255
        >>> middle = tk.data.decode(pixels, image_size=40, fit=tk.data.Crop(0.8, "nearest"))
        >>> int(middle.min())
        255
    """

    share: float = 1.0
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        share = real(self.share)
        if share is None or not 0 < share <= 1:
            raise SpecError(
                explain(
                    "Crop",
                    "the share is none of a picture",
                    expected="0 < share <= 1",
                    received={"share": self.share},
                    mend="tk.data.Crop(0.875) scales to 256 pixels where 224 are kept.",
                )
            )
        if self.interpolation not in INTERPOLATIONS:
            raise SpecError(
                explain(
                    "Crop",
                    "the interpolation is unknown",
                    expected=did_you_mean(str(self.interpolation), INTERPOLATIONS),
                    received={"interpolation": self.interpolation},
                    mend="tk.data.Crop(0.875, interpolation='bicubic')",
                )
            )
        object.__setattr__(self, "share", share)


Fit: TypeAlias = NamedFit | Crop


def check_fit(verb: str, fit: Any) -> None:
    """Refuse a way of fitting that is none; None is one that a backbone decides.

    Raises:
        SpecError: Naming those there are.
    """
    if fit is not None and fit not in FITS and not isinstance(fit, Crop):
        raise SpecError(
            explain(
                verb,
                "the fit is unknown",
                expected=f"a tk.data.Crop, or {did_you_mean(str(fit), FITS)}",
                received={"fit": fit},
                mend=f"{verb}(..., fit='crop')",
            )
        )


def fitted(picture: Image.Image, size: Size | None, fit: Fit) -> Image.Image:
    """A picture at a size (height, width); None is its own."""
    if size is not None and isinstance(fit, Crop):
        return _scaled_and_cut(picture, size, fit)
    if size is None or picture.size == size[::-1]:
        return picture
    bilinear = Image.Resampling.BILINEAR
    if fit == "stretch":
        return picture.resize(size[::-1], bilinear)
    if fit == "crop":
        return ImageOps.fit(picture, size[::-1], bilinear)
    return ImageOps.pad(picture, size[::-1], bilinear)


def size_before_crop(size: Size, fit: Fit) -> Size:
    """The (height, width) that a picture is scaled to cover, before something is cut off."""
    if not isinstance(fit, Crop):
        return size
    # A quotient like 93 / (93 / 32) comes out as 31.999..., and is no pixel less.
    height, width = (int(side / fit.share + 1e-6) for side in size)
    return height, width


def fit_of(info: BackboneInfo) -> Fit:
    """How the pictures were prepared that a backbone was tested on.

    Raises:
        SpecError: If it says what cannot be.
    """
    crop = Crop(info.crop, info.interpolation)
    return "crop" if crop == Crop() else crop


def fit_to_config(fit: Fit) -> str | dict[str, Any]:
    """A JSON-ready form."""
    return asdict(fit) if isinstance(fit, Crop) else fit


def fit_from_config(config: str | Mapping[str, Any]) -> Fit:
    """The inverse of `fit_to_config`.

    Raises:
        SpecError: If it is no way of fitting.
        TypeError: If a mapping has other keys.
    """
    fit: Any = Crop(**config) if isinstance(config, Mapping) else str(config)
    check_fit("load", fit)
    made: Fit = fit
    return made


def _scaled_and_cut(picture: Image.Image, size: Size, crop: Crop) -> Image.Image:
    least = min(picture.size)
    whole = _middle(
        picture, (min(picture.height, _LONGEST * least), min(picture.width, _LONGEST * least))
    )
    height, width = size_before_crop(size, crop)
    # Sides are rounded down and margins to even numbers of pixels, as torchvision rounds them.
    if whole.width * height >= whole.height * width:
        width = int(height * whole.width / whole.height)
    else:
        height = int(width * whole.height / whole.width)
    scaled = whole.resize((width, height), Image.Resampling[crop.interpolation.upper()])
    return _middle(scaled, size)


def _middle(picture: Image.Image, size: Size) -> Image.Image:
    if picture.size == size[::-1]:
        return picture
    top, left = round((picture.height - size[0]) / 2), round((picture.width - size[1]) / 2)
    return picture.crop((left, top, left + size[1], top + size[0]))
