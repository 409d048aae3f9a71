"""Many files: one pass over each, memory that does not grow with their pixels, progress."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit import _progress
from transferkit.data import decode, from_dataframe, from_directory, near_duplicates, store
from transferkit.errors import DataError, SpecError

CLASSES = 4


def many(root: Path, count: int, side: int = 16) -> Path:
    """So many JPEGs in four classes, all of them links to eight."""
    root.mkdir()
    for i in range(8):
        noise = np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / f".{i}.jpg")
    for label in range(CLASSES):
        (root / f"class{label}").mkdir()
    for i in range(count):
        os.link(root / f".{i % 8}.jpg", root / f"class{i % CLASSES}" / f"picture_{i:06}.jpg")
    return root


MEASURE = """
import sys, time
from transferkit.data import from_directory, store
def peak():  # getrusage would begin with the memory of the process that started this one
    line = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
store.memory_budget = lambda: 0 if sys.argv[3] == "disk" else 1 << 40
size = None if sys.argv[2] == "None" else int(sys.argv[2])
from_directory(sys.argv[4], image_size=size, verbose=0)  # whatever is loaded once is loaded
before, began = peak(), time.perf_counter()
photos = from_directory(sys.argv[1], image_size=size, verbose=0)
seconds = time.perf_counter() - began
print(sum(map(len, photos.splits.values())), peak() - before, seconds)
"""


def measured(root: Path, size: int | None, where: str, warm: Path) -> tuple[int, int, float]:
    """Pictures, bytes that the peak of memory rose by, and seconds, in a new process."""
    command = [sys.executable, "-c", MEASURE, str(root), str(size), where, str(warm)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    pictures, grown, seconds = done.stdout.split()
    return int(pictures), int(grown), float(seconds)


linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")


@linux
@pytest.mark.parametrize(("size", "where"), [(None, "memory"), (96, "disk")])
def test_memory_does_not_grow_with_the_pixels(tmp_path: Path, size: int | None, where: str) -> None:
    count, before = 4000, 1000  # what is on its way at any time is in memory with the first ones
    root, warm = many(tmp_path / "many", count), many(tmp_path / "few", before)
    pictures, grown, _ = measured(root, size, where, warm)
    assert pictures == count
    assert grown < 4500 * (count - before) < 96 * 96 * 3 * (count - before) / 5


@linux
def test_pixels_in_memory_are_noticed_by_this_measure(tmp_path: Path) -> None:
    root, warm = many(tmp_path / "many", 3000), many(tmp_path / "few", 40)
    assert measured(root, 64, "memory", warm)[1] > 3000 * 64 * 64 * 3


@linux
@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path: Path) -> None:
    count = 100_000
    root, warm = many(tmp_path / "many", count, side=32), many(tmp_path / "few", 40)
    for size, where in ((None, "memory"), (64, "disk")):
        pictures, grown, seconds = measured(root, size, where, warm)
        print(
            f"image_size={size}: {pictures:,} files in {seconds:.0f} s, "
            f"peak of memory + {grown / 2**20:,.0f} MiB, {grown / count:,.0f} bytes a file"
        )
        assert pictures == count
        assert grown < 2000 * count


def test_a_users_own_mapped_array_keeps_what_was_changed_in_memory(tmp_path: Path) -> None:
    np.zeros((4, 2), np.uint8).tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", np.uint8, "c", shape=(4, 2))
    mapped[1] = 7  # in memory alone
    np.testing.assert_array_equal(store.take(mapped, np.asarray([1])), [[7, 7]])
    assert mapped[1].tolist() == [7, 7]


def test_each_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = many(tmp_path / "many", 24)
    opened: Counter[str] = Counter()
    real = Path.open

    def counting(path: Path, *args: Any, **keywords: Any) -> Any:
        if path.suffix == ".jpg":
            opened[path.name] += 1
        return real(path, *args, **keywords)

    monkeypatch.setattr(Path, "open", counting)
    data = from_directory(root, image_size=8)
    data.train.pixels()
    assert len(opened) == 24
    assert set(opened.values()) == {1}
    assert len(data.report.duplicates) == 8
    assert data.report.sizes == ((16, 16),) * 3


def test_a_large_file_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = many(tmp_path / "many", 16)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for form in ("png", "tif"):
        Image.fromarray(noise).save(root / "class0" / f"x.{form}")
    shutil.copy(root / "class0" / "x.png", root / "class1" / "y.png")
    before = from_directory(root, image_size=8)
    monkeypatch.setattr("transferkit.data.opening._IN_MEMORY", 10)
    after = from_directory(root, image_size=8)
    assert before.report == after.report
    np.testing.assert_array_equal(before.train.pixels(), after.train.pixels())


def test_the_budget_is_a_quarter_of_what_is_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo, limit, none = tmp_path / "meminfo", tmp_path / "memory.max", tmp_path / "none"
    meminfo.write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 8000 kB\n")
    monkeypatch.setattr(store, "_MEMINFO", meminfo)
    monkeypatch.setattr(store, "_LIMITS", (limit, none))
    assert store.memory_budget() == 2000 * 1024
    limit.write_text("max\n")
    assert store.memory_budget() == 2000 * 1024
    limit.write_text("4000\n")
    assert store.memory_budget() == 1000
    monkeypatch.setattr(store, "_LIMITS", ())
    for unknown in ("MemFree: 10 kB\n", None):
        monkeypatch.setattr(store, "_MEMINFO", meminfo if unknown else none)
        meminfo.write_text(unknown or "")
        monkeypatch.setattr(os, "sysconf", lambda name: 40)
        assert store.memory_budget() == 40 * 40 // 4

    def fail(name: str) -> int:
        raise ValueError

    monkeypatch.setattr(os, "sysconf", fail)
    assert store.memory_budget() == 1 << 30


def test_a_disk_without_room_is_an_error_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = many(tmp_path / "many", 16)
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    usage = type(shutil.disk_usage(root))(10, 10, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError) as caught:
        from_directory(root, image_size=8)
    text = str(caught.value)
    assert "has no room for the pixels, which do not fit into memory either" in text
    assert "TMPDIR" in text


# ------------------------------------------------------------------------------ what is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, and work that takes long at once."""
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(_progress, "LIVE_AFTER", 0.0)
    monkeypatch.setattr(_progress, "LINES_AFTER", 0.0)
    monkeypatch.setattr(_progress, "LIVE_EVERY", 0.0)
    return out


def labels(out: Terminal) -> list[str]:
    """What stands before the count of each last line."""
    lines = [line.split("\r")[-1] for line in out.getvalue().split("\n") if line]
    return [line.split(", ")[0] for line in lines]


def test_scanning_decoding_and_comparing_show_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = a_terminal(monkeypatch)
    data = from_directory(many(tmp_path / "many", 40))
    near_duplicates(data)
    data.resized(8).train.pixels(verbose=1)
    assert labels(shown) == [
        "scan: 40",
        "decode: 40 of 40 (100 %)",
        "compare train: 32 of 32 (100 %)",
        "compare val: 8 of 8 (100 %)",
        "decode: 32 of 32 (100 %)",
    ]


def test_decoding_the_pictures_of_a_table_shows_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = many(tmp_path / "many", 8)
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in root.glob("*/*.jpg")]
    (root / "table.csv").write_text("\n".join(["path,label", *rows]))
    shown = a_terminal(monkeypatch)
    from_dataframe(root / "table.csv", val=0)
    assert labels(shown) == ["decode: 8 of 8 (100 %)"]
    wrong: Any = "yes"
    with pytest.raises(SpecError, match="from_dataframe: verbose is unknown"):
        from_dataframe(root / "table.csv", verbose=wrong)


def test_nothing_is_shown_that_nobody_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = a_terminal(monkeypatch)
    data = from_directory(many(tmp_path / "many", 40), verbose=0)
    near_duplicates(data, verbose=0)
    data.resized(8).train.pixels()
    assert shown.getvalue() == ""


def test_small_folders_are_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = many(tmp_path / "many", 40)
    from_directory(root, image_size=8)
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    from_directory(root, image_size=8)
    assert capsys.readouterr().out == ""


def test_an_unknown_verbose_is_refused(tmp_path: Path) -> None:
    wrong: Any = "yes"
    with pytest.raises(SpecError, match="from_directory: verbose is unknown"):
        from_directory(many(tmp_path / "many", 8), verbose=wrong)
    with pytest.raises(SpecError, match="near_duplicates: verbose is unknown"):
        near_duplicates(from_directory(tmp_path / "many"), verbose=wrong)


def test_decoding_in_many_threads_leaves_pillow_as_it_was(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    from_directory(many(tmp_path / "many", 400), image_size=8)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert decode(tmp_path / "many" / ".0.jpg", image_size=8).shape == (8, 8, 3)


def test_splits_that_are_there_are_named_while_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "val"):
        many(tmp_path / split, 16)
    shown = a_terminal(monkeypatch)
    from_directory(tmp_path)
    assert labels(shown) == [
        "scan: 32",
        "decode train: 16 of 16 (100 %)",
        "decode val: 16 of 16 (100 %)",
    ]
