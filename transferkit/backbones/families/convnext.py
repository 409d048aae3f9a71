"""ConvNeXt: residual units of wide depthwise convolutions; a downsampling between the stages."""

from __future__ import annotations

from transferkit.backbones.blocks import by_ends
from transferkit.backbones.families.base import Family, Network, WeightFile
from transferkit.backbones.info import MODES

__all__ = ["NETWORKS"]

_CONVNEXT = Family(
    rule=MODES["torch"],
    strides=(4, 8, 16, 32),
    licence="MIT",
    origin="Meta AI; ported by Keras Applications",
    paper="Liu et al., A ConvNet for the 2020s, CVPR 2022",
    arguments={"include_preprocessing": False},
    nested=True,
)


def _ends(name: str, units: tuple[int, ...]) -> dict[str, str]:
    """A unit ends in a sum, which is an operation that Keras numbers through."""
    ends = {"stem": f"{name}_stem_layernorm"}
    sums = 0
    for stage, count in enumerate(units):
        if stage:
            ends[f"downsampling_{stage - 1}"] = f"{name}_downsampling_conv_{stage - 1}"
        for unit in range(count):
            ends[f"stage_{stage}_block_{unit}"] = f"add_{sums}" if sums else "add"
            sums += 1
    return ends


def _convnext(size: str, params: int, embedding: int, *units: int) -> Network:
    name = f"convnext_{size}"
    ends = _ends(name, units)
    return Network(
        family=_CONVNEXT,
        size=224,
        params=params,
        embedding=embedding,
        file=WeightFile(name),
        blocks=tuple(ends),
        divide=by_ends(ends),
    )


NETWORKS = {
    "ConvNeXtTiny": _convnext("tiny", 27_820_128, 768, 3, 3, 9, 3),
    "ConvNeXtSmall": _convnext("small", 49_454_688, 768, 3, 3, 27, 3),
    "ConvNeXtBase": _convnext("base", 87_566_464, 1024, 3, 3, 27, 3),
    "ConvNeXtLarge": _convnext("large", 196_230_336, 1536, 3, 3, 27, 3),
    "ConvNeXtXLarge": _convnext("xlarge", 348_147_968, 2048, 3, 3, 27, 3),
}
