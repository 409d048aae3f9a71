"""What numbers the cells of a column spell, and whether they are classes or quantities."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from transferkit.data.table import Table
from transferkit.errors import DataError, explain

__all__ = ["column_numbers", "doubt", "is_truth", "meaning"]

_VERB = "from_dataframe"
_TRUTH = {"true": 1.0, "false": 0.0}
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")


def meaning(table: Table, name: Any, *, named: bool) -> Literal["classes", "values"]:
    """What a column of single cells holds, where that is beyond doubt.

    Args:
        table: The table.
        name: The column.
        named: Whether the classes are known by name.

    Raises:
        DataError: If it is in doubt, naming the cells that make it so.
    """
    cells = table.filled(_VERB, name, "label")
    if named or all(is_truth(cell) for cell in cells):
        return "classes"
    numbers = [None if is_truth(cell) else _number(cell) for cell in cells]
    odd = [row for row, number in enumerate(numbers) if number is None]
    commas = [row for row in odd if isinstance(cells[row], str) and _COMMA.fullmatch(cells[row])]
    both = f"{_VERB}(..., task='classes') or {_VERB}(..., task='values')"
    if not odd:
        if not all(float(number).is_integer() for number in numbers if number is not None):
            return "values"
        raise doubt(
            f"the column {name!r} holds whole numbers: classes, or numbers to predict?",
            {"label": name, "cells": cells[:5]},
            both,
        )
    if 2 * (len(cells) - len(odd) + len(commas)) <= len(cells):
        return "classes"
    if commas:
        raise doubt(
            f"the column {name!r} has decimal commas in {table.places(commas)}",
            {"label": name, "cells": [cells[row] for row in commas[:5]]},
            "Write 20.5 for 20,5 (pandas.read_csv(..., decimal=',') does). Sets of labels need "
            "label_separator=',', and names task='classes'.",
        )
    raise doubt(
        f"the column {name!r} holds numbers, but none in {table.places(odd)}",
        {"label": name, "cells": [cells[row] for row in odd[:5]]},
        f"Correct the cells, or {both}",
    )


def column_numbers(table: Table, name: Any) -> np.ndarray[Any, Any]:
    """A column of finite numbers, float64.

    Raises:
        DataError: Naming the cells that are none.
    """
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


def is_truth(cell: Any) -> bool:
    """True for True and False, as values or as a CSV file spells them."""
    return isinstance(cell, bool) or (isinstance(cell, str) and cell.lower() in _TRUTH)


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


def doubt(happened: str, received: Mapping[str, Any], mend: str | None) -> DataError:
    """The error of labels that may mean several things."""
    expected = "labels of one meaning"
    return DataError(explain(_VERB, happened, expected=expected, received=received, mend=mend))
