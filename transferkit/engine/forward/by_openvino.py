"""A traced network run by OpenVINO, an optional package."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from transferkit import _keras
from transferkit._optional import require
from transferkit._types import KerasModel
from transferkit.engine.forward.snapshot import Snapshot, as_array
from transferkit.engine.forward.tracing import Traced, traced
from transferkit.errors import SpecError, explain

__all__ = ["Conversion", "OnOpenVINO", "on_openvino"]

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class OnOpenVINO:
    """A network in inference mode; call it with its inputs.

    Attributes:
        compiled: OpenVINO's ``CompiledModel``.
        constants: The variables whose values are in it: all.
        precision: What it was asked to compute in.
        dtypes: The number type of each input.
        names: What OpenVINO calls the network's outputs, in their order; it has others besides, for
            whatever in the graph leads nowhere.
    """

    compiled: Any
    constants: Snapshot
    precision: str
    dtypes: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    xla: ClassVar[bool] = False
    backend: ClassVar[str] = "openvino"
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, *inputs: Any) -> list[np.ndarray[Any, Any]]:
        """Run it.

        Args:
            *inputs: One batch of each of the network's inputs, of any number type.

        Returns:
            float32, one array for each output.
        """
        tf = _keras.tf()
        given = [
            as_array(tf.cast(each, dtype)) for each, dtype in zip(inputs, self.dtypes, strict=True)
        ]
        with self._one_at_a_time:  # all calls share one request and its memory
            found = self.compiled(given)
            return [found[name] for name in self.names]

    def unchanged(self) -> bool:
        """Whether the variables that became constants still have the values that they had."""
        return self.constants.unchanged()


class Conversion:
    """A network traced and converted once, to be compiled in one precision after the other.

    Args:
        model: The network.
    """

    def __init__(self, model: KerasModel) -> None:
        self.model = model

    @cached_property
    def graph(self) -> Traced:
        """The traced network.

        Raises:
            SpecError: If what was traced is not all that it does.
        """
        graph = traced(self.model, constant_bytes=math.inf)
        if graph.note:
            raise _cannot(self.model, graph.note)
        return graph

    @cached_property
    def converted(self) -> Any:
        """OpenVINO's own form of it."""
        return _openvino().convert_model(self.graph.function)


def on_openvino(
    model: KerasModel, *, precision: str, conversion: Conversion | None = None
) -> OnOpenVINO:
    """Compile a network for OpenVINO; see `compile_forward`.

    Raises:
        MissingExtraError: If it is not installed.
        SpecError: If OpenVINO cannot run the network.
    """
    openvino, made = _openvino(), conversion or Conversion(model)
    graph = made.graph
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": _keras.tf().config.threading.get_intra_op_parallelism_threads(),
        "ENABLE_CPU_PINNING": False,  # the threads that read pictures need the same cores
    }
    try:
        compiled = openvino.Core().compile_model(made.converted, "CPU", settings)
    except Exception as error:  # its errors are RuntimeErrors and its own
        raise _cannot(model, str(error).strip().splitlines()[0]) from error
    dtypes = tuple(str(each.dtype) for each in model.inputs)
    names = tuple(each.name for each in graph.function.outputs)
    return OnOpenVINO(compiled, graph.constants, precision, dtypes, names)


def _openvino() -> Any:
    return require("openvino", extra="openvino", needed_for='Engine(prefix="openvino")')


def _cannot(model: KerasModel, why: str) -> SpecError:
    return SpecError(
        explain(
            "Engine",
            f"OpenVINO cannot run {model.name!r} ({why})",
            expected="a network of operations that OpenVINO knows",
            received={"prefix": "openvino"},
            mend='tk.Engine(prefix="tensorflow")',
        )
    )
