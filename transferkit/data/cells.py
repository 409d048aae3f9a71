"""What the cells of a table say of each picture's labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from transferkit.data.labels import check_two, checked_names, read_labels
from transferkit.data.table import Table
from transferkit.errors import DataError, SpecError, explain
from transferkit.spec import Task

__all__ = ["Empty", "cell_labels", "check_empty", "name_in"]

Empty = Literal["raise", "none"]
Found = tuple[Task, tuple[str, ...], np.ndarray[Any, Any]]

_VERB = "from_dataframe"
_TRUTH = {"true": 1.0, "false": 0.0}


def cell_labels(
    table: Table,
    label: Any,
    *,
    train: np.ndarray[Any, Any],
    class_names: Sequence[str] | None,
    task: Task | None,
    separator: str | None,
    empty: Empty,
) -> Found:
    """Read labels out of one column or several.

    Args:
        table: The table.
        label: A column, or a list of columns.
        train: Which rows are of the training split ``(n,)``: the class list is made of those.
        class_names: The classes or labels, or None.
        task: What the labels are, or None where the cells say it.
        separator: What stands between the labels in a cell, or None.
        empty: Whether an empty cell in a column of several labels is an error or means none.

    Returns:
        The task; the class names, () for numbers; ids, multi-hot rows or numbers.
    """
    listed = isinstance(label, list | tuple)
    if listed and (len(label) != 1 or (task in ("labels", "values") and separator is None)):
        return _from_columns(table, label, class_names, task)
    name = label[0] if listed else label
    cells = table.column(_VERB, name, "label")
    if separator is not None or any(_is_set(cell) for cell in cells):
        return _from_sets(table, name, train, class_names, task, separator, empty)
    cells = table.filled(_VERB, name, "label")
    if task == "labels":
        raise _doubt(
            f"nothing says how the column {name!r} holds several labels",
            {"label": name, "task": task},
            f"{_VERB}(..., label_separator=' '), or a list of columns of 0 and 1 as label",
        )
    chosen = task or _meaning(table, name, cells, class_names)
    if chosen == "values":
        return "values", (), np.asarray(_numbers(table, name), np.float32)
    return "classes", *_named(table, name, train, class_names)


def _from_columns(
    table: Table, columns: Sequence[Any], class_names: Sequence[str] | None, task: Task | None
) -> Found:
    if not columns or len(set(columns)) < len(columns):
        raise _doubt(
            "the columns of labels are no list of different ones",
            {"label": list(columns)},
            f"{_VERB}(..., label=['rain', 'snow'])",
        )
    numbers = np.stack([_numbers(table, name) for name in columns], axis=1)
    names = None if task == "values" else tuple(class_names or map(str, columns))
    is_hot = bool(np.isin(numbers, (0, 1)).all())
    return read_labels(_VERB, numbers, names if is_hot or task else None, task)


def _from_sets(
    table: Table,
    name: Any,
    train: np.ndarray[Any, Any],
    class_names: Sequence[str] | None,
    task: Task | None,
    separator: str | None,
    empty: Empty,
) -> Found:
    if task not in (None, "labels"):
        raise _doubt(
            f"the column {name!r} holds several labels in a cell",
            {"task": task, "label_separator": separator},
            f"{_VERB}(..., task='labels')",
        )
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise _doubt(
            "that is no separator",
            {"label_separator": separator},
            f"{_VERB}(..., label_separator=' ')",
        )
    cells = table.column(_VERB, name, "label")
    blank = [row for row, cell in enumerate(cells) if cell is None]
    if blank and empty == "raise":
        raise DataError(
            explain(
                _VERB,
                f"the column {name!r} has empty cells: {table.places(blank)}",
                expected="labels in every row, or word that an empty cell means none of them",
                received={"label": name, "empty": len(blank)},
                mend=f"{_VERB}(..., empty='none'), or leave out the rows.",
            )
        )
    sets = [_parts(cell, separator) for cell in cells]
    names = _classes((part for row in np.flatnonzero(train) for part in sets[row]), class_names)
    if not names:
        raise _doubt(f"the column {name!r} holds no label at all", {"label": name}, None)
    places = {part: i for i, part in enumerate(names)}
    _check_known(table, [[part for part in parts if part not in places] for parts in sets], names)
    rows = np.zeros((len(sets), len(names)), np.float32)
    for row, parts in enumerate(sets):
        rows[row, [places[part] for part in parts]] = 1
    return "labels", names, rows


def _is_set(cell: Any) -> bool:
    return isinstance(cell, list | tuple | set | frozenset | np.ndarray)


def _parts(cell: Any, separator: str | None) -> list[str]:
    if cell is None:
        return []
    if _is_set(cell):
        return list(dict.fromkeys(name_in(part) for part in cell))
    whole = name_in(cell)
    parts = [whole] if separator is None else whole.split(separator)
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _named(
    table: Table, name: Any, train: np.ndarray[Any, Any], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    cells = [name_in(cell) for cell in table.columns[name]]
    names = _classes((cells[row] for row in np.flatnonzero(train)), class_names)
    check_two(_VERB, names)
    places = {part: i for i, part in enumerate(names)}
    by_number = {str(i): i for i in range(len(names))} if class_names is not None else {}
    if not set(cells) <= set(places) and set(cells) <= set(by_number):
        places = by_number
    _check_known(table, [[cell] if cell not in places else [] for cell in cells], names)
    return names, np.asarray([places[cell] for cell in cells], np.int64)


def _classes(found: Iterable[str], class_names: Sequence[str] | None) -> tuple[str, ...]:
    if class_names is not None:
        return checked_names(_VERB, class_names)
    names = set(found)
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _check_known(table: Table, strange: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Refuse labels that are no class: of a split that is not trained on, or left out of a list."""
    rows = [row for row, parts in enumerate(strange) if parts]
    if rows:
        labels = sorted({part for row in rows for part in strange[row]})
        raise DataError(
            explain(
                _VERB,
                f"{', '.join(map(repr, labels[:5]))} in {table.places(rows)} "
                f"{'is no class' if len(labels) == 1 else 'are no classes'} of the training split",
                expected=f"labels among {tuple(names)[:20]}",
                received={"labels": labels[:10]},
                mend="Correct the cells, leave out the rows, or name all with class_names=[...].",
            )
        )


def name_in(cell: Any) -> str:
    """A cell as text; a whole number without its point, as pandas makes floats of whole columns."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _meaning(
    table: Table, name: Any, cells: Sequence[Any], class_names: Sequence[str] | None
) -> Task:
    """What one column of cells holds, where it is beyond doubt."""
    if class_names is not None or all(isinstance(cell, bool) for cell in cells):
        return "classes"
    numbers = [_number(cell) for cell in cells]
    known = [number for number in numbers if number is not None]
    broken = [number for number in known if not float(number).is_integer()]
    both = f"{_VERB}(..., task='classes') or {_VERB}(..., task='values')"
    if len(known) == len(cells):
        if broken:
            return "values"
        raise _doubt(
            f"the column {name!r} holds whole numbers: classes, or numbers to predict?",
            {"label": name, "cells": list(cells[:5])},
            both,
        )
    if broken and 2 * len(known) > len(cells):
        rows = [row for row, number in enumerate(numbers) if number is None]
        raise _doubt(
            f"the column {name!r} holds numbers, but none in {table.places(rows)}",
            {"label": name, "cells": [cells[row] for row in rows[:5]]},
            f"Correct the cells, or {both}",
        )
    return "classes"


def _numbers(table: Table, name: Any) -> np.ndarray[Any, Any]:
    """A column of finite numbers, float64."""
    cells = table.filled(_VERB, name, "label")
    numbers = [_number(cell) for cell in cells]
    rows = [
        row for row, number in enumerate(numbers) if number is None or not math.isfinite(number)
    ]
    if rows:
        raise DataError(
            explain(
                _VERB,
                f"the column {name!r} has cells that are no finite numbers: {table.places(rows)}",
                expected="numbers as 3.5, with a point",
                received={"label": name, "cells": [cells[row] for row in rows[:5]]},
                mend="Correct the cells, or leave out the rows.",
            )
        )
    return np.asarray(numbers, np.float64)


def _number(cell: Any) -> float | None:
    """The number that a cell is or spells; `true` and `false` are 1 and 0."""
    if isinstance(cell, str) and cell.lower() in _TRUTH:
        return _TRUTH[cell.lower()]
    if isinstance(cell, str) and "_" in cell:  # Python reads 1_000 as a number
        return None
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def check_empty(empty: Any) -> None:
    """Refuse what is no way of reading empty cells.

    Raises:
        SpecError: Naming both.
    """
    if empty not in ("raise", "none"):
        raise SpecError(
            explain(
                _VERB,
                "empty is unknown",
                expected="'raise', or 'none' where an empty cell means none of the labels",
                received={"empty": empty},
            )
        )


def _doubt(happened: str, received: Mapping[str, Any], mend: str | None) -> DataError:
    return DataError(
        explain(_VERB, happened, expected="labels of one meaning", received=received, mend=mend)
    )
