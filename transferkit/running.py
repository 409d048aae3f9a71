"""How a run is carried out, as a value: precision, XLA, cache, devices."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args

from transferkit._types import PathLike, whole
from transferkit.errors import SpecError, did_you_mean, explain

__all__ = ["Backend", "Engine", "Precision", "as_engine"]

Precision = Literal["auto", "float32", "bfloat16"]
"""What convolutions compute in; losses, heads and predictions are float32 whatever it says."""

Backend = Literal["auto", "tensorflow", "openvino"]
"""What runs the frozen layers."""


@dataclass(frozen=True)
class Engine:
    """How a run is carried out; what it is stays in the model and the plan.

    What is left to ``"auto"`` follows written rules on network and device, never a timing, and
    stands in the result's ``engine_report``.

    Attributes:
        precision: ``"auto"`` computes the frozen layers, and those that train where that is faster,
            in bfloat16 on processors that have it, if features of real pictures stay what they were
            within 1e-2; ``"float32"`` never does, ``"bfloat16"`` always.
        xla: ``"auto"`` compiles with XLA what gains from it; True all, False nothing.
        prefix: What runs the frozen layers: ``"tensorflow"``, ``"openvino"`` (an extra), or
            ``"auto"``, which takes OpenVINO where it is installed and faster.
        cache: True keeps what frozen layers give in the default folder (`tk.cache.folder`), a path
            in that folder; False computes it in every epoch.
        cache_limit: The bytes that the folder may hold; None for 20 GB or half of what is free
            there, whichever is less.
        shards: In how many parts the pictures are dealt out; None for one to a worker. The order of
            the pictures depends on it, so that one process with ``shards=2`` repeats what two
            workers did.
        strategy: A ``tf.distribute`` strategy for synchronous replicas, or None for one device.

    Raises:
        SpecError: If one of them is out of its range.
    """

    precision: Precision = "auto"
    xla: bool | Literal["auto"] = "auto"
    prefix: Backend = "auto"
    cache: bool | PathLike = True
    cache_limit: int | None = None
    shards: int | None = None
    strategy: Any = None

    def __post_init__(self) -> None:
        _check_word("precision", self.precision, get_args(Precision))
        _check_word("prefix", self.prefix, get_args(Backend))
        _check("xla", self.xla, self.xla == "auto" or isinstance(self.xla, bool), "xla=True")
        _check("cache", self.cache, isinstance(self.cache, bool | str | os.PathLike), "cache=True")
        for name in ("cache_limit", "shards"):
            value = getattr(self, name)
            fine = value is None or (whole(value) or 0) >= 1
            _check(name, value, fine, f"{name}={2 if name == 'shards' else '10 * 10**9'}")
        fine = self.strategy is None or hasattr(self.strategy, "scope")
        _check("strategy", self.strategy, fine, "strategy=tf.distribute.MirroredStrategy()")


_EXPECTED = {
    "xla": "True, False or 'auto'",
    "cache": "True, False or a folder",
    "cache_limit": "a number of bytes, or None",
    "shards": "a whole number of 1 or more, or None",
    "strategy": "a tf.distribute strategy, or None",
}


def _check(name: str, value: object, fine: bool, example: str) -> None:
    if not fine:
        raise SpecError(
            explain(
                "Engine",
                f"{name} is out of its range",
                expected=_EXPECTED[name],
                received={name: value},
                mend=f"tk.Engine({example})",
            )
        )


def _check_word(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SpecError(
            explain(
                "Engine",
                f"the {name} is unknown",
                expected=did_you_mean(str(value), known),
                received={name: value},
                mend=f"tk.Engine({name}={known[0]!r})",
            )
        )


def as_engine(value: object) -> Engine:
    """An engine from what a caller may pass: None is the default one.

    Raises:
        SpecError: If it is something else.
    """
    if value is None:
        return Engine()
    if isinstance(value, Engine):
        return value
    raise SpecError(
        explain(
            "fit",
            f"{type(value).__name__} is no engine",
            expected="a tk.Engine, or None",
            received={"engine": value},
            mend="fit(..., engine=tk.Engine(xla=True))",
        )
    )
