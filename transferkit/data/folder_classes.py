"""The class list of a folder: its class folders, or those of them that were named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transferkit.data.labels import checked_names
from transferkit.data.scanning import LAYOUT, Scan
from transferkit.errors import DataError, explain

__all__ = ["NOT_NAMED", "folder_classes"]

_VERB = "from_directory"
NOT_NAMED = "not in class_names"
"""Why a class folder is left out."""


def folder_classes(scan: Scan, given: Sequence[str] | None) -> tuple[str, ...]:
    """The class list; folders that are left out of it are noted as ignored.

    Without `given` it is the folders of the training split, and every split has all of them, with
    pictures to train on. With `given` a folder may be empty or absent. A name without a folder
    beside a folder without a name is taken for a spelling mistake.

    Args:
        scan: What there is.
        given: The classes in the order wanted, or None.

    Raises:
        DataError: If splits and classes do not go together, or there is one class.
    """
    names = tuple(sorted(scan.folders["train"])) if given is None else checked_names(_VERB, given)
    for split, folders in scan.folders.items():
        _check_spelling(split, tuple(folders), names, given is not None)
    if len(names) < 2:
        raise DataError(
            explain(
                _VERB,
                f"{str(scan.root)!r} holds one class, {names!r}: there is nothing to tell apart",
                expected=f"two class folders or more: {LAYOUT}",
                received={"path": str(scan.root)},
            )
        )
    if given is None:
        _check_filled(scan, names)
        for split in scan.folders:
            _check_same(scan, split, names)
    elif not any(scan.files["train"].get(name) for name in names):
        raise _empty(scan, [name for name in names if name in scan.folders["train"]])
    strays = [path for f in scan.folders.values() for name, path in f.items() if name not in names]
    if strays:
        scan.ignored[NOT_NAMED].extend(strays)
    return names


def _check_spelling(split: str, folders: Sequence[str], names: Sequence[str], given: bool) -> None:
    missing = [name for name in names if name not in folders]
    strays = [name for name in folders if name not in names]
    if given and missing and strays:
        raise DataError(
            explain(
                _VERB,
                f"there is no folder for {', '.join(map(repr, missing[:10]))}",
                expected=f"class_names among {tuple(folders)[:20]}",
                received={"class_names": tuple(names), "split": split},
                mend=f"Correct the spelling, or make an empty folder {missing[0]!r} if it has no "
                "pictures here.",
            )
        )


def _check_filled(scan: Scan, names: Sequence[str]) -> None:
    empty = [name for name in names if not scan.files["train"][name]]
    if empty:
        raise _empty(scan, empty)


def _empty(scan: Scan, empty: Sequence[str]) -> DataError:
    folder = scan.folders["train"][empty[0]]
    inside = _left_out(scan, folder)
    mend = "Delete the folder, or name the classes to use with class_names=[...]."
    if "a folder inside" in inside:
        mend = f"Move the pictures up into {str(folder)!r}: they are one level too deep."
    elif inside:
        mend = "Convert the pictures, or delete the folder."
    return DataError(
        explain(
            _VERB,
            f"the class folder {empty[0]!r} holds no pictures" + (inside and f", but {inside}"),
            expected="pictures in every class folder",
            received={"empty": list(empty)},
            mend=mend,
        )
    )


def _left_out(scan: Scan, folder: Path) -> str:
    """What else is in a folder, in words; nothing if nothing is."""
    counts = {
        reason: sum(path.parent == folder for path in paths)
        for reason, paths in scan.ignored.items()
    }
    told = [f"{n:,} left out as {reason!r}" for reason, n in counts.items() if n]
    return ", ".join(told)


def _check_same(scan: Scan, split: str, names: Sequence[str]) -> None:
    folders = scan.folders[split]
    surplus, missing = sorted(set(folders) - set(names)), sorted(set(names) - set(folders))
    if not surplus and not missing:
        return
    happened = f"{split}/ and train/ have different classes"
    mend = "Rename or add the folders, or name the classes with class_names=[...]."
    inside = _left_out(scan, scan.homes[split])
    if not folders and inside:
        happened = f"{split}/ has no class folders, but {inside}"
        mend = f"Sort them into class folders, or move {split}/ away and use predict on it."
    raise DataError(
        explain(
            _VERB,
            happened,
            expected=f"the class folders {tuple(names)[:20]} in both",
            received={"surplus": surplus, "missing": missing},
            mend=mend,
        )
    )
