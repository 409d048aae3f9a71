"""Anyone's own functional Keras model as a backbone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import graph, network
from transferkit.backbones.blocks import Division, by_pattern, by_shape
from transferkit.backbones.channels import copy_weights, fit_channels
from transferkit.backbones.info import Preprocessing, preprocessing
from transferkit.backbones.weights import found, is_path, load_file, unknown_weights
from transferkit.errors import (
    BackboneError,
    SpecError,
    TransferKitError,
    explain,
)
from transferkit.spec import BackboneInfo

__all__ = ["OURS", "KerasNetwork", "from_keras"]

OURS = re.compile(r"pixels|pictures|gray_to_rgb|bgr|preprocessing|augmentation|outputs|head_.*")
"""Names of the layers that are put before and behind a backbone."""


@dataclass(frozen=True, eq=False)
class KerasNetwork:
    """A Keras model that can be loaded as a backbone, each time as a copy of its own.

    Attributes:
        model: The functional model, on preprocessed pixels.
        rule: What happens to raw pixels first.
        blocks: A regular expression whose first group names a layer's block, or None.
        about: What is known of it.
        taps: Names of layers whose outputs are taps; see `Rewired.taps`.
    """

    model: KerasModel = field(repr=False)
    rule: Preprocessing
    blocks: str | None
    about: BackboneInfo
    taps: tuple[str, ...] = ()

    @cached_property
    def info(self) -> BackboneInfo:
        """What is known of it, strides and blocks read from its graph."""
        return self.load(
            input_shape=(*self.about.image_size, self.about.channels), weights=None
        ).info

    def load(
        self, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> network.LoadedBackbone:
        """A copy of the model as a backbone.

        Args:
            input_shape: (height, width, channels) of the pixels.
            weights: ``"pretrained"`` for the model's own, None for random ones, or a path.

        Raises:
            BackboneError: If the model cannot take that shape, its weights cannot be carried over,
                its blocks are no units, or Keras cannot make it again.
            WeightsNotFoundError: If there is no such file.
            UnknownNameError: If `weights` is another name.
        """
        network.check_shape(self.about, input_shape, verb="load")
        height, width, channels = input_shape
        if channels == 1 and self.about.channels == 3:
            channels = 3  # grey is shown three times; see network.assemble
        try:
            own = self.about.channels
            copy, rule = fit_channels(self._filled, (height, width, channels), weights, own=own)
            if channels != own:  # only a call shows layers that count channels
                copy(np.zeros((1, height, width, channels), np.float32), training=False)
            return network.assemble(
                copy,
                self.about,
                rule,
                input_shape=input_shape,
                divide=self._divide,
                taps=self.taps,
            )
        except TransferKitError:
            raise
        except Exception as error:  # whatever Keras and TensorFlow say of a graph that cannot be
            fits = tuple(self.model.inputs[0].shape[1:])
            raise BackboneError(
                explain(
                    "load",
                    f"{self.about.name} cannot be built for these pictures "
                    f"({_keras.reason_of(error)})",
                    expected=f"(height, width, channels) that fit {fits}, and layers that can be "
                    "made again from their configuration",
                    received={"input_shape": input_shape},
                    mend=f"image_size={self.about.image_size} is its own.",
                )
            ) from error

    @property
    def _divide(self) -> Division:
        return by_shape if self.blocks is None else by_pattern(self.blocks)

    def _filled(
        self, shape: tuple[int, int, int], weights: str | None
    ) -> tuple[KerasModel, Preprocessing]:
        if weights is not None and is_path(weights):
            found(weights)
        elif weights is not None and weights != "pretrained":
            own = "'pretrained' (the model's own)"
            raise unknown_weights(self.about.name, weights, expected=own)
        copy = self._copy(shape)
        if weights == "pretrained":
            copy_weights(self.model, copy)
        elif weights is not None:
            load_file(copy, weights)
        return copy, self.rule

    def _copy(self, shape: tuple[int, int, int]) -> KerasModel:
        keras = _keras.keras()
        own = tuple(self.model.inputs[0].shape[1:])
        if all(have in (None, want) for have, want in zip(own, shape, strict=True)):
            return keras.models.clone_model(self.model)
        return keras.models.clone_model(self.model, input_tensors=keras.Input(shape))


def from_keras(
    model: KerasModel,
    *,
    name: str | None = None,
    preprocessing: str | Preprocessing = "none",
    blocks: str | None = None,
    licence: str = "unknown",
    origin: str = "a Keras model of the user's",
) -> KerasNetwork:
    """Make a functional Keras model usable as a backbone.

    Its last output is what the head sees: a map ``(batch, height, width, channels)``, which the
    head pools, or a vector ``(batch, channels)``. Cut a trained classifier before its top first:
    ``keras.Model(classifier.input, classifier.layers[-2].output)``.

    Args:
        model: A functional or sequential model with one input picture and one output. It is copied
            at every use and never changed.
        name: What it is called in reports; the model's own name by default.
        preprocessing: What happens to pixels 0..255 before the model's first layer: ``"none"``,
            ``"unit"`` (0..1), ``"tf"`` (-1..1), ``"caffe"``, ``"torch"``, or a `Preprocessing`.
        blocks: A regular expression, matched at the start of layer names, whose first group names
            the block a layer belongs to. None reads the blocks from the graph: branches that meet
            again are blocks, plain chains are divided where they get coarser.
        licence: Licence of the weights.
        origin: Where the weights come from.

    Raises:
        BackboneError: If it is no functional model, does not go from one picture to one map or
            vector, or has layers under names that are ours.
        SpecError: If `preprocessing` is unknown, or `blocks` is no pattern with a group.
    """
    if not graph.is_functional(model) or not getattr(model, "built", False):
        raise BackboneError(
            explain(
                "from_keras",
                f"{type(model).__name__} is no functional Keras model whose graph can be read",
                expected="a built keras.Model(inputs, outputs) or keras.Sequential",
                received={"model": model},
                mend="Rebuild a subclassed model with keras.Model(inputs, outputs).",
            )
        )
    one = len(model.inputs) == len(model.outputs) == 1
    if not one or len(model.inputs[0].shape) != 4 or len(model.outputs[0].shape) not in (2, 4):
        raise BackboneError(
            explain(
                "from_keras",
                f"{model.name} does not go from one picture to one tensor",
                expected="one input (batch, height, width, channels), and as the one output a map "
                "(batch, height, width, channels) or a vector (batch, channels)",
                received={"inputs": model.input_shape, "outputs": model.output_shape},
                mend="keras.Model(model.inputs[0], features)",
            )
        )
    rule = _rule(preprocessing)
    _check_blocks(blocks)
    _check_names(model)
    if not graph.is_plain(model):
        model = _keras.keras().Model(model.inputs[0], model.outputs[0], name=model.name)
    height, width, channels = (
        int(side or default)
        for side, default in zip(model.input_shape[1:], (224, 224, 3), strict=True)
    )
    about = BackboneInfo(
        name=name or model.name,
        image_size=(height, width),
        channels=channels,
        weights=("pretrained",),
        licence=licence,
        origin=origin,
    )
    return KerasNetwork(model, rule, blocks, replace(about, preprocessing=str(rule)))


def _check_blocks(pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except (re.error, TypeError) as error:
        reason, groups = f"is no regular expression ({error})", 0
    else:
        reason = "has no group"
    if not groups:
        raise SpecError(
            explain(
                "from_keras",
                f"the blocks pattern {reason}",
                expected="a regular expression whose first group names the block",
                received={"blocks": pattern},
                mend=r"blocks=r'(stage\d+)_'",
            )
        )


def _check_names(model: KerasModel) -> None:
    inputs = {tensor._keras_history.operation.name for tensor in model.inputs}
    names = set(graph.layer_names(model)) - inputs
    taken = sorted(name for name in names if OURS.fullmatch(name))
    if taken:
        raise BackboneError(
            explain(
                "from_keras",
                f"the network has layers whose names transferkit gives: {taken}",
                expected=f"names that do not match {OURS.pattern!r}",
                received={"model": model.name},
                mend="Give those layers another name=...",
            )
        )


def _rule(value: str | Preprocessing) -> Preprocessing:
    return preprocessing(value, verb="from_keras")
