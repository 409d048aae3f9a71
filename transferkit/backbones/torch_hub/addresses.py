"""What can stand behind ``torch:`` beside a name: a file, a folder, a repository."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transferkit.backbones.network import LoadedBackbone
from transferkit.backbones.torch_hub import hub_code, state, timm_folder
from transferkit.backbones.torch_hub.families import NETWORKS, known
from transferkit.backbones.torch_hub.filling import recognised
from transferkit.backbones.torch_hub.native import NativeNetwork
from transferkit.backbones.torch_hub.state import StateDict
from transferkit.errors import SpecError, UnknownNameError, WeightsError, did_you_mean, explain
from transferkit.spec import BackboneInfo

__all__ = ["AtAddress", "network_at"]

_TORCHVISION = re.compile(r"pytorch/vision(?::[^:]+)?:(\w+)")
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+(?::[^:]+)?):(\w+)")
_TIMM = re.compile(r"timm/[\w.-]+")


@dataclass(frozen=True, eq=False)
class AtAddress:
    """A network that is looked for when something of it is asked for, and not before.

    Attributes:
        address: Where it lies.
        find: Looks there.
    """

    address: str
    find: Callable[[], NativeNetwork]

    @cached_property
    def network(self) -> NativeNetwork:
        """What lies there."""
        return self.find()

    @property
    def info(self) -> BackboneInfo:
        """What is known of it; reads what lies there."""
        return self.network.info

    def load(self, *, input_shape: tuple[int, int, int], weights: str | None) -> LoadedBackbone:
        """Build the network and fill it; see `NativeNetwork.load`."""
        return self.network.load(input_shape=input_shape, weights=weights)


def network_at(address: str, *, trust: bool) -> AtAddress:
    """The network at an address.

    Args:
        address: ``pytorch/vision:resnet50``; a ``.safetensors`` or ``.pth`` file; ``timm/name`` in
            the cache of Hugging Face, or a folder with ``config.json`` and weights; a folder or an
            ``owner/repository`` with a ``hubconf.py`` and, behind a colon, the entry to call.
        trust: Whether a ``hubconf.py`` may be run.

    Raises:
        UnknownNameError: If it is none of these.
        SpecError: If there is a program to run and `trust` is False.
    """
    return AtAddress(address, _finder(address, trust))


def _finder(address: str, trust: bool) -> Callable[[], NativeNetwork]:
    if address.endswith(state.ENDINGS):
        return lambda: _of_tensors(address, lambda: state.read(address))
    if (Path(address) / timm_folder.CONFIG).is_file():
        return lambda: timm_folder.network_in(Path(address), name=address)
    if found := _TORCHVISION.fullmatch(address):
        name = known(found[1], of=address)
        return lambda: NativeNetwork.named(name, NETWORKS[name])
    if _TIMM.fullmatch(address):
        return lambda: timm_folder.network_in(timm_folder.cached(address), name=address)
    place, _, entry = address.rpartition(":")
    if place and ((Path(place) / hub_code.PROGRAM).is_file() or _REPOSITORY.fullmatch(address)):
        _check_trust(address, trust)
        return lambda: _of_tensors(address, lambda: hub_code.run(place, entry))
    raise _no_address(address)


def _of_tensors(address: str, read: Callable[[], StateDict]) -> NativeNetwork:
    """The network that tensors are of, told by how many numbers they have."""
    tensors = read()
    name = recognised(tensors)
    if name is None:
        raise WeightsError(
            explain(
                "weights",
                f"the {len(tensors)} tensors of {address} are of no network that is known here",
                expected="a state dict of one of tk.backbones.names('torch:*')",
                received={"name": f"torch:{address}"},
                mend="TransferModel('torch:resnet50', weights=path) tells what does not fit.",
            )
        )
    named = NativeNetwork.named(name, NETWORKS[name])
    return named.with_own(tensors, name=address)


def _check_trust(address: str, trust: bool) -> None:
    if not trust:
        raise SpecError(
            explain(
                "TransferModel",
                f"torch:{address} is a program, and loading it would run it",
                expected="trust=True, if you trust those who wrote it",
                received={"trust": trust},
                mend=f"TransferModel('torch:{address}', trust=True)",
            )
        )


def _no_address(address: str) -> UnknownNameError | SpecError:
    folder = Path(address)
    if (folder / hub_code.PROGRAM).is_file():
        return SpecError(
            explain(
                "backbones",
                f"{address} is a hub folder, and it is not said which of its networks is meant",
                expected="folder:entry, an entry of its hubconf.py",
                received={"name": f"torch:{address}"},
                mend=f"TransferModel('torch:{address}:resnet50', trust=True)",
            )
        )
    looks = os.sep in address or folder.exists()
    happened = "holds no network" if looks else "is no network of torch:"
    return UnknownNameError(
        explain(
            "backbones",
            f"{address!r} {happened}",
            expected="a folder with config.json or hubconf.py, or a .safetensors or .pth file"
            if looks
            else did_you_mean(address, NETWORKS),
            received={"name": f"torch:{address}"},
            mend="tk.backbones.names('torch:*') lists all names.",
        )
    )
