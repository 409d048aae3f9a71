from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest

from transferkit._registry import Registry
from transferkit.errors import SpecError, UnknownNameError


class Point:
    """An entry point of another package."""

    def __init__(self, name: str, thing: Any) -> None:
        self.name = name
        self.thing = thing
        self.loaded = 0

    def load(self) -> Any:
        self.loaded += 1
        if isinstance(self.thing, Exception):
            raise self.thing
        return self.thing


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    found = [Point("theirs", 10), Point("taken", 11)]

    def entry_points(*, group: str) -> list[Point]:
        return found if group == "transferkit.things" else []

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    return found


def test_what_was_added_is_found() -> None:
    registry: Registry[int] = Registry("thing")
    registry.add("b", 2)
    registry.add("a", 1)
    assert registry.get("b", verb="make") == 2
    assert registry.names() == ("a", "b")
    assert list(registry.items()) == [("a", 1), ("b", 2)]


def test_names_are_picked_by_a_glob() -> None:
    registry: Registry[int] = Registry("thing")
    for name in ("ResNet50", "ResNet101", "VGG16", "resnet"):
        registry.add(name, 0)
    assert registry.names("ResNet*") == ("ResNet101", "ResNet50")
    assert registry.names("*1?") == ("VGG16",)
    assert registry.names("nothing") == ()


def test_the_decorator_registers_and_hands_back() -> None:
    registry: Registry[Any] = Registry("thing")

    @registry.registering("mine")
    def mine() -> int:
        return 3

    assert mine() == 3
    assert registry.get("mine", verb="make") is mine


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced() -> None:
    registry: Registry[object] = Registry("backbone source")
    first, second = object(), object()
    registry.add("keras", first)
    registry.add("keras", first)
    with pytest.raises(SpecError) as caught:
        registry.add("keras", second)
    assert str(caught.value) == (
        "register: the backbone source name 'keras' is taken. Expected a new name. "
        "Received: name='keras'. Choose another name, or say replace=True."
    )
    assert registry.get("keras", verb="make") is first
    registry.add("keras", second, replace=True)
    assert registry.get("keras", verb="make") is second


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    registry: Registry[int] = Registry("head")
    registry.add("classification", 1)
    with pytest.raises(UnknownNameError) as caught:
        registry.get("clasification", verb="TransferModel.head")
    assert str(caught.value) == (
        "TransferModel.head: there is no head called 'clasification'. Expected a known name "
        "(did you mean 'classification'?). Received: name='clasification'."
    )


def test_an_empty_registry_says_so() -> None:
    registry: Registry[int] = Registry("head")
    with pytest.raises(UnknownNameError, match="and none is known yet"):
        registry.get("x", verb="make")


def test_other_packages_are_loaded_only_when_they_may_be_needed(points: list[Point]) -> None:
    registry: Registry[int] = Registry("thing", group="transferkit.things")
    registry.add("ours", 1)
    registry.add("taken", 2)
    assert registry.get("ours", verb="make") == 1
    assert [point.loaded for point in points] == [0, 0]
    assert registry.get("theirs", verb="make") == 10
    assert [point.loaded for point in points] == [1, 0], "what we have is not asked of others"
    assert registry.names() == ("ours", "taken", "theirs")
    assert registry.get("taken", verb="make") == 2
    assert points[0].loaded == 1


def test_listing_names_finds_what_other_packages_bring(points: list[Point]) -> None:
    registry: Registry[int] = Registry("thing", group="transferkit.things")
    assert registry.names() == ("taken", "theirs")
    assert points[0].loaded == 1


def test_a_plug_in_that_fails_to_load_fails_every_time(points: list[Point]) -> None:
    points.append(Point("broken", ImportError("no module named nothing")))
    registry: Registry[int] = Registry("thing", group="transferkit.things")
    registry.add("ours", 1)
    for _ in range(2):
        with pytest.raises(ImportError, match="no module named nothing"):
            registry.names()
    assert registry.get("ours", verb="make") == 1


def test_a_registry_without_a_group_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(**kwargs: str) -> list[Point]:
        pytest.fail("entry points were read")

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    registry: Registry[int] = Registry("thing")
    assert registry.names() == ()
