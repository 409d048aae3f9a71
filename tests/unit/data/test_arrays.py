"""Arrays: which labels mean what, and what every bad array is told."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from transferkit.data import from_arrays, store
from transferkit.errors import DataError, SpecError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
IDS = np.asarray([0, 1] * 5)
ONE_HOT = np.eye(2, dtype=int)[IDS]
MULTI_HOT = np.asarray([[1, 1], [0, 1]] * 5)


def refusal(images: Any = IMAGES, labels: Any = IDS, **keywords: Any) -> str:
    with pytest.raises((DataError, SpecError)) as caught:
        from_arrays(images, labels, **keywords)
    return str(caught.value)


def test_class_ids_are_divided_by_class_and_seed() -> None:
    data = from_arrays(IMAGES, IDS, test=0.2)
    assert data.task == "classes"
    assert data.class_names == ("0", "1")
    assert (data.image_size, data.channels) == ((4, 5), 3)
    assert data.counts() == {
        "train": {"0": 3, "1": 3},
        "val": {"0": 1, "1": 1},
        "test": {"0": 1, "1": 1},
    }
    again, other = from_arrays(IMAGES, IDS, test=0.2), from_arrays(IMAGES, IDS, test=0.2, seed=3)
    np.testing.assert_array_equal(data.train.pixels(), again.train.pixels())
    assert not np.array_equal(data.train.pixels(), other.train.pixels())


def test_every_picture_keeps_its_label() -> None:
    data = from_arrays(IMAGES, np.arange(10), val=0)
    np.testing.assert_array_equal(data.train.pixels(), IMAGES)
    labels = {IMAGES[i].tobytes(): IDS[i] for i in range(10)}
    for split in from_arrays(IMAGES, IDS).splits.values():
        for pixels, label in zip(split.pixels(), split.labels, strict=True):
            assert labels[pixels.tobytes()] == label


def test_names_are_sorted_or_in_the_order_given() -> None:
    names = ["wasp", "ant"] * 5
    data = from_arrays(IMAGES, names, val=0)
    assert data.class_names == ("ant", "wasp")
    assert data.train.labels.tolist() == [1, 0] * 5
    data = from_arrays(IMAGES, names, val=0, class_names=["wasp", "bee", "ant"])
    assert data.train.labels.tolist() == [0, 2] * 5


def test_one_hot_rows_are_ambiguous_until_the_task_is_said() -> None:
    text = refusal(labels=ONE_HOT)
    assert "one-hot classes or sets of one label" in text
    assert "task='classes'" in text
    classes = from_arrays(IMAGES, ONE_HOT, task="classes", val=0)
    assert classes.train.labels.tolist() == IDS.tolist()
    labels = from_arrays(IMAGES, ONE_HOT, task="labels", val=0)
    assert labels.task == "labels"
    np.testing.assert_array_equal(labels.train.labels, ONE_HOT)


def test_multi_hot_rows_are_labels_and_floats_are_values() -> None:
    labels = from_arrays(IMAGES, MULTI_HOT, class_names=["red", "big"])
    assert (labels.task, labels.class_names) == ("labels", ("red", "big"))
    values = from_arrays(IMAGES, np.linspace(0, 1, 10))
    assert (values.task, values.class_names) == ("values", ())
    assert from_arrays(IMAGES, np.ones((10, 3)) * 2.5).target.outputs == 3
    assert values.target.outputs == 1
    assert values.counts() == {"train": {"pictures": 8}, "val": {"pictures": 2}}


def test_pixel_range_maps_to_0_to_255() -> None:
    floats = IMAGES / 127.5 - 1
    data = from_arrays(floats, IDS, pixel_range=(-1, 1), val=0)
    assert data.train.pixels().dtype == np.float32
    np.testing.assert_allclose(data.train.pixels(), IMAGES, atol=1e-4)


def test_grey_pictures_get_a_channel() -> None:
    assert from_arrays(IMAGES[..., 0], IDS).channels == 1


def test_arrays_on_disk_equal_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = from_arrays(IMAGES, IDS, image_size=3)
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    disk = from_arrays(IMAGES, IDS, image_size=3)
    assert isinstance(disk.train.sources, np.memmap)
    for name, split in memory.splits.items():
        assert isinstance(disk.splits[name].pixels(), np.memmap)
        np.testing.assert_array_equal(split.pixels(), disk.splits[name].pixels())


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (IMAGES[0, 0], "no batch of pictures"),
        (IMAGES[:0], "no batch of pictures"),
        (IMAGES.astype(str), "no batch of pictures"),
        (IMAGES > 9, "no batch of pictures"),
        (IMAGES / 255.0, "pixels look like 0..1"),
        (IMAGES - 128.0, "pixels lie outside 0..255"),
        (IMAGES * np.nan, "NaN or infinite"),
        (IMAGES[:9], "there are 9 images and 10 labels"),
    ],
)
def test_bad_images_say_what_is_wrong(images: Any, text: str) -> None:
    assert text in refusal(images)


def test_floats_0_to_1_are_told_of_pixel_range() -> None:
    assert "pixel_range=(0, 1)" in refusal(IMAGES / 255.0)
    np.testing.assert_allclose(
        from_arrays(IMAGES / 255.0, IDS, pixel_range=(0, 1), val=0).train.pixels(), IMAGES, 1e-5
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_pixels_outside_pixel_range_are_refused(bad: float) -> None:
    images = IMAGES / 255.0
    images[3, 0, 0, 0] = bad
    assert "pixels lie outside pixel_range" in refusal(images, pixel_range=(0, 1))


@pytest.mark.parametrize("pair", [(1, 0), (0, 0), (0, np.inf), (0, 1, 2), "01", 255, (None, 1)])
def test_a_pixel_range_that_is_none_is_refused(pair: Any) -> None:
    text = refusal(IMAGES / 255.0, pixel_range=pair)
    assert "pixel_range is no range" in text
    assert "pixel_range=(0, 1)" in text


def test_writing_into_the_array_afterwards_changes_nothing() -> None:
    images, watched = IMAGES.copy(), IMAGES.copy()
    data = from_arrays(images, IDS, validation=(watched, IDS))
    images[:] = watched[:] = 0
    assert data.val is not None
    for split in (data.train, data.val):
        np.testing.assert_array_equal(split.pixels(), IMAGES)


def test_an_array_that_cannot_be_written_to_is_not_copied() -> None:
    images = IMAGES.copy()
    images.flags.writeable = False
    assert np.shares_memory(from_arrays(images, IDS, val=0).train.pixels(), images)


def test_a_validation_split_that_is_no_pair_is_told_what_to_type() -> None:
    data = from_arrays(IMAGES, IDS, val=0)
    text = refusal(validation=data)
    assert "Data is no validation split" in text
    assert "validation=(other.train.pixels(), other.train.labels)" in text
    assert "validation=(split.pixels(), split.labels)" in refusal(validation=data.train)
    text = refusal(validation=(IMAGES, IDS, np.ones(10)))
    assert "the validation split has 3 parts" in text
    assert "Sample weights are not taken" in text
    assert "float is no validation split" in refusal(validation=0.2)


@pytest.mark.parametrize("task", ["labels", "values"])
def test_text_is_neither_rows_nor_numbers(task: Any) -> None:
    assert "the labels are text" in refusal(labels=["1", "2"] * 5, task=task)


def test_groups_are_kept_whole() -> None:
    data = from_arrays(IMAGES, IDS, groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4], test=0.2)
    sides = [set(split.groups.tolist()) for split in data.splits.values()]  # type: ignore[union-attr]
    assert sorted(name for side in sides for name in side) == ["0", "1", "2", "3", "4"]
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"groups": [1, 2]}, "groups and pictures differ in number"),
        ({"groups": np.ones((10, 2))}, "groups and pictures differ in number"),
        ({"groups": [1, None] * 5}, "5 pictures of no group"),
        ({"groups": [1, np.nan] * 5}, "5 pictures of no group"),
        ({"groups": [1] * 10}, "there are fewer groups (1) than splits (2)"),
        ({"groups": [1, 2] * 5, "test": 0.2}, "there are fewer groups (2) than splits (3)"),
        ({"groups": [1, 2] * 5}, "training would be left without"),
        ({"stable": True}, "arrays have no names that a stable division could go by"),
        ({"stable": True, "val": 0}, "arrays have no names that a stable division could go by"),
    ],
)
def test_groups_that_cannot_be_are_refused(keywords: dict[str, Any], text: str) -> None:
    assert text in refusal(**keywords)


@pytest.mark.parametrize(
    ("labels", "keywords", "text"),
    [
        ([1, 2] * 5, {"class_names": ["a", "b"]}, "labels lie outside the classes: [2]"),
        ([-1, 0] * 5, {}, "labels lie outside the classes: [-1]"),
        ([0.5, 1] * 5, {"task": "classes"}, "labels lie outside the classes: [0.5]"),
        (["a", "c"] * 5, {"class_names": ["a", "b"]}, "labels lie outside the classes: ['c']"),
        ([0.5, np.nan] * 5, {}, "5 labels are NaN or infinite"),
        ([0.5, np.inf] * 5, {}, "5 labels are NaN or infinite"),
        ([None] * 10, {}, "neither numbers nor names"),
        (np.zeros((10, 2, 2)), {}, "neither numbers nor names"),
        (np.full((10, 2), "a"), {}, "neither numbers nor names"),
        ([0] * 10, {}, "there is one class"),
        (["a"] * 10, {}, "there is one class"),
        (np.zeros((10, 1), int), {"task": "classes"}, "there is one class"),
        (MULTI_HOT, {"class_names": ["a"]}, "labels and class_names disagree"),
        (IDS, {"task": "labels"}, "labels and class_names disagree"),
        (MULTI_HOT, {"task": "classes"}, "the rows are not one-hot"),
        (MULTI_HOT * 0.5, {"task": "labels"}, "the rows are not multi-hot"),
        (IDS, {"task": "regression"}, "the task is unknown"),
        (IDS, {"val": 0.7, "test": 0.3}, "leave no training pictures"),
        (np.arange(10), {}, "the val split would be empty: 10 pictures are too few"),
        (IDS, {"image_size": -1}, "the image size is not a size"),
    ],
)
def test_bad_labels_say_what_is_wrong(labels: Any, keywords: dict[str, Any], text: str) -> None:
    assert text in refusal(labels=labels, **keywords)


def test_a_validation_split_uses_the_training_classes() -> None:
    data = from_arrays(IMAGES, ["b", "a"] * 5, validation=(IMAGES[:2], ["b", "b"]))
    assert data.val is not None
    assert data.val.labels.tolist() == [1, 1]
    assert data.val.class_names is data.train.class_names
    assert len(data.train) == 10


def test_a_validation_split_of_one_hot_rows_is_taken() -> None:
    given = (IMAGES[:3], ONE_HOT[:3])
    data = from_arrays(IMAGES, ONE_HOT, task="classes", validation=given)
    assert data.val is not None
    assert data.val.labels.tolist() == [0, 1, 0]


def test_a_validation_split_of_another_size_is_brought_to_the_training_size() -> None:
    data = from_arrays(IMAGES, IDS, validation=(IMAGES[:, :3], IDS))
    assert data.val is not None
    assert data.val.pixels().shape == (10, 4, 5, 3)


@pytest.mark.parametrize(
    ("labels", "given", "text"),
    [
        (IDS, (IMAGES, IDS + 1), "labels lie outside the classes: [2]"),
        (["a", "b"] * 5, (IMAGES, ["a", "c"] * 5), "labels lie outside the classes: ['c']"),
        (IDS, (IMAGES, ONE_HOT), "of different forms"),
        (MULTI_HOT, (IMAGES, IDS), "of different forms"),
        (MULTI_HOT * 1.5, (IMAGES, np.ones((10, 3))), "of different forms"),
        (IDS * 0.5, (IMAGES, ["a", "b"] * 5), "of different forms"),
        (IDS, (IMAGES[..., :1], IDS), "different channels"),
        (IDS, (IMAGES[:3], IDS), "there are 3 images and 10 labels"),
        (IDS, (IMAGES[:0], IDS[:0]), "no batch of pictures"),
        (IDS * 0.5, (IMAGES, IDS * np.nan), "10 labels are NaN or infinite"),
    ],
)
def test_a_bad_validation_split_says_what_is_wrong(labels: Any, given: Any, text: str) -> None:
    assert text in refusal(labels=labels, validation=given)


@pytest.mark.parametrize("names", [("a", "a"), "ab", ()])
def test_names_that_are_no_list_of_different_ones_are_refused(names: Any) -> None:
    with pytest.raises(DataError, match=r"named twice|the names are no list"):
        from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], class_names=names)


def test_a_dark_picture_among_others_can_be_resized() -> None:
    images = np.full((4, 8, 8, 3), 200, np.float32)
    images[2] = 0.5
    for data in (
        from_arrays(images, [0, 1, 0, 1], val=0),
        from_arrays(images / 255, [0, 1, 0, 1], val=0, pixel_range=(0, 1)),
    ):
        assert data.resized(4).train.pixels()[2].max() == pytest.approx(0.5)


def test_scaling_never_leads_beyond_255() -> None:
    images = np.full((2, 8, 8, 3), 0.3)
    data = from_arrays(images, [0, 1], pixel_range=(0, 0.3), val=0)
    assert data.train.pixels().max() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_a_column_of_ids_is_ids(dtype: Any) -> None:
    images = np.zeros((6, 8, 8, 3), np.uint8)
    data = from_arrays(images, np.array([[0], [1], [2]] * 2, dtype), val=0)
    assert (data.task, data.class_names) == ("classes", ("0", "1", "2"))
    assert data.train.labels.tolist() == [0, 1, 2] * 2


def test_names_make_whole_floats_classes() -> None:
    images = np.zeros((4, 8, 8, 3), np.uint8)
    data = from_arrays(images, [0.0, 1.0, 0.0, 1.0], class_names=["a", "b"], val=0)
    assert (data.task, data.class_names) == ("classes", ("a", "b"))
    assert from_arrays(images, [0.0, 1.0, 0.0, 1.0], val=0).task == "values"


def test_names_of_pandas_are_names() -> None:
    images = np.zeros((4, 8, 8, 3), np.uint8)
    for labels in (np.array(["b", "a"] * 2, object), np.array(["b", "a"] * 2).astype("T")):
        data = from_arrays(images, labels, val=0)
        assert (data.class_names, data.train.labels.tolist()) == (("a", "b"), [1, 0, 1, 0])


@pytest.mark.parametrize(("ids", "missing"), [([1, 2, 1, 2], "[0]"), ([0, 2, 0, 2], "[1]")])
def test_ids_that_leave_one_out_are_refused_unless_the_classes_are_named(
    ids: Any, missing: str
) -> None:
    images = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(DataError, match=re.escape(f"no picture has one of the ids {missing}")):
        from_arrays(images, ids, val=0)
    assert from_arrays(images, ids, class_names=["a", "b", "c"], val=0).class_names[2] == "c"


def test_pictures_of_several_sizes_and_channels_first_are_told_what_to_type() -> None:
    ragged = [np.zeros((8, 8, 3)), np.zeros((9, 8, 3))]
    with pytest.raises(DataError, match=r"not of one shape.*tk\.data\.decode"):
        from_arrays(ragged, [0, 1])
    with pytest.raises(DataError, match=r"transpose\(0, 2, 3, 1\)"):
        from_arrays(np.zeros((4, 3, 16, 16), np.uint8), [0, 1, 0, 1])


@pytest.mark.parametrize("seed", [-1, None, 1.5, 2**64])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(SpecError, match="from_arrays: that is no seed"):
        from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], seed=seed)


@pytest.mark.parametrize("val", [None, "0.2", 1.0, -0.1, float("nan")])
def test_a_share_that_is_none_is_refused(val: Any) -> None:
    with pytest.raises(DataError, match="0 for no such split"):
        from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], val=val)


def test_a_way_of_fitting_that_is_none_is_refused_at_the_door() -> None:
    with pytest.raises(SpecError, match=r"from_arrays: the fit is unknown.*'crop'"):
        from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1], fit="cover")  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [{"b", "a"}, frozenset("ab")])
def test_names_without_an_order_are_refused(names: Any) -> None:
    text = refusal(class_names=names)
    assert "a set has no order" in text
    assert "class_names=sorted(names)" in text
    assert "the names are no list" in refusal(class_names=5)


def test_numbers_that_float32_cannot_tell_apart_are_warned_of() -> None:
    seconds = 1_700_000_000 + np.arange(10)
    with pytest.warns(UserWarning, match=r"10 different labels are 1 as float32, off by") as told:
        from_arrays(IMAGES, seconds, task="values")
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="subtract their mean first"):
        from_arrays(IMAGES, np.stack([np.arange(10), seconds], 1), task="values")
    rng = np.random.default_rng(0)
    from_arrays(np.zeros((9000, 2, 2, 1), np.uint8), rng.uniform(size=9000))
    from_arrays(IMAGES, seconds - seconds.mean(), task="values")
    assert "too large for float32" in refusal(labels=np.linspace(0.5, 1e300, 10))
