"""An augmentation as a Keras layer, for people who call ``network.fit`` themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit import _keras
from transferkit._types import Tensor
from transferkit.augment.keys import image_keys
from transferkit.augment.operation import from_config
from transferkit.augment.pipeline import Pipeline
from transferkit.errors import SpecError, explain
from transferkit.spec import Augmentation, Mix

__all__ = ["AugmentationLayer"]

keras = _keras.keras()
Layer: Any = keras.layers.Layer


@keras.saving.register_keras_serializable(package="transferkit")
class AugmentationLayer(Layer):
    """Augments while training, and hands pictures through at all other times.

    Each training call is a new view: the layer counts its calls in a variable that is saved with
    the network, and a picture's index is its place in the batch. Pixels are thus a function of
    (seed, number of the call, place in the batch), which is all that a layer can know;
    ``TransferModel.fit`` keys them by epoch and by place in the data set. Under a distribution
    strategy every replica counts for itself and draws the same numbers for its own pictures.

    XLA has no kernel for the resampling, so a network with a geometric operation in it cannot be
    compiled with ``jit_compile=True``; Keras' own choice, ``"auto"``, leaves XLA off for it.

    Args:
        augmentation: An operation or pipeline, or its config. One that changes labels has no place
            in a layer, which never sees them; a mix is refused.
        seed: 0 to 2**64 - 1.
        **kwargs: ``name`` and the like, for ``keras.layers.Layer``. The layer computes in float32
            unless ``dtype`` says otherwise.

    Raises:
        SpecError: If `augmentation` is no augmentation or holds a mix, its config does not fit, or
            `seed` is none.
    """

    def __init__(
        self, augmentation: Augmentation | Mix | Mapping[str, Any], seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if isinstance(augmentation, Mapping):
            augmentation = from_config(augmentation)
        self.pipeline = Pipeline((augmentation,))
        if self.pipeline.mixes:
            raise SpecError(
                explain(
                    "build",
                    f"{self.pipeline.mixes[0]!r} cannot be a layer of the network, which sees "
                    "neither labels nor other pictures",
                    expected="operations that change one picture at a time",
                    received={"augment": self.pipeline},
                    mend="model.fit(photos) trains with it; model.build(augment=False) leaves the "
                    "augmentation out.",
                )
            )
        self.seed = seed
        image_keys(seed, 0, [0])  # a bad seed is told here, not in the first step
        self.supports_jit = False

    def build(self, input_shape: Any) -> None:
        """Make the counter of training calls."""
        self.calls = self.add_weight(
            name="calls", shape=(), dtype="int32", initializer="zeros", trainable=False
        )
        super().build(input_shape)

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        """Augment, if training.

        Args:
            images: ``(batch, height, width, channels)``, 0..255.
            training: Whether this is a training step.

        Returns:
            Pictures of the same shape in the layer's dtype.
        """
        tf = _keras.tf()
        if not training:
            return tf.cast(images, self.compute_dtype)
        view = tf.identity(self.calls.value)
        self.calls.assign_add(1)
        keys = image_keys(self.seed, view, tf.range(tf.shape(images)[0]))
        pixels, _ = self.pipeline.apply(tf.cast(images, tf.float32), None, keys)
        return tf.cast(pixels, self.compute_dtype)

    def compute_output_spec(self, images: Tensor, training: bool | None = None) -> Tensor:
        """Pictures of the same shape in the layer's dtype."""
        return keras.KerasTensor(images.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """A JSON-ready form, for Keras."""
        config: dict[str, Any] = super().get_config()
        return {**config, "augmentation": self.pipeline.to_config(), "seed": self.seed}
