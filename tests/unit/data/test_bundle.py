"""`Data` and `Split`: pixels, datasets, holding out, and how they show themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit.data import Data, from_arrays, from_directory
from transferkit.errors import DataError, DecodeError, SpecError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)
IDS = np.asarray([0, 1] * 10)


@pytest.fixture
def data() -> Data:
    return from_arrays(IMAGES, IDS, class_names=["ant", "bee"])


def passed(dataset: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    pixels, labels = zip(*((x.numpy(), y.numpy()) for x, y in dataset), strict=True)
    return np.concatenate(pixels), np.concatenate(labels)


def test_a_dataset_yields_what_pixels_has(data: Data) -> None:
    dataset = data.train.dataset(batch_size=5, shuffle=False)
    pixels, labels = passed(dataset)
    np.testing.assert_array_equal(pixels, data.train.pixels())
    np.testing.assert_array_equal(labels, data.train.labels)
    assert (pixels.dtype, labels.dtype) == (np.uint8, np.int64)
    assert len(dataset) == 4
    assert [len(x) for x, _ in dataset] == [5, 5, 5, 1]


def test_a_shuffled_dataset_has_its_seeds_orders(data: Data) -> None:
    dataset = data.train.dataset(shuffle=True, seed=4)
    first, labels = passed(dataset)
    second, _ = passed(dataset)
    again, _ = passed(data.train.dataset(shuffle=True, seed=4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    expected = {x.tobytes(): y for x, y in zip(data.train.pixels(), data.train.labels, strict=True)}
    assert {x.tobytes(): y for x, y in zip(first, labels, strict=True)} == expected


def test_training_pictures_are_shuffled_and_others_are_not(data: Data) -> None:
    assert not np.array_equal(passed(data.train.dataset())[0], data.train.pixels())
    assert data.val is not None
    np.testing.assert_array_equal(passed(data.val.dataset())[0], data.val.pixels())


def test_a_split_says_what_it_is(data: Data) -> None:
    assert repr(data.train) == "Split: train, 16 pictures, 2 classes"


def test_resizing_is_once_and_of_every_split(data: Data) -> None:
    small = data.resized((2, 3))
    assert small.image_size == (2, 3)
    assert [split.pixels().shape[1:] for split in small.splits.values()] == [(2, 3, 3)] * 2
    assert small.train.pixels() is small.train.pixels()
    assert small.train.resized((2, 3)) is small.train


def test_pixels_without_a_size_ask_for_one(tmp_path: Path) -> None:
    for i, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        Image.fromarray(IMAGES[i]).save(tmp_path / name / "0.png")
    photos = from_directory(tmp_path, val=0)
    with pytest.raises(DataError, match="pictures have no common size yet"):
        photos.train.pixels()
    assert "each its own size" in repr(photos)
    (tmp_path / "a" / "0.png").write_bytes(b"")
    with pytest.raises(DecodeError, match="the file is empty"):
        photos.resized(4).train.pixels()


def test_holding_out_makes_the_old_validation_the_test(data: Data) -> None:
    held = data.hold_out(0.25, seed=1)
    assert held.counts() == {
        "train": {"ant": 6, "bee": 6},
        "val": {"ant": 2, "bee": 2},
        "test": {"ant": 2, "bee": 2},
    }
    assert held.report.counts == held.counts()
    assert data.val is not None
    assert held.test is not None
    assert held.val is not None
    assert held.test.name == "test"
    np.testing.assert_array_equal(held.test.pixels(), data.val.pixels())
    parts = np.concatenate([held.train.pixels(), held.val.pixels()])
    assert {x.tobytes() for x in parts} == {x.tobytes() for x in data.train.pixels()}
    again = data.hold_out(0.25, seed=1).val
    assert again is not None
    np.testing.assert_array_equal(again.pixels(), held.val.pixels())


def test_holding_out_keeps_the_test_split_there_is() -> None:
    data = from_arrays(IMAGES, IDS, val=0, test=0.2)
    assert data.hold_out(0.25).test is data.test


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan"), None, "0.2", True])
def test_a_fraction_that_is_no_share_is_refused(data: Data, fraction: Any) -> None:
    with pytest.raises(DataError, match="the fraction is no share"):
        data.hold_out(fraction)


def test_holding_out_is_refused_where_it_cannot_be(data: Data) -> None:
    with pytest.raises(DataError, match="has a validation and a test split already"):
        data.hold_out().hold_out()
    few = from_arrays(IMAGES[:2], IDS[:2], val=0)
    with pytest.raises(DataError, match="the val split would be empty: 2 pictures are too few"):
        few.hold_out()


def test_the_target_counts_the_training_pictures(data: Data) -> None:
    assert data.target.counts == (8, 8)
    labels = from_arrays(IMAGES, np.asarray([[1, 1], [0, 1]] * 10), val=0)
    assert labels.target.counts == (10, 20)


def test_html_is_a_table_of_classes_and_splits(data: Data) -> None:
    shown = data._repr_html_()
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in shown.split("<tr>")[1:]]
    assert rows == [
        ["", "train", "val"],
        ["ant", "8", "2"],
        ["bee", "8", "2"],
        ["pictures", "16", "4"],
    ]
    assert "4 x 5, 3 channels" in shown
    assert ".report" in shown
    assert "color" not in shown, "the page's own colours, light or dark"
    assert "background" not in shown


def test_html_cuts_many_classes_and_says_how_many() -> None:
    names = [f"class_{i:02}" for i in range(25)]
    shown = from_arrays(np.zeros((25, 2, 2, 1), np.uint8), range(25), class_names=names, val=0)
    html = shown._repr_html_()
    assert "class_19" in html
    assert "class_20" not in html
    assert "... and 5 more" in html


def test_html_of_numbers_counts_pictures_and_of_labels_counts_both() -> None:
    numbers = from_arrays(IMAGES, np.linspace(0, 1, 20), val=0)._repr_html_()
    assert re.findall(r"<td[^>]*>(.*?)</td>", numbers) == ["pictures", "20"]
    rows = np.asarray([[1, 1], [0, 1]] * 10)
    labels = from_arrays(IMAGES, rows, class_names=["big", "red"], val=0)._repr_html_()
    cells = re.findall(r"<td[^>]*>(.*?)</td>", labels)
    assert cells == ["big", "10", "red", "20", "pictures", "20"]


def test_names_are_escaped_in_html() -> None:
    data = from_arrays(IMAGES, IDS, class_names=["<script>alert(1)</script>", "a & b"])
    shown = data._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "a &amp; b" in shown


def test_warnings_stand_in_html() -> None:
    ids = [0] * 18 + [1]
    shown = from_arrays(IMAGES[:19], ids, class_names=["<b>", "c"], val=0)._repr_html_()
    assert "class_weight=&#x27;balanced&#x27;" in shown


def test_repr_says_what_there_is(data: Data) -> None:
    assert repr(data) == ("Data: 16 train, 4 val pictures, 2 classes (ant, bee), 4 x 5, 3 channels")


def test_show_draws_titled_pictures(data: Data) -> None:
    figure = data.show(n=4)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == 4
    assert set(titles) <= {"ant", "bee"}
    with pytest.raises(DataError, match=r"there is no such split(.|\n)*train"):
        data.show("trian")


def test_paths_are_none_for_arrays(data: Data) -> None:
    assert data.train.paths == (None,) * 16
    assert replace(data, val=None).splits.keys() == {"train"}


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, None])
def test_a_dataset_of_no_batches_is_refused(batch_size: Any) -> None:
    data = from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], val=0)
    with pytest.raises(DataError, match="dataset: batch_size is out of range"):
        data.train.dataset(batch_size)


def test_folds_make_the_old_validation_the_test(data: Data) -> None:
    folds = list(data.folds(4))
    assert data.val is not None
    for fold in folds:
        assert fold.test is not None
        np.testing.assert_array_equal(fold.test.pixels(), data.val.pixels())
        assert fold.counts()["val"] == {"ant": 2, "bee": 2}
        assert fold.report.counts == fold.counts()
        assert fold.class_names is data.class_names
    kept = from_arrays(IMAGES, IDS, val=0, test=0.2)
    assert all(fold.test is kept.test for fold in kept.folds(2))


def test_folds_can_be_counted_and_gone_through_twice(data: Data) -> None:
    folds = data.folds(4)
    assert len(folds) == 4
    first, second = ([fold.val.pixels().tobytes() for fold in folds if fold.val] for _ in range(2))
    assert first == second
    assert len(set(first)) == 4
    assert repr(folds) == "Folds(count=4)"


def test_a_share_that_came_out_otherwise_is_told() -> None:
    data = from_arrays(IMAGES[:8], [0, 0, 1, 1, 2, 2, 3, 3], val=0.05)
    assert data.report.shares == {"val": (0.05, 0.5)}
    assert data.report.warnings == ("val was to have 5% of the pictures and has 50%",)
    assert data.few(1).report.warnings == ()
    held = from_arrays(IMAGES[:8], [0, 0, 1, 1, 2, 2, 3, 3], val=0).hold_out(0.1)
    assert held.report.warnings == ("val was to have 10% of the pictures and has 50%",)


@pytest.mark.parametrize("k", [0, 1, -2, 2.5, None, True])
def test_a_number_of_folds_that_is_none_is_refused_at_once(data: Data, k: Any) -> None:
    with pytest.raises(DataError, match=r"folds: that is no number of folds.*photos\.folds\(5\)"):
        data.folds(k)


def test_folds_that_cannot_be_are_refused(data: Data) -> None:
    with pytest.raises(DataError, match=r"'ant' has 8 pictures and cannot be in every fold"):
        data.folds(9)
    with pytest.raises(DataError, match=r"validation and a test split already.*val=0"):
        data.hold_out().folds(2)
    single = from_arrays(IMAGES, [0] * 19 + [1], val=0)
    with pytest.raises(DataError, match=r"'1' has 1 picture and.*leave the class out"):
        single.folds(2)
    values = from_arrays(IMAGES[:3], [0.5, 1.5, 2.5], val=0)
    with pytest.raises(DataError, match=r"a fold would be empty.*photos\.folds\(3\)"):
        values.folds(4)
    groups = from_arrays(IMAGES, IDS, groups=np.arange(20) // 10, val=0)
    with pytest.raises(DataError, match=r"there are fewer groups \(2\) than folds \(3\)"):
        groups.folds(3)
    torn = from_arrays(IMAGES, IDS, groups=IDS, val=0)
    with pytest.raises(DataError, match=r"fold's training would be left without '0'"):
        torn.folds(2)


def test_folds_of_labels_and_numbers_cover_too() -> None:
    rows = np.asarray([[1, 1], [0, 1]] * 10)
    for labels in (rows, np.linspace(0, 1, 20)):
        folds = list(from_arrays(IMAGES, labels, val=0).folds(5))
        parts = np.concatenate([fold.val.pixels() for fold in folds if fold.val])
        assert {x.tobytes() for x in parts} == {x.tobytes() for x in IMAGES}
        assert [len(fold.val or ()) for fold in folds] == [4] * 5


def test_few_drops_the_rest_or_makes_a_split_of_it(data: Data) -> None:
    few = data.few(3)
    assert few.counts() == {"train": {"ant": 3, "bee": 3}, "val": {"ant": 2, "bee": 2}}
    assert few.val is data.val
    assert few.report.counts == few.counts()
    tested = data.few(3, rest="test")
    assert tested.counts()["test"] == {"ant": 5, "bee": 5}
    assert tested.test is not None
    parts = np.concatenate([tested.train.pixels(), tested.test.pixels()])
    assert {x.tobytes() for x in parts} == {x.tobytes() for x in data.train.pixels()}
    watched = from_arrays(IMAGES, IDS, val=0).few(4, rest="val")
    assert watched.counts()["val"] == {"0": 6, "1": 6}


def test_few_leaves_no_group_on_two_sides() -> None:
    groups = np.arange(20) // 4
    data = from_arrays(IMAGES, IDS, groups=groups, val=0).few(2, rest="val")
    assert data.val is not None
    assert data.train.groups is not None
    assert data.val.groups is not None
    assert not set(data.train.groups) & set(data.val.groups)
    assert len(data.val) > 0


def test_few_has_at_least_k_of_each_label() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.random((20, 3)) < (0.9, 0.5, 0.2)).astype(int)
    data = from_arrays(IMAGES, rows, class_names=["a", "b", "c"], val=0)
    few = data.few(2).counts()["train"]
    assert min(few.values()) >= 2
    assert len(data.few(2).train) <= 6


@pytest.mark.parametrize(
    ("k", "rest", "text"),
    [
        (0, "drop", "that is no number of pictures"),
        (-1, "drop", "that is no number of pictures"),
        (1.5, "drop", "that is no number of pictures"),
        (True, "drop", r"that is no number of pictures.*1 or more.*photos\.few\(5\)"),
        (9, "drop", r"'ant' has 8 training pictures, fewer than 9.*photos\.few\(8\)"),
        (2, "val", "there is a val split already"),
        (2, "train", "rest is unknown"),
    ],
)
def test_a_few_that_cannot_be_is_refused(data: Data, k: Any, rest: Any, text: str) -> None:
    with pytest.raises(DataError, match=f"few: {text}"):
        data.few(k, rest=rest)


def test_few_that_leaves_nothing_over_makes_no_split() -> None:
    data = from_arrays(IMAGES, IDS, val=0)
    with pytest.raises(DataError, match="no other training pictures are left"):
        data.few(10, rest="val")


def test_few_of_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="numbers have no classes"):
        from_arrays(IMAGES, np.linspace(0, 1, 20)).few(2)


@pytest.mark.parametrize("verb", ["hold_out", "folds", "few"])
def test_a_seed_that_is_none_is_refused_by_every_division(data: Data, verb: str) -> None:
    with pytest.raises(SpecError, match=f"{verb}: that is no seed"):
        getattr(data, verb)(**({"k": 2} if verb == "few" else {}), seed=-1)


def test_holding_out_divides_no_group() -> None:
    data = from_arrays(IMAGES, IDS, groups=np.arange(20) // 4, val=0.2).hold_out(0.25)
    owners = [set(split.groups) for split in data.splits.values() if split.groups is not None]
    assert len(owners) == 3
    assert sum(map(len, owners)) == 5


def test_a_stable_hold_out_after_a_stable_split_finds_others() -> None:
    images = np.zeros((200, 1, 1, 1), np.uint8)
    data = from_arrays(images, np.arange(200) % 2, groups=np.arange(200), stable=True)
    held = data.hold_out(0.2).splits
    assert {name: len(split) for name, split in held.items()} == {
        "train": pytest.approx(128, abs=20),
        "val": pytest.approx(32, abs=12),
        "test": pytest.approx(40, abs=15),
    }
