"""Datasets of tf.data: what elements are taken for, and what is told of others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit import _keras
from transferkit.data import Data, decode, from_arrays, from_dataset, store
from transferkit.errors import DataError, SpecError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
IDS = np.arange(40) % 4


@pytest.fixture(scope="module")
def tf() -> Any:
    return _keras.tf()


def pairs(*arrays: Any) -> Any:
    return _keras.tf().data.Dataset.from_tensor_slices(arrays)


def same(first: Data, second: Data) -> bool:
    return first.class_names == second.class_names and all(
        np.array_equal(split.pixels(), second.splits[name].pixels())
        and np.array_equal(split.labels, second.splits[name].labels)
        for name, split in first.splits.items()
    )


def refusal(dataset: Any, **keywords: Any) -> str:
    with pytest.raises((DataError, SpecError)) as caught:
        from_dataset(dataset, **keywords)
    return str(caught.value)


@pytest.mark.parametrize("batch", [None, 1, 16, 40])
@pytest.mark.parametrize("remainder", [False, True])
def test_a_dataset_is_what_its_arrays_are(batch: int | None, remainder: bool) -> None:
    dataset = pairs(IMAGES, IDS)
    dataset = dataset if batch is None else dataset.batch(batch, drop_remainder=remainder)
    count = 32 if batch == 16 and remainder else 40
    data = from_dataset(dataset, test=0.25, seed=3)
    assert same(data, from_arrays(IMAGES[:count], IDS[:count], test=0.25, seed=3))
    assert data.train.pixels().dtype == np.uint8


def test_a_dataset_on_disk_equals_one_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = from_dataset(pairs(IMAGES, IDS).batch(7), val=0)
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    disk = from_dataset(pairs(IMAGES, IDS).batch(7), val=0)
    assert isinstance(disk.train.sources, np.memmap)
    assert same(memory, disk)


def test_temporary_files_go_with_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "memory_budget", lambda: 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = from_dataset(pairs(IMAGES, IDS))
    assert len(list(tmp_path.iterdir())) <= 3
    assert same(data, from_arrays(IMAGES, IDS))
    del data
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("labels", "keywords", "task"),
    [
        (IDS, {}, "classes"),
        (IDS[:, None], {}, "classes"),
        (np.asarray(["ant", "b\u00f6e", "cat", "dog"])[IDS], {}, "classes"),
        (np.eye(4, dtype=np.float32)[IDS], {"task": "classes"}, "classes"),
        (np.eye(4, dtype=np.float32)[IDS], {"task": "labels"}, "labels"),
        (1 - np.eye(4)[IDS], {}, "labels"),
        (IDS * 0.5, {}, "values"),
        (np.stack([IDS, IDS * 2.5], 1), {}, "values"),
    ],
)
def test_labels_are_what_they_are_in_arrays(labels: Any, keywords: Any, task: str) -> None:
    for dataset in (pairs(IMAGES, labels), pairs(IMAGES, labels).batch(16)):
        data = from_dataset(dataset, **keywords)
        assert data.task == task
        assert same(data, from_arrays(IMAGES, labels, **keywords))


def test_grey_pictures_are_told_from_batches() -> None:
    grey = IMAGES[..., 0]
    expected = from_arrays(grey, IDS)
    for dataset in (pairs(grey, IDS), pairs(grey, IDS).batch(8), pairs(grey[..., None], IDS)):
        assert same(from_dataset(dataset), expected)
    wide = np.repeat(IMAGES, 4, axis=-1)  # 12 channels
    assert from_dataset(pairs(wide, IDS)).channels == 12
    square = np.zeros((40, 4, 4, 12), np.uint8)
    text = refusal(pairs(square, np.eye(4)[IDS]), task="classes")
    assert "one picture with many channels, or a batch of grey ones" in text
    assert from_dataset(pairs(square, np.eye(4)[IDS]).batch(9), task="classes").channels == 12


def test_floats_are_scaled_from_their_range() -> None:
    for low, high in ((0, 1), (-1, 1)):
        floats = (IMAGES / 255.0 * (high - low) + low).astype(np.float32)
        data = from_dataset(pairs(floats, IDS).batch(8), pixel_range=(low, high), val=0)
        assert data.train.pixels().dtype == np.float32
        np.testing.assert_allclose(data.train.pixels(), IMAGES, atol=1e-3)
    kept = from_dataset(pairs(IMAGES.astype(np.float32), IDS), val=0)
    np.testing.assert_array_equal(kept.train.pixels(), IMAGES)


def of_sizes(tf: Any, *, channels: int | None = 3) -> Any:
    """Pictures 4 x 4, 5 x 4, 6 x 4, ... whose shade is their number."""

    def made() -> Any:
        for i in range(12):
            yield np.full((4 + i, 4, channels or 1 + 2 * (i % 2)), 20 * i, np.uint8), i % 2

    signature = (tf.TensorSpec((None, None, channels), tf.uint8), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(made, output_signature=signature)


def test_pictures_of_several_sizes_need_one(tf: Any) -> None:
    text = refusal(of_sizes(tf))
    assert "the pictures differ in size: number 1 is (5, 4, 3), the first is (4, 4, 3)" in text
    assert "image_size=224" in text
    data = from_dataset(of_sizes(tf), image_size=(3, 3), val=0, fit="pad")
    for i, pixels in enumerate(data.train.pixels()):
        whole = np.full((4 + i, 4, 3), 20 * i, np.uint8)
        np.testing.assert_array_equal(pixels, decode(whole, image_size=3, fit="pad"))
    assert "differ in channels" in refusal(of_sizes(tf, channels=None), image_size=4)


def test_dictionaries_are_taken_by_their_keys(tf: Any) -> None:
    slices = tf.data.Dataset.from_tensor_slices
    named = slices({"image": IMAGES, "label": IDS, "id": IDS})
    assert same(from_dataset(named), from_arrays(IMAGES, IDS))
    other = slices({"picture": IMAGES, "species": IDS})
    text = refusal(other)
    assert "the elements have no 'image'" in text
    assert "one of 'picture', 'species'" in text
    text = refusal(other, image_key="picture", label_key="specie")
    assert "did you mean 'species'?" in text
    assert same(
        from_dataset(other, image_key="picture", label_key="species"), from_arrays(IMAGES, IDS)
    )


def test_keras_folders_bring_their_class_names(tmp_path: Path) -> None:
    for i, name in enumerate(["b", "a", "c"] * 4):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (6, 6), (20 * i,) * 3).save(tmp_path / name / f"{i}.png")
    read = _keras.keras().utils.image_dataset_from_directory
    for mode in ("int", "categorical"):
        dataset = read(tmp_path, label_mode=mode, image_size=(6, 6), verbose=False)
        data = from_dataset(dataset, val=0)
        assert (data.task, data.class_names) == ("classes", ("a", "b", "c"))
        for label, pixels in zip(data.train.labels, data.train.pixels(), strict=True):
            assert pixels[0, 0, 0] / 20 % 3 == {"a": 1, "b": 0, "c": 2}["abc"[label]]
    given = from_dataset(
        dataset.map(lambda x, y: (x, y)), class_names=["x", "y", "z"], task="classes"
    )
    assert given.class_names == ("x", "y", "z")


def test_a_validation_dataset_uses_the_training_classes() -> None:
    names = np.asarray(["ant", "bee", "cat", "dog"])
    data = from_dataset(
        pairs(IMAGES, names[IDS]), validation=pairs(IMAGES[:, :3], ["bee"] * 40).batch(9)
    )
    assert data.val is not None
    assert data.val.class_names is data.train.class_names
    assert set(data.val.labels) == {1}
    assert data.val.pixels().shape == (40, 6, 5, 3)
    assert len(data.train) == 40
    train = pairs(IMAGES, names[IDS])
    text = refusal(train, validation=pairs(IMAGES, ["emu"] * 40))
    assert "labels lie outside the classes: ['emu']" in text
    assert "different forms" in refusal(train, validation=pairs(IMAGES, np.eye(4)[IDS]))
    assert "different channels" in refusal(train, validation=pairs(IMAGES[..., :1], names[IDS]))
    assert "tuple is no dataset" in refusal(train, validation=(IMAGES, IDS))


def test_datasets_of_another_form_are_told_the_call_that_mends_them(tf: Any) -> None:
    slices = tf.data.Dataset.from_tensor_slices
    dataset = pairs(IMAGES, IDS)
    text = refusal(dataset.repeat())
    assert "the dataset has no end" in text
    assert "dataset.take(1000)" in text
    assert len(from_dataset(dataset.repeat().take(80), val=0).train) == 80
    text = refusal(pairs(IMAGES, IDS, np.ones(40)))
    assert "the elements have 3 parts" in text
    assert "dataset.map(lambda image, label, *rest: (image, label))" in text
    assert from_dataset(pairs(IMAGES, IDS, IDS).map(lambda x, y, *rest: (x, y))).task == "classes"
    assert "pictures without labels" in refusal(slices(IMAGES))
    assert "no pairs" in refusal(slices(IMAGES).window(2))
    ragged = slices((tf.ragged.constant([[[1]], [[2], [3]]]), [0, 1]))
    text = refusal(ragged.batch(2))
    assert "the image of an element is RaggedTensorSpec" in text
    assert "x.to_tensor()" in text
    text = refusal(slices((IMAGES[:2], tf.ragged.constant([[0], [1, 0]]))))
    assert "the label of an element is RaggedTensorSpec" in text
    assert "the dataset is empty" in refusal(dataset.take(0))
    for thing in ((IMAGES, IDS), None, [1]):
        text = refusal(thing)
        assert "is no dataset" in text
        assert "tk.data.from_arrays" in text


@pytest.mark.parametrize(
    ("images", "keywords", "text"),
    [
        (IMAGES / 255.0, {}, "pixels look like 0..1"),
        (IMAGES - 128.0, {}, "pixels lie outside 0..255"),
        (IMAGES * np.nan, {}, "NaN or infinite"),
        (IMAGES - 128.0, {"pixel_range": (-1, 1)}, "pixels lie outside pixel_range"),
        (np.full(40, "x"), {}, "tf.io.decode_image"),
        (IMAGES > 9, {}, "the elements hold no pictures"),
        (np.zeros((40, 3, 8, 8), np.uint8), {}, "the channels stand before"),
        (np.zeros((40, 2, 2, 2, 2, 2), np.uint8), {}, "the elements hold no pictures"),
        (IMAGES, {"pixel_range": (1, 0)}, "pixel_range is no range"),
        (IMAGES, {"task": "boxes"}, "the task is unknown"),
        (IMAGES, {"fit": "cover"}, "the fit is unknown"),
        (IMAGES, {"val": 1.5}, "leave no training pictures"),
        (IMAGES, {"seed": None}, "that is no seed"),
        (IMAGES, {"image_size": -1}, "the image size is not a size"),
        (IMAGES, {"class_names": ["a", "b"]}, "labels lie outside the classes"),
    ],
)
def test_bad_pictures_and_arguments_say_what_is_wrong(
    images: Any, keywords: dict[str, Any], text: str
) -> None:
    assert text in refusal(pairs(images, IDS), **keywords)


@pytest.mark.parametrize("bad", [-1.0, 256.0, np.nan])
@pytest.mark.parametrize("place", [0, 20, 39])
def test_one_bad_pixel_anywhere_is_found(bad: float, place: int) -> None:
    images = IMAGES.astype(np.float32)
    images[place, 0, 0, 0] = bad
    text = refusal(pairs(images, IDS))
    assert "pixels lie outside 0..255" in text or "NaN or infinite" in text
    assert "pixels lie outside pixel_range" in refusal(pairs(images / 255, IDS), pixel_range=(0, 1))


def test_bad_labels_say_what_is_wrong(tf: Any) -> None:
    assert "task='classes'" in refusal(pairs(IMAGES, np.eye(4)[IDS]))

    def rows() -> Any:
        for i in range(4):
            yield IMAGES[i], np.ones(1 + i)

    signature = (tf.TensorSpec(IMAGES.shape[1:], tf.uint8), tf.TensorSpec((None,), tf.float32))
    uneven = tf.data.Dataset.from_generator(rows, output_signature=signature)
    assert "the labels are not of one shape" in refusal(uneven)

    def batches() -> Any:
        yield IMAGES[:4], IDS[:3]

    signature = (tf.TensorSpec((None, 6, 5, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    short = tf.data.Dataset.from_generator(batches, output_signature=signature)
    assert re.search(r"a batch of 4 pictures has labels of shape \(3,\)", refusal(short))


def named(images: Any, labels: Any, names: list[str]) -> Any:
    """A dataset with the attribute that Keras gives those it reads from folders."""
    dataset = pairs(images, labels)
    dataset.class_names = names
    return dataset


def said(split: Any) -> list[str]:
    """What each picture is called."""
    return [split.class_names[int(label)] for label in split.labels]


@pytest.mark.parametrize("labels", [IDS, np.eye(4, dtype=np.float32)[IDS]])
def test_class_names_that_a_dataset_has_are_put_in_order_by_name(labels: Any) -> None:
    names = ["ant", "bee", "cat", "dog"]
    dataset = named(IMAGES, labels, names)
    data = from_dataset(dataset, class_names=["dog", "emu", "cat", "bee", "ant"], val=0)
    assert data.class_names == ("dog", "emu", "cat", "bee", "ant")
    assert said(data.train) == [names[i] for i in IDS]
    text = refusal(dataset, class_names=["x", "y", "z", "w"])
    assert "has class_names of its own, and 'ant' is not asked for" in text
    assert "('ant', 'bee', 'cat', 'dog')" in text
    assert "dataset.map(lambda x, y: (x, y))" in text


@pytest.mark.parametrize("hot", [False, True])
def test_a_validation_dataset_is_matched_by_name(hot: bool) -> None:
    def labels(count: int) -> Any:
        return np.eye(count, dtype=np.float32)[np.arange(40) % count] if hot else IDS % count

    train = named(IMAGES, labels(4), ["ant", "bee", "cat", "dog"])
    data = from_dataset(train, validation=named(IMAGES, labels(2), ["bee", "dog"]))
    assert said(data.val) == ["bee", "dog"] * 20
    text = refusal(train, validation=named(IMAGES, labels(2), ["bee", "emu"]))
    assert "class_names of its own, and 'emu' is not asked for" in text
    assert "class_names=[...]" in text


def test_columns_of_labels_are_matched_by_name() -> None:
    rows = np.asarray([[1, 1, 0], [0, 1, 0]] * 20)
    train = named(IMAGES, rows, ["ant", "bee", "cat"])
    data = from_dataset(train, validation=named(IMAGES, rows, ["cat", "ant", "bee"]), task="labels")
    assert data.val is not None
    np.testing.assert_array_equal(data.val.labels, rows[:, [1, 2, 0]])
    strange = named(IMAGES, IDS, ["cat", "ant", "bee"])
    assert "labels lie outside the classes: [3]" in refusal(
        named(IMAGES, IDS % 3, ["ant", "bee", "cat"]), validation=strange
    )
    assert "labels and class_names disagree" in refusal(
        train, validation=named(IMAGES, rows[:, :2], ["cat", "ant", "bee"]), task="labels"
    )


@pytest.mark.parametrize("hot", [False, True])
def test_pictures_of_an_open_height_are_no_batches_of_grey_ones(tf: Any, hot: bool) -> None:
    def made() -> Any:
        for i in range(12):
            yield np.full((4 + i, 9, 3), 20 * i, np.uint8), np.eye(4)[i % 4] if hot else i % 4

    label = tf.TensorSpec((4,) if hot else (), tf.float32 if hot else tf.int64)
    signature = (tf.TensorSpec((None, 9, 3), tf.uint8), label)
    dataset = tf.data.Dataset.from_generator(made, output_signature=signature)
    data = from_dataset(dataset, image_size=5, val=0, task="classes")
    assert data.train.pixels().shape == (12, 5, 5, 3)
    assert data.train.labels.tolist() == [0, 1, 2, 3] * 3
