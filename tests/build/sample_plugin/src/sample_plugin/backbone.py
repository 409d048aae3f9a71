"""Backbones under the prefix ``sample:``, and a freeze policy that goes with them."""

from __future__ import annotations

from typing import Any

from transferkit import backbones, freeze, select
from transferkit.errors import UnknownNameError
from transferkit.spec import Backbone, BackboneInfo

__all__ = ["SampleBackbones", "source", "thawed_from_the_top"]

_TINY = BackboneInfo(
    name="sample:tiny",
    image_size=(32, 32),
    channels=3,
    preprocessing="x * [0.00392157] + [0]",
    strides=(2, 4, 8),
    block_names=("stage0", "stage1", "stage2"),
    embedding=16,
    params=1576,
    weights=("pretrained",),
    licence="CC0-1.0",
    origin="drawn with a fixed seed",
)


class SampleBackbones:
    """One network with three convolutions."""

    def names(self) -> tuple[str, ...]:
        """What stands behind ``sample:``."""
        return ("tiny",)

    def info(self, name: str) -> BackboneInfo:
        """What is known of it; no framework is needed to say so.

        Raises:
            UnknownNameError: If there is no such network.
        """
        if name not in self.names():
            raise UnknownNameError(f"sample: there is no {name!r}; there is 'tiny'")
        return _TINY

    def load(
        self, name: str, *, input_shape: tuple[int, int, int], weights: str | None
    ) -> Backbone:
        """Build it, with variables of its own."""
        about = self.info(name)
        network = backbones.from_keras(
            _three_convolutions(),
            name=about.name,
            preprocessing="unit",
            blocks=r"(stage\d)_",
            licence=about.licence,
            origin=about.origin,
        )
        return network.load(input_shape=input_shape, weights=weights)


source = SampleBackbones()


def thawed_from_the_top(blocks: int) -> freeze.Freeze:
    """Only the last blocks train; with more blocks, never fewer layers."""
    return freeze.all_but(select.top_blocks(blocks), batch_norm="train")


def _three_convolutions() -> Any:
    import keras  # here, so that listing names costs no framework

    pixels = features = keras.Input((32, 32, 3), name="tiny_input")
    for stage, width in enumerate((4, 8, 16)):
        features = keras.layers.Conv2D(
            width,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=stage),
            name=f"stage{stage}_conv",
        )(features)
    return keras.Model(pixels, features, name="tiny")
