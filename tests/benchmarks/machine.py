"""What a run was measured on: the processor, the versions, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from transferkit import _keras

__all__ = ["described", "peaks"]

PACKAGES = ("tensorflow", "keras", "numpy", "openvino", "transferkit")


@cache
def described(side: int = 2048) -> Mapping[str, Any]:
    """The machine as a JSON-ready value; takes some seconds, for it measures.

    Args:
        side: The side of the square matrices that are multiplied.
    """
    flags = _cpu_flags()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "bfloat16": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "accelerators": [device.name for device in _keras.tf().config.list_physical_devices("GPU")],
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "gflops": peaks(side),
    }


def peaks(side: int = 2048, seconds: float = 1.0) -> dict[str, float]:
    """The fastest of many products of two square matrices, in GFLOP/s, by data type."""
    tf = _keras.tf()
    found = {}
    for name in ("float32", "bfloat16"):
        left = tf.cast(tf.random.stateless_uniform((side, side), (0, 1)), name)
        product = tf.function(tf.matmul)
        product(left, left)
        best, end = float("inf"), time.perf_counter() + seconds
        while time.perf_counter() < end or best == float("inf"):
            began = time.perf_counter()
            tf.reduce_sum(product(left, left)[0]).numpy()
            best = min(best, time.perf_counter() - began)
        found[name] = round(2 * side**3 / best / 1e9, 1)
    return found


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo", "model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpu_flags() -> list[str]:
    lines = _lines("/proc/cpuinfo", "flags")
    return lines[0].partition(":")[2].split() if lines else []


def _memory_gb() -> float | None:
    lines = _lines("/proc/meminfo", "MemTotal")
    return round(int(lines[0].split()[1]) / 1e6, 1) if lines else None


def _lines(path: str, beginning: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.startswith(beginning)]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
