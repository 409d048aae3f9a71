"""Several processes on one folder: writers at once, readers, and one that is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import transferkit as tk
from transferkit.cache import Entry, Store, contents, entries, keys, locks

KEY = keys.key({"a": 1})
SHAPES = {"x": ((10, 4), "f4")}
Fill = Callable[..., Entry]


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def begin(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def writer(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of an entry; a line makes it go on."""
    process = begin(WRITING, store.folder)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    yield process
    process.kill()
    process.communicate()


WRITING = """
    import sys
    from transferkit.cache import Store, keys
    store = Store(sys.argv[1], limit=10**6)
    with store.create(keys.key({"a": 1}), {"x": ((10, 4), "f4")}, {"by": "other"}) as writer:
        writer.arrays["x"][:5] = 1
        print("half", flush=True)
        sys.stdin.readline()
        writer.arrays["x"][5:] = 1
    print(dict(writer.entry.about)["by"], float(writer.entry.arrays["x"].sum()), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_a_process_killed_while_writing_leaves_nothing_that_is_believed(
    store: Store, writer: subprocess.Popen[str], fill: Fill
) -> None:
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    (left,) = named(store.folder)
    assert left.startswith(f"{KEY}.{writer.pid}.")
    assert left.endswith(".tmp")
    assert store.find(KEY) is None
    assert tk.cache.info(store.folder).unfinished == 160
    other = fill("a").key  # the next writer clears up
    assert named(store.folder) == [other]


def test_what_a_living_process_writes_is_left_alone(
    store: Store, writer: subprocess.Popen[str], fill: Fill
) -> None:
    other = fill("a")
    assert tk.cache.clear(store.folder) == 0
    assert len(named(store.folder)) == 2
    del other
    assert tk.cache.clear(store.folder) > 160
    assert writer.communicate("\n")[0] == "other 40.0\n"
    assert store.find(KEY) is not None


def test_two_processes_that_fill_one_key_both_end_with_the_first_entry(
    store: Store, writer: subprocess.Popen[str]
) -> None:
    with store.create(KEY, SHAPES, {"by": "us"}) as ours:
        ours.arrays["x"][:] = 1
    assert ours.entry.about["by"] == "us"
    assert writer.communicate("\n")[0] == "us 40.0\n"
    assert named(store.folder) == [KEY]


def test_the_slower_of_two_that_are_at_it_together_takes_the_other_s_entry(
    store: Store, writer: subprocess.Popen[str]
) -> None:
    with store.create(KEY, SHAPES, {"by": "us"}) as ours:
        ours.arrays["x"][:] = 1
        assert writer.communicate("\n")[0] == "other 40.0\n"
    assert ours.entry.about["by"] == "other"
    assert ours.entry.arrays["x"].sum() == 40
    assert named(store.folder) == [KEY]


MANY = """
    import sys
    import numpy as np
    from transferkit.cache import Store, keys
    store, me = Store(sys.argv[1], limit=10**6), int(sys.argv[2])
    sys.stdin.readline()
    for number in range(25):
        key = keys.key({"number": number})
        with store.create(key, {"x": ((300,), "f4")}, {"by": me}) as writer:
            writer.arrays["x"][:] = number
        assert (writer.entry.arrays["x"] == number).all()
        found = store.find(keys.key({"number": (number * 7) % 25}))
        assert found is None or (found.arrays["x"] == (number * 7) % 25).all()
    print("done")
"""


def test_three_processes_at_once_write_evict_and_read(store: Store) -> None:
    small = MANY.replace("10**6", "20_000")  # room for about twelve of them
    processes = [begin(small, store.folder, number) for number in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[0] == "done\n"
    info = tk.cache.info(store.folder)
    assert 0 < info.total <= 20_000
    assert info.unfinished == 0


READING = """
    import sys
    from transferkit.cache import Store
    view = Store(sys.argv[1]).find(sys.argv[2]).arrays["x"][2:]
    print("open", flush=True)
    sys.stdin.readline()
    print(float(view.sum()), flush=True)
"""


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.skipif(sys.platform == "win32", reason="there an open entry cannot be removed by hand")
def test_a_reader_reads_on_whatever_others_do(fill: Fill, store: Store, by_hand: bool) -> None:
    entry = fill("a")
    key, expected = entry.key, float(entry.arrays["x"][2:].sum())
    del entry
    reader = begin(READING, store.folder, key)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "open\n"
    if by_hand:
        assert contents.remove(store.folder / key)
        assert store.find(key) is None
    else:
        assert tk.cache.clear(store.folder) == 0
        assert [entry.in_use for entry in tk.cache.info(store.folder).entries] == [True]
    assert float(reader.communicate("\n")[0]) == expected
    tk.cache.clear(store.folder)
    assert named(store.folder) == []


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", ["read_manifest", "_mapped", "_check"])
def test_an_entry_evicted_while_it_is_opened_is_absent_and_not_damaged(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    key = fill("a").key
    real = getattr(entries, step)

    def evicting(*args: Any) -> Any:
        if before:
            contents.remove(store.folder / key)
        found = real(*args)
        contents.remove(store.folder / key)
        return found

    monkeypatch.setattr(entries, step, evicting)
    assert store.find(key) is None


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
def test_where_no_locks_are_known_what_was_touched_within_a_day_is_in_use(
    fill: Fill, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def unknown(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    key = fill("a").key
    assert tk.cache.clear(store.folder) == 0
    yesterday = time.time() - locks.DAY - 1
    for path in (store.folder / key).iterdir():
        os.utime(path, (yesterday, yesterday))
    assert tk.cache.clear(store.folder) > 160
    assert locks.is_free(store.folder / "gone")


@pytest.mark.skipif(sys.platform == "win32", reason="there a lock is given up after some tries")
def test_whoever_makes_room_is_alone_and_reading_needs_no_turn(fill: Fill, store: Store) -> None:
    entry = fill("a")
    other = threading.Thread(target=fill, args=("bb",))
    with locks.alone(store.folder):
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert store.find(entry.key) is not None
        assert len(named(store.folder)) == 1
    other.join(20)
    assert len(named(store.folder)) == 2
