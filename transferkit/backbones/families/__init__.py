"""What is known of the networks of Keras Applications: a file for each family, tables mostly.

Strides, blocks and counts stand here, so that they are known without building anything; a test
compares each with the network.
"""

from __future__ import annotations

from collections.abc import Mapping

from transferkit.backbones.families import (
    convnext,
    densenet,
    efficientnet,
    inception,
    mobilenet,
    nasnet,
    resnet,
    vgg,
)
from transferkit.backbones.families.base import Network

__all__ = ["NETWORKS", "Network"]

NETWORKS: Mapping[str, Network] = {
    **vgg.NETWORKS,
    **resnet.NETWORKS,
    **inception.NETWORKS,
    **mobilenet.NETWORKS,
    **densenet.NETWORKS,
    **nasnet.NETWORKS,
    **efficientnet.NETWORKS,
    **convnext.NETWORKS,
}
