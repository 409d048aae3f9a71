"""A part of a network as a model of its own, with the same layers and variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.engine.forgetting import forgetting
from transferkit.engine.program import Call, Program

__all__ = ["section"]


def section(program: Program, starts: Sequence[int], ends: Sequence[int]) -> KerasModel:
    """What leads from some tensors of a network to others.

    The layers hold no trace of it afterwards: ``layer.output`` and saved files stay what they were.

    Args:
        program: Of the network.
        starts: The numbers of the tensors that go in; ``(0,)`` for the pixels. All paths to the
            ends lead through them.
        ends: The numbers of the tensors that come out; none of them among the starts.

    Returns:
        A ``keras.Model`` from one tensor, or a list of them, to one or a list of them.
    """
    keras = _keras.keras()
    inputs = [_like(program.tensors[number], keras.Input) for number in starts]
    made = {id(program.tensors[n]): x for n, x in zip(starts, inputs, strict=True)}
    with forgetting(call.operation for call in program.calls):
        for call in _between(program, starts, ends):
            _repeat(call, program, made)
        outputs = [made[id(program.tensors[number])] for number in ends]
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def _like(tensor: Tensor, kind: Any) -> Tensor:
    return kind(batch_shape=tensor.shape, dtype=tensor.dtype)


def _between(program: Program, starts: Sequence[int], ends: Sequence[int]) -> list[Call]:
    """The calls that the ends need, in order."""
    needed, calls = set(ends) - set(starts), []
    for call in reversed(program.calls):
        if needed.intersection(call.outputs):
            needed = (needed - set(call.outputs)) | (set(call.inputs) - set(starts))
            calls.append(call)
    return calls[::-1]


def _repeat(call: Call, program: Program, made: dict[int, Tensor]) -> None:
    """Note a call on other tensors, as Keras notes it when a layer is called, without calling it.

    Calling 400 layers takes a second; and Keras' own way to a part of a model takes a layer that is
    called on both sides of its beginning for the input.
    """
    keras = _keras.keras()
    originals = [program.tensors[number] for number in call.outputs]
    outputs = [keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in originals]
    args, kwargs = call.node.arguments.fill_in(made)
    type(call.node)(call.operation, call_args=args, call_kwargs=kwargs, outputs=outputs)
    made.update({id(old): new for old, new in zip(originals, outputs, strict=True)})
