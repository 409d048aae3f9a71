"""What lies in a folder of pictures besides pictures: links, litter, names that are no text."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transferkit.data import from_arrays, from_dataframe, from_directory
from transferkit.data.files import READ, why_not_read
from transferkit.data.formats import ENDINGS, FORMATS, OTHER_PICTURES, format_of, what_it_is
from transferkit.errors import DataError, DecodeError


def picture(path: Path, value: int, form: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, form)
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for i in range(4):
        picture(tmp_path / "pets" / "cat" / f"{i}.png", i)
        picture(tmp_path / "pets" / "dog" / f"{i}.png", 100 + i)
    return tmp_path / "pets"


@pytest.mark.parametrize("ending", sorted(READ))
def test_every_ending_is_read_in_capitals_too(pets: Path, ending: str) -> None:
    picture(pets / "cat" / f"more{ending.upper()}", 50, ENDINGS[ending])
    report = from_directory(pets, val=0, image_size=4).report
    assert report.counts["train"]["cat"] == 5
    assert report.mismatched == ()


def test_a_file_of_another_format_than_its_ending_is_read_and_counted(pets: Path) -> None:
    for number, form in enumerate(FORMATS):
        picture(pets / "cat" / f"{form}.jpg", 50 + number, form)
    for size in (None, 4):
        report = from_directory(pets, val=0, image_size=size).report
        assert report.counts["train"]["cat"] == 4 + len(FORMATS)
        others = sorted(set(FORMATS) - {"JPEG"})
        assert [(path.name, form) for path, form in report.mismatched] == [
            (f"{form}.jpg", form) for form in others
        ]
        first = pets / "cat" / "BMP.jpg"
        expected = f"endings: 5 files of another format than the name says, as {first}: BMP"
        assert expected in str(report).splitlines()


@pytest.mark.parametrize("ending", sorted(OTHER_PICTURES))
def test_pictures_that_are_not_read_are_left_out_by_their_ending(pets: Path, ending: str) -> None:
    shutil.copy(pets / "cat" / "0.png", pets / "cat" / f"x{ending}")
    ignored = from_directory(pets, val=0).report.ignored
    assert ignored == {
        f"{ending} pictures are not read, convert them to PNG": (pets / "cat" / f"x{ending}",)
    }


def test_what_systems_leave_behind_is_hidden(pets: Path) -> None:
    names = {"._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"}
    for name in names:
        (pets / "cat" / name).write_bytes(b"x")
    (pets / "__MACOSX" / "cat").mkdir(parents=True)
    shutil.copy(pets / "cat" / "0.png", pets / "__MACOSX" / "cat" / "._0.png")
    report = from_directory(pets, val=0).report
    assert {path.name for path in report.ignored["hidden"]} == names | {"__MACOSX"}
    assert f"ignored: {len(names) + 1} (hidden), as " in str(report)


# ------------------------------------------------------------------------------------- links


def test_links_to_files_and_folders_are_followed(pets: Path, tmp_path: Path) -> None:
    apart = picture(tmp_path / "apart" / "x.png", 77).parent
    (pets / "bird").symlink_to(apart)
    (pets / "cat" / "link.png").symlink_to(apart / "x.png")
    report = from_directory(pets, val=0).report
    assert report.counts["train"] == {"bird": 1, "cat": 5, "dog": 4}
    assert report.duplicates == ((pets / "bird" / "x.png", pets / "cat" / "link.png"),)


def test_broken_links_are_left_out_and_counted(pets: Path, tmp_path: Path) -> None:
    (pets / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pets / "cat" / "round.png").symlink_to(pets / "cat" / "round.png")
    (pets / "gone").symlink_to(tmp_path / "nowhere")
    report = from_directory(pets, val=0).report
    assert report.counts["train"] == {"cat": 4, "dog": 4}
    found = {path.name for path in report.ignored["a broken link"]}
    assert found == {"gone.png", "round.png", "gone"}
    assert set(report.ignored) == {"a broken link"}
    assert "ignored: 3 (a broken link), as " in str(report)


def test_links_that_lead_back_are_survived(pets: Path) -> None:
    (pets / "all").symlink_to(pets)
    (pets / "above").symlink_to(pets.parent)
    (pets / "cat" / "all").symlink_to(pets)
    report = from_directory(pets, val=0).report
    assert report.counts["train"] == {"cat": 4, "dog": 4}
    assert report.ignored == {
        "a link to the folder it is in": (pets / "above", pets / "all"),
        "a folder inside a class folder": (pets / "cat" / "all",),
    }


def test_a_folder_that_may_not_be_read_is_named(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.listdir

    def refuse(folder: Path) -> list[str]:
        if folder == pets / "dog":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError) as caught:
        from_directory(pets)
    text = str(caught.value)
    assert f"the folder {str(pets / 'dog')!r} cannot be read: Permission denied" in text
    assert "folders that this user may read" in text


def test_a_file_whose_state_is_refused_is_left_out() -> None:
    class Refusing(type(Path())):  # type: ignore[misc]
        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            if follow_symlinks:
                raise PermissionError
            return os.stat(__file__)

    assert why_not_read(Refusing("a.png")) == "not accessible"


# ------------------------------------------------------------------------------------- names


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are always text")
def test_names_that_are_no_text_are_read_and_printed(pets: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(pets / "cat") + b"/caf\xe9.png"))
    picture(odd, 55)
    Path(os.fsdecode(os.fsencode(pets / "dog") + b"/b\xe9te.jpg")).write_bytes(b"")
    with pytest.raises(DecodeError, match=r"b\\udce9te\.jpg") as caught:
        from_directory(pets)
    str(caught.value).encode()
    with pytest.warns(UserWarning, match=r"b\\udce9te\.jpg: the file is empty"):
        data = from_directory(pets, val=0, image_size=4, on_bad="skip")
    assert odd in data.train.paths
    assert data.counts()["train"] == {"cat": 5, "dog": 4}
    for text in (str(data.report), data.report._repr_html_(), repr(data)):
        text.encode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_with_codes_in_them_write_nothing_but_themselves(pets: Path) -> None:
    for name in ("a\x1b[2Jb.png", "line\nbreak.png", "\u82b1\u202e.png"):
        picture(pets / "cat" / name, len(name))
    (pets / "cat" / "x\x07.png").write_bytes(b"")
    with pytest.raises(DecodeError) as caught:
        from_directory(pets)
    with pytest.warns(UserWarning, match="the file is empty") as warned:
        report = from_directory(pets, val=0, on_bad="skip").report
    for text in (str(caught.value), str(warned[0].message), *str(report).splitlines()):
        assert text.isprintable()


# ------------------------------------------------------------------------------------- words


def starts(form: str, tmp_path: Path) -> bytes:
    return picture(tmp_path / "a", 1, form).read_bytes()[:512]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_our_own_formats_are_known_by_their_first_bytes(tmp_path: Path, form: str) -> None:
    name = {"WEBP": "WebP"}.get(form, form)
    assert what_it_is(starts(form, tmp_path)) == f"a {name} picture"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: b"", None),
        (lambda head: b"\0" + head, None),
        (lambda _: b"  \n\t ", None),
        (lambda _: b"\xef\xbb\xbf<HTML>", "a web page: the download has failed"),
        (lambda _: "grüße".encode(), "text"),
    ],
)
def test_first_bytes_that_say_little(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str | None
) -> None:
    assert what_it_is(change(starts("PNG", tmp_path))) == words


def test_formats_that_pillow_calls_otherwise() -> None:
    assert [format_of(name) for name in ("MPO", "DIB", "PNG")] == ["JPEG", "BMP", "PNG"]


def test_a_phones_picture_of_several_is_a_jpeg(pets: Path) -> None:
    first, second = (Image.new("RGB", (8, 8), (shade, shade, shade)) for shade in (10, 200))
    first.save(pets / "cat" / "phone.jpg", "MPO", save_all=True, append_images=[second])
    with Image.open(pets / "cat" / "phone.jpg") as opened:
        assert opened.format == "MPO"
    data = from_directory(pets, val=0, image_size=4)
    assert data.report.mismatched == ()
    at = [path and path.name for path in data.train.paths].index("phone.jpg")
    assert data.train.pixels()[at].max() < 20


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(("on_disk", "said"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_accents_may_have_either_form(tmp_path: Path, on_disk: str, said: str) -> None:
    for i in range(4):
        picture(tmp_path / on_disk / f"{on_disk}{i}.png", i)
        picture(tmp_path / "bar" / f"{i}.png", 100 + i)
    data = from_directory(tmp_path, class_names=[said, "bar"])
    assert data.class_names == (COMPOSED, "bar")
    assert data.counts()["train"] == {COMPOSED: 3, "bar": 3}
    paths = [f"{said}/{said}{i}.png" for i in range(4)] + [f"bar/{i}.png" for i in range(4)]
    frame = pd.DataFrame({"path": paths, "label": [said, on_disk, said, on_disk] + ["bar"] * 4})
    listed = from_dataframe(frame, root=tmp_path, class_names=[said, "bar"])
    assert listed.train.paths == data.train.paths
    images = np.zeros((4, 4, 4, 3), np.uint8)
    arrays = from_arrays(images, [said, "bar"] * 2, class_names=[on_disk, "bar"])
    assert arrays.class_names == (COMPOSED, "bar")


def test_two_folders_of_one_name_in_two_forms_are_refused(tmp_path: Path) -> None:
    for number, name in enumerate((COMPOSED, DECOMPOSED)):
        picture(tmp_path / name / "0.png", number)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes them for one")
    with pytest.raises(DataError, match="two folders are the class") as caught:
        from_directory(tmp_path)
    text = str(caught.value)
    assert "u0301" in text
    assert "xe9" in text


def test_a_group_in_two_forms_is_one_group() -> None:
    images = np.zeros((8, 4, 4, 3), np.uint8)
    data = from_arrays(images, [0, 1] * 4, groups=[COMPOSED, DECOMPOSED, "b", "c"] * 2, val=0)
    assert data.train.groups is not None
    assert sorted(set(data.train.groups.tolist())) == ["b", "c", COMPOSED]
