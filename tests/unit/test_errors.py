from __future__ import annotations

import inspect
import re

import pytest

from transferkit import errors
from transferkit.errors import TransferKitError, did_you_mean, explain

BUILTIN = {
    "BackboneError": ValueError,
    "BackendError": RuntimeError,
    "BundleError": ValueError,
    "BundleNotFoundError": FileNotFoundError,
    "CacheError": OSError,
    "ContractError": AssertionError,
    "DamagedBundleError": ValueError,
    "DataError": ValueError,
    "DataNotFoundError": FileNotFoundError,
    "DecodeError": ValueError,
    "ForeignBundleError": ValueError,
    "MissingExtraError": ImportError,
    "NewerBundleError": ValueError,
    "PluginError": ImportError,
    "SaveError": OSError,
    "SelectionError": ValueError,
    "SpecError": ValueError,
    "TrainingError": RuntimeError,
    "UnknownNameError": LookupError,
    "UnsafeBundleError": ValueError,
    "WeightsError": ValueError,
    "WeightsNotFoundError": FileNotFoundError,
}
CLASSES = {
    name: thing
    for name, thing in vars(errors).items()
    if inspect.isclass(thing) and issubclass(thing, Exception)
}


def test_every_error_is_exported_and_has_a_builtin_listed_here() -> None:
    assert set(errors.__all__) == set(CLASSES) == set(BUILTIN) | {"TransferKitError"}
    assert errors.__all__ == sorted(errors.__all__)


@pytest.mark.parametrize("name", BUILTIN)
def test_each_error_can_be_caught_as_ours_and_as_the_builtin_one(name: str) -> None:
    for caught in (TransferKitError, BUILTIN[name], CLASSES[name]):
        with pytest.raises(caught, match="what happened"):
            raise CLASSES[name]("what happened")


def drawn_tree() -> dict[str, tuple[str, str]]:
    """Each name of the tree in the module's docstring with its parent and what is in brackets."""
    above: dict[int, str] = {}
    found: dict[str, tuple[str, str]] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"[\s│├└─]*(\w+Error)\b( \((\w+)\))?", line)
        if match and (line.startswith("    ") or "──" in line):
            depth = match.start(1)
            parent = above[max(d for d in above if d < depth)] if found else ""
            above = {d: name for d, name in above.items() if d < depth} | {depth: match.group(1)}
            found[match.group(1)] = (parent, match.group(3) or "")
    return found


def test_the_tree_that_is_drawn_is_the_tree_that_is() -> None:
    drawn = drawn_tree()
    assert set(drawn) == set(CLASSES)
    for name, (parent, builtin) in drawn.items():
        bases = [base.__name__ for base in CLASSES[name].__bases__]
        expected = [part for part in (parent, builtin) if part]
        assert bases == (expected or ["Exception"]), name


def test_an_explanation_keeps_its_order() -> None:
    text = explain(
        "fit",
        "the plan has no phases",
        expected="one or more",
        received={"plan": (), "seed": 3},
        mend="tk.plans.fine_tune()",
    )
    assert text == (
        "fit: the plan has no phases. Expected one or more. Received: plan=(), seed=3. "
        "tk.plans.fine_tune()"
    )


def test_an_explanation_leaves_out_what_it_has_not() -> None:
    assert explain("fit", "it broke") == "fit: it broke."
    assert explain("fit", "it broke", received={}) == "fit: it broke."
    assert explain("fit", "it broke", mend="Mend it.") == "fit: it broke. Mend it."


@pytest.mark.parametrize(("length", "shown"), [(198, 200), (199, 200), (100_000, 200)])
def test_a_long_value_is_cut_at_200_characters(length: int, shown: int) -> None:
    text = explain("fit", "it broke", received={"x": "y" * length})
    value = text.removeprefix("fit: it broke. Received: x=").removesuffix(".")
    assert len(value) == shown
    assert value.endswith("...") == (length > 198)


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("ResNet5", ["ResNet50", "VGG16"], "a known name (did you mean 'ResNet50'?)"),
        ("VGG", ["VGG16", "VGG19"], "a known name (did you mean 'VGG19' or 'VGG16'?)"),
        ("vgg16", ["VGG16", "Xception"], "a known name (did you mean 'VGG16'?)"),
        ("efficientnet_b0_imagenet", ["b0", "zz"], "a known name (did you mean 'b0'?)"),
        ("zzz", ["b", "a", "b"], "one of 'a', 'b'"),
        ("", ["b", "a"], "one of 'a', 'b'"),
        ("zzz", [], "a known name, and none is known yet"),
    ],
)
def test_the_nearest_names_are_named(name: str, known: list[str], text: str) -> None:
    assert did_you_mean(name, known) == text


def test_no_more_names_than_asked_for_and_no_endless_list() -> None:
    known = [f"block_{i:02d}" for i in range(30)]
    assert did_you_mean("block_1", known).count("block_") == 3
    assert did_you_mean("block_1", known, most=1).count("block_") == 1
    text = did_you_mean("zzz", known)
    assert text.count("block_") == 12
    assert text.endswith("'block_11' and 18 more")
