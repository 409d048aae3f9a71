from __future__ import annotations

import sys
from pathlib import Path

import pytest

from transferkit._optional import require
from transferkit.errors import MissingExtraError


def test_a_package_that_is_there_is_handed_back() -> None:
    path = require("os.path", extra="plots", needed_for="plot")
    assert path is sys.modules["os.path"]


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.inside"])
def test_a_package_that_is_not_there_is_answered_with_the_line_that_installs_it(
    module: str,
) -> None:
    with pytest.raises(MissingExtraError) as caught:
        require(module, extra="plots", needed_for="trained.history.plot")
    assert str(caught.value) == (
        "trained.history.plot: no_such_package is not installed. pip install 'transferkit[plots]'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("raise ImportError('built for another Python')", "built for another Python"),
    ],
)
def test_a_package_that_is_there_and_broken_is_not_called_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "broken_package.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError) as caught:
        require("broken_package", extra="plots", needed_for="plot")
    assert str(caught.value) == (
        f"plot: broken_package cannot be imported ({reason}). "
        "pip install --upgrade 'transferkit[plots]'"
    )


def test_an_error_of_another_kind_is_not_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dividing_package.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        require("dividing_package", extra="plots", needed_for="plot")
