"""What is written is found, by all who have the key, as long as it is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit.cache import Entry, Store, keys, places, writing
from transferkit.cache import contents as contents_module
from transferkit.cache import store as store_module
from transferkit.cache.contents import bytes_held, contents
from transferkit.errors import CacheError, SpecError

KEY = keys.key({"a": 1})
Fill = Callable[..., Entry]


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_round_trip_of_every_type_and_shape(store: Store) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "block4/pool:0": rng.random((5, 3, 3, 2), dtype=np.float32),
        "half": rng.random((3, 2)).astype(np.float16),
        "bits": rng.integers(0, 2**16, (7, 5), dtype=np.uint16),
        "big": np.arange(4, dtype=">i8"),
        "yes": np.array([True, False]),
        "none": np.zeros((0, 4), np.int32),
        "one": np.array(1 + 2j),
    }
    about = {"network": "VGG16", "pictures": 5, "deep": {"list": [1, 2.5, None]}}
    with store.create(KEY, {n: (a.shape, a.dtype) for n, a in arrays.items()}, about) as writer:
        for name, array in arrays.items():
            writer.arrays[name][...] = array
    for entry in (writer.entry, store.find(KEY), Store(store.folder).find(KEY)):
        assert entry is not None
        assert (entry.key, dict(entry.about)) == (KEY, about)
        assert set(entry.arrays) == set(arrays)
        assert entry.nbytes == sum(array.nbytes for array in arrays.values())
        for name, array in arrays.items():
            np.testing.assert_array_equal(entry.arrays[name], array, strict=True)
            assert entry.arrays[name].dtype == array.dtype
    assert named(store.folder) == [KEY]


def test_what_is_not_there_is_not_found_and_nothing_is_made(store: Store) -> None:
    assert store.find(KEY) is None
    assert store.room() > 0
    assert not store.folder.exists()


def test_arrays_are_aligned_and_what_is_written_into_them_reaches_no_file(
    fill: Fill, store: Store
) -> None:
    entry = fill("a")
    array = entry.arrays["x"]
    assert array.ctypes.data % 64 == 0
    kept = array.copy()
    array[:] = 7  # writable, as DLPack asks
    again = store.find(entry.key)
    assert again is not None
    np.testing.assert_array_equal(again.arrays["x"], kept)


def test_another_library_reads_the_same_memory_and_keeps_the_entry_in_use(
    fill: Fill, store: Store
) -> None:
    entry = fill("a")
    handed = np.from_dlpack(entry.arrays["x"])
    assert np.shares_memory(handed, entry.arrays["x"])
    del entry
    assert not contents(store.folder)[0].free
    del handed
    assert contents(store.folder)[0].free


def test_an_entry_says_what_it_is_and_cannot_be_changed(fill: Fill) -> None:
    entry: Any = fill("a")
    assert repr(entry) == f"Entry({entry.key}: x (10, 4) float32, 160 B)"
    with pytest.raises(TypeError, match="does not support item assignment"):
        entry.arrays["y"] = entry.arrays["x"]
    with pytest.raises(AttributeError):
        entry.key = "b"


def test_there_is_no_entry_before_the_block_has_ended(store: Store) -> None:
    with store.create(KEY, {"x": ((2,), "f4")}) as writer:
        assert store.find(KEY) is None
        with pytest.raises(CacheError, match="cache: the entry is not whole before its block"):
            _ = writer.entry
    assert writer.entry.arrays["x"].tolist() == [0.0, 0.0]
    assert not writer.arrays


def test_a_block_that_raises_leaves_nothing(store: Store) -> None:
    def interrupted() -> None:
        with store.create(KEY, {"x": ((2,), "f4")}) as writer:
            writer.arrays["x"][:] = 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert named(store.folder) == []
    assert store.find(KEY) is None


@pytest.mark.parametrize("key", ["../../etc", "x", 3])
def test_a_name_that_is_no_key_leads_nowhere(store: Store, key: Any) -> None:
    with pytest.raises(SpecError, match="no key of an entry"):
        store.find(key)
    with pytest.raises(SpecError, match="no key of an entry"), store.create(key, {}):
        raise AssertionError


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2,), object), ((2,), "U3"), ((-1,), "f4"), ((2,), "datetime64[s]")]
)
def test_what_cannot_lie_in_a_file_is_refused(store: Store, shape: Any, dtype: Any) -> None:
    with (
        pytest.raises(SpecError, match=r"cache: the array 'x' cannot lie in a file. Expected a "),
        store.create(KEY, {"x": (shape, dtype)}),
    ):
        raise AssertionError
    assert not store.folder.exists()


def test_what_no_json_can_say_is_refused_before_anything_is_computed(store: Store) -> None:
    with (
        pytest.raises(SpecError, match=r"parts\['x'\] is of the type ndarray"),
        store.create(KEY, {"x": ((1,), "f4")}, {"x": np.zeros(1)}),
    ):
        raise AssertionError


# ------------------------------------------------------------------------------ room and eviction


def old(entry: Entry, store: Store, days: float) -> str:
    """Say that an entry was used so long ago; returns its key, so that nobody holds it."""
    when = time.time() - 86400 * days
    os.utime(store.folder / entry.key, (when, when))
    return entry.key


def test_the_least_recently_used_entries_make_room(fill: Fill, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", limit=14_000)
    first, second, third = (
        old(fill(name, rows=250, into=store), store, days)
        for name, days in (("a", 1), ("bb", 3), ("ccc", 2))
    )
    assert store.find(second) is not None  # so it is the newest now
    fill("dddd", rows=200, into=store)
    assert store.find(third) is None
    assert store.find(second) is not None
    assert store.find(first) is not None
    assert store.room() == 14_000


def test_many_entries_are_looked_into_once(
    fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe of many networks writes thousands; each is one more, not one more look at all."""
    seen: list[Path] = []
    usual = contents_module._stored

    def counted(place: Path) -> Any:
        seen.append(place)
        return usual(place)

    monkeypatch.setattr(contents_module, "_stored", counted)
    store = Store(tmp_path / "cache", limit=10**6)
    for number in range(20):
        fill(f"{number}", into=store)
    assert len(seen) == 19  # each by the one behind it
    entries = sum(each.nbytes for each in contents(store.folder))
    assert bytes_held(store.folder) == entries


def test_what_is_held_is_counted_anew_when_an_entry_is_removed_or_written_again(
    fill: Fill, tmp_path: Path
) -> None:
    store = Store(tmp_path / "cache", limit=10**6)
    assert bytes_held(store.folder) == 0
    for rows in (10, 1000, 10):
        entry = fill("a", rows=rows, into=store)
        assert bytes_held(store.folder) == sum(each.nbytes for each in contents(store.folder))
        del entry
        assert contents_module.remove(store.folder / keys.key({"name": "a"}))
        assert bytes_held(store.folder) == 0


def test_what_a_dead_process_left_is_no_entry_and_sends_for_somebody_to_clean_up(
    fill: Fill, tmp_path: Path
) -> None:
    store = Store(tmp_path / "cache", limit=10**6)
    fill("a", into=store)
    left = store.folder / f"{keys.key({'name': 'b'})}.1.0123abcd.tmp"
    left.mkdir()
    (left / "0.bin").write_bytes(b"1234")
    assert bytes_held(store.folder) is None
    fill("c", into=store)
    assert not left.exists()
    held = bytes_held(store.folder)
    with store.create(KEY, {"x": ((100,), "float32")}) as writer:
        held_while_written = bytes_held(store.folder)
        writer.arrays["x"][:] = 0
    assert held is not None
    assert held_while_written is not None
    assert held_while_written >= held + 400


def test_an_entry_that_is_in_use_is_not_evicted(fill: Fill, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", limit=10_000)
    kept = fill("a", rows=250, into=store).arrays["x"][3:5]  # a view is use enough
    values = kept.copy()
    assert 5_000 < store.room() < 6_000
    with pytest.raises(CacheError) as caught:
        fill("bb", rows=400, into=store)
    text = str(caught.value)
    assert "cache: an entry of 6.4 kB is more than the limit leaves. Expected at most 5." in text
    assert "the limit is 10 kB, and 4." in text
    assert "tk.Engine(cache_limit=10" in text
    np.testing.assert_array_equal(kept, values)
    del kept
    fill("bb", rows=400, into=store)
    assert len(named(store.folder)) == 1


def test_an_entry_above_the_limit_evicts_nobody(fill: Fill, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", limit=10_000)
    key = old(fill("a", into=store), store, 1)
    with pytest.raises(CacheError, match=r"an entry of 16 kB is more than the limit leaves"):
        fill("bb", rows=1000, into=store)
    assert store.find(key) is not None


def test_room_is_what_an_entry_may_take_to_the_byte(fill: Fill, tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", limit=16_000)
    fill("a", rows=100, into=store)
    assert store.room() == 16_000
    fill("bb", rows=1000, into=store)
    small = Store(tmp_path / "cache", limit=15_999)
    with pytest.raises(CacheError, match="more than the limit leaves"):
        fill("ccc", rows=1000, into=small)


def test_a_disk_without_room_is_no_place_for_an_entry(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = old(fill("a"), store, 1)
    size = sum(path.stat().st_size for path in (store.folder / key).iterdir())
    monkeypatch.setattr(store_module, "free_bytes", lambda place: 100)
    assert store.room() == 100 + size
    held = store.find(key)
    assert store.room() == 100, "what is in use makes no room"
    del held
    with pytest.raises(CacheError) as caught:
        fill("bb", rows=1000)
    text = str(caught.value)
    assert "cache: the disk has no room for an entry of 16 kB. Expected at most the 100 B" in text
    assert "tk.Engine(cache='a/folder/on/another/disk')" in text
    assert store.find(key) is not None
    monkeypatch.setattr(store_module, "free_bytes", lambda place: -5)
    assert Store(store.folder.parent / "none").room() == 0


def test_a_disk_that_is_nearly_full_evicts_below_the_limit(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (old(fill(name), store, days) for name, days in (("a", 2), ("bb", 1)))

    def free_bytes(place: Path) -> int:
        return 10 if (store.folder / first).exists() else 10_000

    monkeypatch.setattr(store_module, "free_bytes", free_bytes)
    fill("ccc")
    assert store.find(first) is None
    assert store.find(second) is not None


def test_the_limit_that_nobody_set_does_not_shrink_as_the_cache_fills(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "_disk", lambda place: (10**12, 5000))
    assert places.default_limit(tmp_path, 0) == 2500
    monkeypatch.setattr(places, "_disk", lambda place: (10**12, 3000))
    assert places.default_limit(tmp_path, 2000) == 2500
    monkeypatch.setattr(places, "_disk", lambda place: (10**13, 10**12))
    assert places.default_limit(tmp_path, 0) == 20 * 10**9
    assert places.free_bytes(tmp_path) == 10**12 - 10**9
    monkeypatch.setattr(places, "_disk", lambda place: (10**9, 10**8))
    assert places.free_bytes(tmp_path) == 10**8 - 10**9 // 50
    assert Store(tmp_path).room() == 50_000_000


def test_the_room_of_what_is_being_written_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10_000)
    with store.create(KEY, {"x": ((6000,), "u1")}):
        assert store.room() == 4000
        with (
            pytest.raises(CacheError, match=r"6 kB of it are in use now"),
            store.create(keys.key({}), {"x": ((4001,), "u1")}),
        ):
            raise AssertionError
    assert store.room() == 10_000


def test_room_on_the_disk_is_taken_before_anything_is_written(store: Store) -> None:
    with store.create(KEY, {"x": ((10**5,), "u1")}):
        (file,) = store.folder.glob("*.tmp/0.bin")
        assert file.stat().st_blocks * 512 >= 10**5


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="files are named by /proc")
def test_all_bytes_are_on_the_disk_before_an_entry_has_its_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.rename

    def synced(number: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
        sync(number)

    def renamed(old: Path, new: Path) -> None:
        done.append("renamed")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    with store.create(KEY, {"x": ((2,), "f4"), "y": ((2,), "f4")}):
        pass
    assert done == ["0.bin", "1.bin", "manifest.json", "renamed"]


@pytest.mark.parametrize("size", [0, 1, 2**22, 2**22 + 5])
def test_where_nothing_can_be_reserved_zeros_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with open(tmp_path / "x", "xb+", buffering=0) as file:
        writing.reserve(file, size)
    assert (tmp_path / "x").read_bytes() == bytes(size)
