"""A SavedModel as one Keras layer, with its variables in parts that freeze one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.backbones.from_keras import OURS
from transferkit.backbones.tf_hub.convention import read_convention
from transferkit.backbones.tf_hub.drawing import draw
from transferkit.backbones.tf_hub.program import Program, known_program

__all__ = ["SavedModelLayer", "StatisticsScope", "VariableScope", "programs_of"]

keras, tf = _keras.keras(), _keras.tf()
Layer: Any = keras.layers.Layer


class VariableScope(Layer):
    """The variables of a SavedModel under one name: a layer, as far as they are concerned.

    It computes nothing: the program that holds it does. It has a row of its own in the layer table,
    so that selectors find it and policies freeze it.

    Args:
        variables: TensorFlow's variables, which stay what they are.
        trains: The ids of those that train.
        name: The scope, dots for slashes: Keras allows none in a name.
    """

    def __init__(self, variables: Iterable[Any], trains: frozenset[int], *, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        with keras.name_scope(self.name):
            self.held = [_adopted(each, trainable=id(each) in trains) for each in variables]
        self.built = True


class StatisticsScope(VariableScope):
    """A scope that holds numbers which training mode moves and no gradient does.

    That is what BatchNormalization looks like from outside, and it is treated alike: policies
    freeze it unless they say ``batch_norm="train"``.
    """


@keras.saving.register_keras_serializable(package="transferkit")
class SavedModelLayer(Layer):
    """Runs a SavedModel on preprocessed pictures.

    All of it runs in one mode. It is training mode if every part trains and the call is for
    training; as soon as one is frozen it is inference mode, since a program has one switch for all
    its norms and dropouts, and what is frozen must not move. Gradients flow in either mode.

    Penalties on weights that the SavedModel brings are losses of the layer as long as some part
    trains.

    As with every layer of Keras, one that is made from a configuration has numbers that are newly
    drawn (see `drawing`), and whoever copies a network or reads it from a file sets them.

    Args:
        program: The SavedModel, or the digest of one that is at hand.
        output: The key of the output to take, of a SavedModel that gives several.
        pretrained: Whether its variables keep the SavedModel's own numbers; no part of the
            configuration.
        **kwargs: ``name`` and the like, for ``keras.layers.Layer``.

    Raises:
        BackboneError: If the program is not at hand, takes no pictures, or is to run on several
            devices at once.
    """

    def __init__(
        self,
        program: Program | str,
        output: str | None = None,
        *,
        pretrained: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.pretrained = pretrained
        self.program = known_program(program) if isinstance(program, str) else program
        self.output_key = output
        self.parts: list[Any] = []
        self.strides = 0
        """Nominal stride from the pictures to its map; 0 if that is not known."""
        self.supports_jit = False  # nobody knows what is in it

    @property
    def trainable(self) -> bool:
        """Whether any part trains; to set it freezes or thaws them all."""
        parts = getattr(self, "parts", ())
        return any(part.trainable for part in parts) if parts else bool(self._trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Layer.trainable.fset(self, value)

    def build(self, input_shape: Any) -> None:
        """Load the program, with variables of this layer's own, and see what it gives."""
        self.loaded = self.program.load()
        self._run = read_convention(self.loaded, output=self.output_key)
        self._takes = tuple(input_shape[1:])
        with tf.init_scope():
            self._gives = self._given((1, *self._takes))
        trains = frozenset(map(id, self._run.trainable))
        self.parts = list(_parts(self._run.variables, trains))
        for part in self.parts:
            part.trainable = self._trainable
        if not self.pretrained:
            draw(self._run.variables)

    @property
    def work(self) -> int:
        """About how many multiply-adds a picture takes.

        Where in the program a kernel is used is not to be seen. On a map of a sixteenth of the
        picture's sides, all of them together take 4.6 G for ResNet50 at 224 x 224 (3.9 G in truth),
        0.43 G for MobileNetV2 (0.30 G) and 2.9 G for VGG16's convolutions (15 G).
        """
        height, width = self._takes[:2]
        places = max(height // 16, 1) * max(width // 16, 1)
        shapes = [tuple(variable.shape) for variable in self._run.variables]
        return sum(math.prod(s) * (places if len(s) > 2 else 1) for s in shapes if len(s) > 1)

    def _given(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what comes out for one picture: graphs often do not say it."""
        return tuple(self._run(tf.zeros(shape)).shape[1:])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, channels) or (batch, height, width, channels)."""
        return (input_shape[0], *self._gives)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """The features.

        Args:
            inputs: Preprocessed pictures (batch, height, width, channels).
            training: Training mode, if every part trains.
        """
        mode = bool(training) and all(part.trainable for part in self.parts)
        if self.trainable:
            for penalty in self._run.penalties:
                self.add_loss(penalty())
        features = tf.cast(self._run(inputs, training=mode), self.compute_dtype)
        own = tuple(inputs.shape[1:]) == self._takes
        sides = self._gives if own else (*[None] * (len(self._gives) - 1), self._gives[-1])
        return tf.ensure_shape(features, (None, *sides))

    def get_config(self) -> dict[str, Any]:
        """The program by its digest: whoever makes the layer again has to hold it."""
        about = {"program": self.program.digest, "output": self.output_key}
        return {**super().get_config(), **about}


def programs_of(network: KerasModel) -> dict[str, Program]:
    """The programs that a network's layers run, by digest."""
    layers = [layer for layer in network._flatten_layers() if isinstance(layer, SavedModelLayer)]
    return {layer.program.digest: layer.program for layer in layers}


def _adopted(variable: Any, *, trainable: bool) -> Any:
    """A variable of TensorFlow's as one of Keras', the numbers being the same ones."""
    name = _path(variable)[-1]
    return keras.Variable(variable, dtype=variable.dtype.name, trainable=trainable, name=name)


def _parts(variables: Sequence[Any], trains: frozenset[int]) -> Iterable[VariableScope]:
    scopes: dict[str, list[Any]] = {}
    for variable in variables:
        scopes.setdefault(_scope(variable), []).append(variable)
    for name, held in scopes.items():
        moves = trains and any(v.dtype.is_floating and id(v) not in trains for v in held)
        kind = StatisticsScope if moves else VariableScope
        yield kind(held, trains, name=name)


def _scope(variable: Any) -> str:
    """The variable's name without its last word, or all of it if there is one word only."""
    *above, last = _path(variable)
    name = ".".join(above) or last
    return f"{name}.scope" if OURS.fullmatch(name) else name


def _path(variable: Any) -> list[str]:
    words = [word for word in variable.name.split(":")[0].split("/") if word]
    return words or ["variable"]
