"""What every test finds: a quiet TensorFlow on the CPU, Matplotlib without a screen, the assets.

``CUDA_VISIBLE_DEVICES=0 nox -s tests`` runs them on a GPU, ``--hypothesis-profile=thorough`` looks
longer, and ``TRANSFERKIT_ASSETS`` says where the real pictures and weights lie.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import textwrap
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest

# Before anything imports TensorFlow, which reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["MPLBACKEND"] = "agg"
# The user's own cache is never read or written, and what one test caches is no other test's.
CACHES = Path(tempfile.mkdtemp(prefix="transferkit-test-caches-"))
os.environ["TRANSFERKIT_CACHE"] = str(CACHES / "shared")

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


@pytest.fixture(scope="session", autouse=True)
def _caches_are_removed() -> Iterator[None]:
    """What fixtures that several tests share put into the cache goes when all are done."""
    yield
    shutil.rmtree(CACHES, ignore_errors=True)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with an empty cache; its folder is made when something is written."""
    folder = CACHES / uuid.uuid4().hex
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(folder))
    yield
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


class Install(Protocol):
    """Makes a package that is found like one that pip installed."""

    def __call__(self, package: str, source: str, *points: str) -> None:
        """Write a module and the metadata of its distribution.

        Args:
            package: The distribution; the module's name has underscores for its hyphens.
            source: The module's text.
            *points: Entry points as ``"group: name = module:thing"``.
        """


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Packages for one test, in a folder of their own on the path."""
    folder = tmp_path / "site-packages"
    made: list[str] = []

    def write(package: str, source: str, *points: str) -> None:
        module = package.replace("-", "_")
        made.append(module)
        about = folder / f"{module}-1.2.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        groups = (point.partition(": ") for point in points)
        lines = (f"[{group}]\n{rest}\n" for group, _, rest in groups)
        (about / "entry_points.txt").write_text("".join(lines), encoding="utf-8")
        monkeypatch.syspath_prepend(folder)

    yield write
    for module in made:
        sys.modules.pop(module, None)


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
