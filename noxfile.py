"""Every check of the project, each in an environment of its own: ``nox -s tests``, ``nox -l``.

A machine needs Python 3.11 to 3.13 and ``pip install nox``. The first run of a session installs
what it needs; later runs reuse it. TensorFlow takes a minute and 2 GB an environment, so that
`lint` and `types` do without; with uv beside nox (`pip install uv`) environments share one copy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
PROJECT: dict[str, Any] = nox.project.load_toml("pyproject.toml")["project"]
EVERYTHING = ".[examples,pandas,plots,tensorboard,testing]"
EXTRAS = (
    "tests/contracts/test_keras_hub.py",
    "tests/contracts/test_keras_hub_text.py",
    "tests/contracts/test_torch_hub.py",
    "tests/contracts/test_trackers.py",
    "tests/unit/backbones/torch_hub",
    "tests/unit/engine/forward",
    "tests/unit/tuning",
)
"""Tests that are skipped, in part, where the packages that they are about are not installed."""
ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "MPLBACKEND": "agg", "TF_CPP_MIN_LOG_LEVEL": "2"}


def from_extra(extra: str, *names: str) -> list[str]:
    """The lines of an extra in pyproject.toml for these packages: bounds stand in one place."""
    lines: list[str] = PROJECT["optional-dependencies"][extra]
    return [next(line for line in lines if line.startswith(name)) for name in names]


@nox.session
def quickstart(session: nox.Session) -> None:
    """The example that a newcomer runs first; writes into quickstart-out/."""
    session.install(".[examples]")
    session.run("python", "examples/quickstart.py", *session.posargs, env=ENVIRONMENT)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests that run in minutes; arguments go to pytest."""
    run_pytest(session, "--durations=10")


@nox.session
def coverage(session: nox.Session) -> None:
    """The same tests, and the lines that they reach: counting takes a third of the time more."""
    run_pytest(session, "--cov")


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take longer, in minutes as well."""
    run_pytest(session, "-m", "slow and not exhaustive", "--durations=10")


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Every network and a great many drawn cases: long, before a release."""
    run_pytest(session, "-m", "exhaustive", "--durations=10")


@nox.session
def accuracy(session: nox.Session) -> None:
    """What the library claims on real photos with real weights; skipped without the assets."""
    run_pytest(session, "tests/benchmarks", "-m", "accuracy", "-s")


@nox.session
def bench(session: nox.Session) -> None:
    """Speed against plain Keras, and ``-- accuracy``; ``-- --list`` names the rows. Into docs/."""
    session.install(".[examples,openvino,tune]")
    session.run("python", "tests/benchmarks/bench.py", *session.posargs, env=ENVIRONMENT)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Install the package as a user would, and run pytest on it."""
    plug_ins = "pip"  # a test installs one; uv's environments have none
    session.install(EVERYTHING, plug_ins, *from_extra("dev", "pytest", "pytest-cov"))
    session.run("pytest", *arguments, *session.posargs, env=ENVIRONMENT)


@nox.session(venv_backend="venv")  # PyTorch is gigabytes: pip takes it from where it is set up to
def extras(session: nox.Session) -> None:
    """The tests of what talks to packages that few install: OpenVINO, KerasHub, PyTorch, trackers.

    ``-- -m slow`` runs the slow ones: all presets and families, searches over several processes.
    """
    packages = [
        EVERYTHING.replace("[", "[hub,mlflow,openvino,torch,tune,wandb,"),
        "timm",
        "torchvision",
    ]
    session.install(*packages, *from_extra("dev", "pytest"))
    session.run("pytest", *EXTRAS, *session.posargs, env=ENVIRONMENT)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and format; ``nox -s lint -- --fix`` mends what can be mended."""
    session.install(*from_extra("dev", "ruff"))
    session.run("ruff", "check", ".", *session.posargs)
    session.run("ruff", "format", ".", *([] if "--fix" in session.posargs else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over package, tests and scripts; without TensorFlow, which has no types."""
    framework = ("tensorflow", "keras")
    base = [line for line in PROJECT["dependencies"] if not line.startswith(framework)]
    extras = [*from_extra("testing", "hypothesis"), *from_extra("plots", "matplotlib")]
    tools = from_extra("dev", "mypy", "nox", "pandas-stubs", "pytest")
    typed = ["ml_dtypes"]  # comes with TensorFlow, and has types
    session.install(*base, *extras, *from_extra("pandas", "pandas"), *tools, *typed)
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the pages and run all that is in them, or only the examples of the files given."""
    session.install(
        EVERYTHING.replace("[", "[docs,tune,"), *from_extra("dev", "ipykernel", "nbclient")
    )
    if not session.posargs:
        sphinx = ("python", "-m", "sphinx", "-W", "--keep-going", "-n", "-q")
        session.run(*sphinx, "docs", "docs/_build/html", env=ENVIRONMENT)
    session.run("python", "docs/run_blocks.py", *session.posargs, env=ENVIRONMENT)
    if not session.posargs:
        session.run("python", "docs/run_notebooks.py", env=ENVIRONMENT)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel, look into it, and use it from an empty environment in another folder."""
    session.install("build")
    elsewhere = Path(session.create_tmp()).resolve()
    for old in elsewhere.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(elsewhere), silent=True)
    (wheel,) = elsewhere.glob("*.whl")
    session.run("python", "tests/build/wheel_contents.py", str(wheel))

    session.run("python", "-m", "venv", "--clear", str(elsewhere / "empty"))
    scripts = elsewhere / "empty" / ("Scripts" if os.name == "nt" else "bin")
    python = str(scripts / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    session.chdir(elsewhere)
    journey = str(ROOT / "tests" / "build" / "journey.py")
    session.run(python, "-I", journey, env=ENVIRONMENT, external=True)
    with_a_plugin(session, python, str(wheel))


def with_a_plugin(session: nox.Session, python: str, wheel: str) -> None:
    """The sample package beside the wheel: its own tests, and its journey until it is gone."""
    sample = ROOT / "tests" / "build" / "sample_plugin"
    journey = str(ROOT / "tests" / "build" / "plugin_journey.py")
    pip = [python, "-m", "pip"]
    needs = [*from_extra("dev", "pytest"), *from_extra("testing", "hypothesis")]
    session.run(*pip, "install", "--quiet", wheel, str(sample), *needs, external=True)
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(sample)]
    session.run(python, "-I", *tests, env=ENVIRONMENT, external=True)
    for step in ("train", "load"):
        session.run(python, "-I", journey, step, ".", env=ENVIRONMENT, external=True)
    session.run(*pip, "uninstall", "--quiet", "--yes", "sample-plugin", external=True)
    session.run(python, "-I", journey, "gone", ".", env=ENVIRONMENT, external=True)
