"""Pure functions from a model to a model that shares its variables and runs faster.

A rewritten model is there to be traced in a ``tf.function``, for as long as nothing is frozen or
thawed; it is never saved. The model that it came from stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from transferkit._types import KerasModel
from transferkit.engine.rewrites.batch_norm import fold_batch_norm, fuse_batch_norm
from transferkit.engine.rewrites.depthwise import lower_depthwise
from transferkit.engine.rewrites.half import compute_in_bfloat16

__all__ = [
    "REWRITES",
    "Rewrite",
    "compute_in_bfloat16",
    "fold_batch_norm",
    "fuse_batch_norm",
    "lower_depthwise",
    "rewritten",
]

Rewrite = Callable[..., KerasModel]
"""From a functional model to another one that shares every variable with it."""

REWRITES: Mapping[str, Rewrite] = MappingProxyType(
    {
        "fold_batch_norm": fold_batch_norm,
        "fuse_batch_norm": fuse_batch_norm,
        "lower_depthwise": lower_depthwise,
        "compute_in_bfloat16": compute_in_bfloat16,
    }
)
"""In the order in which they are applied: bfloat16 comes last, as it casts what the others made."""


def rewritten(
    model: KerasModel, names: Collection[str], *, keep: Collection[str] = ()
) -> KerasModel:
    """Apply rewrites in the order of `REWRITES`, whatever the order of their names.

    Args:
        model: A functional or sequential model, its layers frozen as they will be; with any number
            of inputs and outputs. It is not changed. Nested models in it are left as they are.
        names: Keys of `REWRITES`; none gives the model itself.
        keep: Names of layers that ``"compute_in_bfloat16"`` leaves in float32: the head's.

    Returns:
        A functional model with the same inputs, outputs and variables. The order of its
        ``trainable_variables`` may be another; the order of the network's own is what an optimizer
        should be built with.
    """
    for name, rewrite in REWRITES.items():
        if name in names:
            options = {"keep": keep} if rewrite is compute_in_bfloat16 else {}
            model = rewrite(model, **options)
    return model
