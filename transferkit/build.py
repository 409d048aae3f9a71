"""From a description to a network; the only place that sets ``trainable``."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from transferkit import _keras, backbones, heads
from transferkit._types import KerasModel
from transferkit.augment import Pipeline
from transferkit.augment.layer import AugmentationLayer
from transferkit.errors import SpecError, explain
from transferkit.freeze import Freeze
from transferkit.select import LayerTable
from transferkit.spec import BoundHead, ModelSpec, Target

__all__ = [
    "Assembled",
    "assemble",
    "bind",
    "compile_network",
    "copy",
    "freeze",
    "is_held_in_inference",
    "logits_of",
    "parameters",
    "quicken_norms",
    "seeded",
    "thaw",
]

OUTPUTS = "outputs"
MOMENTUM = 0.9
"""How much of a statistic stays in a step where normalisation starts from random weights."""
keras = _keras.keras()


@dataclass(frozen=True)
class Assembled:
    """A network and what was decided while it was put together.

    Attributes:
        network: From raw pixels to activated outputs.
        bound: The head that knows its classes.
        table: The backbone's layers.
        preprocessing: What the network does to pixels first, in words.
    """

    network: KerasModel
    bound: BoundHead
    table: LayerTable
    preprocessing: str


def assemble(
    spec: ModelSpec,
    target: Target,
    *,
    input_shape: tuple[int, int, int],
    seed: int,
    augment: bool = False,
) -> Assembled:
    """Put backbone and head into one functional network, its policy applied.

    Args:
        spec: What the model is.
        target: What it predicts.
        input_shape: (height, width, channels) of the pixels.
        seed: Decides every random initial weight and every dropout mask.
        augment: Whether the augmentation becomes a layer of the network.

    Raises:
        BackboneError: If the backbone cannot take that shape.
        SpecError: If the head does not fit the target or the backbone.
    """
    with seeded(seed):
        body = backbones.load(spec.backbone, input_shape=input_shape, weights=spec.weights)
        if spec.weights is None:
            quicken_norms(body.network, body.table)
        bound = bind(spec, replace(target, strides=tuple(body.taps)))
        missing = [stride for stride in bound.needs if stride not in body.taps]
        if missing:
            raise SpecError(
                explain(
                    "head",
                    f"the head reads strides that {body.info.name} has not: {missing}",
                    expected=f"strides among {tuple(body.taps)}",
                    received={"needs": bound.needs},
                )
            )
        logits = bound.build(body.taps)
        outputs = keras.layers.Activation(bound.activation, dtype="float32", name=OUTPUTS)(logits)
        network = keras.Model(body.network.inputs[0], outputs, name="transfer_model")
        if augment and spec.augment:
            network = _with_augmentation(network, spec, seed)
    freeze(network, body.table, spec.policy)
    return Assembled(network, bound, body.table, body.info.preprocessing)


def bind(spec: ModelSpec, target: Target) -> BoundHead:
    """The spec's head, or the plain one for the task, bound to the target."""
    return (spec.head or heads.default(target)).bind(target)


def compile_network(
    network: KerasModel, bound: BoundHead, optimizer: Any = None, **options: Any
) -> None:
    """Compile with the head's loss and metrics and, unless told otherwise, Adam 1e-3."""
    network.compile(
        optimizer=optimizer if optimizer is not None else keras.optimizers.Adam(1e-3),
        loss=bound.loss(from_logits=False),
        metrics=bound.metrics(),
        **options,
    )


def freeze(network: KerasModel, table: LayerTable, policy: Freeze) -> frozenset[str]:
    """Freeze the policy's layers and thaw all others of the table.

    A frozen layer runs in inference mode whatever its kind. ``trainable = False`` does that for
    BatchNormalization only: a functional network hands ``training=True`` to every layer that takes
    it, so a frozen Dropout would go on drawing. Each frozen layer, and every layer inside it, is
    therefore called with ``training=False`` until it is thawed, here or by setting its `trainable`.
    Takes effect with the next compile. Keras' own file formats do not keep this; bundles do.

    Returns:
        The names of the frozen layers.

    Raises:
        SelectionError: If the policy names a layer that there is not.
    """
    frozen = policy.resolve(table, verb="freeze")
    by_name = _keras.named_layers(network)
    for row in table:
        layer = by_name.get(row.name)
        if layer is None:  # the backbone's own input layer gave way to the network's
            continue
        # TensorFlow's tracking takes no notice of an attribute that is set to what it is: a layer
        # of which `thaw` left some variables out would stay so. Parts have what their layer has,
        # until their own row comes, which stands behind it.
        layer.trainable = False
        layer.trainable = row.name not in frozen
        for part in layer._flatten_layers():
            _release(part)
            if row.name in frozen:
                _hold_in_inference(part, unless=partial(_is_trainable, layer))
    return frozen


def thaw(network: KerasModel, moving: Mapping[str, Sequence[Any]]) -> None:
    """Let some variables of frozen layers train, whose layers stay in inference mode.

    Holds until the next `freeze`, and takes effect with the next compile.

    Args:
        network: Frozen by `freeze`.
        moving: The variables, by the name of the layer that holds them, itself or in its parts.
    """
    for name, variables in moving.items():
        layer, chosen = network.get_layer(name), {id(each) for each in variables}
        layer.trainable = True
        for variable in layer.trainable_variables:
            variable.trainable = id(variable) in chosen
        for part in layer._flatten_layers():
            _release(part)
            _hold_in_inference(part)


def quicken_norms(network: KerasModel, table: LayerTable) -> None:
    """Let the statistics of a random backbone's normalisation arrive within tens of steps.

    They begin at 0 and 1, which random weights do not give, and Keras' MobileNets move them by a
    thousandth in a step: after a hundred steps such a network, trained well, still predicts by
    statistics that are nowhere near, and so one class for all pictures. Their momentum becomes 0.9
    where it is more, as it is in PyTorch, so that a tenth is new in each step.

    Args:
        network: The backbone, or one that holds it.
        table: The backbone's layers. Norms inside a SavedModel are not seen.
    """
    by_name = _keras.named_layers(network)
    for layer in filter(None, (by_name.get(row.name) for row in table)):
        for norm in _keras.norms(layer):
            norm.momentum = min(norm.momentum, MOMENTUM)


def parameters(network: KerasModel) -> tuple[int, int]:
    """How many numbers of a network train, and how many it has."""
    moving = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    return moving, int(network.count_params())


def logits_of(network: KerasModel) -> KerasModel:
    """The same network up to the tensor before its last activation, sharing every variable."""
    return keras.Model(network.inputs, network.get_layer(OUTPUTS).input)


def copy(network: KerasModel) -> KerasModel:
    """A network with the same graph and equal, but own, variables."""
    twin = keras.models.clone_model(network)
    _keras.set_weights(twin, network.get_weights())
    return twin


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make Keras draw its default seeds from `seed`, and leave the global state as it was."""
    state = random.getstate()  # keras.random.make_default_seed asks the standard library
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _with_augmentation(network: KerasModel, spec: ModelSpec, seed: int) -> KerasModel:
    pixels = keras.Input(network.input_shape[1:], name="pictures", dtype="float32")
    layer = AugmentationLayer(Pipeline(spec.augment), seed=seed, name="augmentation")
    rewired = backbones.rewire(network, layer(pixels))
    return keras.Model(pixels, rewired.features, name=network.name)


def _is_trainable(layer: Any) -> bool:
    return bool(layer.trainable)


def _hold_in_inference(part: Any, unless: Callable[[], bool] = lambda: False) -> None:
    if "call" in vars(part) or "training" not in inspect.signature(part.call).parameters:
        return
    part.call = _without_training(part.call, unless)


def _without_training(call: Callable[..., Any], unless: Callable[[], bool]) -> Callable[..., Any]:
    def in_inference(*args: Any, **kwargs: Any) -> Any:
        if unless():  # somebody thawed it by Keras' own means
            return call(*args, **kwargs)
        return call(*args, **{**kwargs, "training": False})

    return in_inference


def is_held_in_inference(layer: Any) -> bool:
    """Whether `freeze` or `thaw` keeps a layer, or the one that it stands in, in inference mode."""
    return "call" in vars(layer) and layer.call.__name__ == "in_inference"


def _release(layer: Any) -> None:
    if is_held_in_inference(layer):
        del layer.call
