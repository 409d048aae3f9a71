"""Cells that hold several things each: sets of labels, or rows of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.data.labels import read_labels
from transferkit.data.numerals import doubt
from transferkit.data.table import Table
from transferkit.spec import Task

__all__ = ["are_rows", "from_rows", "is_set"]

_VERB = "from_dataframe"


def is_set(cell: Any) -> bool:
    """True for a cell that holds several things."""
    return isinstance(cell, list | tuple | set | frozenset | np.ndarray)


def are_rows(cells: Sequence[Any], task: Task | None) -> bool:
    """Whether cells are rows of numbers, of which each has a meaning by its place.

    So they are if all are numbers, and these are 0 and 1 in rows of one length, or repeat in a
    cell, or have fractions: sets of labels would not. With a task, only rows of one length that it
    can take are.
    """
    filled = [cell for cell in cells if cell is not None]
    if not filled or not all(_is_row(cell) for cell in filled):
        return False
    numbers = [[float(part) for part in cell] for cell in filled]
    even = len({len(row) for row in numbers}) == 1 and bool(numbers[0])
    hot = even and all(part in (0, 1) for row in numbers for part in row)
    if task is not None:
        return hot or (even and task == "values")
    repeated = any(len(set(row)) < len(row) for row in numbers)
    return hot or repeated or any(not part.is_integer() for row in numbers for part in row)


def _is_row(cell: Any) -> bool:
    if isinstance(cell, set | frozenset) or not is_set(cell):
        return False
    return all(isinstance(part, int | float | np.number | np.bool_) for part in cell)


def from_rows(
    table: Table, name: Any, class_names: Sequence[str] | None, task: Task | None
) -> tuple[Task, tuple[str, ...], np.ndarray[Any, Any]]:
    """Labels of a column of rows.

    Args:
        table: The table.
        name: The column.
        class_names: The classes or labels in the order of the columns, or None.
        task: What the rows are.

    Raises:
        DataError: If there is no task: the rows may be labels or numbers.
    """
    cells = table.filled(_VERB, name, "label")
    if task is None:
        raise doubt(
            f"the column {name!r} holds rows of numbers: 0 and 1 for each label, or numbers to "
            "predict?",
            {"label": name, "cells": [list(cell) for cell in cells[:3]]},
            f"{_VERB}(..., task='labels'), where sets of labels are lists of names, or "
            f"{_VERB}(..., task='values'), with rows of one length",
        )
    rows = np.asarray([[float(part) for part in cell] for cell in cells])
    return read_labels(_VERB, rows, None if task == "values" else class_names, task)
