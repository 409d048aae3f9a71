"""Tables: a CSV file, or a data frame, as columns of cells."""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.errors import DataError, DataNotFoundError, SpecError, did_you_mean, explain

__all__ = ["Table", "read_table"]

_MARKS = (  # the longer ones first: UTF-32's begins as UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Table:
    """Columns of cells. An empty cell is None, whatever stood for it; text has no space around it.

    Attributes:
        columns: The cells of each column.
        folder: What paths in it are relative to.
        lines: The line of the file that each row ends on, from 1; None for a data frame.
    """

    columns: Mapping[Any, list[Any]]
    folder: Path
    lines: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def has(self, name: Any) -> bool:
        """Whether there is such a column; a tuple may be the name of one, too."""
        try:
            return name in self.columns
        except TypeError:  # a list, say
            return False

    def column(self, verb: str, name: Any, argument: str) -> list[Any]:
        """The cells of a column.

        Args:
            verb: The function that the user called, for the error.
            name: The column.
            argument: The argument that named it.

        Raises:
            DataError: With the nearest names, if there is no such column.
        """
        if self.has(name):
            return self.columns[name]
        first = "" if self.lines is None else " Is the first line of the file a line of names?"
        raise DataError(
            explain(
                verb,
                f"there is no column {name!r}",
                expected=did_you_mean(str(name), map(str, self.columns)),
                received={argument: name, "columns": list(self.columns)},
                mend=f"{verb}(..., {argument}=<a column>).{first}",
            )
        )

    def filled(self, verb: str, name: Any, argument: str) -> list[Any]:
        """The cells of a column that has none empty.

        Raises:
            DataError: Saying which are.
        """
        cells = self.column(verb, name, argument)
        empty = [row for row, cell in enumerate(cells) if cell is None]
        if empty:
            raise DataError(
                explain(
                    verb,
                    f"the column {name!r} has empty cells: {self.places(empty)}",
                    expected="something in every row",
                    received={argument: name, "empty": len(empty)},
                    mend="Fill the cells, or leave out the rows.",
                )
            )
        return cells

    def places(self, rows: Sequence[int]) -> str:
        """How rows are spoken of: by the lines of the file, or as the frame's ``iloc`` counts."""
        word = "row" if self.lines is None else "line"
        numbers = [row if self.lines is None else self.lines[row] for row in rows]
        listed = ", ".join(map(str, numbers[:10]))
        more = f" and {len(numbers) - 10:,} more" if len(numbers) > 10 else ""
        return f"{word}{'s' * (len(numbers) > 1)} {listed}{more}"


def read_table(
    verb: str,
    frame: Any,
    *,
    wanted: Sequence[Any],
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Table:
    """Read a CSV file, or the columns of a data frame.

    Args:
        verb: The function that the user called, for the errors.
        frame: A path, or anything with ``.columns`` and columns by name.
        wanted: The columns that are going to be asked for; a delimiter that finds them is right.
        encoding: Of the file. None is UTF-8, or what a byte order mark says.
        delimiter: Between cells. None finds it among comma, semicolon, tab and ``|``.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If it is no table with rows, or not in this encoding.
        SpecError: If `frame` is neither path nor frame.
    """
    if isinstance(frame, str) or hasattr(frame, "__fspath__"):
        table = _from_csv(verb, Path(frame), wanted, encoding, delimiter)
    elif hasattr(frame, "columns") and hasattr(frame, "__getitem__"):
        names = list(frame.columns)
        _check_header(verb, names)
        columns = {name: [_plain(cell) for cell in _listed(frame[name])] for name in names}
        table = Table(columns, Path())
    else:
        raise SpecError(
            explain(
                verb,
                f"{type(frame).__name__} is no table",
                expected="a data frame, or the path of a CSV file",
                received={"frame": frame},
                mend=f"{verb}(pandas.DataFrame({{'path': [...], 'label': [...]}}))",
            )
        )
    if not table.columns or not len(table):
        raise DataError(
            explain(
                verb,
                "the table has no rows",
                expected="a row for each picture",
                received={"columns": list(table.columns)},
            )
        )
    return table


def _listed(column: Any) -> list[Any]:
    """A column's cells: pandas' ``tolist`` gives plain numbers, which iterating does not always."""
    made: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return made


def _plain(cell: Any) -> Any:
    """A cell, None where it is empty: None, NaN, pandas' NA and NaT, text of nothing but space."""
    if isinstance(cell, str):
        return cell.strip() or None
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _check_header(verb: str, names: Sequence[Any]) -> None:
    twice = sorted({str(name) for name in names if list(names).count(name) > 1})
    if twice:
        raise DataError(
            explain(
                verb,
                f"two columns are called {twice[0]!r}",
                expected="every name once",
                received={"columns": list(names)},
                mend="Rename one of them.",
            )
        )


def _from_csv(
    verb: str, path: Path, wanted: Sequence[Any], encoding: str | None, delimiter: str | None
) -> Table:
    text = _text(verb, path, encoding)
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise SpecError(
            explain(
                verb,
                "that is no delimiter",
                expected="one character, or None to find it",
                received={"delimiter": delimiter},
                mend=f"{verb}(..., delimiter=';')",
            )
        )
    chosen = delimiter or _delimiter(text, [str(name) for name in wanted])
    rows, lines = _rows(verb, path, text, chosen)
    header, *body = rows or [[]]
    _check_header(verb, header)
    uneven = [place for row, place in zip(body, lines[1:], strict=True) if len(row) != len(header)]
    if uneven:
        raise DataError(
            explain(
                verb,
                f"rows of {path} have more or fewer cells than the first line: "
                f"{Table({}, path, tuple(uneven)).places(range(len(uneven)))}",
                expected=f"{len(header)} cells, as in {header}",
                received={"delimiter": chosen},
                mend="Put cells that hold the delimiter in quotation marks.",
            )
        )
    columns = {name: [row[i] or None for row in body] for i, name in enumerate(header)}
    return Table(columns, path.parent, tuple(lines[1:]))


def _text(verb: str, path: Path, encoding: str | None) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataNotFoundError(
            explain(
                verb,
                f"there is no file {str(path)!r}"
                if not os.path.exists(path)
                else f"{str(path)!r} cannot be read: {error.strerror}",
                expected="the path of a CSV file",
                received={"frame": str(path)},
            )
        ) from error
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding or marked).lstrip("\ufeff")
    except (UnicodeError, LookupError) as error:
        place = getattr(error, "start", 0)
        where = f", line {data[:place].count(10) + 1}" if isinstance(error, UnicodeError) else ""
        raise DataError(
            explain(
                verb,
                f"{path}{where} is not in the encoding {encoding or marked}",
                expected="UTF-8, or the name of the encoding",
                received={"encoding": encoding},
                mend=f"{verb}(..., encoding='cp1252'), if it comes from Windows.",
            )
        ) from error


def _delimiter(text: str, wanted: Sequence[str]) -> str:
    """The delimiter that finds most of the columns asked for in the first line, then most cells."""

    def fitness(delimiter: str) -> tuple[int, int]:
        try:
            names = [name.strip() for name in next(_reader(text, delimiter), [])]
        except csv.Error:
            return 0, 0
        return sum(name in names for name in wanted), len(names)

    return max(_DELIMITERS, key=fitness)


def _reader(text: str, delimiter: str) -> Any:
    # Strict: a quotation mark that is never closed would swallow the rest of the file in silence.
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )


def _rows(verb: str, path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    reader = _reader(text, delimiter)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            explain(
                verb,
                f"{path}, line {reader.line_num} is no CSV: {error}",
                expected="cells between delimiters, quotation marks closed and doubled inside",
                received={"delimiter": delimiter},
            )
        ) from error
    return rows, lines
