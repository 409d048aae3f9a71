"""Programs in a bundle: files that are kept, compared and never run by reading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from transferkit import bundle
from transferkit.bundle.archive import Writer, opened
from transferkit.bundle.manifest import Manifest, parse
from transferkit.errors import DamagedBundleError

DIGEST = "ab" * 32
FILES = {"saved_model.pb": b"graph", "assets/a b.txt": b"", "variables/index": b"\x00" * 9}


@pytest.fixture
def kept(network: Any, tmp_path: Path) -> Path:
    """A bundle with a program beside the network."""
    for name, content in FILES.items():
        file = tmp_path / "program" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    paths = {name: tmp_path / "program" / name for name in FILES}
    bundle.write(tmp_path / "kept.tkm", network, {}, programs={DIGEST: paths})
    return tmp_path / "kept.tkm"


def test_the_files_come_back_as_they_were(kept: Path, tmp_path: Path) -> None:
    found = bundle.unpack_programs(kept, tmp_path / "out")
    assert found == {DIGEST: tmp_path / "out" / DIGEST}
    for name, content in FILES.items():
        assert (found[DIGEST] / name).read_bytes() == content
    assert bundle.read(kept).network.count_params() > 0, "reading it leaves programs alone"


def test_the_schema_is_the_oldest_that_will_do(kept: Path, saved: Path, tmp_path: Path) -> None:
    assert bundle.read_manifest(kept).schema == 2
    assert bundle.read_manifest(saved).schema == 1
    assert bundle.unpack_programs(saved, tmp_path / "out") == {}


@pytest.mark.parametrize(
    "name", ["../out", "/out", "a/../../out", "C:/out", "a\\..\\out", "saved_model.pb/x", ""]
)
def test_a_file_that_would_leave_the_folder_is_damage(
    saved: Path, tmp_path: Path, name: str
) -> None:
    target = written(saved, tmp_path, {"saved_model.pb": b"graph", name: b"harm"})
    with pytest.raises(DamagedBundleError, match=r"makes no sense|a file and a folder"):
        bundle.unpack_programs(target, tmp_path / "in" / "side")
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"harm"]
    assert left == []


@pytest.mark.parametrize("change", [{"schema": 1}, {"members": {}}])
def test_a_manifest_that_hides_a_program_is_damage(
    kept: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    text = json.loads(bundle.read_manifest(kept).to_bytes())
    text.update(change)
    with pytest.raises(DamagedBundleError, match="its manifest makes no sense"):
        parse(json.dumps(text).encode(), source="x", marked=True)


def written(saved: Path, folder: Path, files: dict[str, bytes]) -> Path:
    """A bundle whose digests are right and whose program has these files: a hostile one."""
    target = folder / "hostile.tkm"
    read = bundle.read_manifest(saved)
    with opened(saved) as archive, target.open("wb") as file:
        writer = Writer(file)
        for name in read.members:
            writer.add(name, archive.read(name))
        for name, data in files.items():
            writer.add(f"programs/{DIGEST}/{name}", data)
        writer.finish(Manifest(read.facts, read.versions, read.tensors, dict(writer.members)))
    return target
