"""``import transferkit``: what it shows, and what it leaves alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import transferkit

HEAVY = ("tensorflow", "keras", "matplotlib", "pandas", "sklearn", "hypothesis", "PIL", "rich")


def declared() -> dict[str, str]:
    """What the TYPE_CHECKING twin imports: name to where from."""
    tree = ast.parse(Path(transferkit.__file__).read_text(encoding="utf-8"))
    blocks = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    found: dict[str, str] = {}
    for statement in blocks[0].body:
        assert isinstance(statement, ast.ImportFrom), ast.unparse(statement)
        for alias in statement.names:
            assert alias.asname == alias.name, "`as` makes it an export for mypy"
            found[alias.name] = statement.module or ""
    return found


def in_a_fresh_process(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_imports_nothing_heavy() -> None:
    program = f"import sys, transferkit; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert in_a_fresh_process(program) == "[]"


@pytest.mark.parametrize("name", ["select", "freeze", "errors", "schedules", "plans", "Plan"])
def test_descriptions_need_no_tensorflow(name: str) -> None:
    program = (
        f"import sys, transferkit as tk; tk.{name}; "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    assert in_a_fresh_process(program) == "[]"


def test_the_public_names_are_sorted_and_unique() -> None:
    assert list(transferkit.__all__) == sorted(set(transferkit.__all__))


def test_the_public_names_are_those_that_type_checkers_see() -> None:
    assert set(transferkit.__all__) == set(declared())


def test_each_name_is_looked_up_where_type_checkers_look() -> None:
    for name, module in declared().items():
        if module == "transferkit":
            assert name not in transferkit._HOME
        else:
            assert transferkit._HOME[name] == module
    assert set(transferkit._HOME) <= set(transferkit.__all__)


@pytest.mark.parametrize("name", transferkit.__all__)
def test_every_public_name_resolves(name: str) -> None:
    thing = getattr(transferkit, name)
    home = transferkit._HOME.get(name, f"transferkit.{name}")
    if name in transferkit._HOME:
        assert thing is getattr(sys.modules[home], name)
        assert thing.__module__.startswith("transferkit.")
    else:
        assert thing is sys.modules[home]
    assert thing.__doc__


def test_dir_shows_the_public_names_and_the_version() -> None:
    assert dir(transferkit) == sorted([*transferkit.__all__, "__version__"])


def test_an_unknown_name_is_an_attribute_error() -> None:
    name = "transfermodel"
    with pytest.raises(
        AttributeError, match=r"^module 'transferkit' has no attribute 'transfermodel'$"
    ):
        getattr(transferkit, name)
    assert not hasattr(transferkit, "testing_of_nothing")


def test_the_version_is_that_of_the_package() -> None:
    from importlib import metadata

    assert transferkit.__version__ == metadata.version("transferkit")
