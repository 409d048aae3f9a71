"""Where a preset lies: a folder, or the names by which Kaggle and Hugging Face keep one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit._optional import require
from transferkit.backbones.keras_hub.presets import is_installed, listed
from transferkit.errors import (
    UnknownNameError,
    WeightsError,
    WeightsNotFoundError,
    did_you_mean,
    explain,
)

__all__ = ["CONFIG", "Place", "place_at"]

CONFIG = "config.json"
_WEIGHTS = (
    "model.weights.h5",
    "model.weights.json",
    "model.safetensors",
    "model.safetensors.index.json",
)
_HUGGING_FACE, _KAGGLE = "hf://", "kaggle://"


@dataclass(frozen=True)
class Place:
    """A preset's files.

    Attributes:
        name: The address, as it was given.
        preset: What KerasHub calls it.
        find: The path of a file by its name, or None; downloads it where it has to.
    """

    name: str
    preset: str
    find: Callable[[str], Path | None]

    def read(self, file: str) -> dict[str, Any] | None:
        """What a JSON file of it says; None if it has no such file.

        Raises:
            WeightsError: If the file holds no JSON object.
        """
        path = self.find(file)
        if path is None:
            return None
        try:
            told = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise _no_object(path, str(error)) from error
        if not isinstance(told, dict):
            raise _no_object(path, "it is no JSON object")
        return told

    def config(self) -> dict[str, Any]:
        """What its ``config.json`` says.

        Raises:
            WeightsNotFoundError: If it is not there, and not to be had; says where it belongs.
        """
        told = self.read(CONFIG)
        if told is None:
            raise self.missing(CONFIG)
        return told

    def check_weights(self) -> None:
        """Refuse a preset without weights.

        Raises:
            WeightsNotFoundError: If it has none of the files that hold them.
        """
        if all(self.find(file) is None for file in _WEIGHTS):
            raise self.missing(f"{_WEIGHTS[0]} or {_WEIGHTS[2]}")

    def missing(self, what: str) -> WeightsNotFoundError:
        """The error for a file that is not there."""
        page = _page(self.preset)
        folder = "FOLDER" if page else self.preset
        happened = "is not on this machine and cannot be downloaded" if page else "is not there"
        return WeightsNotFoundError(
            explain(
                "weights",
                f"{what} of hub:{self.name} {happened}",
                expected=f"a folder with {CONFIG} and {_WEIGHTS[0]} or {_WEIGHTS[2]}",
                received={"name": f"hub:{self.name}"},
                mend=f"Put the files of {page} into a folder, and TransferModel('hub:{folder}')."
                if page
                else f"Put it into {folder}; weights=None needs no weights.",
            )
        )


def place_at(address: str) -> Place:
    """Where an address leads; nothing is read or downloaded.

    Args:
        address: A preset's name; ``hf://owner/name`` or
            ``kaggle://owner/model/keras/variation``; or a folder with a ``config.json``.

    Raises:
        MissingExtraError: If it is none of these, and no KerasHub is there to know its name.
        UnknownNameError: If it is none of these.
    """
    if (Path(address) / CONFIG).is_file():
        folder = Path(address).resolve()  # KerasHub takes a bare name for a preset's
        return Place(address, str(folder), lambda file: _in(folder, file))
    if address.startswith(_HUGGING_FACE):
        return Place(address, address, lambda file: _from_hugging_face(address, file))
    if not is_installed():
        require("keras_hub", extra="hub", needed_for=f"hub:{address}")
    if address.startswith(_KAGGLE):
        return _at_kaggle(address, address)
    if address not in listed():
        raise _unknown(address)
    return _at_kaggle(address, listed()[address].handle)


def _at_kaggle(address: str, handle: str) -> Place:
    return Place(address, handle, lambda file: _from_kaggle(handle, file))


def _in(folder: Path, file: str) -> Path | None:
    return folder / file if (folder / file).is_file() else None


def _from_hugging_face(address: str, file: str) -> Path | None:
    hub = require("huggingface_hub", extra="hub", needed_for=f"hub:{address}")
    return _had(lambda: hub.hf_hub_download(address.removeprefix(_HUGGING_FACE), file))


def _from_kaggle(handle: str, file: str) -> Path | None:
    hub = require("kagglehub", extra="hub", needed_for=f"hub:{handle}")
    return _had(lambda: hub.model_download(handle.removeprefix(_KAGGLE), path=file))


def _had(download: Callable[[], str]) -> Path | None:
    """What was downloaded, or lay in the cache; None if there is no such file or no network."""
    try:
        return Path(download())
    except Exception:  # each of these clients has errors of its own, and changes them
        return None


def _page(preset: str) -> str | None:
    """Where a person finds the files; None for a folder."""
    if preset.startswith(_KAGGLE):
        return f"https://www.kaggle.com/models/{preset.removeprefix(_KAGGLE)}"
    if preset.startswith(_HUGGING_FACE):
        return f"https://huggingface.co/{preset.removeprefix(_HUGGING_FACE)}"
    return None


def _no_object(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        explain(
            "weights",
            f"{path} cannot be read ({reason})",
            expected="a JSON object, as KerasHub, timm and Hugging Face write it",
            received={"file": str(path)},
        )
    )


def _unknown(address: str) -> UnknownNameError:
    folder = Path(address)
    looks = folder.is_absolute() or folder.exists()
    return UnknownNameError(
        explain(
            "backbones",
            f"{address!r} " + (f"holds no {CONFIG}" if looks else "is no preset of KerasHub's"),
            expected="a folder in the format of KerasHub, timm or Hugging Face"
            if looks
            else did_you_mean(address, listed()),
            received={"name": f"hub:{address}"},
            mend="tk.backbones.names('hub:*') lists the presets; 'hub:hf://owner/name' and "
            "'hub:FOLDER' work too.",
        )
    )
