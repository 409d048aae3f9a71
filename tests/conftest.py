"""What every test finds: a quiet TensorFlow on the CPU, Matplotlib without a screen, the assets.

``CUDA_VISIBLE_DEVICES=0 nox -s tests`` runs them on a GPU, ``--hypothesis-profile=thorough`` looks
longer, and ``TRANSFERKIT_ASSETS`` says where the real pictures and weights lie.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Before anything imports TensorFlow, which reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["MPLBACKEND"] = "agg"

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("ci")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real pictures and trained weights; without it the test is skipped."""
    folder = Path(os.environ.get("TRANSFERKIT_ASSETS") or ROOT.parent / "shared" / "assets")
    if not folder.is_dir():
        pytest.skip(f"no assets at {folder}; set TRANSFERKIT_ASSETS to a folder that has them")
    return folder


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """No figure outlives its test, and no test leaves Matplotlib on a screen."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
        assert pyplot.get_backend().lower() == "agg", "the test switched Matplotlib's backend"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long the contract battery took, by kind of plug-in."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            folder, _, name = str(getattr(report, "nodeid", "")).partition("::")[0].rpartition("/")
            if folder == "tests/contracts" and hasattr(report, "duration"):
                seconds[name.removeprefix("test_").removesuffix(".py")] += report.duration
    if seconds:
        parts = (f"{kind} {round(total)} s" for kind, total in sorted(seconds.items()))
        terminalreporter.write_line("contract battery: " + ", ".join(parts))
