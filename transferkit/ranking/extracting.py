"""Features of a split for many backbones, each once: through the engine and its cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from transferkit import _keras, backbones, build
from transferkit import freeze as freezing
from transferkit._types import KerasModel, Tensor
from transferkit.backbones.arguments import checked_weights
from transferkit.data import Data, Split
from transferkit.engine.extraction import Extracted, extract
from transferkit.errors import BackboneError, SpecError, UnknownNameError, explain
from transferkit.ranking.random_networks import calibrate
from transferkit.running import Engine
from transferkit.select import LayerTable
from transferkit.spec import Backbone, BackboneInfo, BackboneNetwork, ModelSpec

__all__ = [
    "Embedder",
    "Source",
    "embedded",
    "labels_of",
    "layered",
    "loaded",
    "named",
    "source_of",
    "split_of",
]

Array = np.ndarray[Any, Any]


class Embedder(Protocol):
    """What features are taken from: a `Backbone`, or a part of a trained network."""

    @property
    def network(self) -> KerasModel:
        """From pixels to features."""
        ...

    @property
    def table(self) -> LayerTable:
        """Its layers."""
        ...

    @property
    def embedding(self) -> Tensor:
        """The vector, or the map that is averaged to one."""
        ...


@dataclass(frozen=True)
class Source:
    """A backbone and the weights to start from.

    Attributes:
        backbone: Its name, or itself.
        weights: As `TransferModel` takes them.
    """

    backbone: str | BackboneNetwork
    weights: str | None

    @property
    def info(self) -> BackboneInfo:
        """What is known of it with these weights."""
        backbone = self.backbone
        info = backbones.info(backbone) if isinstance(backbone, str) else backbone.info
        return info.with_weights(self.weights)

    @property
    def weights_name(self) -> str:
        """The weights in a word: the last part of a path, or ``"random"``."""
        return "random" if self.weights is None else self.weights.replace("\\", "/").split("/")[-1]


def source_of(candidate: Any, weights: Any, *, verb: str) -> Source:
    """A candidate as callers give it: a name, a backbone, or a model, whose own weights count.

    Raises:
        UnknownNameError: If there is no such backbone.
        SpecError: If it is none of these.
    """
    spec = getattr(candidate, "spec", None)
    if isinstance(spec, ModelSpec):
        return Source(spec.backbone, spec.weights)
    chosen = checked_weights(weights, verb=verb)
    if isinstance(candidate, str):
        return Source(":".join(backbones.find(candidate)), chosen)
    if backbones.is_network(candidate):
        return Source(candidate, chosen)
    raise SpecError(
        explain(
            verb,
            f"{type(candidate).__name__} is no candidate",
            expected="a name of tk.backbones.names(), a backbone, or a TransferModel",
            received={"candidate": candidate},
            mend=f'{verb}(["keras:MobileNetV2", "keras:ResNet50"], photos)',
        )
    )


def named(sources: Sequence[Source]) -> list[str]:
    """A name for each, with its weights where two have the same backbone."""
    bare = [source.info.name for source in sources]
    names: list[str] = []
    for source, name in zip(sources, bare, strict=True):
        told = name if bare.count(name) == 1 else f"{name} ({source.weights_name})"
        names.append(told if told not in names else f"{told} #{1 + len(names)}")
    return names


def split_of(data: Data, name: str, *, verb: str) -> Split:
    """A split by its name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name in data.splits:
        return data.splits[name]
    raise UnknownNameError(
        explain(
            verb,
            f"there is no split called {name!r}",
            expected=f"one of {tuple(data.splits)}",
            mend=f"{verb}(..., split='train')",
        )
    )


def loaded(source: Source, split: Split, *, seed: int, verb: str) -> tuple[Backbone, Split]:
    """The backbone, all of it frozen, and the split as it takes its pictures.

    Without weights it is a random network, calibrated on the split.

    Raises:
        SpecError: If it is one whose norms are inside a SavedModel.
    """
    info = source.info
    size, sized = split.image_size or info.image_size, split.prepared_for(info)
    with build.seeded(seed):
        shape = (*size, split.channels)
        body = backbones.load(source.backbone, input_shape=shape, weights=source.weights)
    if source.weights is None:
        calibrate(body.network, body.table, sized, verb=verb)
    build.freeze(body.network, body.table, freezing.backbone())
    return body, sized


def embedded(body: Embedder, *splits: Split, engine: Engine, verbose: int = 0) -> list[Extracted]:
    """The pooled vectors of each split."""
    return _extracted(body, [_pooled(body.embedding, "embedding")], splits, engine, verbose)


def layered(
    body: Backbone, split: Split, engine: Engine, verbose: int
) -> tuple[Extracted, list[slice]]:
    """The pooled vectors behind every block, side by side, and where each of them lies."""
    ends = [_pooled(end, f"pooled_{i}") for i, end in enumerate(body.block_ends)]
    widths = np.cumsum([0, *(int(end.shape[-1]) for end in ends)])
    (found,) = _extracted(body, ends, [split], engine, verbose)
    return found, [slice(int(a), int(b)) for a, b in pairwise(widths)]


def labels_of(split: Split) -> Array:
    """Class numbers, or float64 rows where a picture has numbers or several labels."""
    single = bool(split.class_names) and split.labels.ndim == 1
    return split.labels if single else np.asarray(split.labels, np.float64)


def _extracted(
    body: Embedder,
    vectors: Sequence[Tensor],
    splits: Sequence[Split],
    engine: Engine,
    verbose: int,
) -> list[Extracted]:
    """The vectors of each split, side by side."""
    keras = _keras.keras()
    (entry,) = body.network.inputs
    joined = vectors[0] if len(vectors) == 1 else keras.layers.Concatenate()(list(vectors))
    network = keras.Model(entry, joined, name=body.network.name)
    kinds = {layer.kind for layer in body.table}
    pixels = [split.pixels(verbose=verbose) for split in splits]
    return extract(network, *pixels, kinds=kinds, engine=engine, verbose=verbose)


def _pooled(tensor: Tensor, name: str) -> Tensor:
    """A vector for each picture: the mean over places, where there are places."""
    layers = _keras.keras().layers
    if len(tensor.shape) == 2:
        return tensor
    if len(tensor.shape) == 4:
        return layers.GlobalAveragePooling2D(name=name)(tensor)
    if len(tensor.shape) == 3:
        return layers.GlobalAveragePooling1D(name=name)(tensor)
    raise BackboneError(
        explain(
            "features",
            f"a tensor of shape {tuple(tensor.shape)} is no map and no vector",
            expected="(batch, channels), (batch, places, channels) or (batch, height, width, "
            "channels)",
        )
    )
