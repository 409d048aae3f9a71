"""How the two parts of a network are run, as the rules say of their layers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from transferkit.engine import rules
from transferkit.engine.machine import Machine
from transferkit.running import Engine

__all__ = ["PrefixChoice", "TailChoice", "choose_prefix", "choose_tail"]


@dataclass(frozen=True)
class PrefixChoice:
    """How frozen layers are run.

    Attributes:
        precision: ``"float32"`` or ``"bfloat16"``: what they compute in, and what is kept.
        backend: ``"tensorflow"`` or ``"openvino"``.
        xla: Whether XLA compiles them.
    """

    precision: str
    backend: str
    xla: bool

    @property
    def itemsize(self) -> int:
        """Bytes of a number that is kept."""
        return 2 if self.precision == "bfloat16" else 4


@dataclass(frozen=True)
class TailChoice:
    """How the layers that train are run.

    Attributes:
        precision: ``"float32"`` or ``"bfloat16"``; loss and head are float32 whatever it says.
        xla: Whether XLA compiles the steps.
        rewrites: What is put in the place of the network's own layers, by name.
    """

    precision: str
    xla: bool
    rewrites: tuple[str, ...]


def choose_prefix(
    engine: Engine, machine: Machine, kinds: Collection[str], images: int
) -> PrefixChoice:
    """How frozen layers are to be run.

    Args:
        engine: What the user says.
        machine: What it runs on.
        kinds: The kinds of the layers.
        images: How many pictures, views counted, pass through them.
    """
    precision = rules.prefix_precision(engine, machine, kinds).value
    backend = rules.prefix_backend(engine, machine, kinds, precision).value
    compiled = backend == "tensorflow" and (
        rules.xla(engine, machine, "prefix", kinds, precision=precision, images=images).value
    )
    return PrefixChoice(precision, backend, compiled)


def choose_tail(
    engine: Engine, machine: Machine, kinds: Collection[str], *, cached: bool, steps: int
) -> TailChoice:
    """How the layers that train are to be run.

    Args:
        engine: What the user says.
        machine: What it runs on.
        kinds: The kinds of the layers, the head's included.
        cached: Whether they train on cached features.
        steps: How many steps they make.
    """
    precision = rules.tail_precision(engine, machine, kinds).value
    stage: rules.Stage = "head epochs" if cached and set(kinds) <= rules.HEADS else "tail"
    xla = rules.xla(engine, machine, stage, kinds, precision=precision, steps=steps).value
    wanted = {
        "fold_batch_norm": "BatchNormalization" in kinds,
        "fuse_batch_norm": rules.fused_batch_norm(kinds).value,
        "lower_depthwise": xla and machine.device == "cpu" and bool(rules.DEPTHWISE & set(kinds)),
        "compute_in_bfloat16": precision == "bfloat16",
    }
    return TailChoice(precision, xla, tuple(name for name, fits in wanted.items() if fits))
