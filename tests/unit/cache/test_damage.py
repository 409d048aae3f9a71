"""No changed byte is believed, wherever it is; what is damaged goes, and is made anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from transferkit.cache import Entry, Store, checksums, entries, keys, manifest

KEY = keys.key({"a": 1})
Fill = Callable[..., Entry]


@pytest.fixture(autouse=True)
def _another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are checked as if another process had written them."""
    monkeypatch.setattr(entries, "_checked", {})


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_each_changed_byte_of_an_array_is_found(fill: Fill, store: Store) -> None:
    for position in range(0, 160, 53):
        key = fill("a").key
        path = store.folder / key / "0.bin"
        raw = bytearray(path.read_bytes())
        raw[position] ^= 1
        path.write_bytes(raw)
        with pytest.warns(UserWarning, match=f"bytes of 'x' have changed; the entry {key} in"):
            assert store.find(key) is None
        assert named(store.folder) == []


def test_each_changed_byte_of_a_manifest_is_found(fill: Fill, store: Store) -> None:
    key = fill("a").key
    path = store.folder / key / "manifest.json"
    raw = path.read_bytes()
    for position in range(len(raw)):
        for byte in {raw[position] ^ 1, raw[position] ^ 64, ord(" ")} - {raw[position]}:
            changed = raw[:position] + bytes([byte]) + raw[position + 1 :]
            with pytest.raises(manifest.UnusableError):
                manifest.Manifest.decode(changed)
    assert manifest.Manifest.decode(raw).encode() == raw
    path.write_bytes(raw.replace(b'"a"', b'"b"'))
    with pytest.warns(UserWarning, match="manifest has changed; the entry .* was removed"):
        assert store.find(key) is None


@pytest.mark.parametrize("size", [0, 159, 161])
def test_an_array_of_another_length_is_found(fill: Fill, store: Store, size: int) -> None:
    key = fill("a").key
    os.truncate(store.folder / key / "0.bin", size)
    with pytest.warns(UserWarning, match=f"file of 'x' has {size} bytes instead of 160; the entry"):
        assert store.find(key) is None


@pytest.mark.parametrize(
    ("file", "text"),
    [("0.bin", "the file of 'x' cannot be read"), ("manifest.json", "its manifest is missing or")],
)
def test_a_file_that_is_gone_is_found(fill: Fill, store: Store, file: str, text: str) -> None:
    key = fill("a").key
    (store.folder / key / file).unlink()
    with pytest.warns(UserWarning, match=text):
        assert store.find(key) is None
    assert named(store.folder) == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"format"', b"\xff", b'{"format": NaN}'])
def test_a_manifest_that_is_none_is_found(fill: Fill, store: Store, raw: bytes) -> None:
    key = fill("a").key
    (store.folder / key / "manifest.json").write_bytes(raw)
    with pytest.warns(UserWarning, match="cache: its manifest cannot be read"):
        assert store.find(key) is None


def test_an_entry_under_another_name_is_not_believed(fill: Fill, store: Store) -> None:
    (store.folder / fill("a").key).rename(store.folder / KEY)
    with pytest.warns(UserWarning, match="it was written under another key"):
        assert store.find(KEY) is None


@pytest.mark.parametrize("form", [0, 2, "1"])
def test_an_entry_of_another_format_goes_without_a_word(
    fill: Fill, store: Store, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "FORMAT", form)
    key = fill("a").key
    monkeypatch.setattr(entries, "_checked", {})
    monkeypatch.setattr(manifest, "FORMAT", 1)
    assert store.find(key) is None
    assert named(store.folder) == []


def test_a_process_checks_an_entry_once_and_again_when_a_file_has_changed(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = checksums.block_checksums

    def noted(array: np.ndarray) -> str:
        read.append(array.nbytes)
        return real(array)

    monkeypatch.setattr(entries, "block_checksums", noted)
    key = fill("a").key
    assert store.find(key) is not None
    assert read == [], "whoever wrote it knows"
    entries._checked.clear()
    assert store.find(key) is not None
    assert store.find(key) is not None
    assert read == [160]
    path = store.folder / key / "0.bin"
    path.write_bytes(bytes(160))
    with pytest.warns(UserWarning, match="bytes of 'x' have changed"):
        assert store.find(key) is None


def test_checksums_are_of_blocks_whose_order_counts() -> None:
    block = checksums.BLOCK
    data = np.random.default_rng(0).integers(0, 256, 2 * block + 5, dtype=np.uint8)
    parts = [data[:block], data[block : 2 * block], data[2 * block :]]
    assert checksums.block_checksums(data) == "".join(f"{crc32(part.data):08x}" for part in parts)
    assert checksums.block_checksums(data[:0]) == ""


def test_a_damaged_entry_in_the_way_is_replaced(store: Store) -> None:
    shapes = {"x": ((40,), "f4")}

    def overtaken() -> Entry:
        with store.create(KEY, shapes) as late:
            with store.create(KEY, shapes):
                pass
            os.truncate(store.folder / KEY / "0.bin", 3)
            late.arrays["x"][:] = 2
        return late.entry

    with pytest.warns(UserWarning, match="file of 'x' has 3 bytes instead of 160"):
        entry = overtaken()
    assert entry.arrays["x"].sum() == 80
    assert named(store.folder) == [KEY]
