"""Convolutions in groups that train on a CPU."""

from __future__ import annotations

import functools
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor

__all__ = ["grouped_convolution"]


@functools.cache
def grouped_convolution() -> Any:
    """The class of the layer; it is made when it is first asked for, as Keras is imported then.

    Keras compiles a convolution in groups with XLA, as TensorFlow has no gradient of it on a CPU,
    and XLA's gradient there takes a hundred times as long as it need: for 32 groups of 4 channels,
    28 x 28 and a batch of 4, 17 s against 0.19 s for one convolution for each group.
    """
    keras, tf = _keras.keras(), _keras.tf()
    base: Any = keras.layers.Conv2D

    @keras.saving.register_keras_serializable(package="transferkit")
    class GroupedConv2D(base):
        """Keras' ``Conv2D`` with `groups`, on a CPU as one convolution for each group.

        Configuration, weights and result are those of ``Conv2D``.
        """

        def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
            """The convolution without its bias."""
            if tf.config.list_physical_devices("GPU"):  # cuDNN has it
                return super().convolution_op(inputs, kernel)
            pairs = zip(_split(inputs, self.groups), _split(kernel, self.groups), strict=True)
            parts = [super(GroupedConv2D, self).convolution_op(x, k) for x, k in pairs]
            return keras.ops.concatenate(parts, axis=-1)

    def _split(x: Tensor, parts: int) -> Any:
        return keras.ops.split(keras.ops.convert_to_tensor(x), parts, axis=-1)

    return GroupedConv2D
