"""The wheel holds the package, its types and its licence, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import wheel_contents
from wheel_contents import complaints, main, source_files

ABOUT = ["t-1.dist-info/METADATA", "t-1.dist-info/licenses/LICENSE"]
SOURCES = ["transferkit/__init__.py", "transferkit/py.typed"]


def test_a_wheel_with_all_of_it_is_fine() -> None:
    assert complaints([*SOURCES, *ABOUT], SOURCES) == []


def test_a_forgotten_module_is_named() -> None:
    found = complaints([*SOURCES, *ABOUT], [*SOURCES, "transferkit/plan.py"])
    assert found == ["missing: transferkit/plan.py"]


def test_the_types_marker_is_wanted_even_where_the_sources_lost_it() -> None:
    assert complaints([SOURCES[0], *ABOUT], [SOURCES[0]]) == ["missing: transferkit/py.typed"]


def test_a_wheel_without_licence_is_noticed() -> None:
    assert complaints([*SOURCES, ABOUT[0]], SOURCES) == ["missing: the licence"]


def test_tests_do_not_belong_into_a_wheel() -> None:
    found = complaints([*SOURCES, *ABOUT, "tests/conftest.py"], SOURCES)
    assert found == ["does not belong there: tests/conftest.py"]


def test_the_package_is_read_from_the_repository() -> None:
    found = source_files(wheel_contents.ROOT)
    assert {"transferkit/__init__.py", "transferkit/py.typed"} <= found
    assert not any(name.endswith(".pyc") for name in found)


def test_the_command_prints_each_complaint_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "t-1.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*source_files(wheel_contents.ROOT), *ABOUT, "tests/test_x.py"]:
            archive.writestr(name, "")
    assert main(wheel) == 1
    assert "t-1.whl: does not belong there: tests/test_x.py" in capsys.readouterr().out
