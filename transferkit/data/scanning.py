"""The walk over a folder of pictures: which splits, classes and files there are."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transferkit._progress import Progress
from transferkit.data.composed import composed
from transferkit.data.files import BROKEN_LINK, is_hidden, why_not_read
from transferkit.data.split import SPLIT_NAMES
from transferkit.errors import DataError, DataNotFoundError, explain

__all__ = ["LAYOUT", "Scan", "scan_folder"]

_VERB = "from_directory"
LAYOUT = (
    "flowers/daisy/1.jpg, flowers/rose/2.jpg, ... or flowers/train/daisy/1.jpg, flowers/val/..."
)
"""How a folder has to look."""


@dataclass
class Scan:
    """What the walk over the folders has found so far.

    Attributes:
        root: The folder that was given.
        homes: The folder of each split.
        folders: The class folders of each split, by class.
        files: The pictures in them, by split and class.
        ignored: What was left out, by reason.
        progress: Told of every file.
    """

    root: Path
    homes: dict[str, Path] = field(default_factory=dict)
    folders: dict[str, dict[str, Path]] = field(default_factory=dict)
    files: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    ignored: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    progress: Progress = field(default_factory=lambda: Progress("scan", verbose=0))


def scan_folder(root: Path, progress: Progress) -> Scan:
    """Find the splits, the class folders and the pictures in them.

    Raises:
        DataNotFoundError: If there is no such folder.
        DataError: If it has no training pictures in class folders, or two folders for one split.
    """
    if not os.path.isdir(root):  # a Path's own fails for very long names
        near: list[str] = []
        if os.path.isdir(root.parent):
            known = [p.name for p in root.parent.iterdir() if p.is_dir()]
            near = difflib.get_close_matches(root.name, known)
        raise DataNotFoundError(
            explain(
                _VERB,
                f"there is no folder {str(root)!r}",
                expected="a folder with one folder for each class",
                received={"path": str(root)},
                mend=f"Did you mean {str(root.parent / near[0])!r}?" if near else None,
            )
        )
    scan = Scan(root, progress=progress)
    folders = _folders(root, scan)
    scan.homes = _homes(root, folders)
    if root not in scan.homes.values():
        beside = [folder for folder in folders if folder not in scan.homes.values()]
        if beside:
            scan.ignored["beside the splits"].extend(beside)
    for name, folder in scan.homes.items():
        inside = folders if folder == root else _folders(folder, scan)
        scan.folders[name] = _by_name(inside)
        scan.files[name] = {n: _files(entry, scan) for n, entry in scan.folders[name].items()}
    if not scan.folders["train"]:
        raise _no_classes(root, "holds no class folders")
    return scan


def _homes(root: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """The folder of each split: the root itself where no folder is called train."""
    named = [(SPLIT_NAMES[p.name.lower()], p) for p in folders if p.name.lower() in SPLIT_NAMES]
    homes = dict(named)
    if "train" not in homes:
        if folders and len(named) == len(folders):
            raise _no_classes(root, "has no train/")
        return {"train": root}
    if len(homes) < len(named):
        raise DataError(
            explain(
                _VERB,
                "two folders are the same split",
                expected="one of val/, valid/ and validation/",
                received={"folders": sorted(path.name for _, path in named)},
                mend="Merge them, or delete one.",
            )
        )
    return homes


def _by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """The class folders by class, whatever form its accents have in the file system."""
    found: dict[str, Path] = {}
    for folder in folders:
        other = found.setdefault(composed(folder.name), folder)
        if other is not folder:
            raise DataError(
                explain(
                    _VERB,
                    f"two folders are the class {composed(folder.name)!r}",
                    expected="one folder for each class",
                    received={"folders": ascii((other.name, folder.name))},
                    mend="Their names look alike and hold accents in different forms. Merge them.",
                )
            )
    return found


def _no_classes(root: Path, happened: str) -> DataError:
    return DataError(
        explain(
            _VERB,
            f"{str(root)!r} {happened}",
            expected=f"a folder for each class: {LAYOUT}",
            received={"path": str(root)},
            mend="Sort the files into folders that are named after their classes. "
            f"{', '.join(map(repr, sorted(SPLIT_NAMES)))} are the names of splits, not of classes.",
        )
    )


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
                _VERB,
                f"the folder {str(folder)!r} cannot be read: {error.strerror}",
                expected="folders that this user may read",
            )
        ) from error
    return [folder / name for name in names]


def _folders(folder: Path, scan: Scan) -> list[Path]:
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


def _files(folder: Path, scan: Scan) -> list[Path]:
    found = []
    for entry in _entries(folder):
        scan.progress.advance()
        reason = why_not_read(entry)
        if reason is None:
            found.append(entry)
        else:
            scan.ignored[reason].append(entry)
    return found
