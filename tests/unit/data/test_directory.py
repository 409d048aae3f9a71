"""Folders of pictures: what is read, what is left out, and what every bad folder is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from transferkit.data import Data, from_directory, store
from transferkit.errors import DataError, DataNotFoundError, DecodeError, SpecError


def picture(path: Path, value: int, size: tuple[int, int] = (6, 8)) -> Path:
    """A PNG of noise that no other `value` has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folder(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            picture(root / name / f"{i}.png", start := start + 1)
    return root


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return folder(tmp_path / "pets", {"dog": 10, "cat": 5})


def files(data: Data) -> dict[str, list[Path | None]]:
    return {name: list(split.paths) for name, split in data.splits.items()}


def test_hymenoptera_has_245_and_153_pictures(assets: Path) -> None:
    if not (assets / "hymenoptera").is_dir():
        pytest.skip("the assets hold no hymenoptera pictures")
    data = from_directory(assets / "hymenoptera", image_size=16)
    assert (len(data.train), len(data.val or ()), data.test) == (245, 153, None)
    assert data.class_names == ("ants", "bees")
    assert data.report.counts == {
        "train": {"ants": 124, "bees": 121},  # a GIF that says "not found" is one of them
        "val": {"ants": 70, "bees": 83},
    }
    assert not data.report.bad
    assert data.train.pixels().shape == (245, 16, 16, 3)
    assert dict(data.report.kinds) == {"RGB": 397, "palette": 1}


def test_a_folder_is_divided_by_class_and_seed(pets: Path) -> None:
    data = from_directory(pets)
    assert data.class_names == ("cat", "dog")
    assert data.counts() == {"train": {"cat": 4, "dog": 8}, "val": {"cat": 1, "dog": 2}}
    assert data.image_size is None
    assert data.report.sizes == ((6, 8),) * 3
    for split in data.splits.values():
        for path, label in zip(split.paths, split.labels, strict=True):
            assert path is not None
            assert path.parent.name == data.class_names[label]
    assert files(from_directory(pets)) == files(data)
    assert files(from_directory(pets, seed=1)) != files(data)
    everything = [path for paths in files(data).values() for path in paths]
    assert len(everything) == len(set(everything)) == 15


def test_pixels_are_the_files_whether_decoded_now_or_later(pets: Path) -> None:
    now, later = from_directory(pets, image_size=(4, 5)), from_directory(pets).resized((4, 5))
    for name, split in now.splits.items():
        np.testing.assert_array_equal(split.pixels(), later.splits[name].pixels())
        for path, found in zip(split.paths, split.pixels(), strict=True):
            assert path is not None
            oracle = ImageOps.fit(Image.open(path), (5, 4), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(found, np.asarray(oracle))


def test_pixels_on_disk_equal_those_in_memory(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = from_directory(pets, image_size=5)
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    disk, late = from_directory(pets, image_size=5), from_directory(pets).resized(5)
    for name, split in memory.splits.items():
        assert not isinstance(split.pixels(), np.memmap)
        for other in (disk.splits[name].pixels(), late.splits[name].pixels()):
            assert isinstance(other, np.memmap)
            assert other.filename is not None, "plain indexing has brought it into memory"
            np.testing.assert_array_equal(split.pixels(), other)


def test_files_on_disk_go_with_their_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    room = store.allocate((3, 2))
    assert len(list(tmp_path.iterdir())) == 1
    del room
    assert not list(tmp_path.iterdir())


def test_folders_named_as_splits_are_the_splits(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 4, "b": 4})
    folder(tmp_path / "Valid", {"a": 1, "b": 2}, 100)
    folder(tmp_path / "other", {"a": 1}, 200)
    data = from_directory(tmp_path, test=0.25)
    assert data.counts() == {
        "train": {"a": 3, "b": 3},
        "val": {"a": 1, "b": 2},
        "test": {"a": 1, "b": 1},
    }
    assert data.report.ignored == {"beside the splits": (tmp_path / "other",)}


def test_what_is_left_out_stands_in_the_report(pets: Path) -> None:
    (pets / "README.txt").write_text("x")
    (pets / ".cache").mkdir()
    (pets / "cat" / "Thumbs.db").write_text("x")
    (pets / "cat" / "notes.txt").write_text("x")
    (pets / "cat" / "more").mkdir()
    (pets / "dog" / "a.heic").write_text("x")
    report = from_directory(pets).report
    assert report.ignored == {
        "hidden": (pets / ".cache", pets / "cat" / "Thumbs.db"),
        "in no class folder": (pets / "README.txt",),
        "a folder inside a class folder": (pets / "cat" / "more",),
        "no picture": (pets / "cat" / "notes.txt",),
        ".heic pictures are not read, convert them to PNG": (pets / "dog" / "a.heic",),
    }
    assert "ignored: 2 (hidden)" in str(report)


def test_class_names_choose_and_order(pets: Path) -> None:
    folder(pets, {"newt": 3}, 100)
    data = from_directory(pets, class_names=["newt", "cat"], val=0)
    assert data.counts() == {"train": {"newt": 3, "cat": 5}}
    assert data.train.labels.tolist() == [0] * 3 + [1] * 5
    assert data.report.ignored == {"not in class_names": (pets / "dog",)}


def test_folders_that_are_not_named_are_left_out_of_every_split(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 2, "b": 2, "c": 2})
    folder(tmp_path / "val", {"a": 1, "b": 2, "d": 2}, 100)
    data = from_directory(tmp_path, class_names=["b", "a"])
    left_out = (tmp_path / "train" / "c", tmp_path / "val" / "d")
    assert data.report.ignored == {"not in class_names": left_out}


def test_a_named_class_may_have_no_pictures(pets: Path) -> None:
    names = ["cat", "cow", "dog"]
    data = from_directory(pets, class_names=names, val=0)
    assert data.counts() == {"train": {"cat": 5, "cow": 0, "dog": 10}}
    assert data.report.warnings == ("1 class has no training pictures, as cow",)
    (pets / "emu").mkdir()
    text = refusal(pets, class_names=names)
    assert "there is no folder for 'cow'" in text
    assert "Correct the spelling, or make an empty folder 'cow'" in text
    assert from_directory(pets, class_names=["cat", "dog", "emu"]).class_names[2] == "emu"
    for path in pets.glob("*/*.png"):
        path.unlink()
    assert "the class folder 'cat' holds no pictures" in refusal(
        pets, class_names=["cat", "dog", "emu"]
    )


def test_an_empty_class_folder_says_what_is_in_it(pets: Path) -> None:
    picture(pets / "emu" / "young" / "0.png", 1)
    text = refusal(pets)
    assert "'emu' holds no pictures, but 1 left out as 'a folder inside a class folder'" in text
    assert "they are one level too deep" in text
    (pets / "emu" / "young").rename(pets / "bee")
    (pets / "emu" / "0.heic").write_text("x")
    text = refusal(pets)
    assert "but 1 left out as '.heic pictures are not read, convert them to PNG'" in text
    assert "Convert the pictures" in text


def test_splits_without_training_or_classes_say_so(tmp_path: Path) -> None:
    folder(tmp_path / "val", {"a": 2, "b": 2})
    folder(tmp_path / "test", {"a": 2, "b": 2}, 100)
    assert "has no train/" in refusal(tmp_path)
    (tmp_path / "val").rename(tmp_path / "train")
    picture(tmp_path / "flat.png", 1)
    for path in (tmp_path / "test").glob("*/*"):
        path.rename(tmp_path / "test" / f"{path.parent.name}{path.name}")
    for name in "ab":
        (tmp_path / "test" / name).rmdir()
    text = refusal(tmp_path)
    assert "test/ has no class folders, but 4 left out as 'in no class folder'" in text
    assert "use predict on it" in text


def test_copies_under_two_labels_are_warned_of(pets: Path) -> None:
    copy = pets / "dog" / "copy.png"
    for place in (copy, pets / "cat" / "00.png"):
        place.write_bytes((pets / "cat" / "0.png").read_bytes())
    (pets / "dog" / "twin.png").write_bytes((pets / "dog" / "0.png").read_bytes())
    report = from_directory(pets, val=0).report
    assert [set(group) for group in report.contradictions] == [
        {copy, pets / "cat" / "0.png", pets / "cat" / "00.png"}
    ]
    assert report.warnings == (
        f"1 picture is under several labels, as {pets / 'cat' / '0.png'} and {copy}",
    )


def test_a_class_ten_times_the_other_is_warned_of(tmp_path: Path) -> None:
    data = from_directory(folder(tmp_path / "x", {"a": 22, "b": 2}), val=0)
    assert "class_weight='balanced'" in str(data.report)


def test_copies_are_found_and_those_in_two_splits_are_leaks(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 3, "b": 3})
    folder(tmp_path / "val", {"a": 1, "b": 1}, 100)
    original, inside = tmp_path / "train" / "a" / "0.png", tmp_path / "train" / "b" / "0.png"
    leaked, copy = tmp_path / "val" / "b" / "copy.png", tmp_path / "train" / "b" / "copy.png"
    leaked.write_bytes(original.read_bytes())
    copy.write_bytes(inside.read_bytes())
    data = from_directory(tmp_path)
    assert {frozenset(group) for group in data.report.duplicates} == {
        frozenset({original, leaked}),
        frozenset({inside, copy}),
    }
    assert [set(group) for group in data.report.leaks] == [{original, leaked}]
    assert "scores will be too good" in str(data.report)


def test_holding_out_finds_its_new_leaks(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 2, "b": 2})
    for name in "ab":
        bytes_ = (tmp_path / name / "0.png").read_bytes()
        (tmp_path / name / "1.png").write_bytes(bytes_)
    data = from_directory(tmp_path, val=0)
    assert not data.report.leaks
    assert len(data.hold_out(0.5).report.leaks) == 2


def spoil(pets: Path, name: str) -> tuple[Path, int]:
    path = pets / "cat" / f"bad_{name}.jpg"
    if name == "truncated":
        picture(path, 99, (64, 64))
        path.write_bytes(path.read_bytes()[:900])
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "text":
        path.write_text("no picture")
    elif name == "dot":
        picture(path, 99, (1, 1))
    else:
        picture(path, 99, (50, 50))
    return path, 2000 if name == "bomb" else 10**6


REASONS = {
    "truncated": "truncated",
    "empty": "the file is empty",
    "text": "it is text",
    "dot": "1 x 1 pixels show nothing",
    "bomb": "50 x 50 pixels are more than max_pixels=2,000",
}


@pytest.mark.parametrize("image_size", [None, 4])
@pytest.mark.parametrize("name", REASONS)
def test_a_bad_file_is_named_or_skipped(pets: Path, name: str, image_size: int | None) -> None:
    path, limit = spoil(pets, name)
    with pytest.raises(DecodeError) as caught:
        from_directory(pets, max_pixels=limit, image_size=image_size)
    assert "1 file cannot be decoded" in str(caught.value)
    assert str(path) in str(caught.value)
    assert REASONS[name] in str(caught.value)
    with pytest.warns(UserWarning, match="1 file cannot be decoded and is left out") as warned:
        data = from_directory(pets, max_pixels=limit, image_size=image_size, on_bad="skip", val=0)
    assert warned[0].filename == __file__
    [(file, reason)] = data.report.bad
    assert file == path
    assert REASONS[name] in reason
    assert "\n" not in reason
    assert data.counts() == {"train": {"cat": 5, "dog": 10}}
    assert "1 file cannot be decoded and is left out" in str(data.report)
    clean = data.resized(4).train
    assert len(clean.pixels()) == 15
    assert path not in clean.paths


def test_many_bad_files_are_counted(pets: Path) -> None:
    for i in range(12):
        (pets / "dog" / f"bad{i}.jpg").write_bytes(b"")
    with pytest.raises(DecodeError, match=r"12 files cannot be decoded(.|\n)*and 2 more"):
        from_directory(pets)


def test_nothing_left_after_skipping_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "a" / "0.jpg", tmp_path / "b" / "0.jpg"):
        path.parent.mkdir()
        path.write_bytes(b"")
    for val, text in ((0.2, "the val split would be empty"), (0.0, "no pictures are left")):
        with (
            pytest.warns(UserWarning, match="2 files cannot be decoded"),
            pytest.raises(DataError, match=text),
        ):
            from_directory(tmp_path, on_bad="skip", val=val)


def test_a_class_lost_by_skipping_is_an_error(pets: Path) -> None:
    for path in (pets / "cat").iterdir():
        path.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="5 files"),
        pytest.raises(DataError, match="no pictures are left in the train split for 'cat'"),
    ):
        from_directory(pets, on_bad="skip")


def refusal(path: Path, **keywords: Any) -> str:
    with pytest.raises((DataError, DataNotFoundError, SpecError)) as caught:
        from_directory(path, **keywords)
    return str(caught.value)


def test_a_missing_folder_names_the_nearest(pets: Path) -> None:
    text = refusal(pets.parent / "pest")
    assert "there is no folder" in text
    assert f"Did you mean {str(pets)!r}?" in text
    with pytest.raises(FileNotFoundError):
        from_directory(pets / "nowhere" / "at all")


def test_bad_folders_say_what_is_wrong(tmp_path: Path) -> None:
    flat, single = tmp_path / "flat", tmp_path / "single"
    picture(flat / "0.png", 1)
    assert "holds no class folders" in refusal(flat)
    assert "a folder for each class" in refusal(flat)
    folder(single, {"a": 3})
    assert "holds one class, " in refusal(single)
    assert "nothing to tell apart" in refusal(single)
    (single / "b").mkdir()
    assert "the class folder 'b' holds no pictures" in refusal(single)


def test_splits_with_different_classes_are_refused(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 2, "b": 2})
    folder(tmp_path / "val", {"a": 2, "c": 2}, 100)
    text = refusal(tmp_path)
    assert "val/ and train/ have different classes" in text
    assert "surplus=['c']" in text
    assert "missing=['b']" in text


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 2, "b": 2})
    folder(tmp_path / "val", {"a": 0, "b": 0})
    assert "there are no pictures in the val split" in refusal(tmp_path)
    few = folder(tmp_path / "few", {"a": 1, "b": 1})
    text = refusal(few)
    assert "the val split would be empty: 2 pictures are too few" in text
    assert "val=0" in text
    assert len(from_directory(few, val=0).train) == 2


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    for i, name in enumerate(("train", "val", "validation")):
        folder(tmp_path / name, {"a": 2, "b": 2}, 100 * i)
    assert "two folders are the same split" in refusal(tmp_path)


def test_bad_arguments_are_refused(pets: Path) -> None:
    assert "on_bad is unknown" in refusal(pets, on_bad="ignore")
    assert "max_pixels is no number of pixels" in refusal(pets, max_pixels=-1)
    assert "leave no training pictures" in refusal(pets, val=0.6, test=0.5)
    assert "there is no folder for 'cow'" in refusal(pets, class_names=["cat", "cow"])
    assert "a class is named twice" in refusal(pets, class_names=["cat", "cat"])
    assert "the names are no list" in refusal(pets, class_names=[])
    assert "the names are no list" in refusal(pets, class_names="cat")
    assert "a set has no order" in refusal(pets, class_names={"cat", "dog"})
    assert "holds one class" in refusal(pets, class_names=["cat"])
    assert "the image size is not a size" in refusal(pets, image_size=0)


@pytest.mark.parametrize("on_bad", ["raise", "skip"])
def test_a_bad_argument_is_not_taken_for_bad_files(pets: Path, on_bad: Any) -> None:
    fit: Any = "squash"
    with pytest.raises(SpecError, match="the fit is unknown"):
        from_directory(pets, fit=fit, on_bad=on_bad)
    with pytest.raises(SpecError, match="do not give 2 channels"):
        from_directory(pets, channels=2, on_bad=on_bad)


def test_reading_a_folder_imports_no_tensorflow(pets: Path) -> None:
    code = (
        "import sys; from transferkit.data import from_directory; "
        f"from_directory({str(pets)!r}, image_size=4).hold_out(0.2); "
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_named_as_a_picture_is_not_opened(pets: Path) -> None:
    os.mkfifo(pets / "cat" / "pipe.jpg")
    data = from_directory(pets, image_size=4, val=0)
    assert [p.name for p in data.report.ignored["no file"]] == ["pipe.jpg"]


def people(root: Path, count: int = 6) -> Path:
    for person in range(count):
        for shot in range(3):
            for name in ("glad", "sad"):
                picture(root / name / f"p{person}_{shot}.png", 100 * person + 10 * shot + len(name))
    return root


def owners(data: Data) -> dict[str, set[str]]:
    return {name: {p.name[:2] for p in split.paths if p} for name, split in data.splits.items()}


@pytest.mark.parametrize("groups", [r"/(p[0-9])_", lambda path: path.name.split("_")[0]])
@pytest.mark.parametrize("stable", [False, True])
def test_no_person_is_on_two_sides(tmp_path: Path, groups: Any, stable: bool) -> None:
    data = from_directory(people(tmp_path), groups=groups, val=0.33, test=0.16, stable=stable)
    found = owners(data)
    assert set(found) == {"train", "val", "test"}
    assert sum(map(len, found.values())) == 6
    if not stable:
        assert list(map(len, found.values())) == [3, 2, 1]
    assert data.train.groups is not None
    assert data.train.groups.tolist() == [p.name[:2] for p in data.train.paths if p]


def test_where_a_folder_lies_changes_nothing(tmp_path: Path) -> None:
    for name in ("first", "second/deep"):
        folder(tmp_path / name, {"a": 20, "b": 20})
    pairs = [
        [
            {path.relative_to(tmp_path / name).as_posix() for path in split.paths if path}
            for split in from_directory(tmp_path / name, test=0.2, stable=stable).splits.values()
        ]
        for stable in (False, True)
        for name in ("first", "second/deep")
    ]
    assert pairs[0] == pairs[1]
    assert pairs[2] == pairs[3]
    assert pairs[0] != pairs[2]


def test_a_stable_file_stays_where_it_is_when_others_come(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 20, "b": 20})
    before = from_directory(tmp_path, stable=True)
    for i in range(20):
        picture(tmp_path / "a" / f"new{i}.png", 500 + i)
    (tmp_path / "b" / "3.png").unlink()
    after = from_directory(tmp_path, stable=True)
    for name, split in before.splits.items():
        left = {path for path in split.paths if path and path.exists()}
        assert left <= set(after.splits[name].paths)


@pytest.mark.parametrize("stable", [False, True])
def test_keys_stay_with_their_pictures(pets: Path, stable: bool) -> None:
    (pets / "dog" / "3.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 file cannot be decoded"):
        data = from_directory(pets, stable=stable, val=0.3, on_bad="skip")
    for split in (*data.splits.values(), *data.hold_out(0.4).splits.values()):
        paths = tuple(path.relative_to(pets).as_posix() for path in split.paths if path)
        assert split.keys == paths


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (r"p[0-9]_", "the expression has 0 groups in brackets"),
        (r"(p)([0-9])", "the expression has 2 groups in brackets"),
        (r"(p", "groups is no regular expression"),
        (3, "groups is no regular expression"),
        (r"(q[0-9])", "36 files of no group, as"),
        (lambda path: None, "36 files of no group, as"),
        (r"(p)[0-9]_", "there are fewer groups (1) than splits (2)"),
        (r"(glad|sad)/", "training would be left without"),
    ],
)
def test_groups_that_cannot_be_are_refused(tmp_path: Path, groups: Any, text: str) -> None:
    assert text in refusal(people(tmp_path), groups=groups)


def test_a_group_in_two_given_splits_is_refused(tmp_path: Path) -> None:
    for name in ("train", "val"):
        people(tmp_path / name, 2)
    text = refusal(tmp_path, groups="(p[0-9])_")
    assert "the group 'p0' is in train and in val" in text


def test_a_stable_split_that_gets_nothing_says_so(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 2, "b": 2})
    text = refusal(tmp_path, stable=True, val=0.001)
    assert "the val split would be empty" in text
    assert "on average only" in text


def test_a_group_may_be_a_tuple(tmp_path: Path) -> None:
    data = from_directory(people(tmp_path), groups=lambda path: ("who", path.name[:2]))
    assert sum(map(len, owners(data).values())) == 6


def test_a_report_on_few_pictures_says_that_the_rest_is_of_all_files(pets: Path) -> None:
    data = from_directory(pets, image_size=4, val=0)
    told = "files: what follows is said of all that were read"
    assert told in str(data.few(2).report).splitlines()
    assert told in str(data.few(2).hold_out(0.5).report)
    for whole in (data, data.hold_out(0.5), *data.folds(2), data.few(2, rest="test")):
        assert told not in str(whole.report)
