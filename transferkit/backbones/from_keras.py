"""Anyone's own functional Keras model as a backbone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.backbones import graph, network
from transferkit.backbones.info import Preprocessing, preprocessing
from transferkit.backbones.weights import is_path, load_file
from transferkit.errors import BackboneError, SpecError, UnknownNameError, explain
from transferkit.spec import BackboneInfo

__all__ = ["KerasNetwork", "from_keras"]


@dataclass(frozen=True, eq=False)
class KerasNetwork:
    """A Keras model that can be loaded as a backbone, each time as a copy of its own.

    Attributes:
        model: The functional model, on preprocessed pixels.
        rule: What happens to raw pixels first.
        blocks: A regular expression whose first group names a layer's block, or None.
        about: What is known of it.
    """

    model: KerasModel = field(repr=False)
    rule: Preprocessing
    blocks: str | None
    about: BackboneInfo

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
            BackboneError: If the model cannot take that shape.
            UnknownNameError: If `weights` is another name.
        """
        network.check_shape(self.about, input_shape, verb="load")
        copy = self._copy(input_shape)
        if weights == "pretrained":
            self._fill(copy, input_shape)
        elif weights is not None and is_path(weights):
            load_file(copy, weights)
        elif weights is not None:
            raise UnknownNameError(
                explain(
                    "weights",
                    f"{self.about.name} has no weights called {weights!r}",
                    expected="'pretrained' (the model's own), None, or a path to a weight file",
                    received={"weights": weights},
                )
            )
        return network.assemble(
            copy, self.about, self.rule, input_shape=input_shape, block_pattern=self.blocks
        )

    def _copy(self, input_shape: tuple[int, int, int]) -> KerasModel:
        keras = _keras.keras()
        own = tuple(self.model.input_shape[1:])
        if all(have in (None, want) for have, want in zip(own, input_shape, strict=True)):
            return keras.models.clone_model(self.model)
        try:
            return keras.models.clone_model(self.model, input_tensors=keras.Input(input_shape))
        except (ValueError, TypeError) as error:
            raise BackboneError(
                explain(
                    "load",
                    f"{self.about.name} was built for pictures of {own} and cannot be rebuilt",
                    expected=f"(height, width, channels) of {own}",
                    received={"input_shape": input_shape},
                    mend=f"image_size={self.about.image_size}",
                )
            ) from error

    def _fill(self, copy: KerasModel, input_shape: tuple[int, int, int]) -> None:
        try:
            network.copy_weights(self.model, copy)
        except (ValueError, IndexError) as error:
            own = tuple(self.model.input_shape[1:])
            raise BackboneError(
                explain(
                    "load",
                    f"the weights of {self.about.name} fit pictures of {own} only",
                    expected=f"(height, width, channels) of {own}",
                    received={"input_shape": input_shape},
                    mend=f"image_size={self.about.image_size}, or weights=None.",
                )
            ) from error


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
        BackboneError: If it is no functional model, or has more than one input or output.
        SpecError: If `preprocessing` is unknown.
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
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 4:
        raise BackboneError(
            explain(
                "from_keras",
                f"{model.name} does not go from one picture to one tensor",
                expected="one input (batch, height, width, channels) and one output",
                received={"inputs": model.input_shape, "outputs": model.output_shape},
                mend="keras.Model(model.inputs[0], features)",
            )
        )
    rule = _rule(preprocessing)
    if blocks is not None and "(" not in blocks:
        raise SpecError(
            explain(
                "from_keras",
                "the blocks pattern has no group",
                expected="a regular expression whose first group names the block",
                received={"blocks": blocks},
                mend=r"blocks=r'(stage\d+)_'",
            )
        )
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


def _rule(value: str | Preprocessing) -> Preprocessing:
    return preprocessing(value, verb="from_keras")
