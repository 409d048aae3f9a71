"""Folders as timm publishes them: ``config.json`` beside ``model.safetensors``."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from transferkit._types import INTERPOLATIONS, Interpolation, real, whole
from transferkit.backbones.info import Preprocessing
from transferkit.backbones.torch_hub import state
from transferkit.backbones.torch_hub.families import NETWORKS, known
from transferkit.backbones.torch_hub.native import NativeNetwork
from transferkit.errors import WeightsError, WeightsNotFoundError, explain

__all__ = ["CONFIG", "cached", "network_in", "picture_crop", "picture_size", "pixel_rule"]

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def cached(name: str) -> Path:
    """Where Hugging Face's own programs have put a model; nothing is downloaded.

    Args:
        name: ``timm/resnet50.a1_in1k``.

    Raises:
        WeightsNotFoundError: If it is not there; says how it gets there.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = hub / f"models--{name.replace('/', '--')}" / "snapshots"
    found = sorted(file.parent for file in folder.glob(f"*/{CONFIG}"))
    if not found:
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"{name} is not on this machine",
                expected=f"its {CONFIG} and {WEIGHTS[0]} below {folder}",
                received={"name": f"torch:{name}"},
                mend=f"hf download {name}, or TransferModel('torch:FOLDER') with a folder that "
                "holds both.",
            )
        )
    return found[-1]


def network_in(folder: Path, *, name: str) -> NativeNetwork:
    """The network that a folder holds, with the preprocessing its own config names.

    Args:
        folder: Holds ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``.
        name: What it is called in reports and errors.

    Raises:
        UnknownNameError: If its architecture is none that can be built.
        WeightsError: If the config is none of timm's.
        WeightsNotFoundError: If it holds no weights, as they are asked for.
    """
    config = _config(folder / CONFIG)
    architecture = known(str(config.get("architecture")), of=name)
    told = config.get("pretrained_cfg", config)
    told = told if isinstance(told, dict) else {}
    named = NativeNetwork.named(architecture, NETWORKS[architecture])
    default = named.about.crop, named.about.interpolation
    crop, interpolation = picture_crop(told, default, folder)
    about = replace(
        named.about,
        name=f"torch:{name}",
        image_size=picture_size(told, named.about.image_size, folder),
        crop=crop,
        interpolation=interpolation,
        weights=("pretrained",),
        editions={},
        licence=str(told.get("license", "unknown")),
        origin="timm",
    )
    return replace(
        named,
        about=about,
        rule=pixel_rule(told, named.rule, folder),
        own=lambda: state.read(str(_weights(folder))),
    )


def _config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        _refuse(file.parent, f"its {CONFIG} is not JSON ({error})", None)
    if not isinstance(config, dict) or "architecture" not in config:
        _refuse(file.parent, f"its {CONFIG} names no architecture", config)
    return config


def picture_size(told: dict[str, Any], default: tuple[int, int], folder: Path) -> tuple[int, int]:
    """(height, width) from ``[channels, height, width]``.

    Args:
        told: The ``pretrained_cfg`` of a config.
        default: What it is where nothing is said.
        folder: Holds the config, for the error.

    Raises:
        WeightsError: If what is said is no size.
    """
    if "input_size" not in told:
        return default
    given = told["input_size"]
    sides = [whole(side) for side in given] if isinstance(given, list) else []
    if len(sides) != 3 or any(side is None or side < 1 for side in sides):
        _refuse(folder, "its input_size is no (channels, height, width)", given)
    return int(given[1]), int(given[2])


def picture_crop(
    told: dict[str, Any], default: tuple[float, Interpolation], folder: Path
) -> tuple[float, Interpolation]:
    """The share of a picture's shorter side that was tested on, and the filter it was resized by.

    Args:
        told: The ``pretrained_cfg`` of a config.
        default: What they are where nothing is said.
        folder: Holds the config, for the error.

    Raises:
        WeightsError: If what is said is no share in (0, 1], or no filter of Pillow's.
    """
    share, by = told.get("crop_pct", default[0]), told.get("interpolation", default[1])
    number = real(share)
    if number is None or not 0 < number <= 1:
        _refuse(folder, "its crop_pct is no share of a picture", share)
    if by not in INTERPOLATIONS:
        _refuse(folder, f"its interpolation is none of {', '.join(INTERPOLATIONS)}", by)
    return number, by


def pixel_rule(told: dict[str, Any], default: Preprocessing, folder: Path) -> Preprocessing:
    """``(pixels / 255 - mean) / std``.

    Args:
        told: The ``pretrained_cfg`` of a config.
        default: What it is where nothing is said.
        folder: Holds the config, for the error.

    Raises:
        WeightsError: If what is said is no mean and deviation of three channels.
    """
    if "mean" not in told and "std" not in told:
        return default
    mean, std = (_three(told.get(key), key, folder) for key in ("mean", "std"))
    if min(std) <= 0:
        _refuse(folder, "its std is not positive", std)
    scale = tuple(1 / 255 / each for each in std)
    return Preprocessing(scale, tuple(-m / s for m, s in zip(mean, std, strict=True)))


def _three(given: object, key: str, folder: Path) -> tuple[float, ...]:
    values = [real(value) for value in given] if isinstance(given, list | tuple) else []
    numbers = tuple(value for value in values if value is not None)
    if len(values) != 3 or len(numbers) != 3:
        _refuse(folder, f"its {key} is not three numbers", given)
    return numbers


def _weights(folder: Path) -> Path:
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"{folder} holds no weights",
                expected=" or ".join(WEIGHTS),
                received={"weights": "pretrained"},
            )
        )
    return found


def _refuse(folder: Path, happened: str, received: object) -> NoReturn:
    raise WeightsError(
        explain(
            "weights",
            f"{folder} is no folder of timm's: {happened}",
            expected="a config.json as timm writes it, with architecture and pretrained_cfg",
            received={"found": received},
        )
    )
