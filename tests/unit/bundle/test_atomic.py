"""Whatever happens while writing, the old file is there, or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from transferkit import bundle
from transferkit.bundle import atomic, writing
from transferkit.bundle.atomic import replacing
from transferkit.errors import SaveError


class FullDisk:
    """A file on a disk with room for some bytes."""

    def __init__(self, path: Path, mode: str) -> None:
        self.inner = open(path, mode)  # noqa: SIM115 - closed by __exit__
        self.room = 3000

    def write(self, data: Any) -> int:
        self.room -= len(memoryview(data).cast("B"))
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self.inner.close()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(
    network: Any, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    assert len(before) > 6000
    monkeypatch.setattr(atomic, "open", FullDisk, raising=False)
    with pytest.raises(SaveError) as caught:
        bundle.write(saved, network, {"other": "facts"})
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["flowers.tkm"]
    text = str(caught.value)
    assert "save: 'flowers.tkm' could not be written ([Errno 28] No space left on device)" in text
    assert "the file that was there is untouched" in text
    assert str(saved.parent) in text
    needed = int(text.partition("with about ")[2].split()[0])
    assert 0.5 * len(before) < needed < 2 * len(before)
    assert "bytes are free)" in text


def test_a_disk_that_fills_up_at_the_first_save_leaves_nothing(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "open", FullDisk, raising=False)
    with pytest.raises(SaveError, match="nothing was left behind"):
        bundle.write(tmp_path / "a.tkm", network, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_step_that_fails_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = tmp_path / "a.tkm"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, broken, fail)
    with (
        pytest.raises(SaveError, match=r"could not be written \(\[Errno 13\] Permission denied"),
        replacing(path, needed=3) as file,
    ):
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_free_room_that_cannot_be_told_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    with (
        pytest.raises(SaveError, match="what is free is unknown"),
        replacing(tmp_path / "a", needed=1),
    ):
        raise OSError("broken")


def test_an_interruption_passes_and_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "a.tkm"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path, needed=3) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tkm"
    path.write_bytes(b"old")
    with replacing(path, needed=3) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_the_bytes_are_on_the_disk_before_the_name_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "replace")}
    for name in real:

        def noted(*args: Any, name: str = name) -> Any:
            done.append(name)
            return real[name](*args)

        monkeypatch.setattr(os, name, noted)
    with replacing(tmp_path / "a.tkm", needed=3) as file:
        file.write(b"new")
    assert done == ["fsync", "replace", "fsync"], "the file, the name, the folder"


def test_a_folder_that_cannot_be_opened_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Any, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError("folders cannot be opened here")

    with replacing(tmp_path / "a.tkm", needed=3) as file:
        file.write(b"new")
        monkeypatch.setattr(os, "open", fail)
    monkeypatch.undo()
    assert (tmp_path / "a.tkm").read_bytes() == b"new"


def test_a_link_stays_a_link_and_the_mode_stays_the_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.tkm", tmp_path / "link.tkm"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    with replacing(link, needed=3) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "a.tkm", needed=0):
        pass
    assert (tmp_path / "a.tkm").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_path_that_is_a_folder_or_lies_in_none_is_refused(network: Any, tmp_path: Path) -> None:
    with pytest.raises(SaveError) as caught:
        bundle.write(tmp_path, network, {})
    assert "save: the path is a folder. Expected the path of a file" in str(caught.value)
    assert f"trained.save({str(tmp_path / 'model.tkm')!r})" in str(caught.value)
    with pytest.raises(SaveError) as caught:
        bundle.write(tmp_path / "nowhere" / "a.tkm", network, {})
    assert "which is no folder" in str(caught.value)
    assert f"pathlib.Path({str(tmp_path / 'nowhere')!r}).mkdir(parents=True)" in str(caught.value)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_permission_is_refused(network: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SaveError, match="Permission denied"):
            bundle.write(tmp_path / "a.tkm", network, {})
    finally:
        tmp_path.chmod(0o700)


def test_a_name_that_no_file_system_takes_is_refused(network: Any, tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="File name too long"):
        bundle.write(tmp_path / ("a" * 5000), network, {})


KILLED = """
    import os, signal, sys
    from transferkit import _keras, bundle
    from transferkit.bundle import tensors
    network = bundle.read(sys.argv[1]).network
    encode, left = tensors.encode, [3]
    def killing(array):
        left[0] -= 1
        if left[0] == 0:
            print("killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(array)
    tensors.encode = killing
    bundle.write(sys.argv[1], network, {})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
def test_a_process_killed_while_writing_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(saved)], capture_output=True, text=True
    )
    assert done.stdout == "killed\n", done.stderr
    assert done.returncode == -9
    assert saved.read_bytes() == before
    assert bundle.read(saved).facts["class_names"] == ["daisy", "rose"]
    left = [path.name for path in saved.parent.iterdir() if path != saved]
    assert len(left) == 1
    assert left[0].startswith(".flowers.tkm.")
    assert left[0].endswith(".tmp")


def test_the_size_that_is_announced_counts_every_tensor(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noted(path: Path, *, needed: int) -> Any:
        asked.append(needed)
        return replacing(path, needed=needed)

    monkeypatch.setattr(writing, "replacing", noted)
    bundle.write(tmp_path / "a.tkm", network, {})
    assert asked[0] == pytest.approx((tmp_path / "a.tkm").stat().st_size, rel=0.5)
