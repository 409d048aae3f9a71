"""What is written down of a network of Keras Applications, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transferkit._types import KerasModel
from transferkit.backbones.blocks import Division
from transferkit.backbones.graph import flattened
from transferkit.backbones.info import Preprocessing
from transferkit.spec import BackboneInfo

__all__ = ["Family", "Network", "WeightFile"]


@dataclass(frozen=True)
class WeightFile:
    """The names of the files that Keras downloads.

    Attributes:
        stem: What both begin with; ``{side}`` stands for the size that the weights are for.
        no_top: What is behind it in the file without the top.
        sides: The sizes that there are weights for, where there is more than one. Keras takes the
            largest for whatever is none of them.
    """

    stem: str
    no_top: str = "_notop"
    sides: tuple[int, ...] = ()

    def name(self, shape: tuple[int, int, int], *, top: bool) -> str:
        """The file for pictures of (height, width, channels)."""
        height, width, _ = shape
        published = (
            height if height == width and height in self.sides else max(self.sides, default=0)
        )
        return f"{self.stem.format(side=published)}{'' if top else self.no_top}.h5"


@dataclass(frozen=True)
class Family:
    """What the networks of one family share.

    Attributes:
        rule: The preprocessing of the published weights.
        strides: The strides of the taps.
        licence: Licence of the weights.
        origin: Where architecture and weights come from.
        paper: The publication.
        min_size: The smallest side that the constructor takes.
        arguments: What the constructor is called with besides, so that it leaves out preprocessing
            of its own.
        built_in: Layers of preprocessing that the constructor has no switch for.
        read_rule: Reads the preprocessing from a network that has those, weights in it.
        nested: Whether the constructor nests models, so that a file which was saved from the flat
            graph has another layout than one that Keras saved.
    """

    rule: Preprocessing
    strides: tuple[int, ...]
    licence: str
    origin: str
    paper: str
    min_size: int = 32
    arguments: Mapping[str, Any] = field(default_factory=dict)
    built_in: frozenset[str] = frozenset()
    read_rule: Callable[[KerasModel], Preprocessing] | None = None
    nested: bool = False

    @property
    def is_changed(self) -> bool:
        """True if the bare network that is used has another layout than Keras' own."""
        return self.nested or bool(self.built_in)

    def bare(self, model: KerasModel) -> KerasModel:
        """The flat network without preprocessing, of what the constructor gave; that is given up.

        Args:
            model: What the constructor gave.
        """
        return flattened(model, without=self.built_in) if self.is_changed else model

    def rule_in(self, model: KerasModel) -> Preprocessing:
        """The preprocessing for the weights that were loaded into what the constructor gave."""
        return self.rule if self.read_rule is None else self.read_rule(model)


@dataclass(frozen=True)
class Network:
    """One constructor of Keras Applications.

    Attributes:
        family: What it shares with others.
        size: The side of the pictures that its weights were trained at.
        params: Parameters without the top, and without those of preprocessing.
        embedding: Length of the pooled vector.
        file: Its weight files.
        blocks: The blocks' names.
        divide: How its layers are divided into them.
    """

    family: Family
    size: int
    params: int
    embedding: int
    file: WeightFile
    blocks: tuple[str, ...]
    divide: Division

    def info(self, name: str) -> BackboneInfo:
        """What is known of it under a name, nothing built."""
        family = self.family
        return BackboneInfo(
            name=name,
            image_size=(self.size, self.size),
            min_size=family.min_size,
            preprocessing=str(family.rule),
            strides=family.strides,
            block_names=self.blocks,
            embedding=self.embedding,
            params=self.params,
            weights=("imagenet",),
            licence=family.licence,
            origin=family.origin,
            paper=family.paper,
        )
