"""One door to all backends."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from transferkit._types import KerasModel
from transferkit.engine.forward.by_openvino import Conversion, on_openvino
from transferkit.engine.forward.by_tensorflow import on_tensorflow

__all__ = ["Compiled", "compile_forward"]


class Compiled(Protocol):
    """A network in inference mode, with its weights in it as constants."""

    @property
    def backend(self) -> str:
        """What runs it."""

    @property
    def precision(self) -> str:
        """What it was asked to compute in."""

    @property
    def xla(self) -> bool:
        """Whether XLA compiles it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know."""

    def __call__(self, *inputs: Any) -> list[Any]:
        """One batch of each input to float32 ``(batch, ...)`` of each output."""

    def unchanged(self) -> bool:
        """Whether the network's weights are still those that were compiled."""


def compile_forward(
    model: KerasModel,
    *,
    precision: Literal["float32", "bfloat16"] = "float32",
    xla: bool = False,
    backend: Literal["tensorflow", "openvino"] = "tensorflow",
    conversion: Conversion | None = None,
) -> Compiled:
    """Compile a network in inference mode for batches of any size.

    Its weights become constants, so that batch normalisation ends up in the convolutions before it.
    What is set on them later is not seen: ask `Compiled.unchanged`, and compile again. Outputs are
    float32 whatever the precision.

    Args:
        model: One or several inputs and outputs.
        precision: ``"bfloat16"`` lets oneDNN or OpenVINO compute convolutions and matrix products
            in it. Under XLA and on accelerators neither has a say: there the model itself has to
            be one that computes in bfloat16 (`transferkit.engine.rewrites`).
        xla: Whether XLA compiles it, once for each size of a batch; not with OpenVINO.
        backend: What runs it.
        conversion: What OpenVINO has made of it before, for another precision.

    Raises:
        MissingExtraError: If OpenVINO is asked for and not installed.
        SpecError: If OpenVINO is asked for and cannot run the network.
    """
    if backend == "openvino":
        return on_openvino(model, precision=precision, conversion=conversion)
    return on_tensorflow(model, precision=precision, xla=xla)
