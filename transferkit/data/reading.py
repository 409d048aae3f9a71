"""From lists of files with labels to `Data`: decoded once, divided, reported on."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transferkit._text import counted, printable
from transferkit.data import store
from transferkit.data.bundle import Data, Split
from transferkit.data.decode import decode, opened
from transferkit.data.division import divided
from transferkit.data.report import Report, left_out
from transferkit.errors import DataError, DecodeError, SpecError, explain
from transferkit.spec import Task

__all__ = ["OnBad", "check_on_bad", "read_files"]

OnBad = Literal["raise", "skip"]


def check_on_bad(verb: str, on_bad: Any) -> None:
    """Refuse what is neither way of treating bad files.

    Raises:
        SpecError: Naming both.
    """
    if on_bad not in ("raise", "skip"):
        raise SpecError(
            explain(
                verb,
                "on_bad is unknown",
                expected="'raise' or 'skip'",
                received={"on_bad": on_bad},
            )
        )


def read_files(
    verb: str,
    splits: Mapping[str, Split],
    task: Task,
    *,
    val: float,
    test: float,
    seed: int,
    on_bad: OnBad,
    ignored: Mapping[str, Sequence[Path]],
) -> Data:
    """Decode every file once, divide what is not divided, and report.

    Args:
        verb: The function that the user called, for the errors.
        splits: The splits whose files are known, ``"train"`` among them, not decoded yet.
        task: What the labels are.
        val: Share of the training pictures that becomes the validation split, where there is none.
        test: The same for the test split.
        seed: Decides which.
        on_bad: What is done with files that cannot be decoded.
        ignored: Files that were left out, by reason, for the report.

    Raises:
        DecodeError: Naming every bad file, with ``on_bad="raise"``.
        DataError: If a split or a training class would be empty.
    """
    read, bad = {}, []
    for name, split in splits.items():
        read[name], failed = _checked(split)
        bad.extend(failed)
    _report_bad(verb, bad, on_bad)
    data = _divided(verb, read, task, val, test, seed)
    _check_filled(verb, data)
    groups, leaks = _duplicates(data)
    report = Report(
        counts=data.counts(),
        sizes=_sizes(data),
        ignored={reason: tuple(paths) for reason, paths in ignored.items()},
        bad=tuple(bad),
        duplicates=groups,
        leaks=leaks,
    )
    return replace(data, report=report)


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


def _report_bad(verb: str, bad: list[tuple[Path, str]], on_bad: str) -> None:
    if not bad:
        return
    listed = "; ".join(f"{file}: {reason}" for file, reason in bad[:10])
    more = f"; and {len(bad) - 10} more" if len(bad) > 10 else ""
    if on_bad == "skip":
        told = f"{verb}: {left_out(len(bad))}: {listed}{more}"
        warnings.warn(printable(told), stacklevel=4)
        return
    raise DecodeError(
        explain(
            verb,
            f"{counted(len(bad), 'file')} cannot be decoded: {listed}{more}",
            expected="whole JPEG, PNG, BMP or WebP pictures",
            mend="Delete or replace them, or leave them out with on_bad='skip'.",
        )
    )


def _divided(
    verb: str, splits: Mapping[str, Split], task: Task, val: float, test: float, seed: int
) -> Data:
    shares = {"val": val, "test": test}
    asked = {name: share for name, share in shares.items() if name not in splits}
    made = {**splits, **divided(verb, splits["train"], asked, seed)}
    return Data(made["train"], made.get("val"), made.get("test"), task, Report({}))


def _check_filled(verb: str, data: Data) -> None:
    for name, split in data.splits.items():
        empty = [n for n, count in data.counts()[name].items() if not count]
        if not len(split) or (name == "train" and empty):
            raise DataError(
                explain(
                    verb,
                    f"no pictures are left in the {name} split"
                    + (f" for {empty[0]!r}" if len(split) else ""),
                    expected="pictures of every class to train on",
                    received={"split": name},
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
