"""A preset of KerasHub's as a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.backbones.from_keras import KerasNetwork
from transferkit.backbones.keras_hub.families import FAMILIES, Family
from transferkit.backbones.keras_hub.making import PRETRAINED, made
from transferkit.backbones.keras_hub.opening import opened
from transferkit.backbones.keras_hub.pixels import Pixels, read_pixels
from transferkit.backbones.keras_hub.places import Place
from transferkit.backbones.network import LoadedBackbone, check_shape
from transferkit.errors import BackboneError, TransferKitError, explain
from transferkit.spec import BackboneInfo

__all__ = ["KerasHubNetwork"]

Shape = tuple[int, int, int]


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
        own = made(self.place, "pictures", weights=False)
        return self._loaded(own, (*self._about(own).image_size, 3), weights=None).info

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
        own = made(self.place, "pictures", weights=weights == PRETRAINED)
        return self._loaded(own, input_shape, weights)

    def _loaded(self, own: Any, input_shape: Shape, weights: str | None) -> LoadedBackbone:
        about, family = self._about(own), FAMILIES[type(own).__name__]
        check_shape(about, input_shape, verb="load")
        bare, pyramid = self._opened(own, input_shape[:2], family)
        network = KerasNetwork(bare, self._pixels.rule, family.blocks, about, taps=pyramid)
        return network.load(input_shape=input_shape, weights=weights)

    @cached_property
    def _pixels(self) -> Pixels:
        return read_pixels(self.place)

    def _about(self, own: Any) -> BackboneInfo:
        sides = tuple(getattr(own, "image_shape", None) or ())[:2]
        size = sides if len(sides) == 2 and all(sides) else self._pixels.size
        return BackboneInfo(
            name=f"hub:{self.place.name}",
            image_size=(int(size[0]), int(size[1])),
            crop=self._pixels.crop,
            interpolation=self._pixels.interpolation,
            weights=(PRETRAINED,),
            origin="KerasHub",
            paper=FAMILIES[type(own).__name__].paper,
        )

    def _opened(
        self, own: Any, size: tuple[int, int], family: Family
    ) -> tuple[KerasModel, tuple[str, ...]]:
        """The network as one flat graph on preprocessed pixels, and what makes its pyramid."""
        try:
            with _keras.fresh_names():
                return _flat(own, size, family)
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


def _flat(own: Any, size: tuple[int, int], family: Family) -> tuple[KerasModel, tuple[str, ...]]:
    pyramid = {} if family.is_transformer else getattr(own, "pyramid_outputs", {})
    entry, (out, *maps) = opened(own, [own.output, *pyramid.values()], (*size, 3))
    out = _pooled(own, out) if family.is_transformer else out
    names = tuple(each._keras_history.operation.name for each in maps)
    return _keras.keras().Model(entry, out, name=type(own).__name__), names


def _pooled(own: Any, tokens: Tensor) -> Tensor:
    """The class token; where there is none, the average of all."""
    if getattr(own, "use_class_token", True):
        return tokens[:, 0]
    return _keras.keras().layers.GlobalAveragePooling1D(name="token_average")(tokens)
