"""A functional model's calls, and the same calls once more with other operations in some places.

Keras keeps a model's calls in nodes. They are copied here and not called again: a symbolic call
traces its layer to learn a shape that the old node knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.engine.forgetting import forgetting

__all__ = ["Calls", "rebuilt"]


@dataclass(frozen=True)
class Calls:
    """What a functional model calls; nested models count as one call and stay as they are.

    Attributes:
        model: A functional or sequential model.
    """

    model: KerasModel

    @cached_property
    def nodes(self) -> tuple[Any, ...]:
        """Keras' node of each call, in the order in which they run."""
        known = {id(tensor) for tensor in self.inputs}
        found = []
        by_depth = _opened(self.model)._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if not node.is_input and all(id(x) in known for x in node.input_tensors):
                    found.append(node)
                    known.update(id(x) for x in node.outputs)
        return tuple(found)

    @property
    def inputs(self) -> list[Tensor]:
        """The model's input tensors."""
        return list(_opened(self.model).inputs)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The ids of the model's output tensors."""
        return frozenset(id(tensor) for tensor in _opened(self.model).outputs)

    @cached_property
    def makers(self) -> dict[int, Any]:
        """The call that made each tensor, by the tensor's id."""
        return {id(out): node for node in self.nodes for out in node.outputs}

    @cached_property
    def readers(self) -> dict[int, int]:
        """How often each tensor is read, by its id; a model's output is read from outside too."""
        counts = dict.fromkeys(self.ends, 1)
        for node in self.nodes:
            for tensor in node.input_tensors:
                counts[id(tensor)] = counts.get(id(tensor), 0) + 1
        return counts

    def before(self, node: Any) -> Any:
        """The call whose only output goes into `node` and nowhere else, or None."""
        (tensor,) = node.input_tensors
        return self.makers.get(id(tensor)) if self.readers[id(tensor)] == 1 else None


def rebuilt(model: KerasModel, instead: Mapping[Any, Any]) -> KerasModel:
    """A new functional model with the same calls, which shares every other layer with `model`.

    A functional model runs from the nodes that it found when it was made. The shared layers forget
    the new ones straight away, so that ``layer.output`` and a saved file stay what they were; the
    new model can be called, trained and rewritten again, but neither saved nor cut.

    Args:
        model: A functional or sequential model, with any number of inputs and outputs.
        instead: What is called in place of a node's own operation; None where what goes in comes
            out.
    """
    calls, keras = Calls(model), _keras.keras()
    new: dict[int, Tensor] = {id(tensor): _input_like(tensor) for tensor in calls.inputs}
    fill = keras.tree.map_structure
    with forgetting(node.operation for node in calls.nodes):
        for node in calls.nodes:
            arguments = fill(lambda x: new.get(id(x), x), _arguments(node))
            operation = instead.get(node, node.operation)
            if operation is None:
                outputs = arguments[0][0]
            else:
                outputs = fill(_like, node.outputs)
                args, kwargs = arguments
                if operation is not node.operation:  # Keras notes mask=None for layers that take it
                    kwargs = {name: value for name, value in kwargs.items() if value is not None}
                type(node)(operation, call_args=args, call_kwargs=kwargs, outputs=outputs)
            flat = zip(node.outputs, keras.tree.flatten(outputs), strict=True)
            new.update({id(old): tensor for old, tensor in flat})
        opened = _opened(model)
        ends = (opened._inputs_struct, opened._outputs_struct)
        inputs, outputs = fill(lambda x: new[id(x)], ends)
        return keras.Model(inputs, outputs, name=model.name)


def _opened(model: KerasModel) -> Any:
    return getattr(model, "_functional", None) or model


def _arguments(node: Any) -> tuple[Any, Any]:
    return node.arguments.args, node.arguments.kwargs


def _input_like(tensor: Tensor) -> Tensor:
    layer = tensor._keras_history.operation
    return _keras.keras().Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        sparse=tensor.sparse,
        optional=layer.optional,
        name=layer.name,
    )


def _like(tensor: Tensor) -> Tensor:
    return _keras.keras().KerasTensor(
        tensor.shape, dtype=tensor.dtype, sparse=tensor.sparse, name=tensor.name
    )
