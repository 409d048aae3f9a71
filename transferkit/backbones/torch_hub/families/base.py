"""What is written down of an architecture, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from transferkit._types import Interpolation, Tensor
from transferkit.backbones.blocks import Division
from transferkit.backbones.info import MODES, Preprocessing
from transferkit.spec import BackboneInfo

__all__ = ["Architecture", "Family", "Network", "modules_called"]

EDITIONS = ("imagenet", "imagenet-v2")
"""What ``weights=`` calls torchvision's files: the first ones, and those of a newer recipe."""


class Architecture(Protocol):
    """A network's graph, in layers named as PyTorch names its modules; a frozen dataclass."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks' names, the stem first."""
        ...

    @property
    def divide(self) -> Division:
        """How its layers are divided into them."""
        ...

    @property
    def embedding(self) -> int:
        """Channels of the last feature map."""
        ...

    def features(self, x: Tensor) -> Tensor:
        """From preprocessed pixels to the last feature map.

        Args:
            x: ``(batch, height, width, channels)``.
        """
        ...

    def logits(self, features: Tensor, classes: int) -> Tensor:
        """The network's own top: ``(batch, classes)``.

        Args:
            features: What `features` gave.
            classes: How many classes it tells apart.
        """
        ...


def _as_it_is(name: str) -> str:
    return name


def modules_called(names: Mapping[str, str]) -> Callable[[str], str]:
    """A `Family.rename` that gives modules other names, and leaves those that it does not know.

    Args:
        names: Our names of modules by those in other files.
    """

    def rename(name: str) -> str:
        module, _, tensor = name.rpartition(".")
        return f"{names.get(module, module)}.{tensor}" if module else name

    return rename


@dataclass(frozen=True)
class Family:
    """What the networks of one family share.

    Attributes:
        paper: The publication.
        top: The modules of the top: their tensors are left over where only features are built.
        strides: The strides of the taps.
        min_size: The smallest side of a picture, in pixels.
        rule: The preprocessing of the published weights.
        rename: From the names of tensors in other files (timm's, older ones) to those here.
        places: A transformer's tensor ``(1, 1 + patches, width)`` of where patches lie, which fits
            one size of pictures; None for networks that have none.
        licence: Licence of the published weights.
        origin: Who has trained such networks.
    """

    paper: str
    top: tuple[str, ...]
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    min_size: int = 32
    rule: Preprocessing = MODES["torch"]
    rename: Callable[[str], str] = _as_it_is
    places: str | None = None
    licence: str = "BSD-3-Clause"
    origin: str = "torchvision"


@dataclass(frozen=True)
class Network:
    """One architecture that torchvision or timm has under a name.

    Attributes:
        family: What it shares with others.
        architecture: Its graph.
        params: Parameters without the top, moving statistics included.
        files: The files that torchvision publishes, in the order of `EDITIONS`.
        size: Side of the pictures that they were trained at, in pixels.
        scaled: To how many pixels the shorter side of a picture was scaled, of which `size` were
            kept, when each of the files was tested.
        interpolations: By which filter, for each of them.
    """

    family: Family
    architecture: Architecture
    params: int
    files: tuple[str, ...] = ()
    size: int = 224
    scaled: tuple[int, ...] = (256, 232)
    interpolations: tuple[Interpolation, ...] = ("bilinear", "bilinear")

    @property
    def published(self) -> dict[str, str]:
        """The published files by the names that ``weights=`` takes."""
        return dict(zip(EDITIONS, self.files, strict=False))

    def info(self, name: str) -> BackboneInfo:
        """What is known of it under a name, nothing built."""
        family, tested = self.family, self._tested()
        return BackboneInfo(
            name=name,
            image_size=(self.size, self.size),
            min_size=family.min_size,
            preprocessing=str(family.rule),
            **tested["imagenet"],
            strides=family.strides,
            block_names=self.architecture.blocks,
            embedding=self.architecture.embedding,
            params=self.params,
            weights=tuple(self.published),
            editions={name: tested[name] for name in self.published},
            licence=family.licence,
            origin=family.origin,
            paper=family.paper,
        )

    def _tested(self) -> dict[str, dict[str, Any]]:
        """How pictures were prepared for each edition, whether or not its file is published."""
        rows = zip(EDITIONS, self.scaled, self.interpolations, strict=False)
        return {name: {"crop": self.size / side, "interpolation": by} for name, side, by in rows}
