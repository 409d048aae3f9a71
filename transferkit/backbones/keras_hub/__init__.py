"""``hub:``: presets of KerasHub, and folders of timm and Hugging Face that it reads, as backbones.

==================== ============================================================================
``families.py``      which networks, and what has to be known of each
``presets.py``       the names that KerasHub has, read without importing it
``places.py``        where a preset's files lie
``making.py``        KerasHub's own network, after a look at what its files name
``pixels.py``        its preprocessing, read from the file in which each format says it
``opening.py``       its composite layers opened: one flat graph of layers that Keras has
``embeddings.py``    a transformer's first layers, for any size of picture
``tokens.py``        a layer of our own
``network.py``       the backbone
``text.py``          networks of texts
==================== ============================================================================
"""

from __future__ import annotations

from transferkit.backbones.keras_hub.families import FAMILIES
from transferkit.backbones.keras_hub.making import check
from transferkit.backbones.keras_hub.network import KerasHubNetwork
from transferkit.backbones.keras_hub.places import place_at
from transferkit.backbones.keras_hub.presets import listed
from transferkit.backbones.keras_hub.text import TextBackbone, load_text
from transferkit.backbones.keras_hub.tokens import own_layers
from transferkit.spec import Backbone, BackboneInfo

__all__ = ["KerasHub", "TextBackbone", "load_text", "own_layers"]


class KerasHub:
    """The source behind ``hub:``; KerasHub is imported when a network is asked for."""

    def names(self) -> tuple[str, ...]:
        """The presets of pictures of the KerasHub that is installed; () where none is."""
        return tuple(name for name, preset in listed().items() if preset.kind in FAMILIES)

    def info(self, name: str) -> BackboneInfo:
        """What is known of one of them; see `KerasHubNetwork.info`."""
        return self.network(name, trust=False).info

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> Backbone:
        """Build one of them and fill it; see `KerasHubNetwork.load`."""
        return self.network(name, trust=False).load(input_shape=input_shape, weights=weights)

    def network(self, address: str, *, trust: bool) -> KerasHubNetwork:
        """The network at an address; nothing of it is a program that would be run.

        Args:
            address: As for `places.place_at`.
            trust: Not looked at.

        Raises:
            UnknownNameError: If nothing is there.
            MissingExtraError: If it takes KerasHub to know.
            WeightsNotFoundError: If it has no ``config.json``.
            BackboneError: If that is no network of pictures that is known here.
        """
        place = place_at(address)
        check(place, "pictures")
        return KerasHubNetwork(place)
