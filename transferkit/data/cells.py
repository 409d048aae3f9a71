"""What the cells of a table say of each picture's labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from transferkit.data.composed import composed
from transferkit.data.labels import check_two, checked_names, read_labels
from transferkit.data.numerals import column_numbers, doubt, is_truth, meaning
from transferkit.data.table import Table
from transferkit.data.vectors import are_rows, from_rows, is_set
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
    listed = isinstance(label, list | tuple) and not table.has(label)
    if listed and (len(label) != 1 or (task in ("labels", "values") and separator is None)):
        return _from_columns(table, label, class_names, task)
    name = label[0] if listed else label
    cells = table.column(_VERB, name, "label")
    if separator is None and are_rows(cells, task):
        return from_rows(table, name, class_names, task)
    if separator is not None or any(is_set(cell) for cell in cells):
        return _from_sets(table, name, train, class_names, task, separator, empty)
    cells = table.filled(_VERB, name, "label")
    if task == "labels":
        raise doubt(
            f"nothing says how the column {name!r} holds several labels",
            {"label": name, "task": task},
            f"{_VERB}(..., label_separator=' '), or a list of columns of 0 and 1 as label",
        )
    chosen = task or meaning(table, name, named=class_names is not None)
    if chosen == "values":
        return read_labels(_VERB, column_numbers(table, name), None, "values")
    return "classes", *_named(table, name, train, class_names)


def _from_columns(
    table: Table, columns: Sequence[Any], class_names: Sequence[str] | None, task: Task | None
) -> Found:
    if not columns or len(set(map(repr, columns))) < len(columns):
        raise doubt(
            "the columns of labels are no list of different ones",
            {"label": list(columns)},
            f"{_VERB}(..., label=['rain', 'snow'])",
        )
    numbers = np.stack([column_numbers(table, name) for name in columns], axis=1)
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
        raise doubt(
            f"the column {name!r} holds several labels in a cell",
            {"task": task, "label_separator": separator},
            f"{_VERB}(..., task='labels')",
        )
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise doubt(
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
        raise doubt(f"the column {name!r} holds no label at all", {"label": name}, None)
    places = {part: i for i, part in enumerate(names)}
    strange = [[part for part in parts if part not in places] for parts in sets]
    _check_known(table, strange, names, class_names is not None)
    rows = np.zeros((len(sets), len(names)), np.float32)
    for row, parts in enumerate(sets):
        rows[row, [places[part] for part in parts]] = 1
    return "labels", names, rows


def _parts(cell: Any, separator: str | None) -> list[str]:
    if cell is None:
        return []
    if is_set(cell):
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
    places: Mapping[str, int] = {part: i for i, part in enumerate(names)}
    if class_names is not None and places.keys().isdisjoint(cells):
        places = _numbered(table.columns[name], cells, len(names)) or places
    strange = [[cell] if cell not in places else [] for cell in cells]
    _check_known(table, strange, names, class_names is not None)
    return names, np.asarray([places[cell] for cell in cells], np.int64)


def _numbered(cells: Sequence[Any], texts: Sequence[str], count: int) -> Mapping[str, int] | None:
    """Places by number, or by truth where there are two, if that is what all cells hold."""
    if count == 2 and all(is_truth(cell) for cell in cells):
        return {text: int(text.lower() == "true") for text in texts}
    by_number = {str(i): i for i in range(count)}
    return by_number if set(texts) <= by_number.keys() else None


def _classes(found: Iterable[str], class_names: Sequence[str] | None) -> tuple[str, ...]:
    if class_names is not None:
        return checked_names(_VERB, class_names)
    names = set(found)
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _check_known(
    table: Table, strange: Sequence[Sequence[str]], names: Sequence[str], given: bool
) -> None:
    """Refuse labels that are no class: of a split that is not trained on, or left out of a list."""
    rows = [row for row, parts in enumerate(strange) if parts]
    if rows:
        labels = sorted({part for row in rows for part in strange[row]})
        raise DataError(
            explain(
                _VERB,
                f"{', '.join(map(repr, labels[:5]))} in {table.places(rows)} "
                f"{'is no class' if len(labels) == 1 else 'are no classes'} of "
                f"{'class_names' if given else 'the training split'}",
                expected=f"labels among {tuple(names)[:20]}",
                received={"labels": labels[:10]},
                mend="Correct the cells, leave out the rows, or name all with class_names=[...].",
            )
        )


def name_in(cell: Any) -> str:
    """A cell as text, its accents composed; a whole number without its point.

    (pandas makes floats of whole numbers where a cell of the column is empty.)
    """
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return composed(cell).strip()


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
