"""`Data.show`: what stands above the pictures, for every kind of label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferkit.data import Data, from_arrays, from_directory
from transferkit.errors import DataError

SHADES = np.arange(12)
IMAGES = np.broadcast_to((SHADES * 20)[:, None, None, None], (12, 4, 5, 3)).astype(np.uint8)
NAMES = ("red", "round", "<b>big</b>")


def drawn(figure: Any) -> list[tuple[int, str]]:
    """The shade of each picture and what stands above it."""
    shown = [axes for axes in figure.axes if axes.images]
    return [(int(axes.images[0].get_array()[0, 0, 0]) // 20, axes.get_title()) for axes in shown]


def test_a_picture_of_several_labels_has_all_of_them_above_it() -> None:
    rows = np.asarray([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]] * 3)
    titles = {
        0: "red",
        1: "round, <b>big</b>",
        2: "red, round, <b>big</b>",
        3: "",
    }
    data = from_arrays(IMAGES, rows, class_names=NAMES, val=0)
    found = drawn(data.show())
    assert sorted(shade for shade, _ in found) == SHADES.tolist()
    for shade, title in found:
        assert title.replace("\n", " ") == titles[shade % 4]


@pytest.mark.parametrize(
    ("numbers", "title"),
    [
        (SHADES / 4, lambda shade: f"{shade / 4:g}"),
        ((SHADES / 4)[:, None], lambda shade: f"{shade / 4:g}"),
        (np.stack([SHADES * 1000.5, -SHADES / 3], axis=1), None),
    ],
    ids=["numbers", "a column", "two outputs"],
)
def test_numbers_stand_above_their_picture(numbers: Any, title: Any) -> None:
    data = from_arrays(IMAGES, numbers, task="values", val=0)
    some, every = drawn(data.show(n=5)), drawn(data.show())
    assert (len(some), len(every)) == (5, 12)
    for shade, text in some + every:
        if title is not None:
            assert text == title(shade)
        else:
            values = [float(part) for part in text.split(", ")]
            assert values == pytest.approx([shade * 1000.5, -shade / 3], rel=1e-5)


def test_class_names_stand_above_pictures_as_they_are() -> None:
    names = ["$x^2$ & <b>", "odd\x1b[31m"]
    found = drawn(from_arrays(IMAGES, SHADES % 2, class_names=names, val=0).show())
    assert {shade % 2: title for shade, title in found} == {
        0: "$x^2$ & <b>",
        1: "odd\\x1b[31m",
    }


def test_the_same_pictures_are_drawn_each_time_and_no_more_than_there_are() -> None:
    data = from_arrays(IMAGES, SHADES % 2, val=0.25)
    first = drawn(data.show(n=3))
    assert len(first) == 3
    assert first == drawn(data.show(n=3))
    assert len(drawn(data.show("val", n=100))) == len(data.val or ())
    train = {shade for shade, _ in drawn(data.show(n=100))}
    val = {shade for shade, _ in drawn(data.show("val"))}
    assert train | val == set(SHADES.tolist())
    assert not train & val


def test_files_of_different_sizes_are_drawn_too(tmp_path: Path) -> None:
    for place, name in enumerate(("bee", "ant")):
        (tmp_path / name).mkdir()
        for size in (10, 30):
            picture = Image.new("RGB", (size, 2 * size), (20 * place,) * 3)
            picture.save(tmp_path / name / f"{size}.png")
    found = drawn(from_directory(tmp_path, val=0).show())
    assert sorted(found) == [(0, "bee"), (0, "bee"), (1, "ant"), (1, "ant")]


@pytest.mark.parametrize(
    ("split", "text"),
    [
        ("vall", r"did you mean 'val'\?"),
        ("TRAIN", r"did you mean 'train'\?"),
        ("validation", r"did you mean 'val'\?"),
        ("test", r"one of 'train', 'val'"),
    ],
)
def test_a_split_that_there_is_not_is_refused_with_the_nearest(split: str, text: str) -> None:
    data: Data = from_arrays(IMAGES, SHADES % 2)
    with pytest.raises(DataError, match=f"show: there is no such split.*{text}") as caught:
        data.show(split)
    assert f"split={split!r}" in str(caught.value)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_number_of_pictures_that_is_none_is_refused(n: Any) -> None:
    data = from_arrays(IMAGES, [0, 1] * 6, val=0)
    with pytest.raises(DataError, match=r"show: there is nothing to show.*n="):
        data.show(n=n)


def test_a_split_that_is_no_word_is_refused() -> None:
    data = from_arrays(IMAGES, [0, 1] * 6, val=0)
    with pytest.raises(DataError, match="show: there is no such split"):
        data.show(None)  # type: ignore[arg-type]
