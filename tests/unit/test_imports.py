"""Which way imports run: down the stairs of docs/architecture.md, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import transferkit

PACKAGE = "transferkit"
FRONT_DOOR = PACKAGE
BORDER = f"{PACKAGE}._keras"
FRAMEWORKS = frozenset({"keras", "tensorflow", "tf_keras"})

# From the bottom up. A room may import rooms of its own stair and of those below it.
STAIRS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (stair, frozenset(rooms.split()))
    for stair, rooms in (
        (
            "ground",
            "errors _types _registry _optional _text _paths _figures _progress _keras cache",
        ),
        # history is what the engine writes and later rooms read, plots draws its curves: a value
        # and pure functions, so they stand here although they are used after training.
        (
            "descriptions",
            "select freeze adapt schedules averaging plan plans continuing spec running history "
            "plots",
        ),
        ("materials", "backbones heads objectives augment data transferability"),
        ("assembly", "build resizing engine"),
        (
            "after training",
            "predict evaluate rate_search bundle ranking check recommend calibrate interpret",
        ),
        ("the hall", "following trained loading"),
        ("the face", "model"),
        ("guests", "tuning spaces track testing"),
    )
)
APART = "materials"  # on this stair no room may import another
STAIR_OF = {room: level for level, (_, rooms) in enumerate(STAIRS) for room in rooms}


@dataclass(frozen=True)
class Arrow:
    """One import: from a module to a module of our own, or to a framework."""

    source: str
    target: str
    line: int
    hidden: bool = False
    typing_only: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def sources() -> dict[str, str]:
    """Every module of the package by its dotted name."""
    folder = Path(transferkit.__file__).parent
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join([PACKAGE, *(part for part in parts if part != "__init__")])
        found[name] = path.read_text(encoding="utf-8")
    return found


def arrows(name: str, modules: Mapping[str, str]) -> Iterator[Arrow]:
    """Every import of `name`, those in functions and for types only included."""

    def visit(node: ast.AST, hidden: bool, typing_only: bool) -> Iterator[Arrow]:
        for target in targets(node, name, modules):
            yield Arrow(name, target, getattr(node, "lineno", 0), hidden, typing_only)
        inside = hidden or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for field, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            guarded = (
                isinstance(node, ast.If)
                and field == "body"
                and "TYPE_CHECKING" in ast.unparse(node.test)
            )
            for child in children:
                if isinstance(child, ast.AST):
                    yield from visit(child, inside, typing_only or guarded)

    yield from visit(ast.parse(modules[name]), hidden=False, typing_only=False)


def targets(node: ast.AST, name: str, modules: Mapping[str, str]) -> list[str]:
    """What a statement or call imports, as modules of our own and names of frameworks."""
    if isinstance(node, ast.Import):
        asked = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = f"{name}._".split(".") if is_folder(name, modules) else name.split(".")
            base = ".".join([*above[: -node.level], *([base] if base else [])])
        asked = [f"{base}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func).rpartition(".")[2]:
        asked = [
            a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
        ]
    else:
        return []
    return [
        nearest(dotted, modules)
        for dotted in asked
        if dotted.split(".")[0] in (PACKAGE, *FRAMEWORKS)
    ]


def nearest(dotted: str, modules: Mapping[str, str]) -> str:
    """The module that holds `dotted`, which may be a name in it."""
    root = dotted.split(".")[0]
    if root != PACKAGE:
        return root
    while dotted not in modules:
        shorter = dotted.rpartition(".")[0]
        if not shorter:
            return PACKAGE
        dotted = shorter
    return dotted


def is_folder(name: str, modules: Mapping[str, str]) -> bool:
    return any(other.startswith(f"{name}.") for other in modules)


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else FRONT_DOOR


def level(name: str) -> int:
    """The stair; the front door stands above all of them."""
    return STAIR_OF.get(room(name), len(STAIRS))


def violations(modules: Mapping[str, str]) -> list[str]:
    """Whatever the plan does not allow, in words."""
    found = [
        f"{name} is in no room of the plan"
        for name in modules
        if name != FRONT_DOOR and room(name) not in STAIR_OF
    ]
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for name in modules:
        for arrow in arrows(name, modules):
            found += filter(None, [complaint(arrow)])
            if arrow.target in modules and name != FRONT_DOOR and arrow.target != name:
                edges[name].add(arrow.target)
    return found + [f"a cycle: {' -> '.join(cycle)}" for cycle in cycles(edges)]


def complaint(arrow: Arrow) -> str | None:
    if arrow.target in FRAMEWORKS:
        return None if arrow.source == BORDER else f"{arrow}: only {BORDER} may"
    if arrow.source == FRONT_DOOR:
        return None if arrow.typing_only else f"{arrow} at run time"
    if arrow.hidden:
        return f"{arrow} inside a function"
    here, there = level(arrow.source), level(arrow.target)
    if there > here:
        return f"{arrow}, which is up the stairs"
    one_stair = here == there and STAIRS[here][0] == APART if here < len(STAIRS) else False
    if one_stair and room(arrow.source) != room(arrow.target):
        return f"{arrow}: rooms of the {APART} know nothing of each other"
    return None


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """One cycle through each module that is on one, the shortest way round."""
    found = []
    seen: set[str] = set()
    for start in sorted(edges):
        ways = [[start]]
        reached: set[str] = set()
        while ways and start not in seen:
            way = ways.pop(0)
            for target in sorted(edges.get(way[-1], ())):
                if target == start:
                    found.append([*way, start])
                    seen.update(way)
                    ways = []
                    break
                if target not in reached:
                    reached.add(target)
                    ways.append([*way, target])
    return found


def test_imports_run_down_the_stairs() -> None:
    found = violations(sources())
    assert not found, "\n" + "\n".join(found)


def test_the_sources_are_really_read() -> None:
    modules = sources()
    assert {"transferkit", "transferkit.errors", "transferkit.bundle.archive"} <= set(modules)
    drawn = {(a.source, a.target) for name in modules for a in arrows(name, modules)}
    assert ("transferkit.freeze", "transferkit.select") in drawn
    assert ("transferkit._keras", "tensorflow") in drawn
    assert ("transferkit.bundle.writing", "transferkit._keras") in drawn


def test_no_room_is_on_two_stairs() -> None:
    rooms = [name for _, names in STAIRS for name in names]
    assert len(rooms) == len(set(rooms))


GOOD = {
    "transferkit": (
        "import importlib\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from transferkit.model import TransferModel\n"
        "def __getattr__(name):\n    return importlib.import_module(f'transferkit.{name}')\n"
    ),
    "transferkit.errors": "import difflib\n",
    "transferkit._keras": "from importlib import *\ndef keras():\n    import_module('keras')\n",
    "transferkit.select": "from transferkit.errors import SpecError\n",
    "transferkit.heads": "from transferkit.heads.base import Base\n",
    "transferkit.heads.base": "from transferkit import _keras\nimport transferkit.select\n",
    "transferkit.data": "from transferkit import errors\n",
    "transferkit.model": "import transferkit.data as data\nfrom transferkit import heads, select\n",
}


def test_a_house_in_order_is_in_order() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        (
            "select",
            "from transferkit import model",
            "select:1 imports transferkit.model, which is up",
        ),
        ("select", "from transferkit.model import X", "imports transferkit.model, which is up"),
        ("select", "import transferkit.heads.base", "transferkit.heads.base, which is up"),
        ("select", "from . import data", "imports transferkit.data, which is up"),
        ("select", "from .heads.base import x", "imports transferkit.heads.base, which is up"),
        ("select", "from transferkit import TransferModel", "imports transferkit, which is up"),
        ("select", "if TYPE_CHECKING:\n    from transferkit import data", "select:2 imports"),
        ("heads.base", "from ..data import x", "rooms of the materials know nothing of each other"),
        ("data", "from transferkit.heads import base", "rooms of the materials know nothing"),
        ("errors", "from transferkit import _keras\n", "a cycle: transferkit._keras -> "),
        ("model", "def f():\n    from transferkit import select", "inside a function"),
        (
            "model",
            "class A:\n    async def f(self):\n        import transferkit.data",
            "inside a f",
        ),
        ("model", "def f():\n    import_module('transferkit.heads')", "inside a function"),
        ("model", "import keras", "model:1 imports keras: only transferkit._keras may"),
        ("model", "def f():\n    from keras.layers import Dense", "imports keras: only"),
        ("model", "import tensorflow as tf", "imports tensorflow: only"),
        ("model", "x = importlib.import_module('keras.layers')", "imports keras: only"),
        ("cellar", "", "transferkit.cellar is in no room of the plan"),
    ],
)
def test_a_house_out_of_order_is_noticed(name: str, source: str, text: str) -> None:
    modules = {**GOOD, f"transferkit.{name}": source}
    if name == "errors":
        modules["transferkit._keras"] = "from transferkit.errors import BackendError\n"
    assert any(text in line for line in violations(modules)), violations(modules)


def test_the_front_door_imports_rooms_for_types_only() -> None:
    modules = {**GOOD, "transferkit": "from transferkit import select\n"}
    assert violations(modules) == ["transferkit:1 imports transferkit.select at run time"]


def test_a_long_way_round_is_a_cycle_too() -> None:
    modules = {
        **GOOD,
        "transferkit.data": "from transferkit.data.a import x\n",
        "transferkit.data.a": "from transferkit.data.b import x\n",
        "transferkit.data.b": "from transferkit import data\n",
    }
    expected = "transferkit.data -> transferkit.data.a -> transferkit.data.b -> transferkit.data"
    assert violations(modules) == [f"a cycle: {expected}"]
