"""The architectures that are built natively: a file for each family."""

from __future__ import annotations

from collections.abc import Mapping

from transferkit.backbones.torch_hub.families import resnet
from transferkit.backbones.torch_hub.families.base import Network

__all__ = ["NETWORKS", "Network"]

NETWORKS: Mapping[str, Network] = {**resnet.NETWORKS}
