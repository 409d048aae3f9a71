"""CSV files as they come, and frames: what is read, and what is told of broken ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from transferkit.data.table import Table, read_table
from transferkit.errors import DataError, DataNotFoundError, SpecError

WANTED = ("path", "label")


def read(file: Path, text: str | bytes, **keywords: Any) -> Table:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table("from_dataframe", file, wanted=WANTED, **keywords)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def refusal(source: Any, *text: str | bytes, **keywords: Any) -> str:
    if text:
        source.write_bytes(text[0] if isinstance(text[0], bytes) else text[0].encode())
    with pytest.raises((DataError, DataNotFoundError, SpecError)) as caught:
        read_table("from_dataframe", source, wanted=WANTED, **keywords)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found(file: Path, delimiter: str, end: str) -> None:
    rows = [["path", "label"], ["a,1;2.png", "cat"], ["b.png", "dog"]]
    quoted = end.join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    for text in (quoted, quoted + end, quoted + end + end):
        table = read(file, text)
        assert table.columns == {"path": ["a,1;2.png", "b.png"], "label": ["cat", "dog"]}
        assert table.lines == (2, 3)
        assert table.folder == file.parent


def test_a_delimiter_that_finds_the_columns_is_right_even_if_another_gives_more(file: Path) -> None:
    table = read(file, "path;label;size (h, w, c, d)\na.png;cat;1\n")
    assert list(table.columns) == ["path", "label", "size (h, w, c, d)"]
    said = read(file, "path,label;x\na.png,cat;1\n", delimiter=";")
    assert list(said.columns) == ["path,label", "x"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_unicode_is_read_whatever_its_mark(file: Path, encoding: str) -> None:
    text = "path,label\nr\u00f6se.png,\u82b1\n"
    said = {"encoding": encoding} if encoding == "utf-16-be" else {}
    table = read(file, text.encode(encoding), **said)
    assert table.columns == {"path": ["r\u00f6se.png"], "label": ["\u82b1"]}


def test_other_encodings_are_asked_for_with_the_line(file: Path) -> None:
    data = "path,label\na.png,cat\nb.png,K\u00e4tzchen\n".encode("cp1252")
    text = refusal(file, data)
    assert "line 3 is not in the encoding utf-8" in text
    assert "encoding='cp1252'" in text
    assert read(file, data, encoding="cp1252").columns["label"] == ["cat", "K\u00e4tzchen"]
    assert "is not in the encoding latin-17" in refusal(file, data, encoding="latin-17")
    assert "is not in the encoding utf-16" in refusal(file, b"\xff\xfea", encoding=None)


def test_space_around_cells_is_no_part_of_them_and_lines_are_the_editors(file: Path) -> None:
    text = 'path , label\n\n a.png, " my cat"\n"two\nlines.png", dog \n,\n'
    table = read(file, text)
    assert table.columns == {
        "path": ["a.png", "two\nlines.png", None],
        "label": ["my cat", "dog", None],
    }
    assert table.lines == (3, 5, 6)
    assert table.places([0, 2]) == "lines 3, 6"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the table has no rows"),
        ("path,label\n", "the table has no rows"),
        ("path,label\na.png,cat\nb.png\nc.png,x,y\n", "cells than the first line: lines 3, 4"),
        ('path,label\na.png,"cat\nb.png,dog\n', "is no CSV"),
        ('path,label\n"a"x.png,cat\n', "line 2 is no CSV"),
        ("path,path\na.png,cat\n", "two columns are called 'path'"),
    ],
)
def test_a_broken_file_says_where(file: Path, text: str, said: str) -> None:
    assert said in refusal(file, text)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path / "none.csv")
    assert "there is no file" in text
    with pytest.raises(FileNotFoundError):
        read_table("from_dataframe", str(tmp_path / "none.csv"), wanted=WANTED)
    assert "directory" in refusal(tmp_path)
    for thing in ({"path": ["a"]}, [("a", 1)], None, 3):
        assert "pandas.DataFrame" in refusal(thing)
    assert "that is no delimiter" in refusal(tmp_path / "x.csv", "path", delimiter=",,")
    assert "the table has no rows" in refusal(pd.DataFrame({"path": []}))
    assert "the table has no rows" in refusal(pd.DataFrame())
    twice = pd.DataFrame([["a", "b"]], columns=["path", "path"])
    assert "two columns are called 'path'" in refusal(twice)


def test_a_frame_is_read_by_its_columns_whatever_stands_for_an_empty_cell() -> None:
    frame = pd.DataFrame(
        {
            "path": ["a", " b ", "", "d"],
            "kind": pd.array(["x", None, "y", None], dtype="string"),
            "size": [1.0, math.nan, 3.0, 4.5],
            "count": pd.array([1, None, 3, 4], dtype="Int64"),
            "when": [pd.Timestamp("2020-01-01"), pd.NaT, pd.NaT, pd.NaT],
            "class": pd.Categorical(["p", None, "q", "p"]),
        },
        index=[7, 7, 3, 1],
    )
    table = read_table("from_dataframe", frame, wanted=WANTED)
    assert table.columns["path"] == ["a", "b", None, "d"]
    assert table.columns["kind"] == ["x", None, "y", None]
    assert table.columns["size"] == [1.0, None, 3.0, 4.5]
    assert table.columns["count"] == [1, None, 3, 4]
    assert table.columns["when"][1:] == [None] * 3
    assert table.columns["class"] == ["p", None, "q", "p"]
    assert table.places([2]) == "row 2"
    assert table.places(range(12)).endswith("8, 9 and 2 more")


def test_anything_with_columns_is_a_frame() -> None:
    class Frame(dict[str, Any]):
        @property
        def columns(self) -> list[str]:
            return list(self)

    table = read_table("x", Frame(path=np.asarray(["a"]), label=("b",)), wanted=WANTED)
    assert table.columns == {"path": ["a"], "label": ["b"]}
    assert len(table) == 1
