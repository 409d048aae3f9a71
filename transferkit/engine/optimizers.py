"""A fresh Keras optimizer for each phase, from what the plan says of it, and what is put on it.

Layer rates and the pull of L2-SP are put on the optimizer itself: it is called as before, by
whoever calls it, and callbacks find it where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit import _keras
from transferkit._types import KerasModel
from transferkit.averaging import Exponential
from transferkit.engine.low_rank import Factored
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.objectives import L2SP
from transferkit.plan import OPTIMIZERS, Phase
from transferkit.schedules.layer_rates import AutoRGN
from transferkit.select import LayerTable

__all__ = ["Starts", "hold", "make_optimizer", "starts_of", "steered"]

keras, tf = _keras.keras(), _keras.tf()
Starts = Mapping[str, np.ndarray[Any, Any]]
"""What weights were when the fit began, by their path."""


def make_optimizer(phase: Phase) -> Any:
    """A fresh optimizer, as a phase describes it; a rate of 0 stands for a warm-up's first step."""
    described = phase.optimizer
    config = {**described.config, "learning_rate": phase.learning_rate(0, 1)}
    if isinstance(phase.averaging, Exponential):
        config |= {"use_ema": True, "ema_momentum": phase.averaging.momentum}
    if described.cls is not None:
        return described.cls.from_config(config)
    # keras.optimizers.get does not know all of them by their small names (Lamb).
    kinds = {name.lower(): name for name in dir(keras.optimizers)}
    kind = getattr(keras.optimizers, kinds.get(described.name, ""), None)
    if kind is None:
        raise SpecError(
            explain(
                "fit",
                f"the optimizer {described.name!r} is none of Keras' own",
                expected=did_you_mean(described.name, OPTIMIZERS),
                received={"optimizer": described.name},
                mend="Phase(..., optimizer=MyOptimizer()) brings its class along.",
            )
        )
    return kind.from_config(config)


def starts_of(network: KerasModel, table: LayerTable, phases: Sequence[Phase]) -> Starts:
    """The backbone's weights before a fit, if one of its phases is drawn to them."""
    if not any(isinstance(each, L2SP) for phase in phases for each in phase.objectives):
        return {}
    owners = _owners(network, table)
    return {
        weight.path: np.asarray(weight).copy()
        for weight in network.weights
        if owners.get(id(weight))
    }


def hold(optimizer: Any, own: Sequence[Any]) -> None:
    """Keep variables that terms have of their own with the optimizer's state.

    They are then in every backup of the phase, and alike for all workers, and go when the optimizer
    goes: the network does not know them.
    """
    for variable in own:
        optimizer._track_variable(variable)


def steered(
    optimizer: Any,
    phase: Phase,
    network: KerasModel,
    table: LayerTable,
    starts: Starts,
    factored: Sequence[Factored] = (),
    own: Sequence[Any] = (),
) -> Any:
    """The same optimizer, with the phase's layer rates and its pull toward the start.

    Args:
        optimizer: Built on the network's trainable variables, or on the factors of some, and behind
            them on `own`.
        phase: What it is for.
        network: Its layers are frozen as the phase wants.
        table: The backbone's layers.
        starts: Of `starts_of`.
        factored: The kernels that move by factors, which have their layer's rate.
        own: Variables of the phase's terms, which train at the rate of the head.
    """
    owners = _owners(network, table)
    variables = [*network.trainable_variables, *own]
    layers = [owners.get(id(variable)) for variable in variables]
    if phase.layer_rates is not None:
        known = phase.layer_rates.factors(table)
        moved = _moved(variables, layers, factored)
        factors: list[Any] = [1.0 if layer is None else known[layer] for layer in moved]
        _scale(optimizer, factors)
        if isinstance(phase.layer_rates, AutoRGN):
            _before(optimizer, lambda found: _relative(found, variables, layers, moved, factors))
    else:
        factors = [1.0] * len(layers)
    for pull in phase.objectives:
        if isinstance(pull, L2SP):
            drawn = [
                (variable, tf.constant(starts[variable.path]), place)
                for place, (variable, layer) in enumerate(zip(variables, layers, strict=True))
                if layer is not None
            ]
            _behind(optimizer, _puller(optimizer, drawn, factors, pull.alpha))
    return optimizer


def _owners(network: KerasModel, table: LayerTable) -> dict[int, str]:
    """The layer of the backbone that each weight belongs to."""
    names = set(table.names)
    return {
        id(weight): name
        for name, layer in _keras.named_layers(network).items()
        if name in names
        for weight in layer.weights  # of a part the last word is its own, which comes later
    }


def _moved(
    variables: Sequence[Any], layers: Sequence[str | None], factored: Sequence[Factored]
) -> list[str | None]:
    """The layer of each variable that the optimizer moves: a kernel's factors have its layer."""
    split = {id(each.kernel): len(each.factors) for each in factored}
    pairs = zip(variables, layers, strict=True)
    return [layer for variable, layer in pairs for _ in range(split.get(id(variable), 1))]


def _scale(optimizer: Any, factors: Sequence[Any]) -> None:
    """Multiply the learning rate of each variable; `factors` may change until a step is traced."""
    update = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        factor = factors[optimizer._get_variable_index(variable)]
        return update(gradient, variable, tf.cast(learning_rate, tf.float32) * factor)

    optimizer.update_step = update_step


def _before(optimizer: Any, told: Callable[[Sequence[Any]], None]) -> None:
    """Show the gradients of each step to `told` first."""
    apply = optimizer.apply

    def shown(gradients: Sequence[Any], variables: Any = None) -> Any:
        told(gradients)
        return apply(gradients, variables)

    optimizer.apply = shown


def _behind(optimizer: Any, then: Callable[[], None]) -> None:
    """Call `then` behind each step."""
    apply = optimizer.apply

    def applied(gradients: Sequence[Any], variables: Any = None) -> Any:
        made = apply(gradients, variables)
        then()
        return made

    optimizer.apply = applied


def _relative(
    gradients: Sequence[Any],
    variables: Sequence[Any],
    layers: Sequence[str | None],
    moved: Sequence[str | None],
    factors: list[Any],
) -> None:
    """Set the factors to the relative gradient norms of the layers, the largest of them to 1.

    The norms are those of the network's `variables`, in `layers`; the factors those of what the
    optimizer moves, in `moved`.
    """
    squares: dict[str, list[Any]] = {}
    for gradient, variable, layer in zip(gradients, variables, layers, strict=True):
        if layer is not None and gradient is not None:
            pair = (tf.reduce_sum(tf.square(tf.cast(x, tf.float32))) for x in (gradient, variable))
            squares.setdefault(layer, []).append(tuple(pair))
    sums = {
        layer: [tf.add_n(list(each)) for each in zip(*found, strict=True)]
        for layer, found in squares.items()
    }
    ratios = {layer: tf.sqrt(g / tf.maximum(w, 1e-12)) for layer, (g, w) in sums.items()}
    if ratios:
        largest = tf.maximum(tf.reduce_max(tf.stack(list(ratios.values()))), 1e-30)
        for place, layer in enumerate(moved):
            factors[place] = ratios[layer] / largest if layer in ratios else 1.0


def _puller(
    optimizer: Any, drawn: Sequence[tuple[Any, Any, int]], factors: Sequence[Any], alpha: float
) -> Callable[[], None]:
    """What draws weights to their start; where gradients are gathered, behind whole steps only."""
    gathered = getattr(optimizer, "gradient_accumulation_steps", None) or 1

    def pull() -> None:
        whole = tf.cast(optimizer._iterations % gathered == 0, tf.float32)
        share = alpha * whole * tf.cast(optimizer.learning_rate, tf.float32)
        for variable, start, place in drawn:
            off = tf.convert_to_tensor(variable.value) - start
            variable.assign_sub(tf.cast(share * factors[place], off.dtype) * off)

    return pull
