"""What the machine can, as a value: its device, its cores, and whether it computes in bfloat16."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from transferkit import _keras
from transferkit._text import counted

__all__ = ["Machine", "accelerator", "machine", "processor"]

AMPERE = (8, 0)
"""The first compute capability of NVIDIA's GPUs that multiplies matrices in bfloat16."""

_UNITS = {"amx_bf16": "AMX bfloat16", "avx512_bf16": "AVX-512 bfloat16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Machine:
    """What a run can count on.

    Attributes:
        device: What TensorFlow computes on.
        bfloat16: Whether it multiplies matrices in bfloat16 faster than in float32.
        name: The same in words, for reports.
        cores: Cores of the processor that this process may use.
        openvino: The version of OpenVINO, if it is installed.
    """

    device: Literal["cpu", "gpu", "tpu"]
    bfloat16: bool
    name: str
    cores: int
    openvino: str | None = None


@functools.cache
def machine() -> Machine:
    """The machine that this process runs on, looked at once."""
    tf = _keras.tf()
    found = processor(_cpuinfo(), _cores(), onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0")
    for kind in ("TPU", "GPU"):
        if devices := tf.config.get_visible_devices(kind):
            details = tf.config.experimental.get_device_details(devices[0])
            found = accelerator(kind, len(devices), details, found)
            break
    return found


def processor(cpuinfo: str, cores: int, *, onednn: bool = True) -> Machine:
    """A machine without an accelerator.

    Args:
        cpuinfo: What Linux writes into ``/proc/cpuinfo``; "" elsewhere, where no bfloat16 is taken
            for granted.
        cores: Cores that the process may use.
        onednn: Whether TensorFlow computes with oneDNN, which alone has bfloat16 kernels.
    """
    facts = _facts(cpuinfo)
    flags = f"{facts.get('flags', '')} {facts.get('features', '')}".split()
    unit = next((words for flag, words in _UNITS.items() if onednn and flag in flags), None)
    maker = facts.get("model name") or platform.processor() or platform.machine() or "processor"
    words = [" ".join(maker.split()), counted(cores, "core"), *([unit] if unit else [])]
    return Machine("cpu", unit is not None, ", ".join(words), cores, _openvino())


def accelerator(
    kind: Literal["TPU", "GPU"], count: int, details: Mapping[str, Any], host: Machine
) -> Machine:
    """A machine with GPUs or TPUs.

    Args:
        kind: As TensorFlow calls it.
        count: How many there are.
        details: What TensorFlow says of the first one: ``device_name``, ``compute_capability``.
        host: The machine without them.
    """
    capability = tuple(details.get("compute_capability") or ())
    able = kind == "TPU" or capability >= AMPERE
    name = str(details.get("device_name") or kind)
    words = [name if count == 1 else f"{count} x {name}", *(["bfloat16"] if able else [])]
    device: Literal["gpu", "tpu"] = "tpu" if kind == "TPU" else "gpu"
    return Machine(device, able, ", ".join(words), host.cores, host.openvino)


def _facts(cpuinfo: str) -> dict[str, str]:
    """The first entry of each name; all cores say the same."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _openvino() -> str | None:
    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return None
