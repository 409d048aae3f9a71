"""Another package's backbone, head and augmentation, installed as pip does it.

``nox -s build`` does the same in an environment that holds nothing else, and runs the package's own
tests there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import transferkit as tk
from transferkit.errors import UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "build" / "sample_plugin"
JOURNEY = ROOT / "tests" / "build" / "plugin_journey.py"


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the sample package and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    # Where the package's build tool is installed already, pip need not fetch it.
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", *here]
    run(*pip, "--target", str(folder), str(SAMPLE))
    return folder


@pytest.mark.slow
def test_a_model_with_parts_of_a_plug_in_lives_in_several_processes(
    site: Path, tmp_path: Path
) -> None:
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    installed = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    trained = run(str(JOURNEY), "train", str(tmp_path), environment=installed)
    assert trained == "trained and saved: TrainedModel: sample:tiny (pretrained)\n"
    loaded = run(str(JOURNEY), "load", str(tmp_path), environment=installed)
    assert loaded.startswith("loaded: Choice(label=")
    with pytest.raises(UnknownNameError) as caught:  # the package is not installed here
        tk.load(tmp_path / "model.tkm")
    assert str(caught.value) == (
        "load: there is no head called 'cosine'; the file says that the package 'sample-plugin' "
        "brings it. Expected one of 'classification', 'multilabel', 'regression'. "
        "Received: name='cosine'. If you trust that package: pip install sample-plugin"
    )
