"""A folder of pictures, a folder a class."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transferkit._progress import Progress, check_verbose
from transferkit._types import ImageSize, PathLike, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data.bundle import Data, Split
from transferkit.data.decode import MAX_PIXELS, Fit, check_fit
from transferkit.data.division import check_sides
from transferkit.data.files import BROKEN_LINK, is_hidden, why_not_read
from transferkit.data.grouping import PathGroups, checked_pattern, path_groups, relative_key
from transferkit.data.labels import checked_names
from transferkit.data.reading import OnBad, check_on_bad, read_files
from transferkit.errors import DataError, DataNotFoundError, explain

__all__ = ["from_directory"]

_SPLITS = splitting.SPLIT_NAMES
_LAYOUT = (
    "flowers/daisy/1.jpg, flowers/rose/2.jpg, ... or flowers/train/daisy/1.jpg, flowers/val/..."
)


@dataclass
class _Scan:
    """What the walk over the folders has found so far."""

    files: dict[str, dict[str, list[Path]]] = field(default_factory=dict)  # split, class, files
    ignored: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    progress: Progress = field(default_factory=lambda: Progress("scan", verbose=0))


def from_directory(
    path: PathLike,
    *,
    image_size: ImageSize | None = None,
    fit: Fit = "crop",
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
        fit: ``"crop"``, ``"stretch"`` or ``"pad"``; see `decode`.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        val: Share of the training pictures that becomes the validation split.
        test: Share that becomes the test split.
        seed: Decides which.
        class_names: The classes in the order wanted; by default the folders' names, sorted by code
            point. Folders that are not named are left out.
        on_bad: ``"raise"`` names every file that cannot be decoded; ``"skip"`` leaves them out,
            counts them in the report, and warns.
        max_pixels: Pictures of more pixels count as bad and are not decoded.
        groups: What the pictures of one subject have in common, no two of which may be on different
            sides: a regular expression that is searched for in the path below the folder and whose
            one bracket is the group's name (``"patient([0-9]+)_"``), or a function that gets the
            path.
        stable: Whether the hash alone decides, so that no picture ever changes sides when others
            are added or taken away; `val` and `test` then hold on average. Without it every class
            has its exact share, and an added picture moves a few others.
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
    checked_pattern("from_directory", groups)
    check_verbose("from_directory", verbose)
    with Progress("scan", verbose=verbose) as progress:
        scan = _scan(root, progress)
    names = _class_names(scan, class_names, root)
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


def _scan(root: Path, progress: Progress) -> _Scan:
    if not root.is_dir():
        near: list[str] = []
        if root.parent.is_dir():
            known = [p.name for p in root.parent.iterdir() if p.is_dir()]
            near = difflib.get_close_matches(root.name, known)
        raise DataNotFoundError(
            explain(
                "from_directory",
                f"there is no folder {str(root)!r}",
                expected="a folder with one folder for each class",
                received={"path": str(root)},
                mend=f"Did you mean {str(root.parent / near[0])!r}?" if near else None,
            )
        )
    scan = _Scan(progress=progress)
    folders = _folders(root, scan)
    splits = {p: _SPLITS[p.name.lower()] for p in folders if p.name.lower() in _SPLITS}
    if "train" not in splits.values():
        splits = {root: "train"}
    else:
        scan.ignored["beside the splits"].extend(p for p in folders if p not in splits)
        if not scan.ignored["beside the splits"]:
            del scan.ignored["beside the splits"]
    if len(set(splits.values())) < len(splits):
        raise DataError(
            explain(
                "from_directory",
                "two folders are the same split",
                expected="one of val/, valid/ and validation/",
                received={"folders": sorted(p.name for p in splits)},
                mend="Merge them, or delete one.",
            )
        )
    for folder, name in splits.items():
        inside = folders if folder == root else _folders(folder, scan)
        scan.files[name] = {p.name: _files(p, scan) for p in inside}
    if not any(scan.files["train"]):
        raise DataError(
            explain(
                "from_directory",
                f"{str(root)!r} holds no class folders",
                expected=f"a folder for each class: {_LAYOUT}",
                received={"path": str(root)},
                mend="Sort the files into folders that are named after their classes. "
                f"{', '.join(map(repr, sorted(_SPLITS)))} are the names of splits, not of classes.",
            )
        )
    return scan


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted by code point.

    Raises:
        DataError: If the system does not let it be read.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(
            explain(
                "from_directory",
                f"the folder {str(folder)!r} cannot be read: {error.strerror}",
                expected="folders that this user may read",
            )
        ) from error
    return [folder / name for name in names]


def _folders(folder: Path, scan: _Scan) -> list[Path]:
    found, here = [], folder.resolve()
    for entry in _entries(folder):
        if is_hidden(entry):
            scan.ignored["hidden"].append(entry)
        elif not entry.is_dir():
            broken = entry.is_symlink() and not entry.exists()
            scan.ignored[BROKEN_LINK if broken else "in no class folder"].append(entry)
        elif entry.is_symlink() and here.is_relative_to(entry.resolve()):
            scan.ignored["a link to the folder it is in"].append(entry)
        else:
            found.append(entry)
    return found


def _files(folder: Path, scan: _Scan) -> list[Path]:
    found = []
    for entry in _entries(folder):
        scan.progress.advance()
        reason = why_not_read(entry)
        if reason is None:
            found.append(entry)
        else:
            scan.ignored[reason].append(entry)
    return found


def _class_names(scan: _Scan, given: Sequence[str] | None, root: Path) -> tuple[str, ...]:
    present = tuple(sorted(scan.files["train"]))
    names = present if given is None else checked_names("from_directory", given)
    missing = sorted(set(names) - set(present))
    if missing:
        raise DataError(
            explain(
                "from_directory",
                f"there is no folder for {', '.join(map(repr, missing[:10]))}",
                expected=f"class_names among {present[:20]}",
                received={"class_names": names},
            )
        )
    if len(names) < 2:
        raise DataError(
            explain(
                "from_directory",
                f"{str(root)!r} holds one class, {names!r}: there is nothing to tell apart",
                expected=f"two class folders or more: {_LAYOUT}",
                received={"path": str(root)},
            )
        )
    empty = [name for name in names if not scan.files["train"][name]]
    if empty:
        raise DataError(
            explain(
                "from_directory",
                f"the class folder {empty[0]!r} holds no pictures",
                expected="pictures in every class folder",
                received={"empty": empty},
                mend="Delete the folder, or name the classes to use with class_names=[...].",
            )
        )
    for split, classes in scan.files.items():
        surplus, lacking = sorted(set(classes) - set(present)), sorted(set(names) - set(classes))
        if surplus or lacking:
            raise DataError(
                explain(
                    "from_directory",
                    f"{split}/ and train/ have different classes",
                    expected=f"the class folders {present[:20]} in both",
                    received={"surplus": surplus, "missing": lacking},
                    mend="Rename or add the folders, or name the classes with class_names=[...].",
                )
            )
    return names
