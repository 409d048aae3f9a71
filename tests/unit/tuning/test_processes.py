"""Searches that are killed, share the work, or go on for long: in processes of their own.

The file is the program as well: ``python test_processes.py TRIALS DIRECTORY``.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from searched import ENGINE, photos, space

import transferkit as tk
from transferkit.tuning.results import Trials

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("keras_tuner"), reason="an extra")


def main(trials: str, directory: str) -> None:
    """Search, and say what the memory was after each trial."""
    memory: list[int] = []

    def note(name: str) -> Any:
        memory.append(resident())
        return ()

    found = tk.tune(
        space,
        photos(),
        strategy="random",
        max_trials=int(trials),
        objective="val_loss",
        directory=directory,
        engine=ENGINE,
        callbacks=note,
        verbose=0,
    )
    print(len(found), *memory)


def resident() -> int:
    """Bytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def started(trials: int, directory: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, str(trials), str(directory)]
    environment = {**os.environ, **environment}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> list[int]:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return [int(word) for word in out.split()]


@pytest.mark.slow
def test_a_killed_search_goes_on_with_what_was_finished(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "trials", "min")
    process = started(8, tmp_path)
    until = time.monotonic() + 120
    while len(trials.finished()) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = trials.finished()
    assert 2 <= len(before) < 8
    count, *fits = finished(started(8, tmp_path))
    assert count == 8
    assert len(fits) == 8 - len(before)
    assert trials.finished()[: len(before)] == before


@pytest.mark.slow
def test_two_workers_share_a_search(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    chief, *workers = (
        started(6, tmp_path, KERASTUNER_TUNER_ID=name, **where) for name in ("chief", "one", "two")
    )
    fits = [len(finished(worker)) - 1 for worker in workers]
    assert sum(fits) == 6
    assert finished(chief) == [6]


@pytest.mark.exhaustive
def test_memory_stays_flat_over_fifty_trials(tmp_path: Path) -> None:
    _, *memory = finished(started(50, tmp_path))
    early, late = max(memory[10:20]), max(memory[40:])
    assert late - early < 30 * 2**20, [f"{each / 2**20:.0f}" for each in memory]


if __name__ == "__main__":
    main(*sys.argv[1:])
