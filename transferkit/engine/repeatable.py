"""Which calls give the same for a picture in every epoch: frozen ones without chance in them."""

from __future__ import annotations

import inspect
from typing import Any

from transferkit import _keras, build
from transferkit.engine.program import Call, Program

__all__ = ["is_repeatable", "repeatable_calls"]

_OWN = ("keras.", "transferkit.")


def repeatable_calls(program: Program) -> tuple[bool, ...]:
    """For each call whether its outputs depend on the picture alone.

    Args:
        program: Of a network whose layers are frozen as the phase wants.
    """
    tensors = {0}
    found = []
    for call in program.calls:
        repeatable = tensors.issuperset(call.inputs) and is_repeatable(call, program)
        found.append(repeatable)
        if repeatable:
            tensors.update(call.outputs)
    return tuple(found)


def is_repeatable(call: Call, program: Program) -> bool:
    """Whether an operation trains nothing, draws nothing, and keeps nothing of what it saw."""
    layer = call.operation
    if not isinstance(layer, _keras.keras().layers.Layer):
        return True
    if layer.trainable_variables or not all(map(_is_deterministic, layer._flatten_layers())):
        return False
    return type(layer).__module__.startswith(_OWN) or _leaves_no_trace(call, program)


def _is_deterministic(part: Any) -> bool:
    if "training" in inspect.signature(type(part).call).parameters:
        return build.is_held_in_inference(part)
    generator = _keras.keras().random.SeedGenerator
    return not any(isinstance(value, generator) for value in vars(part).values())


def _leaves_no_trace(call: Call, program: Program) -> bool:
    """Trace a layer of somebody else's and look for what draws or writes."""
    tf = _keras.tf()
    given = [program.tensors[number] for number in call.inputs]
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in given]
    try:
        traced = tf.function(lambda *x: call.operation(*x), autograph=False)
        operations = traced.get_concrete_function(*specs).graph.get_operations()
    except Exception:  # it is called otherwise, or cannot be traced: nobody knows what it does
        return False
    return not any(each.op_def.is_stateful and each.type != "ReadVariableOp" for each in operations)
