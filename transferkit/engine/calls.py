"""How many steps one call of a compiled function makes: a written rule, no timing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from transferkit import _keras

__all__ = ["spans", "steps_per_call", "wants_batches"]

Callback: Any = _keras.keras().callbacks.Callback

WORK = 10**10
"""Multiply-adds in one call: about a second of one slow core, so that a run can be interrupted and
shows how far it is."""

STEP = 10**6
"""Multiply-adds that stand for what every step costs besides: about a tenth of a millisecond."""

BYTES = 64 * 2**20
"""What the rows of one call may take, since they are copied together before it."""


def steps_per_call(
    steps: int, work: float | None, *, every_batch: bool, step_bytes: int = 0
) -> int:
    """How many steps to make in one call; as many as the epoch has, where they are cheap.

    One, if a callback wants every batch or nobody knows what a step costs. Else as many as have
    `WORK` multiply-adds, with `STEP` for each step, and not more than `BYTES` of rows; then so many
    fewer that the calls of an epoch are as equal as can be.

    Args:
        steps: Steps in an epoch.
        work: Multiply-adds of one step, forward and backward; None if that is not known.
        every_batch: Whether a callback wants every batch.
        step_bytes: Bytes of the resident rows of a step; 0 if batches are streamed.
    """
    if every_batch or work is None or steps < 2:
        return 1
    most = WORK // (round(work) + STEP)
    if step_bytes:
        most = min(most, BYTES // step_bytes)
    most = min(max(most, 1), steps)
    return math.ceil(steps / math.ceil(steps / most))


def spans(steps: int, per_call: int) -> list[tuple[int, int]]:
    """The first step of each call, and the one behind its last."""
    return [(start, min(start + per_call, steps)) for start in range(0, steps, per_call)]


def wants_batches(callbacks: Iterable[Any], stage: Literal["train", "test"] = "train") -> bool:
    """Whether a callback has to be told of every batch, and not only of the end of each call.

    One that has its own method for batches does, unless it has an attribute ``every_batch`` that
    says otherwise, or it is Keras' own and told to act once an epoch: ``save_freq="epoch"``,
    ``update_freq="epoch"``.

    Args:
        callbacks: Keras callbacks.
        stage: Batches of training, or of validation.
    """
    return any(_wants(callback, stage) for callback in callbacks)


def _wants(callback: Any, stage: str) -> bool:
    if hasattr(callback, "every_batch"):
        return bool(callback.every_batch)
    names = [f"on_{stage}_batch_begin", f"on_{stage}_batch_end"]
    names += ["on_batch_begin", "on_batch_end"] if stage == "train" else []
    own = [hook for hook in (_own_hook(callback, name) for name in names) if hook is not None]
    kerass = all(str(hook.__module__).startswith("keras.") for hook in own)
    return bool(own) and not (kerass and _acts_once_an_epoch(callback))


def _own_hook(callback: Any, name: str) -> Any:
    hook = getattr(callback, name, None)
    hook = getattr(hook, "__func__", hook)
    return None if hook is getattr(Callback, name) else hook


def _acts_once_an_epoch(callback: Any) -> bool:
    # TensorBoard also measures steps and profiles batches, where it is told to.
    if getattr(callback, "write_steps_per_second", False) or getattr(callback, "_should_trace", 0):
        return False
    return "epoch" in (getattr(callback, "save_freq", None), getattr(callback, "update_freq", None))
