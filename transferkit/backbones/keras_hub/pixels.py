"""What happens to pixels before the first layer, read from the file in which each format says it.

============= ============================= ==================================
format        file                          what it says
============= ============================= ==================================
KerasHub      ``image_converter.json``      ``x * scale + offset``
timm          ``config.json``               ``(x / 255 - mean) / std``
Hugging Face  ``preprocessor_config.json``  ``(x * rescale_factor - mean) / std``
============= ============================= ==================================

They are read as data. KerasHub reads the last one for no ViT, DeiT or DINO.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit._types import Interpolation, real, whole
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.keras_hub.places import CONFIG, Place
from transferkit.backbones.torch_hub.timm_folder import picture_crop, picture_size, pixel_rule
from transferkit.errors import WeightsError, explain

__all__ = ["Pixels", "read_pixels"]

Told = Mapping[str, Any]
_CONVERTER, _PROCESSOR = "image_converter.json", "preprocessor_config.json"
_UNKNOWN_SIZE = (224, 224)
_FILTERS: tuple[Interpolation, ...] = (
    "nearest",
    "lanczos",
    "bilinear",
    "bicubic",
    "box",
    "hamming",
)
"""By the numbers that Pillow, and so Hugging Face, has for them."""


@dataclass(frozen=True)
class Pixels:
    """What a preset says of pictures.

    Attributes:
        rule: What happens to pixels 0..255.
        size: (height, width); 224 where nothing is said.
        crop: The share of a picture's shorter side that was tested on; all where nothing is said.
        interpolation: The filter that it was resized by.
    """

    rule: Preprocessing
    size: tuple[int, int] = _UNKNOWN_SIZE
    crop: float = 1.0
    interpolation: Interpolation = "bilinear"


def read_pixels(place: Place) -> Pixels:
    """Read what a preset says of pictures.

    Args:
        place: The preset.

    Raises:
        WeightsError: If it says nothing, or what cannot be.
        WeightsNotFoundError: If it has no ``config.json``.
    """
    config = place.config()
    if "registered_name" in config:
        return _of_keras_hub(place)
    if "model_type" in config:
        return _of_hugging_face(place)
    told = config.get("pretrained_cfg", config)
    if not isinstance(told, dict) or not {"mean", "std"} <= told.keys():
        raise _silent(place, CONFIG)
    folder = Path(place.name)
    rule = pixel_rule(told, Preprocessing(), folder)
    size = picture_size(told, _UNKNOWN_SIZE, folder)
    return Pixels(rule, size, *picture_crop(told, (1.0, "bilinear"), folder))


def _of_keras_hub(place: Place) -> Pixels:
    told = (place.read(_CONVERTER) or {}).get("config")
    if not isinstance(told, dict):
        raise _silent(place, _CONVERTER)
    size = told.get("image_size") or [told.get("height"), told.get("width")]
    if {"mean", "variance"} <= told.keys():  # as presets were written before KerasHub 0.18
        variance = _numbers(told["variance"], 1.0, place)
        deviation = tuple(math.sqrt(max(each, 0.0)) for each in variance)
        factor = _numbers(told.get("scale"), 1.0, place)
        mean = _numbers(told["mean"], 0.0, place)
        return Pixels(_standardised(factor, mean, deviation, place), _size(size))
    scale, offset = (_numbers(told.get(k), d, place) for k, d in (("scale", 1.0), ("offset", 0.0)))
    return Pixels(Preprocessing(scale, offset), _size(size))


def _of_hugging_face(place: Place) -> Pixels:
    told = place.read(_PROCESSOR)
    if told is None:
        raise _silent(place, _PROCESSOR)
    factor: tuple[float, ...] = (1.0,)
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    if told.get("do_rescale", True):
        factor = _numbers(told.get("rescale_factor"), 1 / 255, place)
    if told.get("do_normalize", True):
        mean = _numbers(told.get("image_mean"), 0.0, place)
        deviation = _numbers(told.get("image_std"), 1.0, place)
    rule = _standardised(factor, mean, deviation, place)
    scaled = _size(told.get("size"))
    cut = _size(told.get("crop_size") or told.get("size")) if told.get("do_center_crop") else scaled
    # A crop that is larger than what it is cut from adds black there; nothing is added here.
    return Pixels(rule, cut, min(1.0, min(cut) / min(scaled)), _filter(told.get("resample"), place))


def _filter(given: object, place: Place) -> Interpolation:
    if given is None:
        return "bilinear"
    number = whole(given)
    if number is None or not 0 <= number < len(_FILTERS):
        expected = ", ".join(f"{n} ({name})" for n, name in enumerate(_FILTERS))
        raise _wrong(place, "an unknown resample", given, expected)
    return _FILTERS[number]


def _standardised(
    factor: tuple[float, ...], mean: tuple[float, ...], deviation: tuple[float, ...], place: Place
) -> Preprocessing:
    """``(x * factor - mean) / deviation``, each one number or one for each channel."""
    if min(deviation) <= 0:
        raise _wrong(place, "a deviation that is not positive", deviation)
    count = max(map(len, (factor, mean, deviation)))
    factor, mean, deviation = (
        values * (count // len(values)) for values in (factor, mean, deviation)
    )
    return Preprocessing(
        tuple(f / d for f, d in zip(factor, deviation, strict=True)),
        tuple(-m / d for m, d in zip(mean, deviation, strict=True)),
    )


def _numbers(given: object, default: float, place: Place) -> tuple[float, ...]:
    """One number, or three, as a tuple."""
    if given is None:
        return (default,)
    values = [real(each) for each in (given if isinstance(given, list) else [given])]
    numbers = tuple(value for value in values if value is not None)
    if len(values) not in (1, 3) or len(numbers) != len(values):
        raise _wrong(place, "what is not one number or three", given)
    return numbers


def _size(given: object) -> tuple[int, int]:
    """(height, width) of a side, a pair, or what Hugging Face writes for either."""
    if isinstance(given, dict):
        given = given.get("shortest_edge") or [given.get("height"), given.get("width")]
    sides = [whole(each) for each in given] if isinstance(given, list) else [whole(given)] * 2
    height, width = sides if len(sides) == 2 else (None, None)
    return (height, width) if height and width else _UNKNOWN_SIZE


def _silent(place: Place, file: str) -> WeightsError:
    return WeightsError(
        explain(
            "weights",
            f"hub:{place.name} does not say what happens to pixels before the first layer",
            expected=f"a {file} that says it",
            received={"name": f"hub:{place.name}"},
            mend="keras_hub.layers.ImageConverter(scale=1 / 255).save_to_preset(FOLDER) writes one "
            "in KerasHub's format.",
        )
    )


def _wrong(
    place: Place,
    what: str,
    given: object,
    expected: str = "numbers, one for all channels or one for each of three",
) -> WeightsError:
    return WeightsError(
        explain(
            "weights",
            f"the preprocessing of hub:{place.name} holds {what}",
            expected=expected,
            received={"found": given},
        )
    )
