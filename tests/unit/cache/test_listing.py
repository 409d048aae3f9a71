"""Where the cache lies, what is in it, and how it is emptied."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import transferkit as tk
from transferkit.cache import Entry, Store, places
from transferkit.errors import CacheError, SpecError

Fill = Callable[..., Entry]
USER = os.environ["TRANSFERKIT_CACHE"]


# ------------------------------------------------------------------------------------- the folder


def test_no_test_uses_the_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "transferkit-test-caches-" in USER
    assert tk.cache.folder() != Path(USER), "each test has its own"
    assert tk.cache.folder().parent == Path(USER).parent
    assert not tk.cache.folder().exists()


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "mine"))
    assert tk.cache.folder() == tmp_path / "mine"
    monkeypatch.setenv("TRANSFERKIT_CACHE", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tk.cache.folder() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERKIT_CACHE", "here")
    assert tk.cache.folder() == tmp_path / "here"


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "/home/me/.cache"),
        ("linux", {"XDG_CACHE_HOME": "/big/disk"}, "/big/disk"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache"),
        ("freebsd14", {}, "/home/me/.cache"),
        ("darwin", {"XDG_CACHE_HOME": "/big/disk"}, "/home/me/Library/Caches"),
        ("win32", {}, "/home/me/AppData/Local"),
        ("win32", {"LOCALAPPDATA": "/users/me/local"}, "/users/me/local"),
    ],
)
def test_each_platform_has_its_place(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "TRANSFERKIT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert places._user_cache(platform) == Path(expected)
    monkeypatch.setattr(sys, "platform", platform)
    assert tk.cache.folder() == Path(expected) / "transferkit"


def test_a_user_without_a_home_has_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("TRANSFERKIT_CACHE")
    for verb in (tk.cache.folder, tk.cache.info, tk.cache.clear):
        with pytest.raises(CacheError, match="cache: this user has no home folder to keep a cache"):
            verb()


# ----------------------------------------------------------------------------------- what is there


def test_an_empty_cache_says_where_it_would_be() -> None:
    info = tk.cache.info()
    assert (info.folder, info.entries, info.total) == (tk.cache.folder(), (), 0)
    assert 0 < info.limit <= 20 * 10**9
    assert repr(info).endswith(f": 0 entries, 0 B of {tk._text.byte_size(info.limit)}")
    assert "\n" not in repr(info)
    assert tk.cache.clear() == 0
    assert not tk.cache.folder().exists()


def test_what_is_there_is_said_the_newest_first(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_disk", lambda place: (10**12, 10**12))
    when = datetime(2026, 1, 2, 3, 4).timestamp()
    key = fill("a", network="VGG16", cut="block4_pool", pictures=400).key
    os.utime(store.folder / key, (when, when))
    held = fill("b", rows=1000)
    (store.folder / "mine.txt").write_text("not an entry")
    info = tk.cache.info(store.folder)
    assert [(e.key, dict(e.about), e.in_use) for e in info.entries] == [
        (held.key, {"name": "b"}, True),
        (key, {"network": "VGG16", "cut": "block4_pool", "pictures": 400}, False),
    ]
    assert info.entries[1].used == datetime(2026, 1, 2, 3, 4)
    files = [path.stat().st_size for path in store.folder.glob("*/*")]
    assert info.total == sum(entry.nbytes for entry in info.entries) == sum(files)
    lines = repr(info).splitlines()
    assert lines[0].startswith("Cache in ")
    assert lines[0].endswith(": 2 entries, 16.8 kB of 20 GB")
    assert lines[1].split() == ["entry", "last", "used", "size"]
    assert lines[2].split() == ["name", "b", "now", "16.3", "kB"]
    assert lines[3].startswith("network VGG16, cut block4_pool, pictures 400  2026-01-02 03:04  ")
    assert "block4_pool" in info._repr_html_()


def test_one_entry_is_one_entry_and_one_that_cannot_be_read_has_its_key(
    fill: Fill, store: Store
) -> None:
    key = fill("a").key
    (store.folder / key / "manifest.json").write_bytes(b"{")
    text = repr(tk.cache.info(store.folder))
    assert ": 1 entry, 161 B of " in text
    assert text.splitlines()[2].startswith(key)
    assert store.folder.joinpath(key).exists(), "looking changes nothing"


def test_what_is_being_written_is_said(store: Store) -> None:
    with store.create("0" * 32, {"x": ((5000,), "u1")}):
        info = tk.cache.info(store.folder)
        assert (info.entries, info.unfinished, info.total) == ((), 5000, 5000)
        assert repr(info).endswith(", 5 kB of them unfinished")


# ---------------------------------------------------------------------------------------- clearing


def test_clearing_says_what_it_freed_and_leaves_what_is_not_an_entry(
    fill: Fill, store: Store
) -> None:
    fill("a")
    fill("bb")
    for name in ("mine.txt", "0" * 31, "0" * 32 + ".1.tmp", "backup"):
        (store.folder / name).mkdir()
    total = tk.cache.info(store.folder).total
    assert tk.cache.clear(str(store.folder)) == total > 320
    assert tk.cache.info(store.folder).entries == ()
    assert len(list(store.folder.iterdir())) == 5  # the four, and the lock


def test_clearing_what_nobody_used_for_days(fill: Fill, store: Store) -> None:
    old, new = fill("a").key, fill("bb").key
    when = time.time() - 10.5 * 86400
    os.utime(store.folder / old, (when, when))
    assert tk.cache.clear(store.folder, unused_for=11) == 0
    assert tk.cache.clear(store.folder, unused_for=10) > 0
    assert [entry.key for entry in tk.cache.info(store.folder).entries] == [new]


@pytest.mark.parametrize("days", [-1, float("nan"), "3", None, True, 1e9])
def test_days_that_are_none_are_refused(days: Any) -> None:
    with pytest.raises(SpecError, match=r"clear: that is no number of days. Expected a number"):
        tk.cache.clear(unused_for=days)


def test_a_folder_that_cannot_be_written_cannot_be_cleared(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("a")

    def refuse(folder: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("transferkit.cache.listing.alone", refuse)
    with pytest.raises(CacheError) as caught:
        tk.cache.clear(store.folder)
    assert "clear: the folder cannot be written ([Errno 13] Permission denied)" in str(caught.value)
    assert "as the user who made it." in str(caught.value)
