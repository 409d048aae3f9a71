"""What Hub's conventions say of a SavedModel: what to call, with what, and what trains in it.

A *reusable* SavedModel is called itself, with ``training`` where its modes differ, and says which
of its variables train. Any other one has signatures: functions from named tensors to named tensors
in inference mode, in which nothing trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.errors import BackboneError, explain

__all__ = ["Convention", "read_convention"]

_SIGNATURES = ("default", "serving_default", "serve")
_OUTPUT = "default"


@dataclass(frozen=True, eq=False)
class Convention:
    """A loaded SavedModel as a function of pictures.

    Attributes:
        called: Takes pictures and, if there are modes, ``training``.
        modes: The values of ``training`` that it was saved for; empty if it takes none.
        shape: (height, width, channels) of its pictures, None where any will do.
        dtype: Their number type.
        variables: All that it says it has, the trainable ones included.
        trainable: Those that train.
        penalties: Functions that give a weight penalty each.
        output: The key of the output that is taken, where there are several.
    """

    called: Callable[..., Any]
    modes: frozenset[bool]
    shape: tuple[int | None, int | None, int | None]
    dtype: Any
    variables: tuple[Any, ...] = ()
    trainable: tuple[Any, ...] = ()
    penalties: tuple[Callable[[], Tensor], ...] = ()
    output: str | None = None

    def __call__(self, pictures: Tensor, *, training: bool = False) -> Tensor:
        """The features of preprocessed pictures.

        Args:
            pictures: (batch, height, width, channels).
            training: The mode, where there is a choice.
        """
        chosen = {"training": training if training in self.modes else not training}
        given = _keras.tf().cast(pictures, self.dtype)
        return self._picked(self.called(given, **(chosen if self.modes else {})))

    def _picked(self, outputs: Any) -> Tensor:
        if isinstance(outputs, Mapping):
            keys = [key for key in (self.output, _OUTPUT) if key in outputs]
            if len(outputs) == 1 and self.output is None:
                keys = list(outputs)
            if keys and (self.output is None or keys[0] == self.output):
                return outputs[keys[0]]
        elif self.output is None and not isinstance(outputs, Sequence):
            return outputs
        raise _several(outputs, self.output)


def read_convention(loaded: Any, *, output: str | None = None) -> Convention:
    """Read off a loaded SavedModel how it is called.

    Args:
        loaded: What ``tf.saved_model.load`` gave.
        output: The key of the output to take, of a SavedModel that gives several.

    Raises:
        BackboneError: If neither it nor a signature of it takes one picture.
    """
    return _reusable(loaded, output) if callable(loaded) else _by_signature(loaded, output)


def _reusable(loaded: Any, output: str | None) -> Convention:
    concrete = list(getattr(loaded.__call__, "concrete_functions", ()))
    spec = _picture([_tensors(each) for each in concrete])
    trainable = _unique(getattr(loaded, "trainable_variables", ()))
    return Convention(
        called=loaded,
        modes=frozenset(mode for each in concrete for mode in _modes(each)),
        shape=_sides(spec),
        dtype=spec.dtype,
        variables=_unique([*_variables(loaded, concrete), *trainable]),
        trainable=trainable,
        penalties=tuple(getattr(loaded, "regularization_losses", None) or ()),
        output=output,
    )


def _by_signature(loaded: Any, output: str | None) -> Convention:
    name, signature = _signature(loaded)
    given = signature.structured_input_signature[1]
    spec = _picture([_tensors(signature)], of=f"the signature {name!r}")
    key = next(key for key, value in given.items() if value is spec)
    return Convention(
        called=lambda pictures: signature(**{key: pictures}),
        modes=frozenset(),
        shape=_sides(spec),
        dtype=spec.dtype,
        variables=_variables(loaded, [signature]),
        output=output,
    )


def _variables(loaded: Any, functions: Sequence[Any]) -> tuple[Any, ...]:
    """What it lists, or else what its functions read."""
    listed = getattr(loaded, "variables", None)
    return _unique(listed or [variable for each in functions for variable in each.variables])


def _signature(loaded: Any) -> tuple[str, Any]:
    signatures = dict(getattr(loaded, "signatures", {}))
    names = [name for name in _SIGNATURES if name in signatures]
    names += list(signatures) if len(signatures) == 1 else []
    if names:
        return names[0], signatures[names[0]]
    raise BackboneError(
        explain(
            "tfhub",
            "the SavedModel can be called in no way that is known",
            expected="one that is callable itself, or has a signature 'default' or "
            "'serving_default'",
            received={"signatures": sorted(signatures)},
        )
    )


def _tensors(function: Any) -> list[Any]:
    spec = _keras.tf().TensorSpec
    leaves = _keras.tf().nest.flatten(function.structured_input_signature)
    return [leaf for leaf in leaves if isinstance(leaf, spec)]


def _modes(function: Any) -> list[bool]:
    leaves = _keras.tf().nest.flatten(function.structured_input_signature)
    return [leaf for leaf in leaves if isinstance(leaf, bool)]


def _picture(signatures: Sequence[Sequence[Any]], *, of: str = "the SavedModel") -> Any:
    """The first input that is one batch of pictures, and the only tensor that goes in."""
    for tensors in signatures:
        if len(tensors) == 1 and _is_picture(tensors[0]):
            return tensors[0]
    seen = [f"{tensor.dtype.name}{tensor.shape}" for tensors in signatures for tensor in tensors]
    raise BackboneError(
        explain(
            "tfhub",
            f"{of} takes no pictures",
            expected="one input: floating numbers (batch, height, width, channels)",
            received={"inputs": sorted(set(seen))},
        )
    )


def _is_picture(spec: Any) -> bool:
    return bool(spec.dtype.is_floating) and spec.shape.rank == 4


def _sides(spec: Any) -> tuple[int | None, int | None, int | None]:
    height, width, channels = spec.shape.as_list()[1:]
    return height, width, channels


def _unique(variables: Sequence[Any]) -> tuple[Any, ...]:
    return tuple({id(variable): variable for variable in variables}.values())


def _several(outputs: Any, asked: str | None) -> BackboneError:
    keys = sorted(outputs) if isinstance(outputs, Mapping) else [f"{len(outputs)} without names"]
    return BackboneError(
        explain(
            "tfhub",
            "it is not said which of several outputs is the features"
            if asked is None
            else f"there is no output {asked!r}",
            expected=f"one of {keys}",
            received={"output": asked},
            mend="tk.backbones.from_tf_hub(address, trust=True, output='...') takes one.",
        )
    )
