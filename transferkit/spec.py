"""What a model is, as a value; and what a plug-in has to bring, as protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from transferkit._types import Interpolation, KerasModel, Tensor
from transferkit.freeze import Freeze, backbone, nothing
from transferkit.select import LayerTable

__all__ = [
    "Augmentation",
    "Backbone",
    "BackboneInfo",
    "BackboneNetwork",
    "BackboneSource",
    "BoundHead",
    "Head",
    "Mix",
    "ModelSpec",
    "Seen",
    "Taps",
    "Target",
    "Term",
    "Tracker",
]

Task = Literal["classes", "labels", "values"]
"""One class per picture, any number of labels per picture, or numbers."""


@dataclass(frozen=True)
class Target:
    """What a head is to predict.

    Attributes:
        task: ``"classes"`` (one per picture), ``"labels"`` (any number per picture), ``"values"``.
        class_names: The classes or labels in the order of the outputs; () for values.
        outputs: How many numbers come out for ``"values"``; else the number of classes.
        counts: How many training pictures each class has, where that is known.
        strides: The strides that the backbone's taps have, where that is known.
    """

    task: Task
    class_names: tuple[str, ...] = ()
    outputs: int = 0
    counts: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.class_names and not self.outputs:
            object.__setattr__(self, "outputs", len(self.class_names))


class Taps(Mapping[int, Tensor]):
    """A backbone's feature maps by nominal stride, with its last output as `features`.

    Attributes:
        features: The last feature map ``(batch, height, width, channels)``, or a vector
            ``(batch, channels)`` where the backbone ends in one.
    """

    def __init__(self, maps: Mapping[int, Tensor], features: Tensor) -> None:
        self._maps = dict(sorted(maps.items()))
        self.features = features

    def __getitem__(self, stride: int) -> Tensor:
        return self._maps[stride]

    def __iter__(self) -> Iterator[int]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


@dataclass(frozen=True)
class BackboneInfo:
    """What is known of a backbone before it is loaded, without any framework.

    Attributes:
        name: ``source:name``.
        image_size: (height, width) it was trained at, in pixels.
        min_size: The smallest side that it can take, in pixels.
        channels: Channels of the pictures it was trained on.
        preprocessing: What happens to pixels 0..255 inside the network, in words.
        crop: The share of a picture's shorter side that it was tested on, in (0, 1].
        interpolation: The filter by which those pictures were resized; see `data.Crop`.
        strides: The strides of its taps.
        block_names: Its blocks, the stem first.
        embedding: Length of the pooled vector.
        params: Parameters without the top.
        weights: Names that ``weights=`` takes beside None and a path.
        editions: For names in `weights`, whichever of these attributes are others with them.
        licence: Licence of the weights (SPDX where there is one).
        origin: Where architecture and weights come from.
        paper: The publication.
    """

    name: str
    image_size: tuple[int, int]
    min_size: int = 1
    channels: int = 3
    preprocessing: str = "none"
    crop: float = 1.0
    interpolation: Interpolation = "bilinear"
    strides: tuple[int, ...] = ()
    block_names: tuple[str, ...] = ()
    embedding: int = 0
    params: int = 0
    weights: tuple[str, ...] = ()
    editions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    licence: str = "unknown"
    origin: str = "unknown"
    paper: str = ""

    def with_weights(self, weights: str | None) -> BackboneInfo:
        """What is known of it with other weights than ``"pretrained"``."""
        return replace(self, **self.editions.get(weights or "", {}))


@runtime_checkable
class Backbone(Protocol):
    """A loaded backbone: one flat Keras functional graph from raw pixels (0..255) to features.

    Attributes:
        info: What is known of it.
        network: A ``keras.Model`` from the pixels to `taps.features`, preprocessing inside.
        table: Its own layers (preprocessing excluded), in source order.
        taps: Its feature maps by stride.
        embedding: The pooled vector ``(batch, channels)``.
        block_ends: The one tensor that leaves each block.
    """

    @property
    def info(self) -> BackboneInfo:
        """What is known of it."""
        ...

    @property
    def network(self) -> KerasModel:
        """From the pixels to `taps.features`."""
        ...

    @property
    def table(self) -> LayerTable:
        """Its own layers, in source order."""
        ...

    @property
    def taps(self) -> Taps:
        """Its feature maps by stride."""
        ...

    @property
    def embedding(self) -> Tensor:
        """The pooled vector."""
        ...

    @property
    def block_ends(self) -> tuple[Tensor, ...]:
        """The one tensor that leaves each block."""
        ...


@runtime_checkable
class BackboneNetwork(Protocol):
    """One network that can be loaded often, each time with variables of its own."""

    @property
    def info(self) -> BackboneInfo:
        """What is known of it."""
        ...

    def load(self, *, input_shape: tuple[int, int, int], weights: str | None) -> Backbone:
        """Build the graph for ``(height, width, channels)`` pixels and fill it.

        Args:
            input_shape: (height, width, channels).
            weights: ``"pretrained"``, another name in `info.weights`, None (random), or a path.
        """
        ...


@runtime_checkable
class BackboneSource(Protocol):
    """A family of networks under one prefix: ``source:name``."""

    def names(self) -> Sequence[str]:
        """The networks it has, without the prefix."""
        ...

    def info(self, name: str) -> BackboneInfo:
        """What is known of one of them, without loading it."""
        ...

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> Backbone:
        """Build one of them; see `BackboneNetwork.load`."""
        ...


@runtime_checkable
class OpenSource(BackboneSource, Protocol):
    """A source whose networks lie at addresses as well: folders, files, URLs, other hubs' names.

    What `names` lists is loaded by its name; everything else behind the prefix is an address.
    """

    def network(self, address: str, *, trust: bool) -> BackboneNetwork:
        """The network at an address; nothing is read before its `info` or `load` is asked for.

        Args:
            address: What stands behind the prefix.
            trust: Whether a program that lies there may be run.

        Raises:
            SpecError: If it cannot be an address of this source.
        """
        ...


@runtime_checkable
class BoundHead(Protocol):
    """A head that knows its classes.

    Attributes:
        head: The head that was bound, which a saved file names.
        needs: The strides of the taps that it reads; () if the last features are enough.
        activation: Keras' name of the activation that ends the network.
        target: What it was bound to.
        soft_targets: Whether its loss takes rows between those of two pictures, as mixes make them.
            A head that does not say takes none.
    """

    @property
    def head(self) -> Head:
        """The head that was bound."""
        ...

    @property
    def needs(self) -> tuple[int, ...]:
        """The strides of the taps that it reads."""
        ...

    @property
    def activation(self) -> str:
        """Keras' name of the last activation."""
        ...

    @property
    def target(self) -> Target:
        """What it was bound to."""
        ...

    @property
    def soft_targets(self) -> bool:
        """Whether its loss takes rows between those of two pictures."""
        ...

    def build(self, taps: Taps) -> Tensor:
        """The logits, float32, as a Keras tensor over `taps`."""
        ...

    def loss(self, *, from_logits: bool = True) -> Any:
        """A fresh Keras loss on logits (or on activated outputs)."""
        ...

    def metrics(self) -> list[Any]:
        """Fresh Keras metrics on activated outputs."""
        ...

    def targets(self, labels: Any) -> np.ndarray[Any, Any]:
        """Labels as the loss wants them, float32, one row per picture."""
        ...

    def decode(self, outputs: np.ndarray[Any, Any]) -> list[Any]:
        """Activated outputs, one row per picture, as small results of plain Python values."""
        ...


@runtime_checkable
class Head(Protocol):
    """A head before it knows its classes; a frozen dataclass."""

    def bind(self, target: Target) -> BoundHead:
        """Meet the target.

        Raises:
            SpecError: If the target is of another task, or a tap that is needed is not there.
        """
        ...


@runtime_checkable
class Augmentation(Protocol):
    """One operation on a batch of pictures; a frozen dataclass."""

    def apply(self, images: Tensor, labels: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: float32 ``(batch, height, width, channels)``, 0..255.
            labels: float32, one row per picture.
            keys: uint32 ``(batch, 2)``; the only source of randomness.
        """
        ...


@runtime_checkable
class Mix(Protocol):
    """An operation that joins each picture, and its label, with another one; a frozen dataclass.

    A pipeline fetches the partner and sends it through the operations that stand before the mix, so
    that pixels and labels stay a pure function of (seed, view, index) and the data set.
    """

    def partners(self, keys: Tensor, count: int) -> Tensor:
        """Whom each picture is joined with: a pure function of its key.

        Args:
            keys: uint32 ``(batch, 2)``.
            count: Pictures in the training data.

        Returns:
            Places in the training data, int64 ``(batch,)``, 0 to ``count - 1``.
        """
        ...

    def mix(
        self,
        images: Tensor,
        labels: Tensor,
        partner_images: Tensor,
        partner_labels: Tensor,
        keys: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Join a batch with its partners.

        Args:
            images: float32 ``(batch, height, width, channels)``, 0..255.
            labels: float32, one row per picture; None stays None.
            partner_images: As `images`: one partner for each.
            partner_labels: As `labels`.
            keys: uint32 ``(batch, 2)``, the ones that `partners` had; the only source of
                randomness.
        """
        ...


@dataclass(frozen=True)
class Seen:
    """What a term of the objective may look at: one batch on its way through the network.

    Attributes:
        logits: float32 (batch, outputs).
        embedding: What the head's last layer reads, before dropout (batch, channels).
        targets: One row per picture.
        features: The backbone's last features, averaged over height and width (batch, channels),
            whatever the head makes of them; None where they are not computed, as the backbone is
            frozen and what the head makes of them is cached.
    """

    logits: Tensor
    embedding: Tensor
    targets: Tensor
    features: Tensor | None = None


@runtime_checkable
class Term(Protocol):
    """Something that is minimised beside the head's loss; a frozen dataclass.

    On several devices each sees its own part of the batch, and what they give is averaged by the
    number of their pictures: a term that is a mean over pictures is the same on any number of them.
    """

    def __call__(self, seen: Seen) -> Tensor:
        """A number, float32."""
        ...

    def to_config(self) -> dict[str, Any]:
        """A JSON-ready form, its name as ``"objective"``."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Where a run is written down, so that it can be looked at beside others.

    A tracker only writes: what is written, at which step, and what becomes of an error is decided
    by `transferkit.track`. So every method may raise, and none has to remember a step.

    Attributes:
        name: What it is called in a warning.
    """

    @property
    def name(self) -> str:
        """What it is called in a warning."""
        ...

    def begin(self, config: Mapping[str, Any], *, step: int, run_id: str | None) -> str | None:
        """Open a new run, or one that goes on.

        Args:
            config: Model, plan and all that the run hangs on, JSON-ready and nested.
            step: How many steps there are behind it: 0, or those of the run that goes on. What was
                written for later ones comes again.
            run_id: What an earlier `begin` gave for the run that goes on; None for a new one.

        Returns:
            What finds this run again in another process, if anything is needed for that.
        """
        ...

    def log_numbers(self, values: Mapping[str, float], step: int) -> None:
        """Points of curves, by name; a slash in a name makes a group. NaN is possible."""
        ...

    def log_text(self, name: str, text: str, step: int) -> None:
        """Lines of plain text; names of classes and files in it are not to be trusted."""
        ...

    def log_table(
        self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], step: int
    ) -> None:
        """A table of words and numbers, each row as long as the header."""
        ...

    def log_pictures(
        self, name: str, pictures: Sequence[tuple[np.ndarray[Any, Any], str]], step: int
    ) -> None:
        """Pictures, uint8 ``(height, width, 3)``, each with a line of words."""
        ...

    def log_file(self, path: Path, step: int) -> None:
        """A file under its own name; it is gone afterwards."""
        ...

    def end(self, *, complete: bool) -> None:
        """Close the run, which came to its end or broke off. A later `begin` may open it again."""
        ...


@dataclass(frozen=True)
class ModelSpec:
    """What a model is: a value.

    Attributes:
        backbone: ``source:name``, a bare name, or a `BackboneNetwork`.
        weights: ``"pretrained"`` (the backbone's own), ``"imagenet"``, None (random), or a path.
        augment: The augmentation operations, in order.
        head: The head, or None for one that fits the data.
        freeze: The freeze policy, or None for the default.
    """

    backbone: str | BackboneNetwork
    weights: str | None = "pretrained"
    augment: tuple[Augmentation | Mix, ...] = ()
    head: Head | None = None
    freeze: Freeze | None = None

    @property
    def policy(self) -> Freeze:
        """The freeze policy, or its default: all of a pretrained backbone, nothing of a random one.

        A random network with frozen BatchNormalization learns nothing, so its default trains it.
        """
        if self.freeze is not None:
            return self.freeze
        return backbone() if self.weights is not None else nothing(batch_norm="train")
