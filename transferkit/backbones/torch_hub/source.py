"""The source behind ``torch:``."""

from __future__ import annotations

from collections.abc import Sequence

from transferkit.backbones.network import LoadedBackbone
from transferkit.backbones.torch_hub.addresses import AtAddress, network_at
from transferkit.backbones.torch_hub.families import NETWORKS
from transferkit.backbones.torch_hub.native import NativeNetwork
from transferkit.spec import BackboneInfo

__all__ = ["TorchHub"]


class TorchHub:
    """Networks of torchvision and timm, built by Keras; PyTorch is not needed to train them."""

    def names(self) -> Sequence[str]:
        """The networks it has, by torchvision's names; by timm's where those differ."""
        return tuple(NETWORKS)

    def info(self, name: str) -> BackboneInfo:
        """What is known of one of them; nothing is loaded."""
        return NativeNetwork.named(name, NETWORKS[name]).info

    def network(self, address: str, *, trust: bool) -> AtAddress:
        """The network at an address; see `addresses.network_at`."""
        return network_at(address, trust=trust)

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> LoadedBackbone:
        """Build the network and fill it; see `NativeNetwork.load`."""
        named = NativeNetwork.named(name, NETWORKS[name])
        return named.load(input_shape=input_shape, weights=weights)
