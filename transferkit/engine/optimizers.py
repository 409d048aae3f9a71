"""A fresh Keras optimizer for each phase, from what the plan says of it."""

from __future__ import annotations

from typing import Any

from transferkit import _keras
from transferkit.errors import SpecError, did_you_mean, explain
from transferkit.plan import OPTIMIZERS, Optimizer

__all__ = ["make_optimizer"]

keras = _keras.keras()


def make_optimizer(described: Optimizer, learning_rate: float) -> Any:
    """A fresh optimizer from its configuration; a rate of 0 stands for a warm-up's first step."""
    config = {**described.config, "learning_rate": learning_rate}
    if described.cls is not None:
        return described.cls.from_config(config)
    # keras.optimizers.get does not know all of them by their small names (Lamb).
    kinds = {name.lower(): name for name in dir(keras.optimizers)}
    kind = getattr(keras.optimizers, kinds.get(described.name, ""), None)
    if kind is None:
        raise SpecError(
            explain(
                "fit",
                f"the optimizer {described.name!r} is none of Keras' own",
                expected=did_you_mean(described.name, OPTIMIZERS),
                received={"optimizer": described.name},
                mend="Phase(..., optimizer=MyOptimizer()) brings its class along.",
            )
        )
    return kind.from_config(config)
