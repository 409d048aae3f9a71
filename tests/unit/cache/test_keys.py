"""A key says all that went into it, or there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit._types import FrozenDict
from transferkit.cache import keys
from transferkit.errors import SpecError

PARTS = {"network": "VGG16", "cut": ["block4_pool"], "size": [224, 224], "scale": 0.5, "x": None}


def test_a_key_is_blake2b_of_json_that_anybody_can_write() -> None:
    text = '{"cut":["block4_pool"],"network":"VGG16","scale":0.5,"size":[224,224],"x":null}'
    expected = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    assert keys.key(PARTS) == expected
    assert len(expected) == 32


def test_order_tuples_and_kinds_of_mappings_do_not_count() -> None:
    turned = dict(reversed(PARTS.items())) | {"size": (224, 224)}
    assert keys.key(turned) == keys.key(FrozenDict(turned)) == keys.key(PARTS)


@pytest.mark.parametrize(
    "other",
    [
        {"scale": 1},
        {"scale": 1.0},
        {"scale": True},
        {"scale": "1"},
        {"x": []},
        {"network": "vgg16"},
        {"network": "\ud800"},
        {"cut": "block4_pool"},
        {"more": None},
        {"size": [224, [224]]},
    ],
)
def test_whatever_else_differs_is_another_key(other: dict[str, Any]) -> None:
    assert keys.key(PARTS | other) != keys.key(PARTS)


def test_one_and_true_are_three_things() -> None:
    assert len({keys.key({"a": value}) for value in (1, 1.0, True)}) == 3


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (np.zeros(2), r"key: parts\['a'\]\[1\]\['b'\] is of the type ndarray"),
        (np.int64(3), r"is of the type int64.*a number of NumPy's as number.item\(\)"),
        (float("nan"), r"\['b'\] is no finite number, for which there is no one JSON text"),
        (float("inf"), r"\['b'\] is no finite number"),
        (b"x", "is of the type bytes"),
        ({"x"}, "is of the type set"),
        (Path("x"), "is of the type PosixPath|WindowsPath"),
        ({1: "x"}, r"\['b'\] is a mapping with the key 1"),
        ({None: "x"}, "is a mapping with the key None"),
    ],
)
def test_what_is_not_ready_for_json_is_an_error_that_says_where(part: Any, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        keys.key({"a": [0, {"b": part}]})


@pytest.mark.parametrize("name", ["", "../x", "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n", None])
def test_only_a_key_is_a_key(name: Any) -> None:
    with pytest.raises(SpecError, match=r"cache: that is no key of an entry. Expected 32 hexa"):
        keys.checked(name)


class Rows:
    """Rows that come when they are asked for, and how many came at most."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        found: np.ndarray = self.array[rows]
        self.most = max(self.most, found.nbytes)
        return found


def test_a_digest_is_sha256_over_type_shape_and_bytes() -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    expected = hashlib.sha256(b"<i4 int32 (2, 3)\n" + array.tobytes()).hexdigest()[:32]
    assert keys.digest(array) == expected


def test_a_digest_does_not_depend_on_how_the_array_lies_in_memory(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((50, 7, 3))
    mapped = np.memmap(tmp_path / "x", array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    wide = np.repeat(array, 2, axis=0)[::2]
    same = [array, np.asfortranarray(array), wide, mapped, Rows(array)]
    assert len({keys.digest(each) for each in same}) == 1


def test_a_digest_reads_blocks_of_what_is_no_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "BLOCK", 1000)
    rows = Rows(np.random.default_rng(0).random((1000, 4)))
    assert keys.digest(rows) == keys.digest(rows.array)
    assert rows.most <= 1000


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (1,)])
def test_a_digest_takes_every_shape(shape: tuple[int, ...]) -> None:
    array = np.ones(shape)
    if shape:
        assert keys.digest(array) == keys.digest(Rows(array))
    assert keys.digest(array) != keys.digest(np.ones((*shape, 1)))


def test_a_digest_takes_a_scalar_that_is_no_array() -> None:
    assert keys.digest(np.float64(3)) == keys.digest(np.array(3.0))


def test_a_digest_tells_apart_what_differs() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    base = np.zeros((2, 6), np.float32)
    changed = base.copy()
    changed[1, 5] = 1e-40
    different = [base, base.reshape(3, 4), base.view(np.int32), changed, base.astype(">f4"), -base]
    half = np.zeros(4, np.uint8)
    types = [half.view(kind) for kind in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)]
    found = [keys.digest(each) for each in (*different, half, *types)]
    found += [keys.digest(base, base), keys.digest(), keys.digest(base, half)]
    assert len(set(found)) == len(found)


def test_objects_have_no_bytes() -> None:
    with pytest.raises(SpecError, match="digest: an array of Python objects has no bytes to count"):
        keys.digest(np.array(["a", None]))
