from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from transferkit.backbones.fetching import check_sha256, fetch, unpack
from transferkit.errors import BackboneError, WeightsNotFoundError

CONTENT = b"a network" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Shop(BaseHTTPRequestHandler):
    """Serves one file, a refusal, and two files whose length it lies about or keeps to itself."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(403 if self.path == "/refused" else 200)
        if self.path in ("/model", "/refused"):
            self.send_header("Content-Length", str(len(CONTENT)))
        if self.path == "/torn":
            self.send_header("Content-Length", str(2 * len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Shop)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once(shop: str, tmp_path: Path) -> None:
    Shop.asked.clear()
    into = tmp_path / "new" / "model.tar"
    for _ in range(2):
        assert fetch(f"{shop}/model", into=into, limit_bytes=10**5, sha256=DIGEST.upper()) == into
    assert into.read_bytes() == CONTENT
    assert Shop.asked == ["/model"]
    assert [path.name for path in into.parent.iterdir()] == ["model.tar"]


@pytest.mark.parametrize("path", ["/refused", "/torn"])
def test_what_cannot_be_downloaded_says_where_to_put_it(
    shop: str, tmp_path: Path, path: str
) -> None:
    into = tmp_path / "model.tar"
    with pytest.raises(WeightsNotFoundError) as caught:
        fetch(shop + path, into=into, limit_bytes=10**5)
    why = {"/refused": "HTTP Error 403: Forbidden", "/torn": "9000 of 18000 bytes came"}[path]
    assert str(caught.value) == (
        f"fetch: {shop}{path} cannot be downloaded ({why}). Expected the file {str(into)!r}, or a "
        f"way to it. Received: url='{shop}{path}'. Download it on another machine, and put it "
        "there as 'model.tar'."
    )
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"fetch: http://127\.0\.0\.1:1/x cannot be"):
        fetch("http://127.0.0.1:1/x", into=tmp_path / "x", limit_bytes=1)


@pytest.mark.parametrize("path", ["/model", "/unsaid"])
def test_what_is_too_large_is_given_up(shop: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(BackboneError) as caught:
        fetch(shop + path, into=tmp_path / "x", limit_bytes=8999)
    assert str(caught.value) == (
        f"fetch: {shop}{path} is larger than it may be. Expected at most 9 kB. Received: "
        "bytes=9000. limit=9000 lets it in, if that is what you want."
    )
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_meant_is_refused_before_it_is_there(shop: str, tmp_path: Path) -> None:
    with pytest.raises(BackboneError) as caught:
        fetch(f"{shop}/model", into=tmp_path / "x", limit_bytes=9000, sha256="0" * 64)
    assert str(caught.value) == (
        f"fetch: {shop}/model is not the file that was meant: its SHA-256 is {DIGEST}. Expected "
        f"sha256='{'0' * 64}'. Received: file='{shop}/model'. Ask who gave you the digest."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_lies_there_already_is_compared_too(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"something else")
    with pytest.raises(BackboneError, match=r"or delete .*x to have it downloaded again\.$"):
        fetch("http://127.0.0.1:1/x", into=file, limit_bytes=1, sha256=DIGEST)
    check_sha256(file, None)


def packed(path: Path, fill: Callable[[tarfile.TarFile], None]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        fill(archive)
    return path


def member(name: str, content: bytes = b"x", **options: Any) -> Callable[[tarfile.TarFile], None]:
    def fill(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for key, value in options.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(content))

    return fill


def test_an_archive_becomes_a_folder_and_stays_one(tmp_path: Path) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        member("./", b"", type=tarfile.DIRTYPE)(archive)
        member("./variables/index", b"abc", mode=0o4777)(archive)
        member("graph", b"")(archive)

    archive, into = packed(tmp_path / "a.tar.gz", fill), tmp_path / "out" / "a"
    assert unpack(archive, into, limit_bytes=3) == into
    assert (into / "variables" / "index").read_bytes() == b"abc"
    assert (into / "graph").read_bytes() == b""
    assert not (into / "variables" / "index").stat().st_mode & 0o6111
    archive.unlink()
    assert unpack(archive, into, limit_bytes=3) == into, "what is there is kept"
    assert [path.name for path in into.parent.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("../out.txt", {}, "would leave the folder"),
        ("in/../../out.txt", {}, "would leave the folder"),
        ("/out.txt", {}, "would leave the folder"),
        ("C:\\out.txt", {}, "would leave the folder"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/"}, "is neither a file nor a folder"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "x"}, "is neither a file nor a folder"),
        ("pipe", {"type": tarfile.FIFOTYPE}, "is neither a file nor a folder"),
        ("large", {}, "makes it larger than 2 B"),
    ],
)
def test_an_archive_that_would_do_harm_is_refused_as_a_whole(
    tmp_path: Path, name: str, options: dict[str, Any], why: str
) -> None:
    def fill(archive: tarfile.TarFile) -> None:
        member("fine", b"y")(archive)
        member(name, b"12" if name == "large" else b"", **options)(archive)

    archive = packed(tmp_path / "a.tar.gz", fill)
    with pytest.raises(BackboneError) as caught:
        unpack(archive, tmp_path / "out" / "a", limit_bytes=2)
    assert str(caught.value) == (
        f"unpack: the member {name!r} of a.tar.gz {why}. Expected plain files and folders below "
        f"the archive's root, within the limit. Received: archive={str(archive)!r}. Nothing was "
        "unpacked. Ask where the archive comes from."
    )
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("cut", [0, 10, 60])
def test_what_is_no_whole_archive_is_named(tmp_path: Path, cut: int) -> None:
    archive = packed(tmp_path / "a.tar.gz", member("x", bytes(range(256)) * 40))
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(BackboneError, match=r"a\.tar\.gz is no tar archive that can be read \("):
        unpack(archive, tmp_path / "a", limit_bytes=10**5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
