"""What a row of a table says beside the label: which file, and which split."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._text import counted
from transferkit.data.cells import name_in
from transferkit.data.composed import found_file
from transferkit.data.split import SPLIT_NAMES
from transferkit.data.table import Table
from transferkit.errors import DataError, SpecError, explain

__all__ = ["check_files", "row_paths", "row_splits"]

_VERB = "from_dataframe"


def row_paths(table: Table, image: Any, root: Path, suffix: str) -> tuple[Path, ...]:
    """The file of each row; Windows' backslash is a slash, unless a file is called so.

    Raises:
        SpecError: If `suffix` is no text.
    """
    if not isinstance(suffix, str):
        raise SpecError(
            explain(
                _VERB,
                "that is no ending",
                expected="text that each path lacks, '' if none does",
                received={"suffix": suffix},
                mend=f"{_VERB}(..., suffix='.jpg')",
            )
        )
    return tuple(
        _path(root, name_in(cell) + suffix) for cell in table.filled(_VERB, image, "image")
    )


def _path(root: Path, cell: str) -> Path:
    path = root / cell
    turned = "\\" in cell and not os.path.exists(path)  # a Path's own fails for very long names
    return found_file(root / cell.replace("\\", "/") if turned else path)


def check_files(table: Table, files: Sequence[Path], root: Path) -> None:
    """Refuse files that are not there, all of them at once.

    Raises:
        DataError: Saying which rows name them, and where they were looked for.
    """
    missing = [row for row, file in enumerate(files) if not os.path.isfile(file)]
    if not missing:
        return
    first = files[missing[0]]
    mend = "Correct the cells, leave out the rows, or say root='the folder of the pictures'."
    for ending in (".jpg", ".png", ".jpeg"):
        if os.path.isfile(f"{first}{ending}"):
            mend = f"{_VERB}(..., suffix={ending!r}): then {first.name + ending!r} is there."
    raise DataError(
        explain(
            _VERB,
            f"{counted(len(missing), 'file')} of {len(files):,} cannot be found: "
            f"{table.places(missing)}, as {str(first)!r}",
            expected=f"paths of files, relative ones below {str(root)!r}",
            received={"root": str(root)},
            mend=mend,
        )
    )


def row_splits(table: Table, split: Any) -> Mapping[str, np.ndarray[Any, Any]]:
    """The rows of each split that a column names.

    Raises:
        DataError: If it names something else, or no training pictures.
    """
    if split is None:
        return {"train": np.arange(len(table))}
    cells = [name_in(cell).lower() for cell in table.filled(_VERB, split, "split")]
    strange = [row for row, cell in enumerate(cells) if cell not in SPLIT_NAMES]
    if strange:
        raise DataError(
            explain(
                _VERB,
                f"the column {split!r} names no split in {table.places(strange)}",
                expected=f"one of {', '.join(map(repr, SPLIT_NAMES))}",
                received={"cells": sorted({cells[row] for row in strange})[:5]},
            )
        )
    named = np.asarray([SPLIT_NAMES[cell] for cell in cells])
    found = {
        name: rows
        for name in ("train", "val", "test")
        if len(rows := np.flatnonzero(named == name))
    }
    if "train" not in found:
        raise DataError(
            explain(
                _VERB,
                f"the column {split!r} names no training pictures",
                expected="'train' in some rows",
                received={"splits": sorted(found)},
            )
        )
    return found
