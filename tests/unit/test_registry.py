from __future__ import annotations

import sys
from importlib import metadata
from typing import Any

import pytest

from transferkit._registry import Registry
from transferkit.errors import PluginError, SpecError, UnknownNameError

GROUP = "transferkit.things"
THEIRS = f"{GROUP}: theirs = their_things:ten"


def things(**more: Any) -> Registry[Any]:
    return Registry("thing", group=GROUP, **more)


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


def test_of_a_name_that_a_package_brought_the_package_is_named() -> None:
    registry: Registry[int] = Registry("head")
    registry.add("classification", 1)
    with pytest.raises(UnknownNameError) as caught:
        registry.get("stars", verb="load", package="star-heads")
    assert str(caught.value) == (
        "load: there is no head called 'stars'; the file says that the package 'star-heads' brings "
        "it. Expected one of 'classification'. Received: name='stars'. "
        "If you trust that package: pip install star-heads"
    )


@pytest.mark.parametrize("package", ["x; rm -rf ~", "a b", "--index-url=evil", "", "x" * 200, 3])
def test_what_is_no_name_of_a_package_is_not_repeated(package: Any) -> None:
    registry: Registry[int] = Registry("head")
    registry.add("classification", 1)
    with pytest.raises(UnknownNameError) as caught:
        registry.get("stars", verb="load", package=package)
    assert str(caught.value) == (
        "load: there is no head called 'stars'. Expected one of 'classification'. "
        "Received: name='stars'."
    )


def test_an_empty_registry_says_so() -> None:
    registry: Registry[int] = Registry("head")
    with pytest.raises(UnknownNameError, match="and none is known yet"):
        registry.get("x", verb="make")


def test_a_plug_in_is_imported_when_it_is_asked_for_and_not_before(install: Any) -> None:
    install("their-things", "ten = 10", THEIRS)
    registry = things()
    registry.add("ours", 1)
    assert registry.get("ours", verb="make") == 1
    assert registry.names() == ("ours", "theirs")
    with pytest.raises(UnknownNameError, match="did you mean 'theirs'"):
        registry.get("their", verb="make")
    assert "their_things" not in sys.modules
    assert registry.get("theirs", verb="make") == 10
    assert list(registry.items()) == [("ours", 1), ("theirs", 10)]


def test_the_name_and_the_package_of_a_thing_are_known(install: Any) -> None:
    install("their-things", "ten = 10", THEIRS)
    registry = things()
    registry.add("ours", 1)
    assert registry.name_of(1) == "ours"
    assert "their_things" not in sys.modules
    assert registry.name_of(10) == "theirs"
    assert registry.name_of(11) is None
    assert registry.package_of("theirs") == "their-things"
    assert registry.package_of("ours") is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_at_all", "ModuleNotFoundError: No module named 'nothing_at_all'"),
        ("raise SystemExit('no')", "SystemExit: no"),
        ("eleven = 11", "AttributeError: module 'their_things' has no attribute 'ten'"),
    ],
)
def test_a_plug_in_that_cannot_be_imported_is_named_every_time(
    install: Any, source: str, reason: str
) -> None:
    install("their-things", source, THEIRS)
    install("good-things", "two = 2", f"{GROUP}: good = good_things:two")
    registry = things()
    registry.add("ours", 1)
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            registry.get("theirs", verb="make")
        assert str(caught.value) == (
            "make: the entry point 'theirs' of the package their-things 1.2 cannot be imported "
            f"({reason}). Received: name='theirs', group='transferkit.things', "
            "value='their_things:ten'. pip install --upgrade their-things"
        )
    assert registry.get("ours", verb="make") == 1
    assert registry.get("good", verb="make") == 2
    with pytest.warns(UserWarning, match="package their-things 1.2 cannot be imported"):
        assert list(registry.items()) == [("good", 2), ("ours", 1)]


def test_a_plug_in_that_is_something_else_is_refused(install: Any) -> None:
    install("their-things", "class ten: pass", THEIRS)
    registry = things(fits=lambda thing: isinstance(thing, int), expected="a whole number")
    with pytest.raises(PluginError) as caught:
        registry.get("theirs", verb="make")
    assert str(caught.value) == (
        "make: the entry point 'theirs' of the package their-things 1.2 gives the class ten, which "
        "is no thing. Expected a whole number. Received: name='theirs', "
        "group='transferkit.things', value='their_things:ten'."
    )


def test_a_name_that_is_taken_stays_ours_and_the_package_is_named(install: Any) -> None:
    install("their-things", "ten = 10", THEIRS, f"{GROUP}: more = their_things:ten")
    registry = things()
    registry.add("theirs", 1)
    with pytest.warns(UserWarning, match="is left out") as told:
        assert registry.names() == ("more", "theirs")
    assert [str(each.message) for each in told] == [
        "things: the entry point 'theirs' of the package their-things 1.2 is left out, as the name "
        "'theirs' is taken. Expected a new name. Received: name='theirs'. Ask the authors of "
        "their-things for another name."
    ]
    assert registry.get("theirs", verb="make") == 1
    assert registry.package_of("theirs") is None
    assert "their_things" not in sys.modules


def test_two_packages_with_one_name_are_both_named(install: Any) -> None:
    install("their-things", "ten = 10", THEIRS)
    install("other-things", "ten = 11", f"{GROUP}: theirs = other_things:ten")
    registry = things()
    assert registry.names() == ("theirs",)
    with pytest.raises(PluginError) as caught:
        registry.get("theirs", verb="make")
    told = str(caught.value)
    assert "the package their-things 1.2" in told
    assert "the package other-things 1.2" in told
    assert "have the same name. Received: name='theirs'" in told
    assert "pip uninstall " in told


def test_a_package_may_register_by_itself_what_its_entry_point_names(install: Any) -> None:
    install("their-things", "ten = 10", THEIRS)
    import their_things  # type: ignore[import-not-found]

    registry = things()
    registry.add("theirs", their_things.ten)
    assert registry.names() == ("theirs",), "and no warning"
    assert registry.get("theirs", verb="make") == 10
    assert registry.package_of("theirs") == "their-things"


def test_a_registry_without_a_group_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(**kwargs: str) -> list[Any]:
        pytest.fail("entry points were read")

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    registry: Registry[int] = Registry("thing")
    assert registry.names() == ()
