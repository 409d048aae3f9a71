"""A traced network run by TensorFlow, its graph made smaller and, on request, bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from transferkit import _keras
from transferkit._types import KerasModel, Tensor
from transferkit.engine import rules
from transferkit.engine.forward.tracing import Traced, traced
from transferkit.engine.machine import machine
from transferkit.engine.rewrites import rewritten

__all__ = ["OnTensorFlow", "graph_options", "on_tensorflow"]

NOTHING_TO_DO = (
    "debug_stripper",
    "dependency_optimization",
    "function_optimization",
    "implementation_selector",
    "loop_optimization",
    "pin_to_host_optimization",
    "scoped_allocator_optimization",
    "shape_optimization",
)
"""Passes of TensorFlow's graph optimiser that find nothing in a forward pass.

Without them the first call of ResNet50 takes 1.3 s instead of 1.9 and 0.5 GB less memory, and the
later calls take what they took. The second round of the rest is needed: it is then that batch
normalisation ends up in the convolutions.
"""

FOR_XLA = ("fold_batch_norm", "lower_depthwise")
"""What is put in the place of a network's layers where XLA compiles it on a processor: left as they
are, depthwise convolutions make it ten times slower."""


@dataclass(frozen=True)
class OnTensorFlow:
    """A network in inference mode; call it with its inputs.

    Attributes:
        traced: Its graph.
        precision: What it was asked to compute in.
        xla: Whether XLA compiles it.
    """

    traced: Traced
    precision: str
    xla: bool
    backend: ClassVar[str] = "tensorflow"

    def __call__(self, *inputs: Any) -> list[Tensor]:
        """Run it.

        Args:
            *inputs: One batch of each of the network's inputs, of any number type.

        Returns:
            float32, one tensor for each output.
        """
        tf, function = _keras.tf(), self.traced.function
        signature = function.structured_input_signature[0]
        given = [tf.cast(each, spec.dtype) for each, spec in zip(inputs, signature, strict=True)]
        if self.xla:
            outputs: list[Tensor] = function(*given)
            return outputs
        # The graph optimiser's options go with the call. The user's own, which are global to the
        # process, are neither read nor changed, and two threads may ask for two precisions.
        return list(
            tf.raw_ops.StatefulPartitionedCall(
                args=[*given, *function.captured_inputs],
                Tout=[each.dtype for each in function.outputs],
                f=function,
                config_proto=self._options,
            )
        )

    def unchanged(self) -> bool:
        """Whether the variables that became constants still have the values that they had."""
        return self.traced.constants.unchanged()

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know."""
        return (self.traced.note,) if self.traced.note else ()

    @cached_property
    def _options(self) -> bytes:
        return graph_options(self.precision)


def on_tensorflow(model: KerasModel, *, precision: str, xla: bool) -> OnTensorFlow:
    """Compile a network for TensorFlow; see `compile_forward`."""
    if xla and machine().device == "cpu" and rules.DEPTHWISE & rules.kinds(model):
        model = rewritten(model, FOR_XLA)
    return OnTensorFlow(traced(model, xla=xla), precision, xla)


def graph_options(precision: str) -> bytes:
    """What TensorFlow's graph optimiser is told, as a serialised ``ConfigProto``.

    Args:
        precision: With ``"bfloat16"`` convolutions and matrix products of a graph on the processor
            are put into bfloat16 by oneDNN's pass; on other devices the pass does nothing.
    """
    tf = _keras.tf()
    config = tf.compat.v1.ConfigProto(allow_soft_placement=tf.config.get_soft_device_placement())
    options = config.graph_options.rewrite_options
    for name in NOTHING_TO_DO:
        setattr(options, name, options.OFF)
    options.memory_optimization = options.NO_MEM_OPT
    options.meta_optimizer_iterations = options.TWO
    if precision == "bfloat16":
        options.auto_mixed_precision_onednn_bfloat16 = options.ON
    return bytes(config.SerializeToString(deterministic=True))
