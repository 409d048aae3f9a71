"""A network as one graph in inference mode, with its variables in it as constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.engine.forward.snapshot import Snapshot

__all__ = ["CONSTANT_BYTES", "Traced", "as_called", "traced"]

CONSTANT_BYTES = 256 * 2**20
"""Weights beyond it stay variables, the largest of them first.

TensorFlow keeps five to six copies of a constant while it makes its graph smaller (ResNet50's 98 MB
took 650 MB), and refuses a graph of 2 GB. Only the dense layers of networks such as VGG16 with its
top are that large, and they gain nothing.
"""


@dataclass(frozen=True)
class Traced:
    """A graph, and what it was made of.

    Attributes:
        function: The concrete function; a list of float32 tensors comes out.
        model: What it was made of; it keeps alive the variables that are no constants.
        constants: The variables whose values are in the graph.
        note: Why there are none, or "".
    """

    function: Any
    model: KerasModel
    constants: Snapshot
    note: str = ""


class _WritesStateError(Exception):
    """The network writes into a variable while it predicts."""


def traced(
    model: KerasModel, *, xla: bool = False, constant_bytes: float = CONSTANT_BYTES
) -> Traced:
    """Trace a network for batches of any size.

    A network that writes into variables of its own while it predicts, such as the state of a random
    generator, or that cannot be traced with constants, keeps all of them as variables.

    Args:
        model: One or several inputs and outputs.
        xla: Whether XLA compiles the graph.
        constant_bytes: How much may become constants.
    """
    constants = Snapshot(_chosen(model, constant_bytes))
    try:
        return Traced(_concrete(model, constants, xla=xla), model, constants)
    except _WritesStateError:
        note = "the network keeps a state of its own, so its weights stay variables"
    except Exception as error:  # layers of anybody's may do what no constant can; then as they are
        note = f"its weights stay variables, as they cannot be constants ({type(error).__name__})"
    none = Snapshot(())
    return Traced(_concrete(model, none, xla=xla), model, none, note)


def _chosen(model: KerasModel, most: float) -> list[Any]:
    total, chosen = 0.0, []
    for variable in sorted(model.variables, key=_size):
        total += _size(variable)
        if total > most:
            break
        chosen.append(variable)
    return chosen


def _size(variable: Any) -> int:
    tf = _keras.tf()
    count = 1
    for side in variable.shape:
        count *= int(side)
    return count * int(tf.as_dtype(variable.dtype).size)


def _concrete(model: KerasModel, constants: Snapshot, *, xla: bool) -> Any:
    keras, tf = _keras.keras(), _keras.tf()
    values = constants.arrays()

    def run(*inputs: Tensor) -> list[Tensor]:
        given = as_called(model, inputs)
        if not values:
            return _float32(model(given, training=False))
        mapping = [(variable, tf.constant(value, variable.dtype)) for variable, value in values]
        # Variables that wait for their values elsewhere are none of this graph's.
        with keras.StatelessScope(mapping, initialize_variables=False) as scope:
            before = dict(scope.state_mapping)
            outputs = _float32(model(given, training=False))
        if any(scope.state_mapping[key] is not before.get(key) for key in scope.state_mapping):
            raise _WritesStateError
        return outputs

    signature = [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in model.inputs]
    options = {"jit_compile": True} if xla else {}
    return tf.function(
        run, autograph=False, input_signature=signature, **options
    ).get_concrete_function()


def as_called(model: KerasModel, inputs: Sequence[Tensor]) -> Any:
    """Inputs in a row, in the structure in which the network takes them."""
    structure = getattr(model, "_inputs_struct", None)
    if structure is not None:
        return _keras.keras().tree.pack_sequence_as(structure, list(inputs))
    return inputs[0] if len(inputs) == 1 else list(inputs)


def _float32(outputs: Any) -> list[Tensor]:
    tf = _keras.tf()
    return [tf.cast(each, tf.float32) for each in _keras.keras().tree.flatten(outputs)]
