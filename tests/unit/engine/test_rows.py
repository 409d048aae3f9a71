"""Rows of an array in a graph: what is read where it lies, what is copied, what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras
from transferkit.data import store
from transferkit.engine.rows import reader, shared

VALUES = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)


def aligned(values: Any = VALUES) -> Any:
    room = store.allocate(values.shape, values.dtype)
    room[...] = values
    return room


def moved(offset: int) -> Any:
    """The values, so many bytes behind a place that TensorFlow can read."""
    room = aligned(np.zeros(VALUES.nbytes + 64, np.uint8))
    made = room[offset : offset + VALUES.nbytes].reshape(VALUES.shape)
    made[...] = VALUES
    return made


def closed(values: Any) -> Any:
    values.flags.writeable = False
    return values


class Lazy:
    """Rows that are made when they are asked for."""

    shape, dtype = VALUES.shape, VALUES.dtype

    def __getitem__(self, indices: Any) -> Any:
        return VALUES[indices]


ARRAYS = {
    "aligned": aligned,
    "mapped": lambda: mapped("r+"),
    "misaligned": lambda: moved(16),
    "read only": lambda: closed(aligned()),
    "strided": lambda: aligned(np.repeat(VALUES, 2, axis=2))[:, :, ::2],
    "other byte order": lambda: VALUES.astype(">i4"),
    "floats": lambda: aligned(VALUES.astype(np.float32)),
    "truth values": lambda: VALUES > 99,
    "lazy": Lazy,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mapped(mode: Any) -> Any:
    VALUES.tofile("values")
    return np.memmap("values", np.uint8, mode, shape=VALUES.shape)


def read(array: Any) -> Any:
    tf = _keras.tf()
    rows = reader(array)
    dataset = tf.data.Dataset.from_tensors(np.asarray([7, 0, 7])).map(rows)
    assert dataset.element_spec.shape == (3, *array.shape[1:])
    (found,) = list(dataset)
    return found.numpy()


@pytest.mark.parametrize("kind", ARRAYS)
def test_rows_are_those_of_the_array(kind: str) -> None:
    array = ARRAYS[kind]()
    found = read(array)
    np.testing.assert_array_equal(found, np.asarray(array[np.asarray([7, 0, 7])]))
    assert found.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("mode", ["r+", "w+", "c"])
def test_a_mapped_file_is_read_where_it_lies(mode: Any) -> None:
    array = mapped(mode)
    array[...] = VALUES
    tensor: Any = shared(array)
    array[3] = 77
    assert (tensor[3].numpy() == 77).all()


def test_what_would_end_the_process_is_not_shared() -> None:
    for offset in (1, 16, 32):
        assert shared(moved(offset)) is None
    assert shared(moved(64)) is not None
    for kind in ("read only", "strided", "other byte order", "truth values", "lazy"):
        assert shared(ARRAYS[kind]()) is None
    assert shared(np.zeros((0, 3), np.uint8)) is None


def test_memory_that_cannot_be_shared_is_copied_once_if_it_has_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = moved(16)
    copied = reader(array)
    monkeypatch.setattr(store, "memory_budget", lambda: array.nbytes - 1)
    asked = reader(array)
    array[2] = 55
    indices = np.asarray([2])
    np.testing.assert_array_equal(copied(indices)[0], VALUES[2])
    assert (asked(indices).numpy() == 55).all()


def test_a_mapped_file_that_is_read_only_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "allocate", lambda *shape: pytest.fail("it was copied"))
    np.testing.assert_array_equal(read(mapped("r")), VALUES[[7, 0, 7]])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_memory_for_pixels_can_be_shared(dtype: Any) -> None:
    for count in (1, 2, 7):
        room = store.allocate((count, 3, 5), dtype)
        assert room.shape == (count, 3, 5)
        assert room.dtype == dtype
        assert room.ctypes.data % 64 == 0
        assert shared(room) is not None
