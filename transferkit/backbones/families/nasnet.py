"""NASNet: cells that were found by search. Each reads the two cells before it.

So two tensors lead from cell to cell, and no single one separates them: the network has two blocks,
its stem and all of its cells, and taps at the end of each.
"""

from __future__ import annotations

from transferkit.backbones.blocks import by_ends
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_NASNET = Family(
    rule=MODES["tf"],
    strides=(2, 32),
    licence="Apache-2.0",
    origin="Google; ported by Keras Applications",
    paper="Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, "
    "CVPR 2018",
)


def _nasnet(kind: str, size: int, params: int, embedding: int, cells: int) -> Network:
    """A network whose last normal cell has the number `cells`."""
    ends = {"stem": "stem_bn1", "cells": f"normal_concat_{cells}"}
    return Network(
        family=_NASNET,
        size=size,
        params=params,
        embedding=embedding,
        file=WeightFile(f"nasnet_{kind}", "_no_top"),
        blocks=tuple(ends),
        divide=by_ends(ends),
    )


NETWORKS = {
    "NASNetMobile": _nasnet("mobile", 224, 4_269_716, 1056, cells=12),
    "NASNetLarge": _nasnet("large", 331, 84_916_818, 4032, cells=18),
}
