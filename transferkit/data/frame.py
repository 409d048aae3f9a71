"""A table of pictures: a data frame or a CSV file with a row for each."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit._progress import check_verbose
from transferkit._text import counted, printable
from transferkit._types import ImageSize, PathLike, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import cells
from transferkit.data import split as splitting
from transferkit.data.bundle import Data
from transferkit.data.division import check_sides
from transferkit.data.fitting import Fit, check_fit
from transferkit.data.grouping import group_names, relative_key
from transferkit.data.labels import check_task
from transferkit.data.limits import MAX_PIXELS, check_max_pixels
from transferkit.data.pictures import Split
from transferkit.data.reading import OnBad, check_on_bad, read_files
from transferkit.data.rows import check_files, row_paths, row_splits
from transferkit.data.table import Table, read_table
from transferkit.spec import Task

__all__ = ["from_dataframe"]

_VERB = "from_dataframe"


def from_dataframe(
    frame: Any,
    *,
    image: str = "path",
    label: Any = "label",
    root: PathLike | None = None,
    suffix: str = "",
    task: Task | None = None,
    label_separator: str | None = None,
    empty: cells.Empty = "raise",
    class_names: Sequence[str] | None = None,
    split: str | None = None,
    group: str | None = None,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    stable: bool = False,
    image_size: ImageSize | None = None,
    fit: Fit | None = None,
    channels: int = 3,
    on_bad: OnBad = "raise",
    max_pixels: int = MAX_PIXELS,
    encoding: str | None = None,
    delimiter: str | None = None,
    verbose: int = 1,
) -> Data:
    """Read pictures that a table names, a row for each.

    What the labels are is read off the cells. Text, or True and False, is a class. A column of
    lists of names, or a `label_separator`, or several columns of 0 and 1 are sets of labels.
    Numbers with a fraction are numbers to predict. Whole numbers may be either, rows of numbers in
    one cell may be labels or numbers, and `task` has to say which. Space around text belongs to no
    cell. A row in which several columns are 0 has none of the labels; an empty cell is an error
    unless ``empty="none"`` says that it means that.

    Args:
        frame: The path of a CSV file with a line of names, or a data frame (pandas' or polars').
        image: The column of paths.
        label: The column of labels, or a list of columns.
        root: What relative paths are relative to; by default the folder of the CSV file, and the
            working folder for a data frame.
        suffix: What each path lacks, as ``".jpg"``.
        task: ``"classes"``, ``"labels"`` or ``"values"``, where the cells leave a doubt.
        label_separator: What stands between the labels in a cell.
        empty: ``"raise"``, or ``"none"`` if an empty cell means none of the labels.
        class_names: The classes or labels in the order wanted; by default those of the training
            pictures, sorted by code point, or by number where all are numbers. Cells may be their
            names, or their places in this list (True is 1) where none is a name.
        split: A column of ``train``, ``val`` (or ``valid``, ``validation``) and ``test``. Without
            one, or without ``val`` in it, the training pictures are divided.
        group: A column that names the subject of each picture (a patient, a place): no subject is
            ever on two sides.
        val: Share of the training pictures that becomes the validation split.
        test: Share that becomes the test split.
        seed: Decides which; see `from_directory`.
        stable: Whether no picture changes sides when rows are added; see `from_directory`.
        image_size: A side or (height, width) in pixels; None leaves it to `fit`, which takes the
            backbone's own.
        fit: ``"crop"``, ``"stretch"``, ``"pad"`` or a `Crop`; see `decode`. None is ``"crop"``, and
            without an `image_size` whatever the backbone was tested with.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        on_bad: ``"raise"`` names every file that is missing or cannot be decoded; ``"skip"`` leaves
            them out, counts them in the report, and warns.
        max_pixels: Pictures of more pixels count as bad and are not decoded.
        encoding: Of the CSV file; None is UTF-8, or what its byte order mark says.
        delimiter: Between its cells; None finds it among comma, semicolon, tab and ``|``.
        verbose: 0 silent; 1 shows how far decoding is, if it takes longer than a second; 2 the same
            in plain lines.

    Raises:
        DataNotFoundError: If there is no such CSV file.
        DataError: If a column or file is missing, cells are empty or cannot be what they ought to
            be, the labels leave a doubt, a label is in no training picture, or a split is empty.
        SpecError: If an argument is out of its range.

    Warns:
        UserWarning: If a picture has several rows with different labels, or a class one picture.
    """
    check_task(_VERB, task)
    cells.check_empty(empty)
    check_on_bad(_VERB, on_bad)
    check_fit(_VERB, fit)
    check_max_pixels(_VERB, max_pixels)
    check_verbose(_VERB, verbose)
    splitting.check_fractions(_VERB, val, test)
    seed = checked_seed(_VERB, seed)
    size = None if image_size is None else as_image_size(image_size, verb=_VERB)
    targets = label if isinstance(label, list | tuple) else [label]
    wanted = [name for name in (image, *targets, split, group) if name is not None]
    table = read_table(_VERB, frame, wanted=wanted, encoding=encoding, delimiter=delimiter)
    folder = table.folder if root is None else Path(root)
    files = row_paths(table, image, folder, suffix)
    if on_bad == "raise":
        check_files(table, files, folder)
    rows = row_splits(table, split)
    found_task, names, labels = cells.cell_labels(
        table,
        label,
        train=np.isin(np.arange(len(table)), rows["train"]),
        class_names=class_names,
        task=task,
        separator=label_separator,
        empty=empty,
    )
    owners = None if group is None else table.filled(_VERB, group, "group")
    whole = Split(
        name="train",
        labels=labels,
        class_names=names,
        sources=files,
        image_size=size,
        channels=channels,
        fit=fit,
        max_pixels=max_pixels,
        keys=tuple(relative_key(file, folder) for file in files),
        groups=group_names(_VERB, owners, len(files)),
        stable=bool(stable),
    )
    splits = {name: whole.taken(chosen, name) for name, chosen in rows.items()}
    check_sides(_VERB, splits)
    for told in (*_contradictions(table, files, labels), *_single(splits["train"], val + test)):
        warnings.warn(printable(f"{_VERB}: {told}"), stacklevel=2)
    return read_files(
        _VERB,
        splits,
        found_task,
        val=val,
        test=test,
        seed=seed,
        on_bad=on_bad,
        ignored={},
        verbose=verbose,
    )


def _contradictions(table: Table, files: Sequence[Path], labels: np.ndarray[Any, Any]) -> list[str]:
    """Word of pictures that stand in several rows with different labels."""
    rows: dict[Path, list[int]] = defaultdict(list)
    for row, file in enumerate(files):
        rows[file].append(row)
    torn = {
        file: places
        for file, places in rows.items()
        if len(places) > 1 and (labels[places] != labels[places[0]]).any()
    }
    if not torn:
        return []
    file, places = next(iter(torn.items()))
    return [
        f"{counted(len(torn), 'picture')} in several rows with different labels, as {file} in "
        f"{table.places(places)}; several labels of a picture belong into one row"
    ]


def _single(train: Split, share: float) -> list[str]:
    """Word of classes that are too small to be divided."""
    if train.labels.ndim > 1 or share <= 0:
        return []
    names = [name for name, n in zip(train.class_names, train.counts(), strict=True) if n == 1]
    if not names or len(names) == len(train.class_names):
        return []
    listed = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return [f"classes with one training picture are in no other split: {listed}"]
