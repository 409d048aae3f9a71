"""A folder of pictures, a folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferkit._progress import Progress, check_verbose
from transferkit._types import ImageSize, PathLike, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data.bundle import Data, Split
from transferkit.data.division import check_sides
from transferkit.data.fitting import Fit, check_fit
from transferkit.data.folder_classes import folder_classes
from transferkit.data.grouping import PathGroups, checked_pattern, path_groups, relative_key
from transferkit.data.limits import MAX_PIXELS, check_max_pixels
from transferkit.data.reading import OnBad, check_on_bad, read_files
from transferkit.data.scanning import scan_folder

__all__ = ["from_directory"]


def from_directory(
    path: PathLike,
    *,
    image_size: ImageSize | None = None,
    fit: Fit | None = None,
    channels: int = 3,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
    on_bad: OnBad = "raise",
    max_pixels: int = MAX_PIXELS,
    groups: PathGroups | None = None,
    stable: bool = False,
    verbose: int = 1,
) -> Data:
    """Read a folder with one folder of pictures for each class.

    If the folder has ``train/`` and perhaps ``val/`` (or ``valid/``, ``validation/``) and
    ``test/``, these are the splits. Else, or where there is no ``val/``, the training pictures are
    divided: stratified, by a hash of the seed and the path below the folder, so that neither the
    machine nor the place of the folder changes it. Every file is decoded once now, so that a bad
    one is found before training.

    Args:
        path: The folder.
        image_size: A side or (height, width) in pixels; None leaves it to `fit`, which takes the
            backbone's own.
        fit: ``"crop"``, ``"stretch"``, ``"pad"`` or a `Crop`; see `decode`. None is ``"crop"``, and
            without an `image_size` whatever the backbone was tested with.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        val: Share of the training pictures that becomes the validation split.
        test: Share that becomes the test split.
        seed: Decides which.
        class_names: The classes in the order wanted; by default the folders' names, sorted by code
            point. Folders that are not named are left out and stand in the report; a name may be
            without pictures, or without a folder where all folders are named.
        on_bad: ``"raise"`` names every file that cannot be decoded; ``"skip"`` leaves them out,
            counts them in the report, and warns.
        max_pixels: Pictures of more pixels count as bad and are not decoded.
        groups: What the pictures of one subject have in common, no two of which may be on different
            sides: a regular expression that is searched for in the path below the folder and whose
            one bracket is the group's name (``"patient([0-9]+)_"``), or a function that gets the
            path.
        stable: Whether the hash alone decides, so that no picture ever changes sides when others
            are added or taken away; `val` and `test` then hold on average. Without it every class
            has its exact share; an added picture then moves one other at most across each line, and
            with groups many.
        verbose: 0 silent; 1 shows how far scanning and decoding are, if they take longer than a
            second; 2 the same in plain lines.

    Returns:
        JPEG, PNG, GIF, BMP, WebP and TIFF pictures (see `decode`); what was left out, and why,
        stands in ``.report``.

    Raises:
        DataNotFoundError: If there is no such folder.
        DataError: If there are no classes, one class, an empty class or split, splits with
            different classes, a group in two given splits, fewer groups than splits, or bad files.
        SpecError: If an argument is out of its range.
    """
    root = Path(path)
    check_on_bad("from_directory", on_bad)
    splitting.check_fractions("from_directory", val, test)
    seed = checked_seed("from_directory", seed)
    check_fit("from_directory", fit)
    check_max_pixels("from_directory", max_pixels)
    checked_pattern("from_directory", groups)
    check_verbose("from_directory", verbose)
    with Progress("scan", verbose=verbose) as progress:
        scan = scan_folder(root, progress)
    names = folder_classes(scan, class_names)
    size = None if image_size is None else as_image_size(image_size, verb="from_directory")
    splits = {}
    for name, classes in scan.files.items():
        files = [file for label in names for file in classes.get(label, ())]
        labels = np.repeat(np.arange(len(names)), [len(classes.get(label, ())) for label in names])
        splits[name] = Split(
            name=name,
            labels=labels.astype(np.int64),
            class_names=names,
            sources=tuple(files),
            image_size=size,
            channels=channels,
            fit=fit,
            max_pixels=max_pixels,
            keys=tuple(relative_key(file, root) for file in files),
            groups=path_groups("from_directory", groups, files, root),
            stable=bool(stable),
        )
    check_sides("from_directory", splits)
    return read_files(
        "from_directory",
        splits,
        "classes",
        val=val,
        test=test,
        seed=seed,
        on_bad=on_bad,
        ignored=scan.ignored,
        verbose=verbose,
    )
