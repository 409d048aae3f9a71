"""Tables of pictures: what the cells mean, and what every bad table is told."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transferkit.data import Data, from_dataframe, from_directory
from transferkit.errors import DataError, DataNotFoundError, DecodeError, SpecError

COUNT = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``0.png`` to ``11.png``, each of its own shade."""
    for i in range(COUNT):
        Image.new("L", (5, 4), 20 * i).save(tmp_path / f"{i}.png")
    return tmp_path


def table(**columns: Sequence[Any]) -> pd.DataFrame:
    """A frame of the twelve pictures."""
    return pd.DataFrame({"path": [f"{i}.png" for i in range(COUNT)], **columns})


def made(folder: Path, target: Any = "label", **keywords: Any) -> Data:
    """Data of a frame whose columns are the keywords that are lists."""
    columns = {key: keywords.pop(key) for key in list(keywords) if is_column(keywords[key])}
    return from_dataframe(table(**columns), label=target, root=folder, **keywords)


def is_column(value: Any) -> bool:
    return isinstance(value, list) and len(value) == COUNT


def by_file(data: Data) -> dict[int, Any]:
    """The label of each picture by the number that is its name."""
    return {
        int(path.stem): label.tolist()
        for split in data.splits.values()
        for path, label in zip(split.paths, split.labels, strict=True)
        if path is not None
    }


def refusal(folder: Path, target: Any = "label", **keywords: Any) -> str:
    with pytest.raises((DataError, SpecError)) as caught:
        made(folder, target, **keywords)
    return str(caught.value)


CATS = ["cat", "dog", "newt"] * 4


def test_text_is_classes(folder: Path) -> None:
    data = made(folder, label=CATS)
    assert (data.task, data.class_names) == ("classes", ("cat", "dog", "newt"))
    assert by_file(data) == {i: i % 3 for i in range(COUNT)}
    assert data.counts() == {
        "train": dict.fromkeys(data.class_names, 3),
        "val": dict.fromkeys(data.class_names, 1),
    }
    for split in data.resized(4).splits.values():
        for path, pixels in zip(split.paths, split.pixels(), strict=True):
            assert path is not None
            assert (pixels == 20 * int(path.stem)).all()


def test_a_csv_is_read_without_pandas(folder: Path) -> None:
    rows = [f"{i}.png;{CATS[i]}" for i in range(COUNT)]
    (folder / "table.csv").write_text("path;label\n" + "\n".join(rows), encoding="utf-8-sig")
    code = (
        "import sys; sys.modules['pandas'] = None; from transferkit.data import from_dataframe; "
        f"print(from_dataframe({str(folder / 'table.csv')!r})); "
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Data: 9 train, 3 val pictures, 3 classes (cat, dog, newt), each its own size, 3 channels",
        "[]",
    ]


def test_a_csv_and_a_frame_and_a_folder_divide_alike(folder: Path, tmp_path: Path) -> None:
    for i in range(COUNT):
        place = tmp_path / "sorted" / CATS[i]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 4), 20 * i).save(place / f"{i}.png")
    paths = [f"{CATS[i]}\\{i}.png" for i in range(COUNT)]
    frame = table(label=CATS).assign(path=paths).iloc[::-1]
    frame.to_csv(tmp_path / "sorted" / "table.csv", index=False)
    for stable in (False, True):
        keywords: dict[str, Any] = {"test": 0.3, "val": 0.3, "seed": 5, "stable": stable}
        found = [
            from_directory(tmp_path / "sorted", **keywords),
            from_dataframe(frame, root=tmp_path / "sorted", **keywords),
            from_dataframe(tmp_path / "sorted" / "table.csv", **keywords),
        ]
        homes = [{name: set(split.paths) for name, split in data.splits.items()} for data in found]
        assert homes[0] == homes[1] == homes[2]


@pytest.mark.parametrize("cells", [[1, 2, 10] * 4, ["1", "2", "10"] * 4, [1.0, 2.0, 10.0] * 4])
def test_whole_numbers_may_be_classes_or_numbers(folder: Path, cells: list[Any]) -> None:
    text = refusal(folder, label=cells)
    assert "holds whole numbers: classes, or numbers to predict?" in text
    assert "task='classes') or from_dataframe(..., task='values')" in text
    data = made(folder, label=cells, task="classes")
    assert data.class_names == ("1", "2", "10")
    assert by_file(data)[2] == 2
    numbers = made(folder, label=cells, task="values")
    assert (numbers.task, numbers.class_names) == ("values", ())
    assert by_file(numbers)[2] == 10.0


def test_class_names_order_names_or_number_them(folder: Path) -> None:
    named = made(folder, label=CATS, class_names=["newt", "dog", "cat"])
    assert by_file(named)[0] == 2
    ids = made(folder, label=[0, 1, 2] * 4, class_names=["newt", "dog", "cat"])
    assert (ids.class_names, by_file(ids)[0]) == (("newt", "dog", "cat"), 0)
    numbers = made(folder, label=[1, 2, 0] * 4, class_names=["1", "2", "0"])
    assert by_file(numbers)[0] == 0, "cells that are names are names"


@pytest.mark.parametrize("cells", [[True, False] * 6, ["True", "False"] * 6])
def test_truth_is_two_classes(folder: Path, cells: list[Any]) -> None:
    data = made(folder, label=cells)
    assert (data.class_names, by_file(data)[0]) == (("False", "True"), 1)
    named = made(folder, label=cells, class_names=["dry", "wet"])
    assert (named.class_names, by_file(named)[0]) == (("dry", "wet"), 1)
    assert by_file(made(folder, label=cells, class_names=["True", "False"]))[0] == 0
    assert "are no classes" in refusal(folder, label=cells, class_names=["dry", "wet", "icy"])


@pytest.mark.parametrize("names", [["1", "2", "3"], ["2", "3", "1"]])
def test_numbers_that_are_names_are_never_places(folder: Path, names: list[str]) -> None:
    text = refusal(folder, label=[0, 1, 2] * 4, class_names=names)
    assert "'0' in rows 0, 3, 6, 9 is no class of class_names" in text


@pytest.mark.parametrize("kind", [list, tuple, np.asarray])
@pytest.mark.parametrize(
    "cells", [[[1, 0, 1], [0, 1, 0]], [[0.5, 2.5], [1.0, 3.0]], [[1, 1], [2]], [[0], [1]]]
)
def test_rows_of_numbers_are_no_sets_of_labels(folder: Path, cells: Any, kind: Any) -> None:
    text = refusal(folder, label=[kind(cell) for cell in cells] * 6)
    assert "holds rows of numbers: 0 and 1 for each label, or numbers to predict?" in text
    assert "task='labels')" in text
    assert "task='values')" in text


def test_a_task_says_what_rows_of_numbers_are(folder: Path) -> None:
    cells = [[1, 0, 1], [0, 1, 0], [0, 0, 0]] * 4
    data = made(folder, label=cells, task="labels", class_names=["a", "b", "c"])
    assert (data.task, data.class_names) == ("labels", ("a", "b", "c"))
    assert by_file(data) == {i: cells[i] for i in range(COUNT)}
    assert by_file(made(folder, label=cells, task="values"))[0] == [1, 0, 1]
    hot = made(folder, label=[[1, 0], [0, 1]] * 6, task="classes")
    assert (hot.task, by_file(hot)[1]) == ("classes", 1)
    assert "empty cells: row 11" in refusal(folder, label=[*cells[:11], None])


def test_numbers_in_a_set_are_labels_where_they_can_be_nothing_else(folder: Path) -> None:
    data = made(folder, label=[[3, 10], [3], []] * 4)
    assert (data.task, data.class_names) == ("labels", ("3", "10"))
    assert made(folder, label=[{0, 1}, {1, 2}] * 6).class_names == ("0", "1", "2")


def test_numbers_with_a_fraction_are_numbers(folder: Path) -> None:
    cells = [i / 4 for i in range(COUNT)]
    for column in (cells, [f" {cell}" for cell in cells]):
        data = made(folder, label=column)
        assert data.task == "values"
        assert by_file(data) == dict(enumerate(cells))


def test_several_columns_of_numbers_are_rows(folder: Path) -> None:
    data = made(folder, ["x", "y"], x=[i / 4 for i in range(COUNT)], y=["3"] * COUNT)
    assert (data.task, data.target.outputs) == ("values", 2)
    assert by_file(data)[6] == [1.5, 3.0]
    column = made(folder, ["x"], x=[i / 4 for i in range(COUNT)], task="values")
    assert by_file(column)[6] == [1.5]


def test_several_columns_of_0_and_1_are_labels_and_none_is_allowed(folder: Path) -> None:
    wet, cold = [1, 1, 0] * 4, ["0", "True", "false"] * 4
    data = made(folder, ["wet", "cold"], wet=wet, cold=cold)
    assert (data.task, data.class_names) == ("labels", ("wet", "cold"))
    assert [by_file(data)[i] for i in range(3)] == [[1, 0], [1, 1], [0, 0]]


def test_columns_with_a_single_1_ask_for_the_task(folder: Path) -> None:
    columns: dict[str, Any] = {"wet": [1, 0] * 6, "dry": [0, 1] * 6}
    text = refusal(folder, ["wet", "dry"], **columns)
    assert "task='classes') or from_dataframe(..., task='labels')" in text
    data = made(folder, ["wet", "dry"], task="classes", **columns)
    assert (data.task, data.class_names) == ("classes", ("wet", "dry"))
    assert by_file(data) == {i: i % 2 for i in range(COUNT)}
    assert made(folder, ["wet", "dry"], task="labels", **columns).task == "labels"


def test_one_column_of_labels_can_be_asked_for(folder: Path) -> None:
    data = made(folder, ["wet"], wet=[1, 0] * 6, task="labels")
    assert (data.task, data.class_names) == ("labels", ("wet",))


@pytest.mark.parametrize("separator", [" ", ",", ";", "|", " and "])
def test_a_separator_makes_sets_of_labels(folder: Path, separator: str) -> None:
    sets = [["sun"], ["sun", "sea"], ["sea", "rock", "sun"]] * 4
    cells = [separator.join(labels) for labels in sets]
    data = made(folder, label=cells, label_separator=separator)
    assert (data.task, data.class_names) == ("labels", ("rock", "sea", "sun"))
    assert [by_file(data)[i] for i in range(3)] == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("kind", [list, tuple, set, np.asarray])
def test_a_column_of_lists_is_sets_of_labels(folder: Path, kind: Any) -> None:
    cells = [kind(labels) for labels in [["b"], ["a", "b"], []] * 4]
    data = made(folder, label=cells)
    assert (data.task, data.class_names) == ("labels", ("a", "b"))
    assert [by_file(data)[i] for i in range(3)] == [[0, 1], [1, 1], [0, 0]]


def test_an_empty_cell_of_labels_is_an_error_until_it_means_none(folder: Path) -> None:
    cells = ["a b", "", "b"] * 4
    text = refusal(folder, label=cells, label_separator=" ")
    assert "has empty cells: rows 1, 4, 7, 10" in text
    assert "empty='none'" in text
    data = made(folder, label=cells, label_separator=" ", empty="none")
    assert by_file(data)[1] == [0, 0]
    assert "holds no label at all" in refusal(
        folder, label=[None] * COUNT, label_separator=" ", empty="none"
    )


def test_a_column_of_splits_is_obeyed(folder: Path) -> None:
    where = ["train"] * 6 + ["Valid"] * 3 + ["test"] * 3
    data = made(folder, label=CATS, where=where, split="where")
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 6,
        "val": 3,
        "test": 3,
    }
    assert {int(path.stem) for path in data.train.paths if path} == set(range(6))
    divided = made(folder, label=CATS, where=["train"] * 9 + ["test"] * 3, split="where")
    assert {name: len(split) for name, split in divided.splits.items()} == {
        "train": 6,
        "val": 3,
        "test": 3,
    }


def test_a_label_that_is_not_trained_on_is_named(folder: Path) -> None:
    where = ["train"] * 9 + ["val"] * 3
    text = refusal(folder, label=[*CATS[:9], "cat", "bird", "bird"], where=where, split="where")
    assert "'bird' in rows 10, 11 is no class of the training split" in text
    assert "class_names=[...]" in text
    sets = ["a b", "b", "a"] * 3 + ["a", "c d", "b"]
    text = refusal(folder, label=sets, where=where, split="where", label_separator=" ")
    assert "'c', 'd' in row 10 are no classes of the training split" in text
    text = refusal(folder, label=CATS, class_names=["cat", "dog"])
    assert "'newt' in rows 2, 5, 8, 11 is no class" in text


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"where": ["train", "dev"] * 6}, "names no split in rows 1, 3, 5, 7, 9, 11"),
        ({"where": ["val", "test"] * 6}, "names no training pictures"),
        ({"where": ["train", None] * 6}, "the column 'where' has empty cells: rows 1, 3"),
    ],
)
def test_a_bad_column_of_splits_says_where(
    folder: Path, keywords: dict[str, Any], text: str
) -> None:
    assert text in refusal(folder, label=CATS, split="where", **keywords)


def test_a_group_is_on_one_side(folder: Path) -> None:
    who = ["ann", "ann", "ann", "bob", "bob", "bob", "cas", "cas", "cas", "dan", "dan", "dan"]
    data = made(folder, label=CATS, who=who, group="who", val=0.25, test=0.25)
    sides = [set(split.groups) for split in data.splits.values() if split.groups is not None]
    assert sorted(map(len, sides)) == [1, 1, 2]
    assert set.union(*sides) == {"ann", "bob", "cas", "dan"}
    text = refusal(
        folder, label=CATS, who=who, group="who", where=["train", "val"] * 6, split="where"
    )
    assert "the group 'ann' is in train and in val" in text
    assert "empty cells: row 4" in refusal(
        folder, label=CATS, who=[*who[:4], None, *who[5:]], group="who"
    )
    assert "there are fewer groups (1)" in refusal(
        folder, label=CATS, who=["x"] * COUNT, group="who"
    )


def test_a_missing_column_names_the_nearest(folder: Path) -> None:
    text = refusal(folder, label=CATS, image="paths")
    assert "there is no column 'paths'" in text
    assert "did you mean 'path'?" in text
    assert "line of names" not in text
    assert "there is no column 'lable'" in refusal(folder, "lable", label=CATS)
    for argument in ("split", "group"):
        assert f"{argument}='nil'" in refusal(folder, label=CATS, **{argument: "nil"})
    (folder / "bare.csv").write_text("0.png,cat\n1.png,dog\n")
    with pytest.raises(DataError, match="Is the first line of the file a line of names"):
        from_dataframe(folder / "bare.csv")


def test_missing_files_are_counted_with_their_lines_and_the_root(folder: Path) -> None:
    names = [f"{i}.png" for i in range(10)] + ["x.png", "y.png"]
    frame = table(label=CATS).assign(path=names)
    frame.to_csv(folder / "table.csv", index=False)
    with pytest.raises(DataError) as caught:
        from_dataframe(folder / "table.csv")
    text = str(caught.value)
    assert "2 files of 12 cannot be found: lines 12, 13" in text
    assert repr(str(folder / "x.png")) in text
    assert f"root={str(folder)!r}" in text
    with pytest.warns(UserWarning, match="2 files cannot be decoded"):
        data = from_dataframe(folder / "table.csv", on_bad="skip")
    assert len(data.report.bad) == 2
    assert data.report.bad[0][1] == "there is no such file"


def test_a_missing_suffix_is_found_out(folder: Path) -> None:
    frame = table(label=CATS).assign(path=range(COUNT))
    with pytest.raises(DataError, match=re.escape("suffix='.png'): then '0.png' is there")):
        from_dataframe(frame, root=folder)
    assert len(from_dataframe(frame, root=folder, suffix=".png").train) == 9


def test_paths_outside_the_root_and_of_windows_are_taken(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "other" / "deep"
    root.mkdir(parents=True)
    names = [str(folder / f"{i}.png") for i in range(6)]
    names += [f"..\\..\\{i}.png" for i in range(6, COUNT)]
    data = from_dataframe(table(label=CATS).assign(path=names), root=root)
    assert len(by_file(data)) == COUNT


def test_paths_of_a_frame_are_relative_to_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert by_file(from_dataframe(table(label=CATS))) == {i: i % 3 for i in range(COUNT)}


def test_a_file_with_a_backslash_in_its_name_is_that_file(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("no file can be called so")
    for name in ("a\\1.png", "b.png"):
        Image.new("L", (5, 4)).save(tmp_path / name)
    frame = pd.DataFrame({"path": ["a\\1.png", "b.png"], "label": ["x", "y"]})
    assert from_dataframe(frame, root=tmp_path, val=0).train.paths[0] == tmp_path / "a\\1.png"


def test_bad_files_are_named_or_skipped(folder: Path) -> None:
    (folder / "3.png").write_bytes(b"no picture")
    with pytest.raises(DecodeError, match=r"from_dataframe: 1 file cannot be decoded.*3\.png"):
        made(folder, label=CATS)
    with pytest.warns(UserWarning, match="1 file cannot be decoded") as warned:
        data = made(folder, label=CATS, on_bad="skip")
    assert warned[0].filename == __file__
    assert 3 not in by_file(data)


@pytest.mark.parametrize(
    ("cells", "keywords", "text"),
    [
        (["cat", None] * 6, {}, "the column 'label' has empty cells: rows 1, 3, 5"),
        ([0.5, float("nan")] * 6, {}, "the column 'label' has empty cells: rows 1, 3"),
        ([0.5] * 11 + ["n/a"], {}, "holds numbers, but none in row 11"),
        ([20] * 11 + ["n/a"], {}, "holds numbers, but none in row 11"),
        ([1, 2, 3, "other"] * 3, {}, "cells=['other', 'other', 'other']"),
        (["20,5"] * 11 + ["n/a"], {}, "has decimal commas in rows 0, 1, 2"),
        (["20,5", "21"] * 6, {}, "pandas.read_csv(..., decimal=',')"),
        ([0.5] * 11 + ["2,5"], {"task": "values"}, "are no finite numbers: row 11"),
        ([0.5] * 11 + ["inf"], {"task": "values"}, "are no finite numbers: row 11"),
        ([0.5] * 11 + ["1_000"], {"task": "values"}, "are no finite numbers: row 11"),
        (["cat"] * 12, {}, "there is one class"),
        (CATS, {"task": "labels"}, "nothing says how the column 'label' holds several labels"),
        (CATS, {"task": "boxes"}, "the task is unknown"),
        (CATS, {"empty": "skip"}, "empty is unknown"),
        (CATS, {"suffix": None}, "that is no ending"),
        (CATS, {"image": ["path"]}, "there is no column ['path']"),
        (CATS, {"split": {"a": 1}}, "there is no column {'a': 1}"),
        (CATS, {"max_pixels": "x"}, "max_pixels is no number of pixels"),
        (CATS, {"max_pixels": -1}, "max_pixels is no number of pixels"),
        (CATS, {"label_separator": ""}, "that is no separator"),
        (CATS, {"label_separator": " ", "task": "classes"}, "holds several labels in a cell"),
        (CATS, {"class_names": ["cat", "cat"]}, "a class is named twice"),
        (CATS, {"on_bad": "ignore"}, "on_bad is unknown"),
        (CATS, {"fit": "cover"}, "the fit is unknown"),
        (CATS, {"val": 1.0}, "leave no training pictures"),
        (CATS, {"seed": -1}, "that is no seed"),
        (CATS, {"image_size": 0}, "the image size is not a size"),
        ([str(i) + "x" for i in range(12)], {}, "the val split would be empty"),
    ],
)
def test_bad_cells_and_arguments_say_what_is_wrong(
    folder: Path, cells: list[Any], keywords: dict[str, Any], text: str
) -> None:
    assert text in refusal(folder, label=cells, **keywords)


@pytest.mark.parametrize("columns", [[], ["wet", "wet"]])
def test_columns_that_are_no_list_are_refused(folder: Path, columns: list[str]) -> None:
    assert "no list of different ones" in refusal(folder, columns, wet=[0, 1] * 6)


def test_columns_of_labels_hold_numbers_everywhere(folder: Path) -> None:
    text = refusal(folder, ["wet", "dry"], wet=[0, 1] * 6, dry=["0", "maybe"] * 6)
    assert "the column 'dry' has cells that are no finite numbers: rows 1, 3" in text
    assert "empty cells" in refusal(folder, ["wet", "dry"], wet=[0, 1] * 6, dry=[1, None] * 6)
    text = refusal(folder, ["wet", "dry"], wet=[0, 2] * 6, dry=[1, 1] * 6, task="labels")
    assert "the rows are not multi-hot" in text


def test_contradicting_rows_are_warned_of(folder: Path) -> None:
    frame = table(label=CATS).assign(path=["0.png", "0.png", *(f"{i}.png" for i in range(2, 12))])
    with pytest.warns(UserWarning, match=r"1 picture in several rows.*0\.png in rows 0, 1") as told:
        data = from_dataframe(frame, root=folder, val=0)
    assert told[0].filename == __file__
    assert data.report.duplicates == ((folder / "0.png",) * 2,)
    same = frame.assign(label=["cat", "cat", *CATS[2:]])
    assert len(from_dataframe(same, root=folder, val=0).train) == COUNT


def test_a_class_of_one_picture_is_trained_on_and_warned_of(folder: Path) -> None:
    with pytest.warns(UserWarning, match="classes with one training picture.*: owl"):
        data = made(folder, label=["cat", "dog"] * 5 + ["cat", "owl"])
    assert data.counts()["train"]["owl"] == 1
    assert len(made(folder, label=["cat", "dog"] * 5 + ["cat", "owl"], val=0).train) == COUNT


@pytest.mark.parametrize("stable", [False, True])
def test_whole_and_relative_paths_divide_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stable: bool
) -> None:
    monkeypatch.chdir(folder.parent)
    frame = table(label=CATS)
    whole = frame.assign(path=[str(folder / name) for name in frame["path"]])
    found = [
        from_dataframe(each, root=root, val=0.4, seed=1, stable=stable)
        for each in (frame, whole)
        for root in (folder, Path(folder.name))
    ]
    assert all(data.train.keys == found[0].train.keys for data in found)
    assert "/" not in "".join(found[0].train.keys or ())


def test_a_class_that_is_named_need_not_be_trained_on(folder: Path) -> None:
    where = ["train"] * 9 + ["val"] * 3
    cells = [*CATS[:9], "cat", "bird", "dog"]
    names = ["bird", "cat", "dog", "newt"]
    data = made(folder, label=cells, where=where, split="where", class_names=names)
    assert data.counts()["val"] == {"bird": 1, "cat": 1, "dog": 1, "newt": 0}
    assert "1 class has no training pictures, as bird" in data.report.warnings
    assert "1 class has no val pictures, as newt" in data.report.warnings


def test_numbers_of_a_table_that_float32_cannot_tell_apart_are_warned_of(folder: Path) -> None:
    seconds = [1_700_000_000 + i for i in range(COUNT)]
    for target in ("label", ["label"]):
        with pytest.warns(UserWarning, match="12 different labels are 1 as float32") as told:
            from_dataframe(table(label=seconds), label=target, root=folder, task="values")
        assert told[0].filename == __file__


def test_text_that_is_far_too_long_for_a_path_is_a_file_that_is_not_there(folder: Path) -> None:
    for cell in ("x" * 9000, "a\\" + "x" * 9000):
        frame = table(label=CATS).assign(path=[cell] * COUNT)
        with pytest.raises(DataError, match="12 files of 12 cannot be found"):
            from_dataframe(frame, root=folder)
    with pytest.raises(DataNotFoundError, match="there is no file"):
        from_dataframe("x" * 9000)
    with pytest.raises(DataNotFoundError, match="there is no folder"):
        from_directory("x" * 9000)
    assert "there is no column ['label']" in refusal(folder, [["label"]], label=CATS)
    assert "there is no column ['label']" in refusal(folder, [["label"], "label"], label=CATS)


def test_a_tuple_that_is_a_column_is_that_column(folder: Path) -> None:
    frame = table(label=CATS)
    frame.columns = pd.MultiIndex.from_product([["f"], frame.columns])
    data = from_dataframe(frame, image=("f", "path"), label=("f", "label"), root=folder)  # type: ignore[arg-type]
    assert data.class_names == ("cat", "dog", "newt")


def test_a_file_that_may_not_be_read_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **keywords: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    (folder / "table.csv").write_text("path,label\n")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        with pytest.raises(DataNotFoundError, match=r"table\.csv' cannot be read: Permission den"):
            from_dataframe(folder / "table.csv")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DecodeError, match=r"0\.png: this user may not read it"):
        made(folder, label=CATS)
