"""A layer in the place of others: it computes with their variables and has none of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["InFloat32", "Recipe", "StandIn", "Through", "is_one", "names_of", "written_by_keras"]

keras, tf = _keras.keras(), _keras.tf()
Layer: Any = keras.layers.Layer
Operation: Any = keras.Operation


@dataclass(frozen=True)
class Recipe:
    """What a stand-in is made of.

    Attributes:
        layers: The layers that it stands for, in the order of the graph.
        compute: The dtype that it computes in.
        result: The dtype of what it gives.
        multiply: How it multiplies with kernels, where it does (see `products`).
    """

    layers: tuple[Any, ...]
    compute: str
    result: str
    multiply: Callable[..., Tensor] | None = None

    @classmethod
    def of(cls, *layers: Any) -> Recipe:
        """As the layers compute."""
        return cls(layers, layers[0].compute_dtype, layers[-1].compute_dtype)


class StandIn(Layer):
    """Stands for the layers of a recipe, which it holds as parts: their variables are its own.

    Keras' autocast is off, so that variables are read as they are stored: what is computed in
    which dtype stands in `call`, and parts are used by their ``call``, never called themselves.
    """

    def __init__(self, recipe: Recipe) -> None:
        name = ".".join(layer.name for layer in recipe.layers)
        super().__init__(name=name, dtype="float32", autocast=False)
        self.recipe = recipe
        self.parts = list(recipe.layers)  # Keras tracks lists, and no dataclass
        self.supports_masking = all(layer.supports_masking for layer in recipe.layers)
        self.built = True

    def again(self, **changes: Any) -> StandIn:
        """Another one of the same kind, its recipe changed."""
        return type(self)(replace(self.recipe, **changes))

    def entering(self, inputs: Any) -> Any:
        """The inputs in the dtype of the computation."""
        return _cast(inputs, self.recipe.compute)

    def leaving(self, outputs: Any) -> Any:
        """The outputs in the dtype that was asked for."""
        return _cast(outputs, self.recipe.result)


class Through(StandIn):
    """One layer as it is, on inputs of another dtype."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._passes_training = recipe.layers[0]._call_has_training_arg

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the layer gives."""
        kwargs = {"training": training} if self._passes_training else {}
        return self.leaving(self.recipe.layers[0].call(self.entering(inputs), **kwargs))


class InFloat32(Operation):
    """An operation that is no layer, and so casts nothing, on inputs cast to float32."""

    def __init__(self, operation: Any) -> None:
        super().__init__(name=operation.name)
        self._operation = operation

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the operation gives."""
        args, kwargs = _cast((args, kwargs), "float32")
        return self._operation(*args, **kwargs)


def is_one(node: Any, *kinds: str) -> bool:
    """True if a call is that of a layer of Keras' own and of one of those kinds, on one argument.

    A layer of a class derived from Keras' may compute anything, and so may one whose `call` was
    replaced; only `build.freeze` puts one there that computes the same in inference.
    """
    layer = node.operation
    mine = getattr(vars(layer).get("call"), "__name__", "in_inference")
    return (
        type(layer).__name__ in kinds
        and written_by_keras(layer)
        and mine == "in_inference"
        and isinstance(layer, Layer)
        and layer.activity_regularizer is None
        and layer.quantization_mode is None
        and len(node.arguments.args) == 1
        and all(value is None for value in node.arguments.kwargs.values())
    )


def written_by_keras(operation: Any) -> bool:
    """True if the operation's class is Keras' own."""
    return str(type(operation).__module__).startswith("keras.src.")


def names_of(operation: Any) -> frozenset[str]:
    """The names of the layers that an operation is or stands for."""
    layers = operation.recipe.layers if isinstance(operation, StandIn) else (operation,)
    return frozenset(layer.name for layer in layers)


def _cast(values: Any, dtype: str) -> Any:
    def one(x: Any) -> Any:
        fits = tf.is_tensor(x) and x.dtype.is_floating and x.dtype.name != dtype
        return tf.cast(x, dtype) if fits else x

    return keras.tree.map_structure(one, values)
