"""KerasHub's own networks, made of presets after a look at what their files have Keras make.

Keras turns the names in a configuration into classes. A preset of KerasHub's is read only where
these are the classes of a network that is known here; those of timm and Hugging Face are read as
data, by KerasHub's converters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from transferkit import _keras
from transferkit._optional import require
from transferkit.backbones.keras_hub.families import FAMILIES, TEXTS
from transferkit.backbones.keras_hub.places import Place
from transferkit.backbones.keras_hub.presets import listed
from transferkit.errors import BackboneError, TransferKitError, WeightsError, explain

__all__ = ["PRETRAINED", "check", "foreign", "made"]

PRETRAINED = "pretrained"
_PREFIXES = ("keras_hub>", "keras_nlp>")

Subject: TypeAlias = Literal["pictures", "texts"]
_KNOWN: Mapping[Subject, Collection[str]] = {"pictures": FAMILIES.keys(), "texts": TEXTS.keys()}


def made(place: Place, of: Subject, *, weights: bool) -> Any:
    """KerasHub's own network.

    Args:
        place: The preset.
        of: What it has to be a network of.
        weights: Whether it is filled with the preset's, or drawn at random.

    Raises:
        MissingExtraError: If KerasHub is not installed.
        WeightsNotFoundError: If files are missing.
        WeightsError: If the weights do not fit.
        BackboneError: If it is no network of that which is known here.
    """
    hub = require("keras_hub", extra="hub", needed_for=f"hub:{place.name}")
    check(place, of)
    if weights:
        place.check_weights()
    try:
        with _keras.fresh_names():
            own = hub.models.Backbone.from_preset(place.preset, load_weights=weights)
    except Exception as error:  # whatever KerasHub and Keras say of files that do not fit
        raise _unmade(place, of, error, weights) from error
    kind = type(own).__name__
    if kind not in _KNOWN[of]:
        raise _other(place, of, kind)
    return own


def check(place: Place, of: Subject) -> None:
    """Refuse a preset that is another network by its name, or by its configuration.

    Args:
        place: The preset.
        of: What it has to be a network of.

    Raises:
        WeightsNotFoundError: If it has no ``config.json``.
        BackboneError: If it is another.
    """
    preset = listed().get(place.name)
    if preset is not None and preset.kind not in _KNOWN[of]:
        raise _other(place, of, preset.kind)
    config = place.config()
    if "registered_name" not in config:
        return
    stranger = foreign(config, _KNOWN[of])
    if stranger is not None:
        raise _other(place, of, stranger)


def foreign(told: Mapping[str, Any], known: Collection[str]) -> str | None:
    """The first class that a configuration of KerasHub's names and that is none of these.

    Args:
        told: The configuration.
        known: Names of classes of KerasHub's; the outermost has to be among them, and within it
            only Keras' ``DTypePolicy`` may stand.
    """
    named = _named(told)
    top = next(named, {})
    if top.get("registered_name") not in {f"{each}{name}" for each in _PREFIXES for name in known}:
        return str(top.get("class_name"))
    policy = ("keras", "DTypePolicy")
    others = (each for each in named if (each.get("module"), each.get("class_name")) != policy)
    return next((str(each.get("class_name")) for each in others), None)


def _named(value: Any) -> Iterator[Mapping[str, Any]]:
    """The entries that name a class, the outermost first."""
    if isinstance(value, dict):
        if "class_name" in value or "registered_name" in value:
            yield value
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)


def _unmade(place: Place, of: Subject, error: Exception, weights: bool) -> TransferKitError:
    if weights and not _fails_without_weights(place, of):
        kind: type[TransferKitError] = WeightsError
        happened, expected = "its weights cannot be read", "weights that fit its config.json"
    else:
        kind, happened = BackboneError, "KerasHub cannot build it"
        expected = "a config.json of a network that KerasHub has"
    return kind(
        explain(
            "load",
            f"hub:{place.name}: {happened} ({_keras.reason_of(error)})",
            expected=expected,
            received={"name": f"hub:{place.name}"},
        )
    )


def _fails_without_weights(place: Place, of: Subject) -> bool:
    try:
        made(place, of, weights=False)
    except TransferKitError:
        return True
    return False


def _other(place: Place, of: Subject, kind: str) -> BackboneError:
    names = ", ".join(name.removesuffix("Backbone") for name in sorted(_KNOWN[of]))
    return BackboneError(
        explain(
            "load",
            f"hub:{place.name} is a {kind}, which is no network of {of} that is known here",
            expected=f"a network of {names}",
            received={"name": f"hub:{place.name}"},
            mend=_door(place, kind),
        )
    )


def _door(place: Place, kind: str) -> str:
    """What takes a network of that class."""
    if kind in TEXTS:
        return f"tk.backbones.load_text('hub:{place.name}') loads networks of texts."
    if kind in FAMILIES:
        return f"TransferModel('hub:{place.name}') takes networks of pictures."
    return "tk.backbones.from_keras(model) takes any functional Keras model of pictures."
