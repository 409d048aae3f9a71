"""A functional network as a list of calls on numbered tensors: what the engine thinks about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor

__all__ = ["Call", "Program", "read"]


@dataclass(frozen=True)
class Call:
    """One operation of the graph, called once; a layer that is shared has several.

    Attributes:
        operation: The layer, or the operation that is none (``x + y``).
        inputs: The numbers of the tensors that it reads.
        outputs: The numbers of the tensors that it gives.
        node: Keras' record of it: how the tensors stand among the arguments.
        work: Multiply-adds for one picture.
    """

    operation: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    node: Any
    work: int

    @property
    def constants(self) -> str:
        """What it is given beside tensors, as text; each tensor is a dot."""
        given = (self.node.arguments.args, self.node.arguments.kwargs)
        tensors = _keras.keras().KerasTensor
        return str(
            _keras.keras().tree.map_structure(
                lambda value: "." if isinstance(value, tensors) else repr(value), given
            )
        )


@dataclass(frozen=True)
class Program:
    """The calls of a network in an order in which they can run.

    Attributes:
        tensors: Keras' tensors by number; the first is the pixels.
        calls: The calls, without the input layer.
        end: The number of the last tensor.
    """

    tensors: tuple[Tensor, ...]
    calls: tuple[Call, ...]
    end: int

    @property
    def work(self) -> int:
        """Multiply-adds of the whole forward pass for one picture."""
        return sum(call.work for call in self.calls)

    def name(self, tensor: int) -> str:
        """The layer or operation that gave a tensor."""
        return str(self.tensors[tensor]._keras_history.operation.name)

    def elements(self, tensor: int) -> int:
        """Numbers in a tensor for one picture."""
        return math.prod(self.tensors[tensor].shape[1:])


def read(network: KerasModel) -> Program:
    """The program of a functional model from one input to one output.

    Args:
        network: Its nested models were opened.
    """
    flatten = _keras.keras().tree.flatten
    (entry,), (end,) = flatten(network.inputs), flatten(network.outputs)
    number = {id(entry): 0}
    tensors, calls = [entry], []
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if node.is_input:
                continue
            for out in node.outputs:
                number[id(out)] = len(tensors)
                tensors.append(out)
            inputs = tuple(number[id(x)] for x in node.input_tensors)
            outputs = tuple(number[id(out)] for out in node.outputs)
            calls.append(Call(node.operation, inputs, outputs, node, _work(node)))
    return Program(tuple(tensors), tuple(calls), number[id(end)])


def _work(node: Any) -> int:
    """Multiply-adds: every matrix or kernel is gone through once for each place of the output.

    Exact for dense layers and for convolutions of every kind. The products of attention with
    itself, and what only adds or compares, count as nothing. An opaque layer says itself what it
    takes.
    """
    if hasattr(node.operation, "work"):
        return int(node.operation.work)
    kernels = [weight for weight in getattr(node.operation, "weights", ()) if len(weight.shape) > 1]
    shape = node.outputs[0].shape
    places = math.prod(int(side) for side in shape[1:-1] if side is not None)
    return places * sum(int(math.prod(kernel.shape)) for kernel in kernels)
