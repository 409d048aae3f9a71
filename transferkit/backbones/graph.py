"""Reading and rewiring a functional Keras graph: strides, cut points, taps.

Keras keeps the graph in nodes. What is used of them is read here, and by the engine in
`engine/program.py` and `engine/sections.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.errors import BackboneError, explain
from transferkit.select import Layer, LayerTable

__all__ = [
    "Rewired",
    "flattened",
    "is_functional",
    "is_plain",
    "kinds_before",
    "layer_names",
    "rewire",
    "rows_of",
]

_RESIZES = ("ZeroPadding2D", "Cropping2D", "UpSampling2D")


@dataclass(frozen=True)
class Rewired:
    """A graph that was run again on another input.

    Attributes:
        layers: The layers, nested models opened, in source order.
        order: Names of the layers and of operations that are none (``x + y``), in the order in
            which they ran last.
        outputs: The last output tensor of each of these, by name.
        features: The graph's output.
        strides: Nominal stride (product of the strides before it) of each output; 0 where it has
            no height and width, or was scaled up by what the strides before it do not hold.
        cuts: The names whose output is the only tensor that crosses the graph there.
    """

    layers: tuple[Any, ...]
    order: tuple[str, ...]
    outputs: dict[str, Tensor]
    features: Tensor
    strides: dict[str, int]
    cuts: tuple[str, ...]

    def table(self, block_of: Callable[[str], int], block_names: Sequence[str]) -> LayerTable:
        """The layer table for a division into blocks; parts of a layer stand behind it."""
        rows = tuple(
            Layer(name, kind, block_of(layer.name), params)
            for layer in self.layers
            for name, kind, params in rows_of(layer)
        )
        return LayerTable(rows, tuple(block_names))

    def taps(self, chosen: Collection[str] = ()) -> dict[int, Tensor]:
        """The last cut tensor of each stride; padding only feeds what follows.

        Args:
            chosen: Names that come before the others of their stride, where they are cuts.
        """
        kinds = {layer.name: type(layer).__name__ for layer in self.layers}
        maps: dict[int, Tensor] = {}
        for name in (*self.cuts, *(cut for cut in self.cuts if cut in chosen)):
            if self.strides[name] and kinds.get(name) not in (*_RESIZES, "InputLayer"):
                maps[self.strides[name]] = self.outputs[name]
        return maps


def rows_of(layer: Any) -> tuple[tuple[str, str, int], ...]:
    """Name, kind and parameters of a layer, and then of its parts that have rows of their own.

    What a part holds is counted in its own row.
    """
    inside = [(part.name, type(part).__name__, part.count_params()) for part in _keras.parts(layer)]
    own = layer.count_params() - sum(params for _, _, params in inside)
    return ((layer.name, type(layer).__name__, own), *inside)


def is_functional(model: object) -> bool:
    """True for a functional or sequential Keras model, whose graph can be read."""
    models = _keras.keras().models
    return isinstance(model, models.Sequential) or hasattr(model, "_run_through_graph")


def is_plain(model: KerasModel) -> bool:
    """True if a model takes and gives a tensor, and no list or mapping of one."""
    ends = (getattr(model, name, None) for name in ("_inputs_struct", "_outputs_struct"))
    return not any(isinstance(end, list | tuple | dict) for end in ends)


def layer_names(model: KerasModel) -> tuple[str, ...]:
    """The names of a model's layers in source order, nested models opened."""
    return tuple(layer.name for layer in _flat_layers(model))


def kinds_before(model: KerasModel, layer: str) -> frozenset[str]:
    """The kinds of the layers and operations through which a layer reads a model's input.

    Args:
        model: As for `rewire`, which has to follow: the layers hold one call more afterwards.
        layer: The layer's name; it may stand in a nested model.
    """
    own = _opened(model).inputs[0]
    trace = _Trace(())
    trace.run(model, _keras.keras().Input(own.shape[1:], dtype=own.dtype))
    read = [tensor for _, inputs, name in trace.edges if name == layer for tensor in inputs]
    before = {tensor for end in read for tensor in trace.leading_to(end)}
    return frozenset(trace.kinds[name] for out, _, name in trace.edges if out in before)


def rewire(model: KerasModel, entry: Tensor, *, without: Collection[str] = ()) -> Rewired:
    """Run `model`'s graph again on `entry`, with the same layers, as one flat graph.

    The layers belong to the new graph alone afterwards, so that ``layer.output`` is found in it;
    `model` itself is given up.

    Args:
        model: A functional or sequential model with one input and one output.
        entry: A Keras tensor ``(batch, height, width, channels)``.
        without: Names of layers that are left out: what goes in comes out.

    Raises:
        BackboneError: If two layers have one name after nested models were opened.
    """
    layers = tuple(layer for layer in _flat_layers(model) if layer.name not in without)
    names = [layer.name for layer in layers]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise BackboneError(
            explain(
                "from_keras",
                "two layers of the network share a name",
                expected="names that stay unique when nested models are opened",
                received={"names": doubled},
                mend="Give each layer its own name=...",
            )
        )
    before = [len(layer._inbound_nodes) for layer in layers]
    trace = _Trace(without)
    features = trace.run(model, entry)
    for layer, count in zip(layers, before, strict=True):
        if not _is_input(layer):
            _forget_calls(layer, count)
    own_input = next((name for name in names if name not in trace.outputs), None)
    if own_input is not None:
        trace.outputs[own_input] = entry
        trace.strides[own_input] = 1
        trace.order.insert(0, own_input)
    order = tuple(reversed(dict.fromkeys(reversed(trace.order))))
    cuts = trace.cut_names(features)
    return Rewired(layers, order, trace.outputs, features, trace.strides, cuts)


def flattened(model: KerasModel, *, without: Collection[str] = ()) -> KerasModel:
    """`model` as a functional model without nested ones, with the same layers; it is given up.

    Args:
        model: As for `rewire`.
        without: As for `rewire`.
    """
    keras = _keras.keras()
    own = _opened(model).inputs[0]
    entry = keras.Input(own.shape[1:], name=own._keras_history.operation.name, dtype=own.dtype)
    return keras.Model(entry, rewire(model, entry, without=without).features, name=model.name)


def _flat_layers(model: KerasModel) -> tuple[Any, ...]:
    flat: list[Any] = []
    for layer in _opened(model).layers:
        if is_functional(layer):
            flat.extend(inner for inner in _flat_layers(layer) if not _is_input(inner))
        else:
            flat.append(layer)
    return tuple(flat)


def _opened(model: KerasModel) -> Any:
    """A sequential model's functional twin, or the model itself; both hold the input layer."""
    return getattr(model, "_functional", None) or model


def _forget_calls(layer: Any, count: int) -> None:
    """Drop a layer's first calls: ``layer.output`` is the output of the first one that is left."""
    del layer._inbound_nodes[:count]
    for index, node in enumerate(layer._inbound_nodes):
        for tensor in node.outputs:  # each knows its call by number
            tensor._keras_history = tensor._keras_history._replace(node_index=index)


def _is_input(layer: Any) -> bool:
    return type(layer).__name__ == "InputLayer"


class _Trace:
    """Follows one run through a graph and notes what each layer gave."""

    def __init__(self, without: Collection[str]) -> None:
        self._without = without
        self.outputs: dict[str, Tensor] = {}
        self.strides: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.order: list[str] = []
        self.edges: list[tuple[int, list[int], str]] = []  # output, inputs, operation
        self._stride_of: dict[int, int] = {}
        self._kept: list[Any] = []  # ids stay unique only while their tensors live

    def run(self, model: KerasModel, entry: Tensor) -> Tensor:
        self._stride_of.setdefault(id(entry), 1)
        self._kept.append(entry)
        return _opened(model)._run_through_graph([entry], operation_fn=self._noting)

    def _noting(self, operation: Any) -> Callable[..., Any]:
        if is_functional(operation):
            return lambda x, *rest, **kwargs: self.run(operation, x)
        if operation.name in self._without:
            return lambda x, *rest, **kwargs: x

        def call(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop(
                "training", None
            )  # decided by the step and the freeze policy, never recorded
            result = operation(*args, **kwargs)
            self._note(operation, (args, kwargs), result)
            return result

        return call

    def _note(self, operation: Any, given: Any, result: Any) -> None:
        flatten = _keras.keras().tree.flatten
        inputs = [
            x for x in flatten(given) if hasattr(x, "_keras_history") or id(x) in self._stride_of
        ]
        before = max((self._stride_of.get(id(x), 1) for x in inputs), default=1)
        for out in flatten(result):
            spatial = len(getattr(out, "shape", ())) == 4
            stride = _stride_after(operation, before) if spatial else 0
            self._stride_of[id(out)] = stride
            self._kept.append(out)
            self.edges.append((id(out), [id(x) for x in inputs], operation.name))
            self.outputs[operation.name] = out
            self.strides[operation.name] = stride
        self.kinds[operation.name] = type(operation).__name__
        self.order.append(operation.name)

    def cut_names(self, features: Tensor) -> tuple[str, ...]:
        """Layers after which exactly one tensor is alive."""
        useful = self.leading_to(id(features))
        edges = [edge for edge in self.edges if edge[0] in useful]
        position = {out: index for index, (out, _, _) in enumerate(edges)}
        last_use = dict(position)
        last_use[id(features)] = len(edges)
        for index, (_, inputs, _) in enumerate(edges):
            for x in inputs:
                last_use[x] = max(last_use.get(x, -1), index)
        cuts = []
        for index, (out, _, name) in enumerate(edges):
            alive = [x for x, end in last_use.items() if position.get(x, -1) <= index < end]
            # Of a layer that is called twice the last output is kept, and only that one can cut.
            if alive == [out] and id(self.outputs[name]) == out:
                cuts.append(name)
        return tuple(cuts)

    def leading_to(self, target: int) -> set[int]:
        """The ids of a tensor and of those that it follows from."""
        feeds: dict[int, list[int]] = {edge[0]: edge[1] for edge in self.edges}
        found, waiting = set(), [target]
        while waiting:
            tensor = waiting.pop()
            if tensor not in found:
                found.add(tensor)
                waiting.extend(feeds.get(tensor, ()))
        return found


def _stride_after(operation: Any, before: int) -> int:
    kind = type(operation).__name__
    if kind.startswith("Global"):  # one value for the whole picture, map or no map
        return 0
    if kind == "UpSampling2D" or "Transpose" in kind:
        up = _first(operation.size if kind == "UpSampling2D" else operation.strides)
        return before // up if before % up == 0 else 0
    own = getattr(operation, "strides", None)
    if own is None and "Pool" in kind:  # keras.ops.max_pool(x, 2)
        own = operation.pool_size
    return before * _first(1 if own is None else own)


def _first(value: Any) -> int:
    return int(value[0]) if isinstance(value, tuple | list) else int(value)
