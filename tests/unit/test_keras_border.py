"""The one border to Keras: a wrong backend is told, and what it sets is really set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from transferkit import _keras
from transferkit.errors import BackendError

keras = _keras.keras()


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    given = {**os.environ, **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False)


def message(backend: str) -> str:
    return (
        f"transferkit.errors.BackendError: transferkit: Keras is set to run on {backend}. Expected "
        f"the TensorFlow backend. Received: KERAS_BACKEND='{backend}'. Start Python with "
        "KERAS_BACKEND=tensorflow, or set os.environ['KERAS_BACKEND'] = 'tensorflow' before keras "
        "is imported."
    )


@pytest.mark.parametrize("name", ["TransferModel", "load"])
def test_a_backend_that_is_not_installed_is_told_with_what_to_set(name: str) -> None:
    program = f"import transferkit as tk; print('imported'); tk.{name}"
    done = run(program, KERAS_BACKEND="jax")
    assert (done.returncode, done.stdout) == (1, "imported\n")
    assert done.stderr.splitlines()[-1] == message("jax")


def test_another_backend_that_runs_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _keras.keras.cache_clear()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(BackendError) as caught:
        _keras.keras()
    assert f"transferkit.errors.BackendError: {caught.value}" == message("torch")


def test_an_import_that_fails_for_another_reason_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(name: str) -> None:
        raise ImportError("no module named 'tree'", name="tree")

    _keras.keras.cache_clear()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(ImportError, match="no module named 'tree'") as caught:
        _keras.keras()
    assert not isinstance(caught.value, BackendError)


def test_names_begin_afresh_and_go_on_from_the_highest() -> None:
    keras.layers.ReLU()
    with _keras.fresh_names():
        assert keras.layers.ReLU().name == "re_lu"
        with _keras.fresh_names():
            inner = [keras.layers.ReLU().name for _ in range(3)]
        assert inner == ["re_lu", "re_lu_1", "re_lu_2"]
        assert keras.layers.ReLU().name == "re_lu_3"
    later = {keras.layers.ReLU().name for _ in range(5)}
    assert not later & {"re_lu", "re_lu_1", "re_lu_2", "re_lu_3"}


def test_counts_go_on_behind_an_error_too() -> None:
    before = int(keras.layers.Softmax().name.rpartition("_")[2].replace("softmax", "0"))
    with pytest.raises(RuntimeError, match="inside"), _keras.fresh_names():
        raise RuntimeError("inside")
    assert keras.layers.Softmax().name == f"softmax_{before + 1}"
