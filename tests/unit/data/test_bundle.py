"""`Data` and `Split`: pixels, datasets, holding out, and how they show themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit.data import Data, from_arrays, from_directory
from transferkit.errors import DataError, DecodeError

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)
IDS = np.asarray([0, 1] * 10)


@pytest.fixture
def data() -> Data:
    return from_arrays(IMAGES, IDS, class_names=["ant", "bee"])


def passed(dataset: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    pixels, labels = zip(*((x.numpy(), y.numpy()) for x, y in dataset), strict=True)
    return np.concatenate(pixels), np.concatenate(labels)


def test_a_dataset_yields_what_pixels_has(data: Data) -> None:
    dataset = data.train.dataset(batch_size=5)
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


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_a_fraction_that_is_no_share_is_refused(data: Data, fraction: float) -> None:
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


def test_names_are_escaped_in_html() -> None:
    data = from_arrays(IMAGES, IDS, class_names=["<script>alert(1)</script>", "a & b"])
    shown = data._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "a &amp; b" in shown


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
