"""The architectures that are built natively: a file for each family."""

from __future__ import annotations

from collections.abc import Mapping

from transferkit.backbones.torch_hub.families import (
    convnext,
    densenet,
    efficientnet,
    mobilenet_v2,
    mobilenet_v3,
    regnet,
    resnet,
    squeezenet,
    vgg,
    vit,
)
from transferkit.backbones.torch_hub.families.base import Network
from transferkit.errors import UnknownNameError, did_you_mean, explain

__all__ = ["NETWORKS", "Network", "known"]

NETWORKS: Mapping[str, Network] = {
    **resnet.NETWORKS,
    **vgg.NETWORKS,
    **densenet.NETWORKS,
    **squeezenet.NETWORKS,
    **regnet.NETWORKS,
    **mobilenet_v2.NETWORKS,
    **mobilenet_v3.NETWORKS,
    **convnext.NETWORKS,
    **efficientnet.NETWORKS,
    **vit.NETWORKS,
}

_TIMM = {**regnet.TIMM, **mobilenet_v2.TIMM, **vit.TIMM}


def known(name: str, *, of: str) -> str:
    """Our name for an architecture that torchvision or timm has under a name.

    Args:
        name: Its name there.
        of: Where it was found, for the error.

    Raises:
        UnknownNameError: If it is none that can be built.
    """
    ours = _TIMM.get(name, name)
    if ours not in NETWORKS:
        raise UnknownNameError(
            explain(
                "backbones",
                f"the architecture {name!r} is not supported: there is no native network of it",
                expected=did_you_mean(name, NETWORKS),
                received={"name": f"torch:{of}"},
                mend="tk.backbones.names('torch:*') lists all that there are.",
            )
        )
    return ours
