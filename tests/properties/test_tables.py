"""Laws of reading tables: what was written comes back, and no bytes are a crash."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.data.table import read_table
from transferkit.errors import DataError

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6
    ).filter(lambda rows: all(any(cell.strip() for cell in row) for row in rows))
)


@pytest.fixture(scope="module")
def file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "table.csv")


@given(TABLES, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_was_written_comes_back(
    file: Path, rows: list[list[str]], delimiter: str, encoding: str
) -> None:
    header = [f"column {i}" for i in range(len(rows[0]))]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    file.write_bytes(out.getvalue().encode(encoding))
    table = read_table("from_dataframe", file, wanted=header)
    for i, name in enumerate(header):
        assert table.columns[name] == [row[i].strip() or None for row in rows]


@given(st.binary(max_size=80), st.sampled_from([None, "utf-8", "utf-16", "cp1252", "latin-1"]))
def test_no_bytes_are_a_crash(file: Path, data: bytes, encoding: Any) -> None:
    file.write_bytes(data)
    try:
        table = read_table("from_dataframe", file, wanted=("path",), encoding=encoding)
    except DataError:
        return
    assert len(table) >= 1
    assert len({len(cells) for cells in table.columns.values()}) == 1
