"""A cache that cannot be written says why and how to mend it, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transferkit.cache import Entry, Store, keys, writing
from transferkit.errors import CacheError

KEY = keys.key({"a": 1})
SHAPES = {"x": ((10, 4), "f4")}
Fill = Callable[..., Entry]


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def refused(store: Store) -> str:
    with pytest.raises(CacheError) as caught, store.create(KEY, SHAPES):
        raise AssertionError
    return str(caught.value)


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    store = Store(tmp_path / "file" / below)
    assert store.find(KEY) is None
    assert store.room() > 0
    text = refused(store)
    assert "cache: the folder cannot be written ([Errno " in text
    assert "Expected a folder that can be written, or the place for one. Received: folder=" in text
    assert "tk.Engine(cache='another/folder'), or tk.Engine(cache=False) for none." in text
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_only_lets_itself_be_read(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    key = fill("a").key

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("mkdir", "rename", "utime"):
        monkeypatch.setattr(os, name, refuse)
    assert store.find(key) is not None, "reading needs no leave to write"
    assert f"the folder cannot be written ([Errno {number}] {os.strerror(number)}" in refused(store)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_when_room_is_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    text = refused(store)
    assert (
        f"cache: the disk has no room for the entry ([Errno {number}] {os.strerror(number)}" in text
    )
    assert "that are free for it, beside what entries that nobody uses take" in text
    assert "Make room, or tk.Engine(cache='a/folder/on/another/disk')." in text
    assert named(store.folder) == []


@pytest.mark.parametrize("broken", ["fsync", "rename"])
def test_a_step_that_fails_at_the_end_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with (
        pytest.raises(CacheError, match="the disk has no room for the entry"),
        store.create(KEY, SHAPES),
    ):
        pass
    assert named(store.folder) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_reserves_nothing_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def unknown(*args: object) -> None:
        raise OSError(number, "unknown")

    monkeypatch.setattr(os, "posix_fallocate", unknown, raising=False)
    with open(tmp_path / "x", "xb+", buffering=0) as file:
        writing.reserve(file, 12345)
    assert (tmp_path / "x").stat().st_blocks * 512 >= 12345


LIMITED = """
    import resource, sys
    from transferkit.cache import Store, keys
    from transferkit.errors import CacheError
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
    store = Store(sys.argv[1])
    try:
        with store.create(keys.key({"a": 1}), {"x": ((2 * 10**6,), "u1")}):
            print("written")
    except CacheError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_a_limit_of_the_operating_system_is_an_error_and_no_signal(store: Store) -> None:
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(store.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "cache: the disk has no room for the entry ([Errno 27] File too large)" in done.stdout
    assert named(store.folder) == []


def test_what_is_in_the_way_and_cannot_be_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.folder / KEY / "sub").mkdir(parents=True)
    monkeypatch.setattr("transferkit.cache.store.remove", lambda place: False)
    with (
        pytest.warns(UserWarning, match="its manifest is missing.* cannot be removed"),
        pytest.raises(CacheError, match=r"what lies in '.*' can neither be read nor replaced"),
        store.create(KEY, SHAPES),
    ):
        pass
    assert named(store.folder) == [KEY]
