"""A preset of KerasHub's as a backbone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from transferkit import _keras
from transferkit._optional import require
from transferkit._types import KerasModel, Tensor
from transferkit.backbones.from_keras import KerasNetwork
from transferkit.backbones.keras_hub.families import FAMILIES, Family
from transferkit.backbones.keras_hub.opening import opened
from transferkit.backbones.keras_hub.pixels import Pixels, read_pixels
from transferkit.backbones.keras_hub.places import Place
from transferkit.backbones.network import LoadedBackbone, check_shape
from transferkit.errors import BackboneError, TransferKitError, WeightsError, explain
from transferkit.spec import BackboneInfo, Taps

__all__ = ["KerasHubNetwork"]

Shape = tuple[int, int, int]
_PRETRAINED = "pretrained"
_PREFIXES = ("keras_hub>", "keras_nlp>")


@dataclass(frozen=True, eq=False)
class KerasHubNetwork:
    """A preset that can be loaded often, each time with variables of its own.

    Attributes:
        place: Where its files lie.
    """

    place: Place

    @cached_property
    def info(self) -> BackboneInfo:
        """What is known of it: its configuration is read, and the network built, without weights.

        Raises:
            MissingExtraError: If KerasHub is not installed.
            WeightsNotFoundError: If it has no ``config.json``.
            WeightsError: If its files say what cannot be.
            BackboneError: If it is no network of pictures that is known here.
        """
        made = self._made(weights=False)
        return self._loaded(made, (*self._about(made).image_size, 3), weights=None).info

    def load(self, *, input_shape: Shape, weights: str | None) -> LoadedBackbone:
        """Build the network and fill it.

        Args:
            input_shape: (height, width, channels) of the pixels. The positions of a transformer
                are scaled to another size than its own.
            weights: ``"pretrained"`` for the preset's own, None for random ones, or a path to a
                file that was saved from this network.

        Raises:
            MissingExtraError: If KerasHub is not installed.
            WeightsNotFoundError: If files are missing; says which, and where they belong.
            WeightsError: If they do not fit.
            BackboneError: If it is no network of pictures that is known here, or cannot take that
                shape.
        """
        made = self._made(weights=weights == _PRETRAINED)
        return self._loaded(made, input_shape, weights)

    def _loaded(self, made: Any, input_shape: Shape, weights: str | None) -> LoadedBackbone:
        about, family = self._about(made), FAMILIES[type(made).__name__]
        check_shape(about, input_shape, verb="load")
        bare, pyramid = self._opened(made, input_shape[:2], family)
        network = KerasNetwork(bare, self._pixels.rule, family.blocks, about, taps=pyramid)
        loaded = network.load(input_shape=input_shape, weights=weights)
        return _without_taps(loaded) if family.is_transformer else loaded

    @cached_property
    def _pixels(self) -> Pixels:
        return read_pixels(self.place)

    def _about(self, made: Any) -> BackboneInfo:
        own = tuple(getattr(made, "image_shape", None) or ())[:2]
        size = own if len(own) == 2 and all(own) else self._pixels.size
        return BackboneInfo(
            name=f"hub:{self.place.name}",
            image_size=(int(size[0]), int(size[1])),
            weights=(_PRETRAINED,),
            origin="KerasHub",
            paper=FAMILIES[type(made).__name__].paper,
        )

    def _made(self, *, weights: bool) -> Any:
        """KerasHub's own network."""
        hub = require("keras_hub", extra="hub", needed_for=f"hub:{self.place.name}")
        _check_names(self.place)
        if weights:
            self.place.check_weights()
        try:
            with _keras.fresh_names():
                made = hub.models.Backbone.from_preset(self.place.preset, load_weights=weights)
        except Exception as error:  # whatever KerasHub and Keras say of files that do not fit
            raise self._unmade(error, weights) from error
        if type(made).__name__ not in FAMILIES:
            raise _no_pictures(self.place, type(made).__name__)
        return made

    def _unmade(self, error: Exception, weights: bool) -> TransferKitError:
        if weights and not self._fails_without_weights():
            kind: type[TransferKitError] = WeightsError
            happened, expected = "its weights cannot be read", "weights that fit its config.json"
        else:
            kind, happened = BackboneError, "KerasHub cannot build it"
            expected = "a config.json of a network that KerasHub has"
        return kind(
            explain(
                "load",
                f"hub:{self.place.name}: {happened} ({_keras.reason_of(error)})",
                expected=expected,
                received={"name": f"hub:{self.place.name}"},
            )
        )

    def _fails_without_weights(self) -> bool:
        try:
            self._made(weights=False)
        except TransferKitError:
            return True
        return False

    def _opened(
        self, made: Any, size: tuple[int, int], family: Family
    ) -> tuple[KerasModel, tuple[str, ...]]:
        """The network as one flat graph on preprocessed pixels, and what makes its pyramid."""
        keras = _keras.keras()
        try:
            with _keras.fresh_names():
                levels = () if family.is_transformer else getattr(made, "pyramid_outputs", {})
                ends = [made.output, *(made.pyramid_outputs[level] for level in levels)]
                entry, (out, *pyramid) = opened(made, ends, (*size, 3))
                out = _pooled(made, out) if family.is_transformer else out
                names = tuple(level._keras_history.operation.name for level in pyramid)
                return keras.Model(entry, out, name=type(made).__name__), names
        except TransferKitError:
            raise
        except Exception as error:  # whatever Keras and TensorFlow say of a size that cannot be
            raise BackboneError(
                explain(
                    "load",
                    f"hub:{self.place.name} cannot take pictures of {size[0]} x {size[1]} pixels "
                    f"({_keras.reason_of(error)})",
                    expected=f"pictures of about {self._pixels.size} pixels",
                    received={"image_size": size},
                )
            ) from error


def _pooled(made: Any, tokens: Tensor) -> Tensor:
    """The class token; where there is none, the average of all."""
    if getattr(made, "use_class_token", True):
        return tokens[:, 0]
    return _keras.keras().layers.GlobalAveragePooling1D(name="token_average")(tokens)


def _without_taps(loaded: LoadedBackbone) -> LoadedBackbone:
    """A transformer has none: no map of patches leads to the class token alone."""
    features = loaded.taps.features
    return replace(loaded, taps=Taps({}, features), info=replace(loaded.info, strides=()))


def _check_names(place: Place) -> None:
    """Refuse a configuration that has Keras make anything but a network that is known here.

    Keras turns the names in it into classes; those of timm and Hugging Face are read as data.
    """
    config = place.config()
    if "registered_name" not in config:
        return
    known = {f"{prefix}{name}" for prefix in _PREFIXES for name in FAMILIES}
    top, *inner = _named(config)
    if top.get("registered_name") not in known:
        raise _no_pictures(place, str(top.get("class_name")))
    for each in inner:
        if (each.get("module"), each.get("class_name")) != ("keras", "DTypePolicy"):
            raise _no_pictures(place, str(each.get("class_name")))


def _named(value: Any) -> Iterator[dict[str, Any]]:
    """The entries that name a class, the outermost first."""
    if isinstance(value, dict):
        if "class_name" in value or "registered_name" in value:
            yield value
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)


def _no_pictures(place: Place, kind: str) -> BackboneError:
    listed = ", ".join(name.removesuffix("Backbone") for name in sorted(FAMILIES))
    return BackboneError(
        explain(
            "load",
            f"hub:{place.name} is a {kind}, which is no network of pictures that is known here",
            expected=f"a network of {listed}",
            received={"name": f"hub:{place.name}"},
            mend="tk.backbones.from_keras(model) takes any functional Keras model of pictures.",
        )
    )
