"""Files that are damaged, foreign, newer or absent."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferkit import _keras, bundle
from transferkit.bundle import archive as archives
from transferkit.bundle.archive import Writer, opened
from transferkit.errors import (
    BundleError,
    BundleNotFoundError,
    DamagedBundleError,
    ForeignBundleError,
    NewerBundleError,
)

keras = _keras.keras()
Members = dict[str, bytes]


def members_of(path: Path) -> tuple[Members, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, archive.comment


def zip_bytes(
    members: list[tuple[str, bytes]], comment: bytes = b"", *, how: int = zipfile.ZIP_STORED
) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return file.getvalue()


def rewritten(path: Path, change: Callable[[Members], None]) -> Path:
    """The bundle with other members and its old comment."""
    members, comment = members_of(path)
    change(members)
    path.write_bytes(zip_bytes(list(members.items()), comment))
    return path


def with_manifest(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The bundle with another manifest whose own digest is right."""
    members, _ = members_of(path)
    document = json.loads(members.pop("manifest.json"))
    changed = change(document)
    data = json.dumps(document if changed is None else changed).encode()
    with path.open("wb") as file:
        writer = Writer(file)
        for name, content in members.items():
            writer.add(name, content)

        class Raw:
            def to_bytes(self) -> bytes:
                return data

        writer.finish(Raw())  # type: ignore[arg-type]
    return path


def everything(path: Path) -> Any:
    with opened(path) as archive:
        return archive.manifest, [archive.read(name) for name in archive.manifest.members]


def message(error: type[Exception], path: Path) -> str:
    with pytest.raises(error) as caught:
        bundle.read(path)
    return str(caught.value)


def test_the_ways_of_rewriting_here_leave_a_good_bundle_good(saved: Path) -> None:
    before = everything(saved)
    assert everything(rewritten(saved, lambda members: None)) == before
    assert everything(with_manifest(saved, lambda document: None)) == before
    assert bundle.read(saved).facts == before[0].facts


@pytest.mark.parametrize("part", range(0, 100, 4))
def test_a_truncated_bundle_is_damaged(saved: Path, part: int) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: len(data) * part // 100])
    text = message(DamagedBundleError, saved)
    assert text.startswith(f"load: {str(saved)!r} is damaged: ")
    assert "it is empty" in text if part == 0 else "the end of the archive is missing" in text
    assert text.endswith("Copy it again from where it was saved, or save the model again.")


def test_a_byte_that_flips_is_noticed_or_changes_nothing(saved: Path) -> None:
    data, before = saved.read_bytes(), everything(saved)
    noticed = 0
    for position in range(0, len(data), 13):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        saved.write_bytes(flipped)
        try:
            assert everything(saved) == before
        except BundleError:
            noticed += 1
    assert noticed > 0.8 * len(data) / 13, "only clocks and attributes may change unnoticed"


def test_a_changed_tensor_is_damaged_and_named(saved: Path) -> None:
    def change(members: Members) -> None:
        data = members["tensors/00002.npy"]
        members["tensors/00002.npy"] = data[:-1] + bytes([data[-1] ^ 1])

    text = message(DamagedBundleError, rewritten(saved, change))
    assert "the member 'tensors/00002.npy' is not what was written" in text


def test_a_changed_network_is_damaged_and_named(saved: Path) -> None:
    def change(members: Members) -> None:
        members["network.json"] = members["network.json"].replace(b'"net"', b'"NET"')

    text = message(DamagedBundleError, rewritten(saved, change))
    assert "the member 'network.json' is not what was written" in text


def test_an_edited_manifest_is_damaged(saved: Path) -> None:
    def change(members: Members) -> None:
        members["manifest.json"] = members["manifest.json"].replace(b"daisy", b"lotus")

    text = message(DamagedBundleError, rewritten(saved, change))
    assert "the member 'manifest.json' is not what was written" in text


@pytest.mark.parametrize("name", ["network.json", "tensors/00001.npy", "manifest.json"])
def test_a_missing_member_is_named(saved: Path, name: str) -> None:
    def change(members: Members) -> None:
        members.pop(name)

    text = message(DamagedBundleError, rewritten(saved, change))
    assert f"the member {name!r} is missing" in text


@pytest.mark.parametrize(
    "name", ["tensors/99999.npy", "../evil.py", "/etc/passwd", "readme.txt", "tensors/"]
)
def test_a_member_that_is_in_no_list_is_named(saved: Path, name: str) -> None:
    text = message(DamagedBundleError, rewritten(saved, lambda m: m.update({name: b""})))
    assert f"the member {name!r} is in no list of it" in text


@pytest.mark.parametrize("name", ["../evil.npy", "/evil.npy", "tensors/../evil.npy", "C:\\x.npy"])
def test_a_name_that_leads_elsewhere_is_refused_even_if_it_is_listed(
    saved: Path, name: str
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["members"][name] = document["members"].pop("tensors/00000.npy")
        document["tensors"][0]["member"] = name

    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "its manifest makes no sense" in text
    assert name.replace("\\", "") in text.replace("\\", "")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["network.json", "tensors/00000.npy", "manifest.json"])
def test_a_member_that_is_there_twice_is_named(saved: Path, name: str) -> None:
    members, comment = members_of(saved)
    saved.write_bytes(zip_bytes([(name, members[name]), *members.items()], comment))
    assert f"the member {name!r} is there twice" in message(DamagedBundleError, saved)


def test_a_compressed_member_is_refused_before_it_grows(saved: Path) -> None:
    members, comment = members_of(saved)
    plain = {name: data for name, data in members.items() if name != "network.json"}
    file = io.BytesIO(zip_bytes(list(plain.items()), comment))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("network.json", members["network.json"], zipfile.ZIP_DEFLATED)
    saved.write_bytes(file.getvalue())
    text = message(DamagedBundleError, saved)
    assert "the member 'network.json' is compressed, encrypted or too large" in text


def test_a_compressed_manifest_is_not_even_read(saved: Path) -> None:
    members, comment = members_of(saved)
    saved.write_bytes(zip_bytes(list(members.items()), comment, how=zipfile.ZIP_DEFLATED))
    text = message(DamagedBundleError, saved)
    assert "the member 'manifest.json' is compressed, encrypted or too large" in text


def test_a_network_without_measure_is_not_read(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_JSON", 2000)
    members, _ = members_of(saved)
    assert len(members["manifest.json"]) > 2000
    text = message(DamagedBundleError, saved)
    assert "the member 'manifest.json' is compressed, encrypted or too large" in text


def test_a_member_of_another_length_than_listed_is_not_read(saved: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["members"]["tensors/00000.npy"]["bytes"] += 1

    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "the member 'tensors/00000.npy' has the wrong length" in text


def replace(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        replace("schema", value="1"),
        replace("schema", value=0),
        replace("facts", value=[]),
        replace("versions", value=None),
        replace("tensors", value={}),
        replace("tensors", value=[]),
        replace("tensors", 0, "dtype", value="object"),
        replace("tensors", 0, "dtype", value=["float32"]),
        replace("tensors", 0, "shape", value=[-1]),
        replace("tensors", 0, "shape", value=[2.0]),
        replace("tensors", 0, "shape", value="33"),
        replace("tensors", 0, "path", value=3),
        replace("tensors", 0, "member", value="tensors/00001.npy"),
        replace("tensors", 0, "member", value="tensors/77777.npy"),
        replace("members", value=[]),
        replace("members", "network.json", "sha256", value="x"),
        replace("members", "network.json", "sha256", value=None),
        replace("members", "network.json", "bytes", value=-1),
        replace("members", "network.json", "bytes", value=True),
        lambda document: document.pop("tensors") and None,
        lambda document: document.pop("schema") and None,
    ],
)
def test_a_manifest_that_makes_no_sense_is_damaged(
    saved: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "its manifest makes no sense" in text


def test_a_manifest_that_is_no_json_is_damaged(saved: Path) -> None:
    def change(members: Members) -> None:
        members["manifest.json"] = b"[" * 100_000

    assert "its manifest is not JSON" in message(DamagedBundleError, rewritten(saved, change))


def test_a_newer_bundle_says_which_versions_it_needs(saved: Path) -> None:
    def change(document: dict[str, Any]) -> dict[str, Any]:
        return {"format": "transferkit", "schema": 3, "versions": {"transferkit": "9.1"}}

    text = message(NewerBundleError, with_manifest(saved, change))
    assert "was written by transferkit 9.1, which is newer than this one" in text
    assert "Expected bundle schema 2 or older. Received: schema=3, transferkit='0." in text
    assert text.endswith("pip install --upgrade transferkit")


def test_a_newer_bundle_without_versions_is_newer_too(saved: Path) -> None:
    newer = {"format": "transferkit", "schema": 3}
    text = message(NewerBundleError, with_manifest(saved, lambda document: newer))
    assert "transferkit unknown, which is newer" in text


def test_tensors_that_do_not_fit_the_network_are_damaged(saved: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["tensors"][0], document["tensors"][1] = document["tensors"][1::-1]

    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "the tensor 'conv/bias' (4,) does not fit the weight 'conv/kernel' (3, 3, 3, 4)" in text


def test_equal_shapes_in_another_order_are_damaged_too(saved: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        gamma, beta = document["tensors"][2:4]
        document["tensors"][2:4] = beta, gamma

    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "the tensor 'norm/beta' (4,) does not fit the weight 'norm/gamma' (4,)" in text


def test_a_tensor_too_few_is_damaged(saved: Path) -> None:
    members, _ = members_of(saved)
    document = json.loads(members["manifest.json"])
    last = document["tensors"][-1]["member"]

    def change(document: dict[str, Any]) -> None:
        document["tensors"].pop()
        document["members"].pop(last)

    with_manifest(saved, change)

    def drop(members: Members) -> None:
        members.pop(last)

    rewritten(saved, drop)
    text = message(DamagedBundleError, saved)
    assert "its network has 10 weights and the file 9 tensors" in text


def test_a_tensor_whose_content_is_another_is_damaged(saved: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["tensors"][0]["dtype"] = "int32"

    text = message(DamagedBundleError, with_manifest(saved, change))
    assert "the tensor 'conv/kernel' cannot be read (float32 (3, 3, 3, 4) where int32" in text


def test_a_network_that_keras_cannot_make_is_damaged(
    with_config: Callable[[Callable[[dict[str, Any]], Any]], Path],
) -> None:
    def change(network: dict[str, Any]) -> None:
        network["config"]["layers"][-1]["config"]["activation"] = "softmaxx"

    text = message(DamagedBundleError, with_config(change))
    assert f"Keras {keras.__version__} cannot make its network, written with Keras" in text
    assert "softmaxx" in text


def test_something_else_than_a_network_is_damaged(
    with_config: Callable[[Callable[[dict[str, Any]], Any]], Path],
) -> None:
    class Thing:
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Thing:
            return cls()

    path = with_config(
        lambda network: {"module": "mine", "class_name": "Thing", "config": {"a": 1}}
    )
    with pytest.raises(DamagedBundleError, match=r"its network is no keras\.Model"):
        bundle.read(path, custom_objects={"Thing": Thing})


def test_a_network_that_is_no_json_is_damaged(saved: Path) -> None:
    members, _ = members_of(saved)
    read = bundle.read_manifest(saved)
    with saved.open("wb") as file:
        writer = Writer(file)
        for name in read.members:
            writer.add(name, b"{" if name == "network.json" else members[name])
        writer.finish(
            bundle.Manifest(read.facts, read.versions, read.tensors, dict(writer.members))
        )
    assert "its network is not JSON" in message(DamagedBundleError, saved)


def foreign_files(folder: Path) -> dict[str, tuple[Path, str]]:
    pixels = keras.Input((2,))
    network = keras.Model(pixels, keras.layers.Dense(1)(pixels))
    network.save(folder / "a.keras")
    network.save_weights(folder / "a.weights.h5")
    np.savez(folder / "a.npz", a=np.zeros(2))
    (folder / "a.txt").write_text("not a bundle")
    (folder / "a.zip").write_bytes(zip_bytes([("a.txt", b"x")]))
    (folder / "b.zip").write_bytes(zip_bytes([("manifest.json", b'{"format": "other"}')]))
    (folder / "c.zip").write_bytes(zip_bytes([("manifest.json", b"\xff")]))
    (folder / "d.zip").write_bytes(zip_bytes([("manifest.json", b"{}")], how=zipfile.ZIP_DEFLATED))
    (folder / "folder").mkdir()
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").touch()
    expected = {
        "a.keras": "is a Keras file (.keras), not a transferkit bundle",
        "a.weights.h5": "is an HDF5 file (.h5), not a transferkit bundle",
        "a.npz": "is a NumPy file (.npz), not a transferkit bundle",
        "a.txt": "is no zip archive, not a transferkit bundle",
        "a.zip": "is a zip archive of another program, not a transferkit bundle",
        "b.zip": "is a zip archive, and its manifest.json is not transferkit's",
        "c.zip": "is a zip archive, and its manifest.json is not transferkit's",
        "d.zip": "is a zip archive of another program, not a transferkit bundle",
        "folder": "is a folder, not a transferkit bundle",
        "model": "is a SavedModel folder, not a transferkit bundle",
    }
    return {name: (folder / name, text) for name, text in expected.items()}


def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: Path) -> None:
    for path, expected in foreign_files(tmp_path).values():
        text = message(ForeignBundleError, path)
        assert f"load: {str(path)!r} {expected}" in text
        assert "Expected a file that trained.save(path) wrote" in text
    text = message(ForeignBundleError, tmp_path / "a.keras")
    assert text.endswith("keras.saving.load_model(path) opens it.")


def test_a_file_that_is_not_there_is_answered_with_the_nearest_name(saved: Path) -> None:
    text = message(BundleNotFoundError, saved.with_name("flower.tkm"))
    assert "load: there is no file" in text
    assert "did you mean 'flowers.tkm'?" in text


def test_an_empty_folder_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    text = message(BundleNotFoundError, tmp_path / "a.tkm")
    assert "Expected a file, and its folder is empty" in text
    text = message(BundleNotFoundError, tmp_path / "nowhere" / "a.tkm")
    assert f"Expected a folder {str(tmp_path / 'nowhere')!r}, and there is none" in text
