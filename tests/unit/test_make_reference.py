"""The API reference: every room has a page, and every public name is on one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import make_reference
import pytest

import transferkit

MODULES = ("transferkit", *(f"transferkit.{room}" for room in make_reference.ROOMS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reference")
    make_reference.make_reference(made)
    return made


def test_every_module_is_a_room_with_a_page_or_internal() -> None:
    found = {m.name for m in pkgutil.iter_modules(transferkit.__path__) if m.name[0] != "_"}
    rooms = {room for room in make_reference.ROOMS if "." not in room}
    assert rooms | set(make_reference.INTERNAL) == found
    assert not rooms & set(make_reference.INTERNAL)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_of_a_room_is_described_or_linked(name: str, folder: Path) -> None:
    module = importlib.import_module(name)
    text = (folder / f"{name}.rst").read_text(encoding="utf-8")
    described = set(re.findall(rf"^\.\. auto\w+:: {re.escape(name)}\.(\w+)$", text, re.MULTILINE))
    linked = set(re.findall(r"^`(\w+)` is described as ", text, re.MULTILINE))
    rooms = {n for n in module.__all__ if isinstance(getattr(module, n), ModuleType)}
    assert described | linked | rooms == set(module.__all__)


def test_nothing_is_described_twice(folder: Path) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert "`Engine` is described as :py:obj:`transferkit.Engine`." in text
    assert text.count(":: transferkit.Engine\n") == 1
    assert ":: transferkit.running.Engine" not in text


def test_every_page_is_named_in_the_table_of_the_reference() -> None:
    page = Path(make_reference.__file__).with_name("reference.md").read_text(encoding="utf-8")
    for name in MODULES:
        assert f"`{name}`" in page
