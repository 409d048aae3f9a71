"""A folder of pictures, a folder a class."""

from __future__ import annotations

import difflib
import hashlib
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transferkit._text import counted, printable
from transferkit._types import ImageSize, PathLike, checked_seed
from transferkit._types import image_size as as_image_size
from transferkit.data import split as splitting
from transferkit.data import store
from transferkit.data.bundle import Data, Split
from transferkit.data.decode import MAX_PIXELS, Fit, check_fit, decode, opened
from transferkit.data.files import is_hidden, why_not_read
from transferkit.data.report import Report, left_out
from transferkit.errors import DataError, DataNotFoundError, DecodeError, SpecError, explain

__all__ = ["from_directory"]

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LAYOUT = (
    "flowers/daisy/1.jpg, flowers/rose/2.jpg, ... or flowers/train/daisy/1.jpg, flowers/val/..."
)


@dataclass
class _Scan:
    """What the walk over the folders has found so far."""

    files: dict[str, dict[str, list[Path]]] = field(default_factory=dict)  # split, class, files
    ignored: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


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
    on_bad: Literal["raise", "skip"] = "raise",
    max_pixels: int = MAX_PIXELS,
) -> Data:
    """Read a folder with one folder of pictures for each class.

    If the folder has ``train/`` and perhaps ``val/`` (or ``valid/``, ``validation/``) and
    ``test/``, these are the splits. Else, or where there is no ``val/``, the training pictures are
    divided: stratified, by seed. Every file is decoded once now, so that a bad one is found before
    training.

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

    Returns:
        JPEG, PNG, BMP and WebP pictures; what was left out, and why, stands in ``.report``.

    Raises:
        DataNotFoundError: If there is no such folder.
        DataError: If there are no classes, one class, an empty class or split, splits with
            different classes, or bad files.
    """
    root = Path(path)
    if on_bad not in ("raise", "skip"):
        raise SpecError(
            explain(
                "from_directory",
                "on_bad is unknown",
                expected="'raise' or 'skip'",
                received={"on_bad": on_bad},
            )
        )
    splitting.check_fractions("from_directory", val, test)
    seed = checked_seed("from_directory", seed)
    check_fit("from_directory", fit)
    scan = _scan(root)
    names = _class_names(scan, class_names, root)
    size = None if image_size is None else as_image_size(image_size, verb="from_directory")
    splits, bad = {}, []
    for name, classes in scan.files.items():
        files = [file for label in names for file in classes.get(label, ())]
        labels = np.repeat(np.arange(len(names)), [len(classes.get(label, ())) for label in names])
        split = Split(
            name=name,
            labels=labels.astype(np.int64),
            class_names=names,
            sources=tuple(files),
            image_size=size,
            channels=channels,
            fit=fit,
            max_pixels=max_pixels,
        )
        splits[name], failed = _checked(split)
        bad.extend(failed)
    _report_bad(bad, on_bad)
    data = _divided(splits, val, test, seed)
    _check_filled(data, root)
    groups, leaks = _duplicates(data)
    report = Report(
        counts=data.counts(),
        sizes=_sizes(data),
        ignored={reason: tuple(paths) for reason, paths in scan.ignored.items()},
        bad=tuple(bad),
        duplicates=groups,
        leaks=leaks,
    )
    return replace(data, report=report)


def _scan(root: Path) -> _Scan:
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
    scan = _Scan()
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


def _folders(folder: Path, scan: _Scan) -> list[Path]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda p: p.name):
        if is_hidden(entry):
            scan.ignored["hidden"].append(entry)
        elif entry.is_dir():
            found.append(entry)
        else:
            scan.ignored["in no class folder"].append(entry)
    return found


def _files(folder: Path, scan: _Scan) -> list[Path]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda p: p.name):
        reason = why_not_read(entry)
        if reason is None:
            found.append(entry)
        else:
            scan.ignored[reason].append(entry)
    return found


def _class_names(scan: _Scan, given: Sequence[str] | None, root: Path) -> tuple[str, ...]:
    present = tuple(sorted(scan.files["train"]))
    names = present if given is None else tuple(given)
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
    if len(set(names)) < len(names):
        raise DataError(
            explain(
                "from_directory",
                "a class is named twice",
                expected="every class once",
                received={"class_names": names},
            )
        )
    if len(names) < 2:
        raise DataError(
            explain(
                "from_directory",
                f"{str(root)!r} holds one class, {names!r}: there is nothing to tell apart"
                if names
                else "class_names names no class",
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


def _checked(split: Split) -> tuple[Split, list[tuple[Path, str]]]:
    """Decode every file once: into its place, or without a size only to see that it can be."""
    size = split.image_size
    shape = (len(split), *size, split.channels) if size else (len(split), 0)
    room = store.allocate(shape)

    def read(file: Path) -> Any:
        pixels = decode(
            file,
            image_size=size,
            fit=split.fit,
            channels=split.channels,
            max_pixels=split.max_pixels,
        )
        return pixels if size else np.empty(0, np.uint8)

    failed = store.fill(room, split.sources, read)
    decoded = room if size else None
    if not failed:
        return replace(split, decoded=decoded), []
    lost = {file for file, _ in failed}
    kept = np.asarray([i for i, file in enumerate(split.sources) if file not in lost], np.int64)
    left = replace(split, decoded=decoded).taken(kept, split.name)
    return left, [(file, _reason(error)) for file, error in failed]


def _reason(error: Exception) -> str:
    text = str(error)
    return text.split("cannot be read: ", 1)[-1].split(". Expected", 1)[0]


def _report_bad(bad: list[tuple[Path, str]], on_bad: str) -> None:
    if not bad:
        return
    listed = "; ".join(f"{file}: {reason}" for file, reason in bad[:10])
    more = f"; and {len(bad) - 10} more" if len(bad) > 10 else ""
    if on_bad == "skip":
        told = f"from_directory: {left_out(len(bad))}: {listed}{more}"
        warnings.warn(printable(told), stacklevel=3)
        return
    raise DecodeError(
        explain(
            "from_directory",
            f"{counted(len(bad), 'file')} cannot be decoded: {listed}{more}",
            expected="whole JPEG, PNG, BMP or WebP pictures",
            mend="Delete or replace them, or leave them out with on_bad='skip'.",
        )
    )


def _divided(splits: Mapping[str, Split], val: float, test: float, seed: int) -> Data:
    train = splits["train"]
    found = {"val": splits.get("val"), "test": splits.get("test")}
    shares = {
        name: share
        for name, share in (("val", val), ("test", test))
        if found[name] is None and share > 0
    }
    if shares:
        first, *parts = splitting.stratified(train.labels, tuple(shares.values()), seed)
        for (name, share), indices in zip(shares.items(), parts, strict=True):
            if not len(indices):
                raise DataError(
                    explain(
                        "from_directory",
                        f"the {name} split would be empty: {len(train)} pictures are too few",
                        expected="at least two pictures in a class",
                        received={name: share, "pictures": len(train)},
                        mend=f"from_directory(..., {name}=0)",
                    )
                )
            found[name] = train.taken(indices, name)
        train = train.taken(first, "train")
    return Data(train, found["val"], found["test"], "classes", Report({}))


def _check_filled(data: Data, root: Path) -> None:
    for name, split in data.splits.items():
        empty = [n for n, count in data.counts()[name].items() if not count]
        if not len(split) or (name == "train" and empty):
            raise DataError(
                explain(
                    "from_directory",
                    f"no pictures are left in the {name} split"
                    + (f" for {empty[0]!r}" if len(split) else ""),
                    expected="pictures of every class to train on",
                    received={"path": str(root), "split": name},
                )
            )


def _duplicates(data: Data) -> tuple[tuple[tuple[Path, ...], ...], tuple[tuple[Path, ...], ...]]:
    """Groups of files with the same bytes, and those that lie in several splits."""
    by_size: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name, split in data.splits.items():
        for file in split.sources:
            by_size[file.stat().st_size].append((name, file))
    by_bytes: dict[bytes, list[tuple[str, Path]]] = defaultdict(list)
    for size, files in by_size.items():
        for name, file in files if len(files) > 1 else ():
            digest = hashlib.blake2b(file.read_bytes()).digest() + size.to_bytes(8, "big")
            by_bytes[digest].append((name, file))
    groups = [group for group in by_bytes.values() if len(group) > 1]
    return (
        tuple(tuple(file for _, file in group) for group in groups),
        tuple(
            tuple(file for _, file in group) for group in groups if len({n for n, _ in group}) > 1
        ),
    )


def _sizes(data: Data) -> tuple[tuple[int, int], ...]:
    sizes = []
    for split in data.splits.values():
        for file in split.sources:
            with opened(file) as picture:
                sizes.append((picture.height, picture.width))
    sizes.sort(key=lambda size: size[0] * size[1])
    return (sizes[0], sizes[len(sizes) // 2], sizes[-1])
