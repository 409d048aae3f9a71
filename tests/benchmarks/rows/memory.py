"""How much memory of its own a training takes whose cache is larger than memory should be."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import memory_child
from measuring import Figure, Result

from rows import Setting, SkippedError, Target, row

CHILD = Path(memory_child.__file__)
PEAK = "peak of RssAnon"


@dataclass
class Watched:
    """What was seen of a process while it ran."""

    printed: list[str] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    code: int = 0

    def note(self, gigabytes: float) -> None:
        stage = "training" if self.training else "before"
        self.peaks[stage] = max(self.peaks.get(stage, 0.0), gigabytes)

    @property
    def training(self) -> bool:
        return any(line.startswith("epoch 1") for line in self.printed)

    @property
    def report(self) -> tuple[str, ...]:
        """What the engine said at the end; TensorFlow's own lines come before it."""
        said = [line for line in self.printed if line.startswith("Engine:")]
        return tuple(self.printed[self.printed.index(said[0]) :]) if said else ()


def anonymous(process: int) -> float | None:
    """A process's anonymous memory in GB; None if it is gone.

    ``getrusage`` will not do: what it gives for a child begins with its parent's size.
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024 / 1e9
    return None


def watched(command: list[str], every: float = 0.02) -> Watched:
    """Run a command and look at its memory all the time."""
    seen = Watched()
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )

    def read() -> None:
        assert child.stdout is not None
        seen.printed.extend(line.rstrip() for line in iter(child.stdout.readline, ""))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while child.poll() is None:
        now = anonymous(child.pid)
        if now is not None:
            seen.note(now)
        time.sleep(every)
    reader.join()
    seen.code = child.returncode
    return seen


@row(
    "memory",
    "A training of a head on 4.2 GB of cached random features in float32, in a process of its own: "
    "the highest RssAnon of its whole life, extraction included, looked at every 20 ms.",
    minutes=3,
    targets={PEAK: Target(1.5, most=True, unit="GB")},
)
def memory(setting: Setting) -> Result:
    if not Path("/proc/self/status").exists():
        raise SkippedError("this system has no /proc to read RssAnon from")
    pictures = 64 if setting.small else 16_000
    with setting.empty_cache() as cache:
        seen = watched([sys.executable, str(CHILD), str(cache), str(pictures)])
        stored = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    if seen.code:
        print("\n".join(seen.printed[-30:]))
        raise RuntimeError(f"the training failed: {(seen.printed or ['it said nothing'])[-1]}")
    wanted = pictures * memory_child.BYTES_PER_PICTURE
    if stored < wanted and not setting.small:
        raise RuntimeError(f"the cache holds {stored / 1e9:.2f} GB instead of {wanted / 1e9:.2f}")
    return Result(_figures(seen), seen.report)


def _figures(seen: Watched) -> tuple[Figure, ...]:
    highest = max(seen.peaks.values())
    stages = ", ".join(f"{stage} {value:.2f} GB" for stage, value in seen.peaks.items())
    return (Figure(PEAK, highest, seen=f"{stages}; training is from the second epoch on"),)
