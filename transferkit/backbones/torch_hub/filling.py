"""A state dict goes into a native network, or is refused with the names of what does not fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np

from transferkit._types import KerasModel
from transferkit.backbones.torch_hub.families import NETWORKS
from transferkit.backbones.torch_hub.families.base import Family
from transferkit.backbones.torch_hub.mapping import Slot, slots
from transferkit.backbones.torch_hub.state import StateDict
from transferkit.errors import WeightsError, explain

__all__ = ["fill", "recognised"]

_COUNTER = "num_batches_tracked"
"""PyTorch's norms count their batches, which nothing here depends on."""
_TOLD = 3


def fill(network: KerasModel, state: StateDict, family: Family, *, of: str, whole: bool) -> None:
    """Assign every weight of a network from the tensor that has its name.

    Args:
        network: What `families.Architecture` built; its name stands in errors.
        state: Tensors by the names that they have in the file.
        family: Knows other names of the same tensors, and what belongs to the top.
        of: What the tensors come from, for the error.
        whole: Whether the network has its top; without, the top's tensors are left over.

    Raises:
        WeightsError: If a tensor is missing, left over, or of another shape: which ones.
    """
    wanted = {slot.tensor: slot for slot in slots(network)}
    left_over = () if whole else family.top
    known, doubled = _renamed(state, family)
    missing = [name for name in wanted if name not in known]
    surplus = [*doubled, *(n for n in known if n not in wanted and not _is_of(n, left_over))]
    misshapen = [
        f"{name} {known[name].shape} for {slot.shape}"
        for name, slot in wanted.items()
        if name in known and not _fits(known[name], slot)
    ]
    if missing or surplus or misshapen:
        mend = _own_size(known, wanted, family) or _own_name(state)
        raise _misfit(network.name, of, mend, missing, surplus, misshapen)
    for name, slot in wanted.items():
        slot.weight.assign(slot.to_keras(known[name].reshape(slot.shape)))


def recognised(state: StateDict) -> str | None:
    """The network whose features have as many numbers as a state dict, its top left out.

    Args:
        state: Tensors by name.
    """
    sizes = {name: _size_without_top(state, each.family) for name, each in NETWORKS.items()}
    return next((name for name, size in sizes.items() if size == NETWORKS[name].params), None)


def _size_without_top(state: StateDict, family: Family) -> int:
    known, _ = _renamed(state, family)
    return sum(tensor.size for each, tensor in known.items() if not _is_of(each, family.top))


def _renamed(state: StateDict, family: Family) -> tuple[Mapping[str, Any], list[str]]:
    """The tensors by our names, and the names of those whose new name was taken."""
    known: dict[str, Any] = {}
    doubled = []
    for name, tensor in state.items():
        ours = family.rename(name)
        if ours in known:
            doubled.append(name)
        elif not ours.endswith(_COUNTER):
            known[ours] = tensor
    return known, doubled


def _is_of(name: str, modules: Collection[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _fits(tensor: Any, slot: Slot) -> bool:
    """Axes of length 1 are no difference: torchvision and timm do not have the same ones."""
    sides, wanted = ([n for n in shape if n != 1] for shape in (tensor.shape, slot.shape))
    return sides == wanted and np.issubdtype(tensor.dtype, np.floating)


def _own_size(known: Mapping[str, Any], wanted: Mapping[str, Slot], family: Family) -> str | None:
    """What to do where a transformer's places are those of pictures of another size."""
    places = known.get(family.places or "")
    if places is None or places.ndim != 3 or places.shape == wanted[str(family.places)].shape:
        return None
    side = isqrt(places.shape[1] - 1) * family.strides[0]
    return f"It has the places of pictures of {side} pixels: image_size=({side}, {side})."


def _own_name(state: StateDict) -> str | None:
    other = recognised(state)
    return f"It has as many parameters as torch:{other}." if other else None


def _misfit(
    network: str,
    of: str,
    mend: str | None,
    missing: Sequence[str],
    surplus: Sequence[str],
    misshapen: Sequence[str],
) -> WeightsError:
    parts = {"missing": missing, "surplus": surplus, "misshapen": misshapen}
    told = "; ".join(f"{len(names)} {how} ({_few(names)})" for how, names in parts.items() if names)
    return WeightsError(
        explain(
            "weights",
            f"the tensors of {of} do not fit {network}: {told}",
            expected=f"a state dict of {network}, with PyTorch's or timm's names",
            received={"weights": of},
            mend=mend,
        )
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
