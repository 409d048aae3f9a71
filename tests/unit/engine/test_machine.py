from __future__ import annotations

import pytest

from transferkit.engine.machine import Machine, accelerator, machine, processor

EPYC = "processor\t: 0\nmodel name\t: AMD EPYC  9004\nflags\t: avx2 avx512_bf16\n\nprocessor: 1\n"
XEON = "model name : Intel Xeon\nflags : avx512_bf16 amx_bf16 amx_tile\n"
ARM = "processor : 0\nFeatures : fp asimd bf16 i8mm\n"
OLD = "model name : Intel Core i7\nflags : fpu avx2 fma\n"


@pytest.mark.parametrize(
    ("cpuinfo", "able", "words"),
    [
        (EPYC, True, "AMD EPYC 9004, 2 cores, AVX-512 bfloat16"),
        (XEON, True, "Intel Xeon, 2 cores, AMX bfloat16"),
        (OLD, False, "Intel Core i7, 2 cores"),
    ],
)
def test_a_processor_is_known_by_its_flags(cpuinfo: str, able: bool, words: str) -> None:
    found = processor(cpuinfo, 2)
    assert (found.device, found.bfloat16, found.name, found.cores) == ("cpu", able, words, 2)


def test_an_arm_processor_has_features_and_no_name() -> None:
    found = processor(ARM, 1)
    assert found.bfloat16
    assert found.name.endswith(", 1 core, bfloat16")


def test_without_onednn_or_cpuinfo_there_is_no_bfloat16() -> None:
    assert not processor(EPYC, 2, onednn=False).bfloat16
    assert not processor("", 2).bfloat16


@pytest.mark.parametrize(
    ("capability", "able"), [((7, 5), False), ((8, 0), True), ((9, 0), True), (None, False)]
)
def test_a_gpu_has_bfloat16_from_its_compute_capability_on(
    capability: tuple[int, int] | None, able: bool
) -> None:
    host = Machine("cpu", True, "host", 4, "2026.1")
    details = {"device_name": "NVIDIA", "compute_capability": capability}
    found = accelerator("GPU", 2, details, host)
    assert found == Machine("gpu", able, "2 x NVIDIA" + ", bfloat16" * able, 4, "2026.1")


def test_a_tpu_has_bfloat16() -> None:
    found = accelerator("TPU", 1, {}, Machine("cpu", False, "host", 4))
    assert found == Machine("tpu", True, "TPU, bfloat16", 4)


def test_this_machine_is_looked_at_once() -> None:
    assert machine() is machine()
    assert machine().cores >= 1
